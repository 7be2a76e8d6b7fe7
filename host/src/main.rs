//! The command `foretold`.

mod commands;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use foretold::artefact::bake::bake;
use foretold::artefact::compiled_cache::CacheFolder;
use foretold::artefact::model_dir::ModelDir;
use foretold::artefact::program::{Program, Source};
use foretold::artefact::target::Target;
use foretold::guest::pool::{Description, Pool, PoolConfig};
use foretold::serve::metrics::{Metrics, MetricsListener};
use foretold::serve::route::Route;
use foretold::serve::server::{Mount, Server};
use foretold::serve::spin_app::{self, AppComponent};
use foretold::store::Inventory;
use foretold_core::settings::Settings;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::commands::cache::Cache;
use crate::commands::options::serve::ServeOptions;
use crate::commands::options::store::StoreOptions;

/// Serves cached predictions from a model in a WebAssembly component.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bake(Bake),
    Serve(Serve),
    Cache(Cache),
}

/// Makes a component of a model: one file that any host of WASI components can run.
#[derive(Args)]
struct Bake {
    /// Folder with manifest.toml and the ONNX model that it names.
    model_dir: PathBuf,

    /// The component to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Where the component will run.
    #[arg(long, value_name = "TARGET", value_enum, default_value_t = Target::Edge)]
    target: Target,
}

/// Serves predictions over HTTP/1.1.
#[derive(Args)]
struct Serve {
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

#[tokio::main]
async fn main() -> ExitCode {
    let start = Instant::now();
    let result = match Cli::parse().command {
        Command::Bake(options) => {
            log_from(LevelFilter::INFO);
            write_baked(&options).await
        }
        Command::Serve(options) => {
            log_from(options.log);
            serve(options, start).await
        }
        Command::Cache(cache) => {
            // That compiling takes its time; of the store a tool speaks itself.
            log(Targets::new().with_target("foretold::artefact::program", LevelFilter::INFO));
            cache.run().await
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn write_baked(options: &Bake) -> Result<()> {
    let model = ModelDir::read(&options.model_dir)?;
    let component = bake(options.target.generic()?, &model).await?;
    let path = &options.output;
    std::fs::write(path, &component).with_context(|| format!("cannot write {}", path.display()))?;
    info!("wrote {} ({:.1} MB)", path.display(), component.len() as f64 / 1e6);
    Ok(())
}

async fn serve(options: Serve, start: Instant) -> Result<()> {
    let store = options.store.store_url()?;
    options.serve.check_store(&store)?;
    let pool_config = options.serve.pool_config()?;
    if let Some(warning) = options.serve.warning() {
        warn!("{warning}");
    }
    let socket = Server::reserve(options.listen)?;
    let folder = match options.cache_dir.clone() {
        Some(folder) => folder,
        None => CacheFolder::of_user()?,
    };
    let folder = CacheFolder::open(&folder)?;
    let opened = store.open().await?;
    let (mut mounts, mut served) = (Vec::new(), Vec::new());
    for (route, source, config) in sources(&options, pool_config)? {
        let (mount, description) = mount(&options, route, source, config, &folder, &opened).await?;
        let endpoints = mount.endpoints().collect::<Vec<_>>().join(", ");
        let Description { model, ttl_seconds, .. } = description;
        served.push((model, format!("POST {endpoints}; store: {store}; ttl: {ttl_seconds} s")));
        mounts.push(mount);
    }
    let server = Server::new(socket, mounts, options.serve.server_config())?;
    let address = server.address()?;
    for (model, what) in served {
        let ready_ms = start.elapsed().as_millis();
        info!("serving {model} at http://{address}: {what}; ready in {ready_ms} ms");
    }
    server.run(stop_signal()?).await;
    info!("stopped");
    Ok(())
}

/// Starts a component for a route.
async fn mount(
    options: &Serve,
    route: Route,
    source: Source<'_>,
    config: PoolConfig,
    folder: &CacheFolder,
    store: &Arc<dyn Inventory>,
) -> Result<(Mount, Description)> {
    let program = Program::load(source, folder).await?;
    if is_application(&options.source) {
        program.require(Target::Spin, "a spin.toml")?;
    }
    let pool = Pool::new(program, store.clone(), config).await?;
    options.serve.check_pool(&pool)?;
    let metrics = Arc::new(Metrics::new(pool.description()));
    if let Some(address) = options.serve.metrics {
        let listener = MetricsListener::bind(address).await?;
        info!("metrics at http://{}/metrics", listener.address()?);
        tokio::spawn(listener.run(metrics.clone()));
    }
    let description = pool.description().clone();
    let shown = route.to_string();
    let mount = Mount::new(route, pool, metrics, options.serve.cache_use());
    if mount.endpoints().next().is_none() {
        bail!(
            "the route {shown} leads to no endpoint of {}; expected {shown}/... or one of {}",
            description.model,
            description.endpoints.join(", ")
        );
    }
    Ok((mount, description))
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

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, like 127.0.0.1:8080".to_owned())
}

/// Ready on SIGTERM, or on SIGINT, which Ctrl-C sends.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Logs this crate's messages from a level on.
fn log_from(level: LevelFilter) {
    log(Targets::new().with_target("foretold", level));
}

/// Logs to standard error. Only this crate's messages: those of others may repeat what they were
/// given, passwords included.
fn log(ours: Targets) {
    let messages = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(messages.with_filter(ours)).init();
}
