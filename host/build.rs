//! Puts the generic components into the command, if they have been built (`make component`).
//!
//! It does not build them: a build script that calls cargo would wait for the lock of the cargo
//! that runs it. Without the files everything but baking works, so `cargo check` needs no
//! WebAssembly.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // Where `make component` puts them: in cargo's target folder, wherever that is. With `--target`
    // it has another such folder inside.
    let target = out.ancestors().filter(|folder| folder.join("CACHEDIR.TAG").exists()).last();
    for name in ["edge", "spin", "library"] {
        let path = target.unwrap_or(Path::new(".")).join(format!("foretold-{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        let expression = match fs::canonicalize(&path) {
            Ok(path) => format!("Some(include_bytes!({path:?}))"),
            Err(_) => "None".to_owned(),
        };
        let file = out.join(format!("{name}_component.rs"));
        fs::write(file, expression).expect("OUT_DIR can be written");
    }
}
