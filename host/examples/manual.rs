//! The manual: a page of section 1 for the command and for each of its subcommands, in a folder.
//!
//! `deploy/dist` runs it. It is a program of its own so that the command does not carry what it needs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap_mangen::Man;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context("usage: manual FOLDER DATE");
    write(Path::new(&argument()?), &argument()?)
}

fn write(folder: &Path, date: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    // What is inside a command belongs to a build, not to the manual.
    let mut command =
        foretold::unstable::command_line().long_version(None::<&str>).disable_help_subcommand(true);
    command.build();
    let source = format!("foretold {}", env!("CARGO_PKG_VERSION"));
    pages(&command, &source, date, folder)
}

fn pages(command: &clap::Command, source: &str, date: &str, folder: &Path) -> Result<()> {
    let page = Man::new(command.clone()).source(source).date(date).manual("Foretold");
    page.generate_to(folder)?;
    for subcommand in command.get_subcommands() {
        pages(subcommand, source, date, folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    /// The names of a command and of all below it, as pages have them.
    fn names(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("{name}.1"));
        for subcommand in command.get_subcommands() {
            names(subcommand, &format!("{name}-{}", subcommand.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_page_that_is_set_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        super::write(folder.path(), "2000-01-31").unwrap();
        let files = folder.path().read_dir().unwrap().map(|file| file.unwrap().file_name());
        let written: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
        let mut expected = BTreeSet::new();
        names(&foretold::unstable::command_line(), "foretold", &mut expected);
        assert_eq!(written, expected);
        assert!(written.contains("foretold-cache-purge.1"));
        for name in written {
            let set = Command::new("groff")
                .args(["-ww", "-man", "-Kutf8", "-Tutf8", "-P-cbou"])
                .arg(folder.path().join(&name))
                .output()
                .expect("groff is installed: `make test` does that");
            assert_eq!(String::from_utf8_lossy(&set.stderr), "", "{name}");
            let text = String::from_utf8(set.stdout).unwrap();
            for expected in
                ["SYNOPSIS", "2000-01-31", concat!("foretold ", env!("CARGO_PKG_VERSION"))]
            {
                assert!(text.contains(expected), "{name} without {expected}: {text}");
            }
        }
    }
}
