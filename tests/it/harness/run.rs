//! Commands that end by themselves: what they read and what they print.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::harness::host::{cache_folder, foretold};

/// Runs a command that needs a component, with standard input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = foretold();
    command.args(arguments).arg("--cache-dir").arg(cache_folder());
    output(command, input)
}

/// Runs a command with standard input.
pub(crate) fn output(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading, and writes while it reads.
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// What it says, without what the log says of compiling.
pub(crate) fn stderr(output: &Output) -> String {
    let text = std::str::from_utf8(&output.stderr).unwrap();
    let lines = text.lines().filter(|line| !line.contains(" INFO ") && !line.contains("\u{1b}["));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// What a command that succeeds prints.
pub(crate) fn printed(arguments: &[&str], input: &[u8]) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output).to_owned()
}

/// What a command says that fails.
pub(crate) fn failure(arguments: &[&str], input: &[u8]) -> String {
    let output = run(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stdout(&output));
    stderr(&output)
}
