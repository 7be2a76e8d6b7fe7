//! The credit model, copies of it to change, and requests to it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The sample request of the README.
pub(crate) const SAMPLE: &str = include_str!("../../../models/credit/sample.json").trim_ascii_end();

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn credit() -> PathBuf {
    root().join("models/credit")
}

/// The sample request with another age: a request of its own.
pub(crate) fn aged(age: usize) -> String {
    SAMPLE.replace("30", &age.to_string())
}

/// An array of so many rows, all different.
pub(crate) fn array(rows: usize) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|i| {
            aged(18 + i % 110).replace("0.25", &format!("{}.{:02}", i / 11_000, i / 110 % 100))
        })
        .collect();
    format!("[{}]", rows.join(","))
}

/// A copy of a model's folder, for changing.
pub(crate) fn copy_of_credit() -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["manifest.toml", "model.onnx"] {
        std::fs::copy(credit().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// Replaces a text that is there in a file of a folder.
pub(crate) fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}
