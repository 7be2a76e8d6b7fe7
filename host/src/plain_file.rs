//! Reads files that others name: plain ones only, and no more of them than a bound.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The content of a plain file. A link to one is followed.
///
/// # Errors
/// If it cannot be read, is no plain file, or is longer than `max_bytes`.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Else to open a pipe would wait for somebody who writes to it.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no plain file but a pipe, a device or a socket"));
    }
    read_up_to(&file, metadata.len(), max_bytes)
}

/// Whether every user of the machine may read a file.
pub(crate) fn others_can_read(metadata: &Metadata) -> bool {
    metadata.mode() & 0o004 != 0
}

fn read_up_to(file: &File, expected: u64, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if expected <= max_bytes {
        bytes.try_reserve_exact(expected as usize)?;
        // It may have grown since, and files of the kernel's have more than they say.
        file.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= max_bytes {
            return Ok(bytes);
        }
    }
    let mib = max_bytes >> 20;
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {mib} MiB")))
}
