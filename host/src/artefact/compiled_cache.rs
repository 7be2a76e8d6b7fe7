//! The folder of compiled components, so that only the first start compiles.
//!
//! Compiled code is run as it is: whoever can write to this folder can run code as the user who
//! serves. So nobody else may, which [`private_folder`] sees to, and every file is opened below the
//! folder that was checked, is checked itself, and is loaded from where it was opened.
//!
//! A file is the compiled form and a digest of it, so that damage is noticed. It is renamed into
//! place when it is whole; what a killed process leaves behind is removed later. Files that have not
//! been used for the longest time are removed when there are too many, but none that a process
//! holds.

mod private_folder;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock,
    fstat, futimens, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use tracing::{debug, warn};
use wasmtime::Engine;
use wasmtime::component::Component;

use self::private_folder::{is_private_file, open_or_make};

/// What all files may take together, and how many there may be: some 18 MB for a small model.
const MAX_BYTES: u64 = 2 << 30;
const MAX_FILES: usize = 100;
/// How long a file may take to be written.
const WRITE_LIMIT: Duration = Duration::from_secs(600);
const DIGEST_BYTES: u64 = blake3::OUT_LEN as u64;
const COMPILED: &str = ".cwasm";
/// What files begin with that are being written.
const UNFINISHED: &str = ".tmp";

/// A folder that holds compiled components.
#[derive(Clone, Debug)]
pub struct CacheFolder {
    path: PathBuf,
    /// None where there is no disk to make it on.
    folder: Option<Arc<OwnedFd>>,
}

/// A compiled component from the folder. While it lives, its file stays.
pub(crate) struct Kept {
    pub(crate) component: Component,
    in_use: File,
}

impl Kept {
    /// The same for another engine with the same settings.
    ///
    /// # Errors
    /// If the engine has no room for such a component.
    pub(crate) fn load_again(&self, engine: &Engine) -> Result<Component> {
        let length = fstat(&self.in_use)?.st_size as u64;
        deserialize(engine, &self.in_use, length.saturating_sub(DIGEST_BYTES))
    }
}

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

    /// Opens a folder, or makes it with mode 0700. Where the disk takes no new folder, being full or
    /// read-only, nothing is kept.
    ///
    /// # Errors
    /// If it cannot be made, belongs to somebody else, others may write to it, or could put another
    /// one in its place.
    pub fn open(path: &Path) -> Result<CacheFolder> {
        let folder = match open_or_make(path) {
            Ok(folder) => Some(Arc::new(folder)),
            Err(error) => match error.downcast_ref() {
                Some(&(Errno::ROFS | Errno::NOSPC | Errno::DQUOT)) => {
                    warn!("{error:#}: each start compiles");
                    None
                }
                _ => return Err(error),
            },
        };
        Ok(CacheFolder { path: path.to_owned(), folder })
    }

    /// The compiled form with a key, unless there is none or it is damaged.
    pub(crate) fn find(&self, engine: &Engine, key: &blake3::Hash) -> Option<Kept> {
        let folder = self.folder.as_ref()?;
        let name = file_name(key);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, &name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return None,
            Err(error) => {
                warn!("cannot open {} ({error}): compiling again", self.path.join(name).display());
                return None;
            }
        };
        match load(engine, key, &file) {
            Ok(component) => {
                let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
                let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
                // On a read-only disk it is not noted that the file was used.
                let used = Timestamps { last_access: kept, last_modification: now };
                let _ = futimens(&file, &used);
                Some(Kept { component, in_use: file })
            }
            Err(error) => {
                let path = self.path.join(name);
                warn!("{} is damaged ({error:#}): compiling again", path.display());
                None
            }
        }
    }

    /// Puts a compiled form into the folder, whole or not at all. `Ok(false)` where nothing is kept.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn put(&self, key: &blake3::Hash, compiled: &[u8]) -> Result<bool> {
        let Some(folder) = &self.folder else { return Ok(false) };
        make_room(folder, compiled.len() as u64 + DIGEST_BYTES, MAX_BYTES, MAX_FILES)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unfinished = format!("{UNFINISHED}{}-{}", std::process::id(), now.as_nanos());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder, &unfinished, flags, Mode::RUSR | Mode::WUSR)?);
        let written = file
            .write_all(compiled)
            .and_then(|()| file.write_all(digest(key, compiled)?.as_bytes()))
            // Else a power cut could leave a file of the right length with nothing in it.
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(renameat(folder, &unfinished, folder, file_name(key))?));
        if let Err(error) = written {
            let _ = unlinkat(folder, &unfinished, AtFlags::empty());
            return Err(error.into());
        }
        Ok(true)
    }
}

