//! Files with secrets in them, as options name them.

use std::io::Write;

use tempfile::NamedTempFile;

/// A file that is removed when this is dropped.
pub(crate) struct Secret(NamedTempFile);

impl Secret {
    pub(crate) fn new(text: &str) -> Secret {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Secret(file)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}
