//! The commands, a file each, and their options.

pub(crate) mod bake;
pub(crate) mod cache;
pub(crate) mod options;
pub(crate) mod serve;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::bake::Bake;
use self::cache::Cache;
use self::serve::Serve;

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
    Serve(Box<Serve>),
    Cache(Cache),
}

/// Does what the command line says.
pub(crate) async fn run() -> ExitCode {
    let start = Instant::now();
    let result = match Cli::parse().command {
        Command::Bake(options) => {
            log_from(LevelFilter::INFO);
            options.run().await
        }
        Command::Serve(options) => {
            log_from(options.log_level());
            options.run(start).await
        }
        Command::Cache(cache) => {
            // That compiling takes its time, and that a purge may be lost; of the store a tool
            // speaks itself.
            let targets = Targets::new()
                .with_target("foretold::artefact::program", LevelFilter::INFO)
                .with_target("foretold::store::redis::tools::purge", LevelFilter::WARN);
            log(targets);
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
