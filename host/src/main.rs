//! The command `foretold`.

mod store_options;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use foretold::bake::bake;
use foretold::cache_folder::CacheFolder;
use foretold::model_dir::ModelDir;
use foretold::pool::{Pool, PoolConfig, Settings};
use foretold::program::{Program, Source};
use foretold::server::{Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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

    /// Seconds that a cached prediction is served [default: the manifest's ttl_seconds].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=315_360_000))]
    ttl: Option<u32>,

    /// Least severe messages to log: off, error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,

    /// Folder of compiled components, which only the user may write to [default:
    /// $XDG_CACHE_HOME/foretold or ~/.cache/foretold].
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,

    /// Give every request a fresh instance, which knows nothing of earlier requests.
    #[arg(long)]
    isolate: bool,

    /// Load the model into each new instance instead of baking it first: the first start with a
    /// changed model or manifest is quick, every new instance slower. For development.
    #[arg(long)]
    no_snapshot: bool,

    /// Longest body of a request, in bytes; a longer one gets 413.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_body_bytes: u64,

    /// Memory of an instance, in MiB; a request that needs more gets 500.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=4096))]
    max_memory_mib: u64,

    /// Time a request may take once its body is there, in milliseconds; then it gets 504.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,

    /// Requests that may be under way at once; one more gets 503.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    max_concurrent_requests: u64,
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
    let folder = match options.cache_dir.clone() {
        Some(folder) => folder,
        None => CacheFolder::of_user()?,
    };
    let source = Source::read(&options.source, !options.no_snapshot)?;
    let program = Program::load(source, &CacheFolder::open(&folder)?).await?;
    let timeout = Duration::from_millis(options.timeout_ms);
    let max_concurrent_requests = options.max_concurrent_requests as usize;
    let config = PoolConfig {
        settings: Settings { ttl_seconds: options.ttl, ..Settings::default() },
        max_memory_bytes: (options.max_memory_mib as usize) << 20,
        timeout,
        isolate: options.isolate,
        max_idle: max_concurrent_requests,
    };
    let pool = Pool::new(program, store.open().await?, config).await?;
    let description = pool.description().clone();
    let max_body_bytes = options.max_body_bytes as usize;
    let config = ServerConfig { max_body_bytes, max_concurrent_requests, timeout };
    let server = Server::bind(options.listen, pool, config).await?;
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

/// Logs to standard error. Only this crate's messages: those of others may repeat what they were
/// given, passwords included.
fn log_from(level: LevelFilter) {
    let messages = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let ours = Targets::new().with_target("foretold", level);
    tracing_subscriber::registry().with(messages.with_filter(ours)).init();
}
