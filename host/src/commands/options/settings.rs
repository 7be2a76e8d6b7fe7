//! The options that say how keys and entries are made: those of `foretold serve`, which the tools
//! need too.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use foretold_core::settings::{KeyFormat, Ttl, Ttls};
use tracing::warn;

use crate::guest::contract::Settings;
use crate::plain_file::others_can_read;
use crate::store::{Layout, StoreUrl};

/// How keys and entries are made, and how long they are served.
#[derive(Args)]
pub(crate) struct SettingsOptions {
    /// Seconds that a cached prediction is served, for all endpoints or, with a path, for one; may
    /// be repeated, e.g. `--ttl 600 --ttl /decisions=60` [default: the manifest's ttl_seconds].
    #[arg(long, value_name = "[PATH=]SECONDS", value_parser = Ttl::from_str)]
    ttl: Vec<Ttl>,

    /// How the keys of entries are made of requests. Hosts with different ones share no entries.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Keys::Packed)]
    keys: Keys,

    /// File with a secret of at least 16 bytes, for `--keys digest`: without it nobody can find out
    /// by trying which request a key stands for. A line break at its end is not part of it. Can be
    /// given in the environment instead, as FORETOLD_KEY_SECRET [default: none].
    #[arg(long, value_name = "FILE")]
    key_secret_file: Option<PathBuf>,

    /// File with a secret of at least 16 bytes that authenticates entries, for a store that others
    /// can write to: entries made without it are refused. A line break at its end is not part of
    /// it. Can be given in the environment instead, as FORETOLD_MAC_SECRET [default: none].
    #[arg(long, value_name = "FILE")]
    mac_secret_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Keys {
    /// The request packed to bits, or a digest of them where they are more than 16 bytes
    Packed,
    /// A digest of the packed request, for inputs that are personal data
    Digest,
    /// The request as JSON, for people who look into the store
    Readable,
    /// What Python's repr() makes of the request, to share a Redis with a Python service
    Repr,
}

impl From<Keys> for KeyFormat {
    fn from(keys: Keys) -> KeyFormat {
        match keys {
            Keys::Packed => KeyFormat::Packed,
            Keys::Digest => KeyFormat::Digest,
            Keys::Readable => KeyFormat::Readable,
            Keys::Repr => KeyFormat::Repr,
        }
    }
}

impl SettingsOptions {
    /// Reads the secrets and checks what can be checked without a model.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let file = self.key_secret_file.as_deref();
        let key_secret = secret("--key-secret-file", file, "FORETOLD_KEY_SECRET")?;
        if key_secret.is_some() && self.keys != Keys::Digest {
            bail!("a key secret is given; it is of use only with --keys digest");
        }
        let file = self.mac_secret_file.as_deref();
        let mac_secret = secret("--mac-secret-file", file, "FORETOLD_MAC_SECRET")?;
        let ttls = Ttls::new(self.ttl.iter().cloned());
        let ttls = ttls.map_err(|error| anyhow::anyhow!("--ttl is {error}"))?;
        Ok(Settings {
            ttl_seconds: ttls.all,
            endpoint_ttl_seconds: ttls.endpoints,
            keys: self.keys.into(),
            key_secret,
            mac_secret,
            ..Settings::default()
        })
    }

    /// Checks the options against the store.
    ///
    /// # Errors
    /// If the store keeps entries in another form than the keys are for.
    pub(crate) fn check_store(&self, store: &StoreUrl) -> Result<()> {
        match store {
            StoreUrl::Redis(url) if self.keys == Keys::Repr && url.layout() != Layout::String => {
                bail!(
                    "--keys repr needs the layout string, not {}: a Python service finds entries \
                     in no other",
                    url.layout()
                )
            }
            _ => Ok(()),
        }
    }

    /// What the operator should know of the choice of keys.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        (self.keys == Keys::Repr).then_some(
            "--keys repr shares entries with a Python service and gives up for it: an entry serves \
             one endpoint only; a changed model, threshold or label serves old answers, since the \
             labels are stored and no model id is in the keys; entries have no age, so that only the store's expiry ends them, and no \
             check, so that damage goes unseen",
        )
    }
}

/// A secret from a file or the environment; never from an option, which every process list shows.
fn secret(option: &str, file: Option<&Path>, variable: &str) -> Result<Option<Vec<u8>>> {
    match (file, std::env::var_os(variable).map(OsString::into_vec)) {
        (Some(_), Some(_)) => bail!("{option} and {variable} are both given; one is enough"),
        (Some(file), None) => {
            let secret = secret_file(file);
            let secret =
                secret.with_context(|| format!("{option}: cannot read {}", file.display()))?;
            Ok(Some(without_line_break(secret)))
        }
        (None, secret) => Ok(secret),
    }
}

/// The content of a file with a secret, which may come through a pipe.
pub(super) fn secret_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && others_can_read(&metadata) {
        warn!("{0} can be read by every user of this machine: `chmod 600 {0}`", path.display());
    }
    let mut secret = Vec::new();
    file.read_to_end(&mut secret)?;
    Ok(secret)
}

fn without_line_break(mut secret: Vec<u8>) -> Vec<u8> {
    let length = secret
        .strip_suffix(b"\n")
        .map_or(secret.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len());
    secret.truncate(length);
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        for (file, secret) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            ("secret\r", "secret\r"),
            ("\nsecret \n", "\nsecret "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_line_break(file.into()), secret.as_bytes(), "{file:?}");
        }
    }
}
