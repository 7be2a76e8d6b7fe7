//! The command line itself: its version, and how shells complete it.

use std::io::Write;
use std::process::{Command, Stdio};

use foretold::Target;

use crate::harness::host::foretold;

/// What a command prints that ends well and without a word on standard error.
fn output(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_version_says_which_components_are_inside() {
    let version = concat!("foretold ", env!("CARGO_PKG_VERSION"));
    assert_eq!(output(foretold().arg("-V")), format!("{version}\n"));
    let folder = tempfile::tempdir().unwrap();
    let mut expected = vec![version.to_owned()];
    for target in [Target::Edge, Target::Spin, Target::Library] {
        let name = target.name();
        let description = target.generic().map_or("none in this build".to_owned(), |component| {
            let file = folder.path().join(name);
            std::fs::write(&file, component).unwrap();
            let digest = output(Command::new("sha256sum").arg(&file));
            format!("{} bytes, sha256 {}", component.len(), digest.split_once(' ').unwrap().0)
        });
        expected.push(format!("component {name}: {description}"));
    }
    assert_eq!(output(foretold().arg("--version")).lines().collect::<Vec<_>>(), expected);
}

/// What a shell shows that runs in a terminal, when it is typed to: to take the command's completions,
/// and then a line in which tabs are pressed. Instead of the command, a function prints its words.
fn completed(shell: &str, take: &str, line: &str) -> String {
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", shell, "/dev/null"])
        .env("FORETOLD", foretold().get_program())
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    write!(keys, "{take}\nforetold() {{ printf '<%s>' \"$@\"; }}\n{line}\nexit\n").unwrap();
    drop(keys);
    let done = terminal.wait_with_output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let take = "source <(\"$FORETOLD\" completions bash)";
    for (line, words) in [
        ("foretold ser\t", "<serve>"),
        ("foretold cache pur\t --al\t", "<cache><purge><--all>"),
        ("foretold bake --target li\t", "<bake><--target><library>"),
        ("foretold compl\t f\t", "<completions><fish>"),
    ] {
        let shown = completed("bash --norc --noprofile -i", take, line);
        assert!(shown.contains(words), "{line:?}: {shown}");
    }
}

#[test]
fn zsh_completes_commands_options_and_values() {
    let take = "autoload -Uz compinit; compinit -u -D; source <(\"$FORETOLD\" completions zsh)";
    for (line, words) in [
        ("foretold ser\t", "<serve>"),
        ("foretold cache pur\t --al\t", "<cache><purge><--all>"),
        ("foretold bake --target li\t", "<bake><--target><library>"),
    ] {
        let shown = completed("zsh -f -i", take, line);
        assert!(shown.contains(words), "{line:?}: {shown}");
    }
}

#[test]
fn fish_completes_commands_options_and_values() {
    for (line, word) in [
        ("foretold ser", "serve"),
        ("foretold cache pur", "purge"),
        ("foretold cache purge --al", "--all"),
        ("foretold bake --target li", "library"),
    ] {
        let script =
            format!("\"$FORETOLD\" completions fish | source; complete --do-complete '{line}'");
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "--command", &script]);
        let offered = output(fish.env("FORETOLD", foretold().get_program()));
        let words: Vec<_> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, [word], "{line:?}");
    }
}

#[test]
fn completions_end_quietly_when_nobody_reads() {
    let mut command = foretold();
    let mut child = command
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}
