//! The OpenAPI documents of our models, as they are checked in.

use std::path::Path;

use crate::harness::credit::root;
use crate::harness::host::Host;

/// With FORETOLD_UPDATE in the environment it is written anew.
#[test]
fn the_documents_that_are_checked_in_are_what_services_answer() {
    for model in ["credit", "credit-full"] {
        let folder = root().join("models").join(model);
        check(&Host::start(&folder, &["--no-snapshot"]), &folder.join("openapi.json"));
    }
}

fn check(host: &Host, path: &Path) {
    let mut response = host.agent().get(format!("{}/openapi.json", host.address)).call().unwrap();
    let document: serde_json::Value =
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    let document = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("FORETOLD_UPDATE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let hint = "run `FORETOLD_UPDATE=1 cargo test --release -p foretold --test end_to_end openapi`";
    assert!(found == document, "{} is not what the service answers; {hint}", path.display());
}
