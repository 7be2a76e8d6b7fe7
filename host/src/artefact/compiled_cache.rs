//! The folder of compiled components, so that only the first start compiles.
//!
//! Compiled code is run as it is: whoever can write to this folder can run code as the user who
//! serves. So it must belong to that user, nobody else may write to it, and files are renamed into
//! place when they are whole.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A folder that holds compiled components.
#[derive(Clone, Debug)]
pub struct CacheFolder(PathBuf);

impl CacheFolder {
    /// The user's: `$XDG_CACHE_HOME/foretold`, or `~/.cache/foretold`.
    ///
    /// # Errors
    /// If neither variable is set.
    pub fn of_user() -> Result<PathBuf> {
        let set =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        let base = base.context("neither XDG_CACHE_HOME nor HOME is set; use --cache-dir")?;
        Ok(base.join("foretold"))
    }

    /// Opens a folder, or makes it with mode 0700.
    ///
    /// # Errors
    /// If it cannot be made, belongs to somebody else, or others may write to it.
    pub fn open(path: &Path) -> Result<CacheFolder> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the cache folder {}", path.display()))?;
        let metadata = fs::metadata(path)?;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            bail!(
                "the cache folder {} belongs to user {}, not {user}",
                path.display(),
                metadata.uid()
            );
        }
        if metadata.mode() & 0o077 != 0 {
            bail!(
                "the cache folder {0} is open to other users (mode {1:o}); it holds code that is \
                 run: use another with --cache-dir, or `chmod 700 {0}` if you trust what is in it",
                path.display(),
                metadata.mode() & 0o777
            );
        }
        Ok(CacheFolder(path.to_owned()))
    }

    /// Where the compiled form with a key is or would be.
    pub(crate) fn path(&self, key: &blake3::Hash) -> PathBuf {
        self.0.join(format!("{}.cwasm", key.to_hex()))
    }

    /// Puts a compiled form into the folder, whole or not at all.
    pub(crate) fn put(&self, key: &blake3::Hash, compiled: &[u8]) -> Result<PathBuf> {
        let path = self.path(key);
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(compiled)?;
        // Else a power cut could leave a file of the right length with nothing in it.
        file.as_file().sync_all()?;
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
