//! `foretold serve`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use foretold_core::settings::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};

use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::program::Program;
use crate::artefact::program::Source;
use crate::artefact::target::Target;
use crate::commands::options::address;
use crate::commands::options::serve::ServeOptions;
use crate::commands::options::store::StoreOptions;
use crate::guest::contract::Description;
use crate::guest::pool::{Pool, PoolConfig, Shares};
use crate::near::answers::Answers;
use crate::near::writes::WriteQueue;
use crate::near::{NearCache, NearStore};
use crate::serve::bounds::BoundCounts;
use crate::serve::metrics::{Metrics, MetricsListener};
use crate::serve::route::Route;
use crate::serve::server::{Mount, Server};
use crate::serve::spin_app::{self, AppComponent};
use crate::store::{Inventory, StoreUrl};
use crate::text::shown;

/// What the log shows of a model's name.
const MAX_NAME_CHARS: usize = 80;
/// And of what is served.
const MAX_LINE_CHARS: usize = 2000;

/// Serves predictions over HTTP/1.1.
#[derive(Args)]
pub(crate) struct Serve {
    /// Folder with manifest.toml and an ONNX model, a component made by `foretold bake`, or the
    /// spin.toml of an application with such components.
    #[arg(default_value = ".")]
    source: PathBuf,

    /// Address to listen at; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,

    #[command(flatten)]
    store: StoreOptions,

    /// Least severe messages to log: off, error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,

    /// Folder of compiled components, which only the user may write to [default:
    /// $XDG_CACHE_HOME/foretold or ~/.cache/foretold].
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,

    /// Load the model into each new instance instead of baking it first: the first start with a
    /// changed model or manifest is quick, every new instance slower. For development.
    #[arg(long)]
    no_snapshot: bool,

    #[command(flatten)]
    serve: ServeOptions,
}

impl Serve {
    /// The least severe messages to log.
    pub(crate) fn log_level(&self) -> LevelFilter {
        self.log
    }

    /// Serves until the process is asked to stop; `start` is when it began.
    pub(crate) async fn run(self, start: Instant) -> Result<()> {
        let store = self.store.store_url()?;
        self.serve.check_store(&store)?;
        let budget = self.serve.budget(&store)?;
        let pool_config = self.serve.pool_config()?;
        if let Some(warning) = self.serve.warning() {
            warn!("{warning}");
        }
        allow_files(self.serve.connection_bounds().max_connections);
        let socket = Server::reserve(self.listen)?;
        let folder = match self.cache_dir.clone() {
            Some(folder) => folder,
            None => CacheFolder::of_user()?,
        };
        let folder = CacheFolder::open(&folder)?;
        let opened = store.open().await?;
        // Entries that are in this process anyway are not kept twice.
        let keeps_entries = !matches!(store, StoreUrl::Memory { .. });
        let near = (budget.near > 0).then(|| match keeps_entries {
            true => Arc::new(NearCache::new(budget.near)),
            false => Arc::new(NearCache::of_answers(budget.near)),
        });
        let of_entries = near.clone().filter(|_| keeps_entries);
        let opened: Arc<dyn Inventory> = Arc::new(NearStore::new(opened, of_entries));
        let answers = near.map(|near| Answers::new(near, opened.clone()));
        let queues = self.serve.queues_writes(&store);
        let writes = queues.then(|| WriteQueue::start(opened.clone()));
        let common = Common {
            folder,
            store: opened,
            answers,
            shares: Shares::new(
                budget.instances,
                usize::try_from(budget.max_answer).unwrap_or(usize::MAX),
                writes.clone(),
            ),
            writes,
            counts: Arc::default(),
        };
        let (mut mounts, mut served) = (Vec::new(), Vec::new());
        let mut owners = Owners::new();
        for (route, source, config) in sources(&self, pool_config)? {
            let (mount, description) =
                mount(&self, route, source, config, &common, &mut owners).await?;
            let endpoints = mount.endpoints().collect::<Vec<_>>().join(", ");
            let Description { model, ttl_seconds, .. } = description;
            let what = format!("POST {endpoints}; store: {store}; ttl: {ttl_seconds} s");
            let shown = |text: &str, max_chars| shown(text, max_chars).into_owned();
            served.push((shown(&model, MAX_NAME_CHARS), shown(&what, MAX_LINE_CHARS)));
            mounts.push(mount);
        }
        let server = Server::new(
            socket,
            mounts,
            self.serve.server_config(budget, self.listen),
            common.counts.clone(),
        )?;
        let address = server.address()?;
        // Who reads that it is ready may stop it at once.
        let stop = stop_signal()?;
        info!("memory: {budget} (--memory-mib)");
        for (model, what) in served {
            let ready_ms = start.elapsed().as_millis();
            info!("serving {model} at http://{address}: {what}; ready in {ready_ms} ms");
        }
        server.run(stop).await;
        if let Some(writes) = common.writes {
            writes.drain().await;
        }
        info!("stopped");
        Ok(())
    }
}

