//! The options of `foretold serve` that tools have no use for, and what they mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::guest::contract::Settings;
use crate::guest::pool::{Pool, PoolConfig};
use crate::serve::body::BodyLimits;
use crate::serve::bounds::ConnectionBounds;
use crate::serve::budget::{Budget, Demand};
use crate::serve::hosts::AllowedHosts;
use crate::serve::server::{CacheUse, ServerConfig};
use crate::store::StoreUrl;
use anyhow::{Result, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum, value_parser};
use foretold_core::settings::{Allowed, SettingsError};

use crate::commands::options::settings::SettingsOptions;

/// What the cache does, what clients may do, and the limits.
#[derive(Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    settings: SettingsOptions,

    /// What clients may ask of the cache, and see of it: a list of `no-cache`, `no-store`,
    /// `max-age` and `only-if-cached` (the directives of a request's Cache-Control), `cache-status`
    /// (responses tell a hit from a miss, and `/v2/models/…/stats` how many there were) and `query`
    /// (the method QUERY); or `all`, or `none`.
    #[arg(long, value_name = "LIST", value_parser = Allowed::parse, default_value = "all")]
    allow: Allowed,

    /// Origins of the web pages elsewhere that may ask, like `https://example.com,http://localhost:3000`,
    /// or `*` for all (CORS) [default: none].
    #[arg(long, value_name = "ORIGINS", value_parser = origins)]
    cors: Option<Origins>,

    /// Names by which clients may ask, like `predict.example.com,other.example`, or `*` for all; what
    /// asks by another name gets 421. Addresses and names without a dot are always allowed. It keeps web
    /// pages from reaching this host by a name of theirs (DNS rebinding) [default: none if --listen is
    /// an address of this machine only, else all].
    #[arg(long, value_name = "NAMES", value_parser = AllowedHosts::parse)]
    allowed_hosts: Option<AllowedHosts>,

    /// When the store is used.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Cache::Always)]
    cache: Cache,

    /// When a miss is answered: with `queued` before its entry is stored, which then happens in the
    /// background; with `waited` after, so that `stored` in Cache-Status is the store's word.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Writes::Queued)]
    writes: Writes,

    /// How long a request waits for another host that computes the same new row, in milliseconds, where
    /// all share a Redis: for models that take long [default: hosts do not wait for each other].
    #[arg(long, value_name = "MS", value_parser = range(60_000))]
    wait_for_hosts_ms: Option<u64>,

    /// Address to serve metrics at, as GET /metrics for Prometheus; port 0 takes any free one
    /// [default: none].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::commands::options::address)]
    pub(crate) metrics: Option<SocketAddr>,

    /// Give every request a fresh instance, which knows nothing of earlier requests.
    #[arg(long)]
    isolate: bool,

    /// Keep the entries of components apart by their bytes, for files that somebody else made: such
    /// a component may say that it is another model, and would reach that model's entries.
    #[arg(long)]
    untrusted_component: bool,

    /// Longest body of a request, in bytes; a longer one gets 413. The default has room for 10000
    /// rows of a small model.
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = range(1 << 30))]
    max_body_bytes: u64,

    /// Memory that the host may take at most, in MiB: connections, bodies, answers, instances and
    /// the memory store together. What has no room gets 503 [default: the sum of what the other
    /// options ask for, which is logged at the start].
    #[arg(long, value_name = "MIB", value_parser = range(1 << 24))]
    memory_mib: Option<u64>,

    /// Memory of the near cache, in MiB: what was answered or read a moment ago, in front of the
    /// store; 0 turns it off [default: 64, or what fits into --memory-mib].
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(0..=1 << 20))]
    near_cache_mib: Option<u64>,

    /// Memory of an instance, in MiB; a request that needs more gets 500.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = range(4096))]
    max_memory_mib: u64,

    /// Time a request may take once its body is there, in milliseconds; then it gets 504. The
    /// default has room for several requests with 10000 rows at once.
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = range(600_000))]
    timeout_ms: u64,

    /// Requests that may be under way at once; one more gets 503.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = range(65_536))]
    max_concurrent_requests: u64,

    /// Connections that may be open at once; one more gets 503 and is closed.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = range(65_536))]
    max_connections: u64,

    /// The same from one address, which may be that of a proxy in front; of IPv6 a network of 64
    /// bits is one address [default: half of --max-connections].
    #[arg(long, value_name = "N", value_parser = range(65_536))]
    max_connections_per_address: Option<u64>,

    /// Time that the head of a request may take, in milliseconds; then the connection is closed.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = range(600_000))]
    head_timeout_ms: u64,

    /// Time that the body of a request may take, in milliseconds; then it gets 408.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = range(600_000))]
    body_timeout_ms: u64,

    /// Time that a connection may be idle after an answer, in milliseconds. The default is longer
    /// than the 60 s after which proxies give up theirs and Prometheus scrapes again, so that they
    /// are not closed under their hands.
    #[arg(long, value_name = "MS", default_value_t = 75_000, value_parser = range(3_600_000))]
    idle_timeout_ms: u64,

    /// Time that a client may take to read an answer, in milliseconds, and one second more for each
    /// 64 KiB that it has read; then the connection is closed.
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = range(600_000))]
    write_timeout_ms: u64,
}

