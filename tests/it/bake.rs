//! `foretold bake`, and serving what it makes.

use foretold::Target;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, change, copy_of_credit, credit};
use crate::harness::host::{Host, foretold};
use crate::harness::refusal::refusal;

fn bake(source: &Path, output: &Path) -> Output {
    foretold().arg("bake").arg(source).arg("-o").arg(output).output().unwrap()
}

/// Bakes a model that is expected to be refused, and returns what is said.
pub(crate) fn bake_refusal(source: &Path, output: &Path) -> String {
    let baked = bake(source, output);
    let error = String::from_utf8(baked.stderr).unwrap();
    assert!(!baked.status.success(), "{error}");
    error
}

#[test]
fn a_baked_component_serves_and_starts_from_the_cache_folder() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("credit.wasm");
    let baked = bake(&credit(), &file);
    assert!(baked.status.success(), "{}", String::from_utf8_lossy(&baked.stderr));
    let size = file.metadata().unwrap().len();
    assert!(size < 10_000_000, "the component must stay under 10 MB: {size}");
    let host = Host::start(&file, &[]);
    assert_eq!(host.post("/decisions", SAMPLE).body, r#"{"decision":"ACCEPT"}"#);
    assert!(host.post("/risk_categories", SAMPLE).is_hit());
    drop(host);
    let again = Host::start(&file, &["--isolate"]);
    assert!(!again.log().contains("compil"), "{}", again.log());
    assert!(!again.post("/decisions", SAMPLE).is_hit());
    assert!(again.post("/decisions", SAMPLE).is_hit());
}

#[test]
fn the_generic_component_and_other_files_are_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file.wasm");
    std::fs::write(&file, Target::Edge.generic().unwrap()).unwrap();
    let error = refusal(&file, &[], &[]);
    assert!(error.contains("no model yet; run `foretold bake"), "{error}");
    std::fs::write(&file, "not wasm").unwrap();
    assert!(refusal(&file, &[], &[]).contains("is not a WebAssembly file"));
    std::fs::write(&file, wat::parse_str("(component)").unwrap()).unwrap();
    assert!(refusal(&file, &[], &[]).contains("not a Foretold component"));
    assert!(refusal(&folder.path().join("none"), &[], &[]).contains("expected a model folder"));
    assert!(refusal(folder.path(), &[], &[]).contains("cannot read the manifest"));
}

#[test]
fn a_manifest_or_model_that_is_wrong_is_refused_with_its_place() {
    let folder = copy_of_credit();
    let output = folder.path().join("out.wasm");
    change(folder.path(), "manifest.toml", "ttl_seconds = 3600", "ttl_seconds = 0");
    let error = bake_refusal(folder.path(), &output);
    assert!(error.contains("line ") && error.contains("ttl_seconds"), "{error}");
    change(folder.path(), "manifest.toml", "ttl_seconds = 0", "ttl_seconds = 60");
    change(folder.path(), "manifest.toml", "\"male: single\"", "\"male, single\"");
    let error = bake_refusal(folder.path(), &output);
    let expected = "\"personal_status_and_sex\": the model's encoder does not know \"male, single\"; it \
                    knows \"male: single\", which";
    assert!(error.contains(expected), "{error}");
    change(folder.path(), "manifest.toml", "male, single", "male: single");
    change(folder.path(), "manifest.toml", "tensor = \"probabilities\"", "tensor = \"chances\"");
    let error = bake_refusal(folder.path(), &output);
    assert!(error.contains("chances") && error.contains("probabilities"), "{error}");
    std::fs::write(folder.path().join("model.onnx"), "no onnx").unwrap();
    let error = bake_refusal(folder.path(), &output);
    assert!(error.contains("model.onnx"), "{error}");
    assert!(!output.exists());
}

#[test]
fn a_baked_component_refuses_to_be_baked_again() {
    let model = foretold::ModelDir::read(&credit()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let baked = runtime.block_on(foretold::bake(Target::Edge.generic().unwrap(), &model)).unwrap();
    let error = runtime.block_on(foretold::bake(&baked, &model)).unwrap_err();
    assert!(error.to_string().contains("has a model already"), "{error:#}");
}

#[test]
fn a_cache_folder_that_others_can_write_to_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = refusal(&credit(), &["--cache-dir", folder.path().to_str().unwrap()], &[]);
    assert!(error.contains("open to other users") && error.contains("chmod 700"), "{error}");
}

#[test]
fn a_taken_port_is_told_before_a_model_is_baked() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let nothing_to_bake = folder.path();
    let error = refusal(nothing_to_bake, &["--listen", &address], &[]);
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn bad_options_are_refused_before_anything_listens() {
    let cases: [(&[&str], &str); 6] = [
        (&["--listen", "nowhere"], "--listen"),
        (&["--store", "mysql://x"], "redis://"),
        (&["--store", "redis://"], "--store"),
        (&["--ttl", "0"], "--ttl"),
        (&["--timeout-ms", "0"], "--timeout-ms"),
        (&["--log", "loud"], "--log"),
    ];
    for (options, expected) in cases {
        let error = refusal(&credit(), options, &[]);
        assert!(error.contains(expected), "{options:?}: {error}");
    }
}
