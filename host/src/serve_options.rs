//! The options of `foretold serve` that are not about the store, and what they mean.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum, value_parser};
use foretold::pool::{Allowed, KeyKind, PoolConfig, Settings};
use foretold::server::{CacheUse, ServerConfig};
use foretold::store::{Layout, StoreUrl};

/// Longest time to live: ten years.
const MAX_TTL_SECONDS: u32 = 315_360_000;

/// What the cache does, what clients may do, and the limits.
#[derive(Args)]
pub(crate) struct ServeOptions {
    /// Seconds that a cached prediction is served, for all endpoints or, with a path, for one; may
    /// be repeated, e.g. `--ttl 600 --ttl /decisions=60` [default: the manifest's ttl_seconds].
    #[arg(long, value_name = "[PATH=]SECONDS", value_parser = ttl)]
    ttl: Vec<Ttl>,

    /// How the keys of entries are made of requests. Hosts with different ones share no entries.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Keys::Packed)]
    keys: Keys,

    /// File with a secret of at least 16 bytes, for `--keys digest`: without it nobody can find out
    /// by trying which request a key stands for. A line break at its end is not part of it. Can be
    /// given in the environment instead, as FORETOLD_KEY_SECRET [default: none].
    #[arg(long, value_name = "FILE")]
    key_secret_file: Option<PathBuf>,

    /// File with a secret of at least 16 bytes that authenticates entries, for a store that others
    /// can write to: entries made without it are refused. A line break at its end is not part of
    /// it. Can be given in the environment instead, as FORETOLD_MAC_SECRET [default: none].
    #[arg(long, value_name = "FILE")]
    mac_secret_file: Option<PathBuf>,

    /// What clients may ask of the cache, and see of it: a list of `no-cache`, `no-store`,
    /// `max-age` and `only-if-cached` (the directives of a request's Cache-Control), `cache-status`
    /// (responses tell a hit from a miss) and `query` (the method QUERY); or `none`.
    #[arg(long, value_name = "LIST", value_parser = allowed,
          default_value = "no-cache,no-store,max-age,only-if-cached,cache-status,query")]
    allow: Allowed,

    /// When the store is used.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Cache::Always)]
    cache: Cache,

    /// Address to serve metrics at, as GET /metrics for Prometheus; port 0 takes any free one
    /// [default: none].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::address)]
    pub(crate) metrics: Option<SocketAddr>,

    /// Give every request a fresh instance, which knows nothing of earlier requests.
    #[arg(long)]
    isolate: bool,

    /// Longest body of a request, in bytes; a longer one gets 413. The default has room for 10000
    /// rows of a small model.
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = range(1 << 30))]
    max_body_bytes: u64,

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
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Keys {
    /// The request packed to bits, or a digest of them where they are more than 16 bytes
    Packed,
    /// A digest of the packed request, for inputs that are personal data
    Digest,
    /// The request as JSON, for people who look into the store
    Readable,
    /// What Python's repr() makes of the request, to share a Redis with a Python service
    Repr,
}

#[derive(Clone, Copy, ValueEnum)]
enum Cache {
    /// For every request
    Always,
    /// Only while it saves time: what look-ups and the model take is measured
    Auto,
}

/// One `--ttl`.
#[derive(Clone, Debug, PartialEq)]
struct Ttl {
    /// Of the endpoint, if it is meant for one.
    path: Option<String>,
    seconds: u32,
}

impl ServeOptions {
    /// Reads the secrets and checks what can be checked without a model.
    pub(crate) fn pool_config(&self) -> Result<PoolConfig> {
        Ok(PoolConfig {
            settings: self.settings()?,
            max_memory_bytes: (self.max_memory_mib as usize) << 20,
            timeout: self.timeout(),
            isolate: self.isolate,
            max_idle: self.max_concurrent_requests as usize,
        })
    }

    pub(crate) fn server_config(&self) -> ServerConfig {
        ServerConfig {
            max_body_bytes: self.max_body_bytes as usize,
            max_concurrent_requests: self.max_concurrent_requests as usize,
            timeout: self.timeout(),
            cache_use: match self.cache {
                Cache::Always => CacheUse::Always,
                Cache::Auto => CacheUse::Auto,
            },
        }
    }

    /// Checks the options against the store.
    ///
    /// # Errors
    /// If the store keeps entries in another form than the keys are for.
    pub(crate) fn check_store(&self, store: &StoreUrl) -> Result<()> {
        match store {
            StoreUrl::Redis(url) if self.keys == Keys::Repr && url.layout() != Layout::String => {
                bail!(
                    "--keys repr needs the layout string, not {}: a Python service finds entries \
                     in no other",
                    url.layout()
                )
            }
            _ => Ok(()),
        }
    }

