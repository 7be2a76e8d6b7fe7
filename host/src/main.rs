//! The command `foretold`.

mod cache;
mod serve_options;
mod settings_options;
mod store_options;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use foretold::bake::bake;
use foretold::cache_folder::CacheFolder;
use foretold::metrics::{Metrics, MetricsListener};
use foretold::model_dir::ModelDir;
use foretold::pool::Pool;
use foretold::program::{Program, Source};
use foretold::server::Server;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cache::Cache;
use crate::serve_options::ServeOptions;
use crate::store_options::StoreOptions;

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
}

/// Serves predictions over HTTP/1.1.
#[derive(Args)]
struct Serve {
    /// Folder with manifest.toml and an ONNX model, or a component made by `foretold bake`.
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
            log(Targets::new().with_target("foretold::program", LevelFilter::INFO));
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
    let component = bake(foretold::component::edge()?, &model).await?;
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
    let folder = match options.cache_dir.clone() {
        Some(folder) => folder,
        None => CacheFolder::of_user()?,
    };
    let source = Source::read(&options.source, !options.no_snapshot)?;
    let program = Program::load(source, &CacheFolder::open(&folder)?).await?;
    let pool = Pool::new(program, store.open().await?, pool_config).await?;
    let description = pool.description().clone();
    let metrics = Arc::new(Metrics::new(&description));
    let config = options.serve.server_config();
    let server = Server::bind(options.listen, pool, config, metrics.clone()).await?;
    if let Some(address) = options.serve.metrics {
        let listener = MetricsListener::bind(address).await?;
        info!("metrics at http://{}/metrics", listener.address()?);
        tokio::spawn(listener.run(metrics));
    }
    info!(
        "serving {} at http://{}: POST {}; store: {store}; ttl: {} s; ready in {} ms",
        description.model,
        server.address()?,
        description.endpoints.join(", "),
        description.ttl_seconds,
        start.elapsed().as_millis()
    );
    server.run(stop_signal()?).await;
    info!("stopped");
    Ok(())
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
