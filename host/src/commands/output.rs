//! Where a command writes: a file that is there whole or not at all, or a stream.

use std::fs::File;
use std::io::{self, BufWriter, Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file or stream that is written to.
pub(crate) enum Output {
    /// A file beside the one that it takes the place of at the end.
    Whole(BufWriter<NamedTempFile>, PathBuf),
    /// What is no plain file, like standard output: it gets everything as it comes.
    Stream(BufWriter<Box<dyn Write>>),
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Output {
        Output::Stream(BufWriter::new(Box::new(stdout())))
    }

    /// A file, or what stands at its path.
    pub(crate) fn at(path: &Path) -> io::Result<Output> {
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).truncate(true).open(path)?;
            return Ok(Output::Stream(BufWriter::new(Box::new(file))));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // With what the user's mask leaves of these permissions, as for every new file.
        let permissions = std::fs::Permissions::from_mode(0o666);
        let file = tempfile::Builder::new()
            .prefix(".foretold-")
            .permissions(permissions)
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Output::Whole(BufWriter::new(file), path.to_owned()))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Output::Whole(file, path) => {
                file.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)?;
                Ok(())
            }
            Output::Stream(mut stream) => stream.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Whole(file, _) => file.write(bytes),
            Output::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Whole(file, _) => file.flush(),
            Output::Stream(stream) => stream.flush(),
        }
    }
}
