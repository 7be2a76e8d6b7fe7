//! Puts the generic component into the command, if it has been built (`make component`).
//!
//! It does not build it: a build script that calls cargo would wait for the lock of the cargo that
//! runs it. Without the file everything but baking works, so `cargo check` needs no WebAssembly.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // Where `make component` puts it: in cargo's target folder, wherever that is.
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let path = target.unwrap_or(Path::new(".")).join("foretold-edge.wasm");
    println!("cargo::rerun-if-changed={}", path.display());
    let expression = match fs::canonicalize(&path) {
        Ok(path) => format!("Some(include_bytes!({path:?}))"),
        Err(_) => "None".to_owned(),
    };
    fs::write(out.join("edge_component.rs"), expression).expect("OUT_DIR can be written");
}