/// Lets the process open as many files as there may be connections, and some more for itself.
fn allow_files(connections: usize) {
    let wanted = connections as u64 + 128;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit });
    if raised.is_err() || current < wanted {
        warn!(
            "the process may open fewer files than the {wanted} that --max-connections needs; \
             raise its limit (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// What all components of a host have in common.
struct Common {
    folder: CacheFolder,
    store: Arc<dyn Inventory>,
    answers: Option<Answers>,
    shares: Shares,
    /// What queues writes, where something does.
    writes: Option<Arc<WriteQueue>>,
    counts: Arc<BoundCounts>,
}

/// Starts a component for a route.
async fn mount(
    options: &Serve,
    route: Route,
    source: Source<'_>,
    config: PoolConfig,
    common: &Common,
    owners: &mut Owners,
) -> Result<(Mount, Description)> {
    let Common { folder, store, answers, shares, writes, counts } = common;
    let program = Program::load(source, folder, config.max_memory_bytes).await?;
    if is_application(&options.source) {
        program.require(Target::Spin, "a spin.toml")?;
    }
    let pool = Pool::sharing(program, store.clone(), config, shares.clone()).await?;
    options.serve.check_pool(&pool)?;
    check_owner(&pool, &route, owners)?;
    let metrics =
        Arc::new(Metrics::new(pool.description(), counts.clone(), answers.clone(), writes.clone()));
    if let Some(address) = options.serve.metrics {
        let listener = MetricsListener::bind(address, options.serve.connection_bounds()).await?;
        info!("metrics at http://{}/metrics", listener.address()?);
        tokio::spawn(listener.run(metrics.clone()));
    }
    let description = pool.description().clone();
    let shown = route.to_string();
    let mount = Mount::new(route, pool, metrics, options.serve.cache_use(), answers.clone());
    if mount.endpoints().next().is_none() {
        bail!(
            "the route {shown} leads to no endpoint of {}; expected {shown}/... or one of {}",
            description.model,
            description.endpoints().join(", ")
        );
    }
    Ok((mount, description))
}

/// Which component says that it is which model: the digest of its file, and its route.
type Owners = BTreeMap<String, (Option<blake3::Hash>, String)>;

/// Refuses two components that say they are the same model: one may lie, to reach the other's
/// entries.
fn check_owner(pool: &Pool, route: &Route, owners: &mut Owners) -> Result<()> {
    let Description { model, model_id, .. } = pool.description();
    let (file, at) = (pool.file().copied(), route.to_string());
    match owners.insert(model_id.clone(), (file, at)) {
        Some((other, at)) if other != file => bail!(
            "two components, at {at} and {route}, say that they are the model {model_id} ({}), \
             and would share its entries; serve one file at both, or keep their entries apart with \
             --untrusted-component",
            shown(model, MAX_NAME_CHARS)
        ),
        _ => Ok(()),
    }
}

/// Whether a path is that of a spin.toml.
fn is_application(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
        && path.file_name().is_none_or(|name| name != "manifest.toml")
}

/// What is served where: a model or a component at all paths, or the components of an application.
fn sources(
    options: &Serve,
    config: PoolConfig,
) -> Result<Vec<(Route, Source<'static>, PoolConfig)>> {
    if !is_application(&options.source) {
        let source = Source::read(&options.source, !options.no_snapshot)?;
        return Ok(vec![(Route::all(), source, config)]);
    }
    let components = spin_app::read(&options.source)?.into_iter();
    let sources = components.map(|component| {
        let AppComponent { route, id, source, variables, may_open_store } = component;
        if !may_open_store {
            warn!(
                "the component {id} computes every prediction: its key_value_stores in {} do not \
                 have \"default\"",
                options.source.display()
            );
        }
        let unknown = variables.keys().find(|name| !Settings::VARIABLES.contains(&&***name));
        if let Some(name) = unknown {
            let known = Settings::VARIABLES.join(", ");
            bail!("the component {id} has no variable {name}; expected some of {known}");
        }
        let source = Source::read(&source, true)
            .with_context(|| format!("the component {id}; if it is not built yet: `make spin`"))?;
        Ok((route, source, PoolConfig { variables, may_open_store, ..config.clone() }))
    });
    sources.collect()
}

/// Ready on SIGTERM, or on SIGINT, which Ctrl-C sends.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
