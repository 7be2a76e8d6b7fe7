//! Hosts that are expected not to start.

use std::io::Read;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::harness::credit::credit;
use crate::harness::host::{START_LIMIT, cache_folder, foretold};

/// What `foretold serve` says when it refuses a source, its options or variables.
pub(crate) fn refusal(source: &Path, options: &[&str], variables: &[(&str, &str)]) -> String {
    let (status, error) = refused(source, options, variables);
    assert!(!status.success(), "{options:?}: {error}");
    error
}

/// The same for the credit model, loaded into each instance.
pub(crate) fn refusal_of_credit(options: &[&str], variables: &[(&str, &str)]) -> String {
    refusal(&credit(), &[&["--no-snapshot"], options].concat(), variables)
}

/// The same where the command line is a legal one: the exit code is 1.
pub(crate) fn refusal_at_start(
    source: &Path,
    options: &[&str],
    variables: &[(&str, &str)],
) -> String {
    let (status, error) = refused(source, options, variables);
    assert_eq!(status.code(), Some(1), "{error}");
    error
}

/// How a host ends, and what it says.
fn refused(source: &Path, options: &[&str], variables: &[(&str, &str)]) -> (ExitStatus, String) {
    let mut command = foretold();
    command.arg("serve").arg(source).args(options).envs(variables.iter().copied());
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !options.contains(&"--cache-dir") {
        command.arg("--cache-dir").arg(cache_folder());
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > START_LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it has started, or hangs: {options:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    (status, error)
}
