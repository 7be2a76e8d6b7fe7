//! Puts the generic components into the command, if they have been built (`make component`), and what
//! they are into its version.
//!
//! It does not build them: a build script that calls cargo would wait for the lock of the cargo
//! that runs it. Without the files everything but baking works, so `cargo check` needs no
//! WebAssembly.

use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // Where `make component` puts them: in cargo's target folder, wherever that is. With `--target`
    // it has another such folder inside.
    let target = out.ancestors().filter(|folder| folder.join("CACHEDIR.TAG").exists()).last();
    let mut version = env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION");
    for name in ["edge", "spin", "library"] {
        let path = target.unwrap_or(Path::new(".")).join(format!("foretold-{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        let (expression, description) = match fs::canonicalize(&path) {
            Ok(path) => (format!("Some(include_bytes!({path:?}))"), describe(&path)),
            Err(_) => ("None".to_owned(), "none in this build".to_owned()),
        };
        version += &format!("\ncomponent {name}: {description}");
        let file = out.join(format!("{name}_component.rs"));
        fs::write(file, expression).expect("OUT_DIR can be written");
    }
    fs::write(out.join("version.txt"), version).expect("OUT_DIR can be written");
}

/// Size and digest of a component, as `wc -c` and `sha256sum` say them.
fn describe(path: &Path) -> String {
    let component = fs::read(path).expect("a component that is there can be read");
    let digest = Sha256::digest(&component);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes, sha256 {digest}", component.len())
}