fn file_name(key: &blake3::Hash) -> String {
    format!("{}{COMPILED}", key.to_hex())
}

/// What stands behind the compiled form. The key is in it, so that no file does for another.
fn digest(key: &blake3::Hash, compiled: impl Read) -> std::io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new_keyed(key.as_bytes());
    hasher.update_reader(compiled)?;
    Ok(hasher.finalize())
}

/// Checks a file that was opened, and loads it.
fn load(engine: &Engine, key: &blake3::Hash, mut file: &File) -> Result<Component> {
    let stat = fstat(file)?;
    if !is_private_file(&stat) {
        bail!("it is no plain file of this user's, or open to others");
    }
    // Only whoever removes files takes it for itself, and lets it go at once.
    flock(file, FlockOperation::LockShared)?;
    let length = (stat.st_size as u64).checked_sub(DIGEST_BYTES).context("it is too short")?;
    let found = digest(key, file.take(length))?;
    let mut expected = [0; DIGEST_BYTES as usize];
    file.read_exact(&mut expected)?;
    if found != blake3::Hash::from_bytes(expected) {
        bail!("its content is not what was written");
    }
    deserialize(engine, file, length)
}

/// Loads what was checked before.
fn deserialize(engine: &Engine, mut file: &File, length: u64) -> Result<Component> {
    // The same file by its handle, whatever its name leads to by now.
    let handle = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let component = if handle.exists() {
        // SAFETY: the file belongs to this user, nobody else may write to it, and its digest says
        // that it is what this process or one like it wrote, with the same engine settings, which
        // are part of the key.
        unsafe { Component::deserialize_file(engine, handle) }
    } else {
        file.rewind()?;
        let mut compiled = Vec::new();
        file.take(length).read_to_end(&mut compiled)?;
        // SAFETY: as above.
        unsafe { Component::deserialize(engine, compiled) }
    };
    component.map_err(anyhow::Error::from)
}

/// Removes files until there is room for one of so many bytes: first what was never finished, then
/// those that were used least recently.
fn make_room(folder: &OwnedFd, bytes: u64, max_bytes: u64, max_files: usize) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut kept = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let used = u64::try_from(stat.st_mtime).unwrap_or(0);
        if name.starts_with(UNFINISHED) && used.saturating_add(WRITE_LIMIT.as_secs()) < now {
            remove(folder, name);
        } else if name.ends_with(COMPILED) {
            kept.push((used, name.to_owned(), stat.st_size as u64));
        }
    }
    kept.sort_unstable();
    let mut total: u64 = kept.iter().map(|(_, _, bytes)| bytes).sum();
    let mut count = kept.len();
    for (_, name, length) in kept {
        if total.saturating_add(bytes) <= max_bytes && count < max_files {
            break;
        }
        if !is_in_use(folder, &name) {
            remove(folder, &name);
            total -= length;
            count -= 1;
        }
    }
    Ok(())
}

fn is_in_use(folder: &OwnedFd, name: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty()).is_ok_and(|file| {
        flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
    })
}

fn remove(folder: &OwnedFd, name: &str) {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => debug!("removed {name} from the cache folder"),
        Err(error) => debug!("cannot remove {name} from the cache folder: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_was_used_least_recently_goes_unless_it_is_in_use() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let names = ["a.cwasm", "b.cwasm", "c.cwasm", "d.cwasm", "other"];
        for (age, name) in names.iter().enumerate() {
            fs::write(path(name), [0; 100]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(1000 - age as u64);
            File::options().write(true).open(path(name)).unwrap().set_modified(used).unwrap();
        }
        let left = || names.map(|name| path(name).exists());
        let opened: OwnedFd = File::open(folder.path()).unwrap().into();
        let used = File::open(path("a.cwasm")).unwrap();
        flock(&used, FlockOperation::LockShared).unwrap();
        make_room(&opened, 100, 500, 5).unwrap();
        assert_eq!(left(), [true; 5]);
        make_room(&opened, 101, 500, 5).unwrap();
        assert_eq!(left(), [true, false, true, true, true]);
        make_room(&opened, 100, 500, 3).unwrap();
        assert_eq!(left(), [true, false, false, true, true]);
        drop(used);
        make_room(&opened, 100, 150, 5).unwrap();
        assert_eq!(left(), [false, false, false, false, true]);
    }
}