/// Instances that wait for a request, at most: more than run at once on most machines.
const MAX_IDLE_INSTANCES: u64 = 64;

/// One list, not a list of values: clap makes the latter of a `Vec`.
#[derive(Clone)]
struct Origins(Vec<String>);

fn origins(list: &str) -> Result<Origins, SettingsError> {
    foretold_core::settings::origins(list).map(Origins)
}

#[derive(Clone, Copy, ValueEnum)]
enum Cache {
    /// For every request
    Always,
    /// Only while it saves time: what look-ups and the model take is measured
    Auto,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Writes {
    /// Nobody waits for the store; in this process's memory entries are stored at once
    Queued,
    /// Every miss waits for its entry
    Waited,
}

impl ServeOptions {
    /// Whether writes to a store go through a queue.
    pub(crate) fn queues_writes(&self, store: &StoreUrl) -> bool {
        self.writes == Writes::Queued && !matches!(store, StoreUrl::Memory { .. })
    }

    /// Reads the secrets and checks what can be checked without a model.
    pub(crate) fn pool_config(&self) -> Result<PoolConfig> {
        Ok(PoolConfig {
            settings: Settings {
                allowed: self.allow,
                cors: self.origins(),
                ..self.settings.settings()?
            },
            max_memory_bytes: (self.max_memory_mib as usize) << 20,
            timeout: self.timeout(),
            isolate: self.isolate,
            max_idle: self.max_concurrent_requests.min(MAX_IDLE_INSTANCES) as usize,
            variables: BTreeMap::new(),
            may_open_store: true,
            is_untrusted: self.untrusted_component,
            wait_for_hosts: self.wait_for_hosts_ms.map(Duration::from_millis),
        })
    }

    pub(crate) fn server_config(&self, budget: Budget, listen: SocketAddr) -> ServerConfig {
        let allowed_hosts = self.allowed_hosts.clone();
        ServerConfig {
            allowed_hosts: allowed_hosts.unwrap_or_else(|| AllowedHosts::for_listener(listen)),
            body: BodyLimits {
                max_bytes: self.max_body_bytes as usize,
                timeout: Duration::from_millis(self.body_timeout_ms),
            },
            max_concurrent_requests: self.max_concurrent_requests as usize,
            timeout: self.timeout(),
            connections: self.connection_bounds(),
            budget,
            cors: self.origins(),
            shows_statistics: self.allow.cache_status,
        }
    }

    pub(crate) fn connection_bounds(&self) -> ConnectionBounds {
        let per_address =
            self.max_connections_per_address.unwrap_or(self.max_connections.div_ceil(2));
        ConnectionBounds {
            max_connections: self.max_connections as usize,
            max_connections_per_address: per_address as usize,
            head_timeout: Duration::from_millis(self.head_timeout_ms),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            write_timeout: Duration::from_millis(self.write_timeout_ms),
        }
    }

    /// What the host may take of memory.
    ///
    /// # Errors
    /// If that is not enough for one request.
    pub(crate) fn budget(&self, store: &StoreUrl) -> Result<Budget> {
        let store_bytes = match store {
            StoreUrl::Memory { max_bytes } => *max_bytes,
            StoreUrl::File(_) | StoreUrl::Redis(_) => 0,
        };
        let budget = Budget::new(Demand {
            memory_bytes: self.memory_mib.map(|mib| mib << 20),
            max_connections: self.max_connections,
            max_body_bytes: self.max_body_bytes,
            max_memory_bytes: self.max_memory_mib << 20,
            store_bytes,
            near_bytes: self.near_cache_mib.map(|mib| mib << 20),
        });
        budget.map_err(|error| anyhow::anyhow!("--memory-mib: {error}"))
    }

    fn origins(&self) -> Vec<String> {
        self.cors.clone().map_or(Vec::new(), |Origins(origins)| origins)
    }

    pub(crate) fn cache_use(&self) -> CacheUse {
        match self.cache {
            Cache::Always => CacheUse::Always,
            Cache::Auto => CacheUse::Auto,
        }
    }

    /// Checks the options against a component.
    ///
    /// # Errors
    /// If they ask for counts, and the component tells of none.
    pub(crate) fn check_pool(&self, pool: &Pool) -> Result<()> {
        let option = match (self.metrics, self.cache) {
            (Some(_), _) => "--metrics",
            (None, Cache::Auto) => "--cache auto",
            (None, Cache::Always) => return Ok(()),
        };
        if pool.reports() {
            return Ok(());
        }
        bail!(
            "{option} needs a component that tells what it did; this one was baked for the target \
             spin: serve the model's folder, or one baked with `foretold bake MODEL_DIR -o FILE.wasm`"
        )
    }

    /// Checks the options against the store.
    ///
    /// # Errors
    /// If the store keeps entries in another form than the keys are for.
    pub(crate) fn check_store(&self, store: &StoreUrl) -> Result<()> {
        self.settings.check_store(store)
    }

    /// What the operator should know of the choice of keys.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.settings.warning()
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn range(max: u64) -> RangedU64ValueParser {
    value_parser!(u64).range(1..=max)
}
