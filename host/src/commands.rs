//! The commands, a file each, and their options.

pub(crate) mod bake;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod model;
pub(crate) mod new;
pub(crate) mod options;
pub(crate) mod output;
pub(crate) mod predict;
pub(crate) mod progress;
pub(crate) mod rows;
pub(crate) mod scoring;
pub(crate) mod serve;

use std::ffi::OsString;
use std::time::Instant;

use clap::{CommandFactory, Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::bake::Bake;
use self::cache::Cache;
use self::check::Check;
use self::completions::Completions;
use self::new::New;
use self::predict::Predict;
use self::serve::Serve;

/// Serves cached predictions from a model in a WebAssembly component.
#[derive(Parser)]
#[command(version, long_version = VERSION, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(New),
    Serve(Box<Serve>),
    Predict(Box<Predict>),
    Check(Check),
    Bake(Bake),
    Cache(Cache),
    Completions(Completions),
}

/// What `foretold --version` says, of this command and of the components inside it.
const VERSION: &str = include_str!(concat!(env!("OUT_DIR"), "/version.txt"));

/// All commands and their options, for what describes them elsewhere.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Exit code of a command that ended with an error.
const FAILURE: u8 = 1;

/// Does what a command line says, and gives the exit code.
pub(crate) async fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let start = Instant::now();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // A mistake, or the help that was asked for.
        Err(message) => {
            let _ = message.print();
            return message.exit_code().try_into().unwrap_or(FAILURE);
        }
    };
    let result = match cli.command {
        Command::Bake(options) => {
            log_from(LevelFilter::INFO);
            options.run().await
        }
        Command::Serve(options) => {
            log_from(options.log_level());
            options.run(start).await
        }
        Command::Completions(completions) => completions.run(command_line()),
        Command::Cache(cache) => {
            // That a purge may be lost; of the store a tool speaks itself.
            log(of_compiling()
                .with_target("foretold::store::redis::tools::purge", LevelFilter::WARN));
            cache.run().await
        }
        Command::New(new) => {
            log(of_compiling());
            new.run().await
        }
        Command::Predict(predict) => {
            log(of_compiling());
            predict.run().await
        }
        Command::Check(check) => {
            log(of_compiling());
            check.run().await
        }
    };
    match result {
        Ok(()) => 0,
        // Whoever reads the output has seen enough: `foretold predict … | head`.
        Err(error) if is_broken_pipe(&error) => 0,
        Err(error) => {
            eprintln!("error: {error:#}");
            FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    kinds.map(std::io::Error::kind).any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}

/// For tools: that compiling takes its time.
fn of_compiling() -> Targets {
    Targets::new().with_target("foretold::artefact::program", LevelFilter::INFO)
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
