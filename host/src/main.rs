//! The command `foretold`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    foretold::run_command().await
}
