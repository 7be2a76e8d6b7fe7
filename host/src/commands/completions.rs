//! `foretold completions`.

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, ValueEnum};
use clap_complete::aot::{self, Generator};

/// Prints a script with which a shell completes this command.
///
/// Bash reads it with `source <(foretold completions bash)`, or at every start from
/// ~/.local/share/bash-completion/completions/foretold; fish from
/// ~/.config/fish/completions/foretold.fish; zsh from a file `_foretold` in a folder of its `fpath`.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell that will read the script.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

impl Completions {
    /// Prints the script for a command line.
    pub(crate) fn run(&self, command_line: clap::Command) -> Result<()> {
        let script = match self.shell {
            Shell::Bash => script(aot::Bash, command_line),
            Shell::Fish => script(aot::Fish, command_line),
            Shell::Zsh => script(aot::Zsh, command_line),
        };
        // Not straight to standard output, where the generator panics if nobody reads.
        Ok(io::stdout().lock().write_all(&script)?)
    }
}

fn script(generator: impl Generator, mut command_line: clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    aot::generate(generator, &mut command_line, "foretold", &mut script);
    script
}
