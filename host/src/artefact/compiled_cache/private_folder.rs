//! A folder that only its user can change, and that stays the one that was checked.
//!
//! Links in its path are resolved first. Then every folder from the root on is opened below the one
//! before, without following links, and what was opened is what is checked: whoever could rename a
//! folder on the way could put another one in its place, so none may belong to or be open to others.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Folders on the way need not be readable.
#[cfg(target_os = "linux")]
const WAY: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const WAY: OFlags = OFlags::RDONLY;
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a folder, or makes it with mode 0700, and what is missing above it.
///
/// # Errors
/// If it cannot be made or opened, or it or one above it is not safe from other users. The cause is
/// an [`Errno`] where the system gave one.
pub(super) fn open_or_make(path: &Path) -> Result<OwnedFd> {
    let absolute = std::path::absolute(path)?;
    let resolve = |known: &Path| Some((known.to_owned(), known.canonicalize().ok()?));
    let root = || (PathBuf::from("/"), PathBuf::from("/"));
    let (known, resolved) = absolute.ancestors().find_map(resolve).unwrap_or_else(root);
    let missing = absolute.strip_prefix(&known)?;

    let mut path = PathBuf::from("/");
    let mut folder = open(&path, WAY | FOLDER, Mode::empty())?;
    for (names, is_missing) in [(&*resolved, false), (missing, true)] {
        for name in names.components().filter(|name| *name != Component::RootDir) {
            check_parent(&fstat(&folder)?, &path)?;
            path.push(name);
            if is_missing {
                match mkdirat(&folder, name.as_os_str(), Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => {
                        let what = format!("cannot make the cache folder {}", path.display());
                        return Err(error).context(what);
                    }
                }
            }
            folder = openat(&folder, name.as_os_str(), WAY | FOLDER, Mode::empty())
                .with_context(|| format!("cannot open the folder {}", path.display()))?;
        }
    }
    check_folder(&fstat(&folder)?, &path)?;
    let folder = openat(&folder, ".", OFlags::RDONLY | FOLDER, Mode::empty());
    folder.with_context(|| format!("cannot read the cache folder {}", path.display()))
}

/// Whether a file belongs to this user, is a plain one, and is closed to others.
pub(super) fn is_private_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == geteuid().as_raw()
        && stat.st_mode & 0o077 == 0
}

fn check_folder(stat: &Stat, path: &Path) -> Result<()> {
    let user = geteuid().as_raw();
    let shown = path.display();
    if stat.st_uid != user {
        bail!("the cache folder {shown} belongs to user {}, not {user}", stat.st_uid);
    }
    if stat.st_mode & 0o077 != 0 {
        bail!(
            "the cache folder {shown} is open to other users (mode {:o}); it holds code that is \
             run: use another with --cache-dir, or `chmod 700 {shown}` if you trust what is in it",
            stat.st_mode & 0o777
        );
    }
    Ok(())
}

/// In a folder with the sticky bit, as /tmp is, others cannot rename what is not theirs.
fn check_parent(stat: &Stat, path: &Path) -> Result<()> {
    let user = geteuid().as_raw();
    let shown = path.display();
    if ![0, user].contains(&stat.st_uid) {
        bail!(
            "{shown}, which has the cache folder in it, belongs to user {}, who could put another \
             folder in its place: use another with --cache-dir",
            stat.st_uid
        );
    }
    // Many systems give each user a group with the same number, which has nobody else in it.
    let has_own_group = stat.st_uid == user && stat.st_gid == user;
    let writable = stat.st_mode & if has_own_group { 0o002 } else { 0o022 } != 0;
    if writable && stat.st_mode & 0o1000 == 0 {
        bail!(
            "{shown}, which has the cache folder in it, can be written to by other users (mode \
             {:o}), who could put another folder in its place: use another with --cache-dir, or \
             `chmod go-w {shown}`",
            stat.st_mode & 0o7777
        );
    }
    Ok(())
}