    /// What the operator should know of the choice of keys.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        (self.keys == Keys::Repr).then_some(
            "--keys repr shares entries with a Python service and gives up for it: an entry serves \
             one endpoint only; a changed model serves old predictions, since no model id is in \
             the keys; entries have no age, so that only the store's expiry ends them, and no \
             check, so that damage goes unseen",
        )
    }

    fn settings(&self) -> Result<Settings> {
        let (ttl_seconds, endpoint_ttl_seconds) = self.ttls()?;
        let file = self.key_secret_file.as_deref();
        let key_secret = secret("--key-secret-file", file, "FORETOLD_KEY_SECRET")?;
        let file = self.mac_secret_file.as_deref();
        let mac_secret = secret("--mac-secret-file", file, "FORETOLD_MAC_SECRET")?;
        if key_secret.is_some() && self.keys != Keys::Digest {
            bail!("a key secret is given; it is of use only with --keys digest");
        }
        let key_kind = match self.keys {
            Keys::Packed => KeyKind::Packed,
            Keys::Digest => KeyKind::Digest,
            Keys::Readable => KeyKind::Readable,
            Keys::Repr => KeyKind::Repr,
        };
        let allowed = self.allow;
        Ok(Settings {
            ttl_seconds,
            endpoint_ttl_seconds,
            key_kind,
            key_secret,
            mac_secret,
            allowed,
        })
    }

    /// The time to live of all endpoints, and those of single ones.
    fn ttls(&self) -> Result<(Option<u32>, Vec<(String, u32)>)> {
        let (mut all, mut endpoints) = (None, Vec::<(String, u32)>::new());
        for Ttl { path, seconds } in &self.ttl {
            match path {
                None if all.is_some() => bail!("--ttl is given twice for all endpoints"),
                None => all = Some(*seconds),
                Some(path) if endpoints.iter().any(|(other, _)| other == path) => {
                    bail!("--ttl is given twice for {path}")
                }
                Some(path) => endpoints.push((path.clone(), *seconds)),
            }
        }
        Ok((all, endpoints))
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn range(max: u64) -> RangedU64ValueParser {
    value_parser!(u64).range(1..=max)
}

fn ttl(text: &str) -> Result<Ttl, String> {
    let (path, seconds) = match text.rsplit_once('=') {
        Some((path, seconds)) => (Some(path.to_owned()), seconds),
        None => (None, text),
    };
    if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err("expected the path of an endpoint before `=`, like /decisions=60".to_owned());
    }
    match seconds.parse() {
        Ok(seconds @ 1..=MAX_TTL_SECONDS) => Ok(Ttl { path, seconds }),
        _ => Err(format!("expected whole seconds from 1 to {MAX_TTL_SECONDS}, not {seconds:?}")),
    }
}

fn allowed(text: &str) -> Result<Allowed, String> {
    let mut allowed = Allowed::NONE;
    if text == "none" {
        return Ok(allowed);
    }
    for name in text.split(',') {
        *match name.trim() {
            "no-cache" => &mut allowed.no_cache,
            "no-store" => &mut allowed.no_store,
            "max-age" => &mut allowed.max_age,
            "only-if-cached" => &mut allowed.only_if_cached,
            "cache-status" => &mut allowed.cache_status,
            "query" => &mut allowed.query,
            name => {
                return Err(format!(
                    "there is no {name:?}; expected a list of no-cache, no-store, max-age, \
                     only-if-cached, cache-status and query, or none"
                ));
            }
        } = true;
    }
    Ok(allowed)
}

/// A secret from a file or the environment; never from an option, which every process list shows.
fn secret(option: &str, file: Option<&Path>, variable: &str) -> Result<Option<Vec<u8>>> {
    match (file, std::env::var_os(variable).map(OsString::into_vec)) {
        (Some(_), Some(_)) => bail!("{option} and {variable} are both given; one is enough"),
        (Some(file), None) => {
            let secret = std::fs::read(file);
            let secret =
                secret.with_context(|| format!("{option}: cannot read {}", file.display()))?;
            Ok(Some(without_line_break(secret)))
        }
        (None, secret) => Ok(secret),
    }
}

fn without_line_break(mut secret: Vec<u8>) -> Vec<u8> {
    let length = secret
        .strip_suffix(b"\n")
        .map_or(secret.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len());
    secret.truncate(length);
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_may_be_an_endpoints() {
        let of = |path: &str, seconds| Ok(Ttl { path: Some(path.to_owned()), seconds });
        assert_eq!(ttl("600"), Ok(Ttl { path: None, seconds: 600 }));
        assert_eq!(ttl("/decisions=60"), of("/decisions", 60));
        assert_eq!(ttl("/a=b=60"), of("/a=b", 60));
        for wrong in ["", "0", "-1", "1.5", "1h", "/decisions", "/decisions=", "/a=0", "315360001"]
        {
            let message = ttl(wrong).unwrap_err();
            assert!(message.contains("from 1 to 315360000"), "{wrong}: {message}");
        }
        assert!(ttl("decisions=60").unwrap_err().contains("/decisions=60"));
    }

    #[test]
    fn what_is_not_in_the_list_is_not_allowed() {
        let some = Allowed { max_age: true, query: true, ..Allowed::NONE };
        assert_eq!(allowed("max-age, query"), Ok(some));
        assert_eq!(allowed("none"), Ok(Allowed::NONE));
        let all = "no-cache,no-store,max-age,only-if-cached,cache-status,query";
        assert_eq!(allowed(all), Ok(Allowed::default()));
        for wrong in ["", "max-age,", "max_age", "none,query", "all"] {
            let message = allowed(wrong).unwrap_err();
            assert!(message.contains("no-store, max-age, only-if-cached"), "{wrong}: {message}");
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        for (file, secret) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            ("secret\r", "secret\r"),
            ("\nsecret \n", "\nsecret "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_line_break(file.into()), secret.as_bytes(), "{file:?}");
        }
    }
}
