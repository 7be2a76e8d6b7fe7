//! The host of Foretold components: bakes a model into the generic component, and serves the
//! result over HTTP with a key-value store behind it.
//!
//! ```text
//! ModelDir ──bake──▶ component bytes ──compile──▶ Program ──instances──▶ Pool ──▶ Server
//!                                                                        │
//!                                                              Store (memory, Redis)
//! ```
//!
//! # Predictions inside a program
//! A program that is not a server uses a [`Predictor`](predictor::Predictor), over a store of its
//! own; this is all of it:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use foretold::predictor::{AnswerValue, Predictor, Value};
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("credit-library.wasm");
//! # let credit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/credit");
//! # let model = foretold::ModelDir::read(&credit)?;
//! # let generic = foretold::Target::Library.generic()?;
//! # let baked = tokio::runtime::Runtime::new()?.block_on(foretold::bake(generic, &model))?;
//! # std::fs::write(&file, baked)?;
//! // Made by `foretold bake models/credit --target library -o credit-library.wasm`. Any type that
//! // implements `KeyValue` can be the store.
//! # /*
//! let mut credit = Predictor::from_file("credit-library.wasm", HashMap::new())?;
//! # */
//! # let mut credit = Predictor::from_file(&file, HashMap::new())?;
//! let row: &[(&str, Value)] = &[
//!     ("installment_rate_in_percentage_of_disposable_income", 0.25.into()),
//!     ("age_in_years", 30.into()),
//!     ("foreign_worker", "yes".into()),
//!     ("present_employment_since", "unemployed".into()),
//!     ("personal_status_and_sex", "male: single".into()),
//! ];
//! let first = credit.predict(row)?;
//! assert!((first.outputs[0] - 0.3).abs() < 0.01 && !first.cache.hit);
//!
//! // The second answer is from the store, whatever the endpoint.
//! let decision = credit.answer("/decisions", row)?;
//! assert_eq!(decision.value, AnswerValue::Label("ACCEPT".into()));
//! assert!(decision.cache.hit);
//!
//! // Mistakes are told with field and value.
//! let error = credit.predict(&[("age_in_years", 17.into())]).unwrap_err();
//! assert!(error.to_string().contains("age_in_years: expected an integer from 18 to 127, got 17"));
//! # Ok(())
//! # }
//! ```
//!
//! The examples `store-moka` and `store-redis` have stores that are bounded and shared. As a dependency
//! the crate has no generic components inside, so [`Target::generic`] is an error: a component comes
//! from the command.
//!
//! # What is stable
//! What this page lists, as Cargo understands versions: until 1.0 it changes in the second number only,
//! and the changelog of the repository says how. What is hidden here, `unstable` above all, is for this project's own tests and package and may change
//! in any version. A component and the crate that runs it have to agree on their interfaces, which have
//! a version of their own: another one is refused when the component is read, with what to do.
//!
//! Invariant: nothing here knows what a request means. The component parses, keys, looks up,
//! predicts and answers; the host supplies the store, the clocks and the limits.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod artefact;
mod clock;
mod commands;
mod guest;
mod near;
mod plain_file;
pub mod predictor;
mod serve;
mod store;
mod text;

pub use artefact::bake::{BakeLimits, bake, bake_within};
pub use artefact::compiled_cache::CacheFolder;
pub use artefact::model_dir::ModelDir;
pub use artefact::target::Target;
pub use store::StoreError;

/// Runs the command `foretold` with the arguments of this process.
#[doc(hidden)]
pub async fn run_command() -> std::process::ExitCode {
    run_command_with(std::env::args_os()).await.into()
}

/// The same with arguments that are given, the command's name before them; it gives the exit code. It
/// sets up the log, so a process can do it once.
#[doc(hidden)]
pub async fn run_command_with(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    commands::run(arguments).await
}

/// What this project's own tests and benchmarks use of the host, and its Python package. None of it is
/// promised.
#[doc(hidden)]
pub mod unstable {
    pub use crate::artefact::program::{Program, Source};
    pub use crate::commands::command_line;
    pub use crate::guest::contract::{Request, RequestHeader, Settings};
    pub use crate::guest::pool::{CallError, Called, Pool, PoolConfig};
    pub use crate::near::in_front_of;
    pub use crate::store::{
        Cursor, Entry, Inventory, Layout, MemoryStore, ModelCount, Page, Password, Purge,
        Selection, ServerStatistics, Statistics, Store, StoreFuture, StoreSettings, StoreUrl,
    };
}
