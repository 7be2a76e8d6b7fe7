//! Manifests. What is accepted is served: its documents are there, and its own example gets an answer.

#![no_main]

use foretold_core::cache::key::ModelId;
use foretold_core::http::{Headers, Request};
use foretold_core::model::manifest::Manifest;
use foretold_core::service::Service;
use foretold_fuzz::{MapStore, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(errors) => {
            assert!(!errors.0.is_empty());
            return;
        }
    };
    let id = ModelId::new(b"model", &manifest, 1);
    let service = Service::new(manifest, id);
    let layout = service.key_layout();
    let example = service.manifest().example();
    assert_eq!(layout.unpack(&layout.pack(&example)).as_ref(), Some(&example));
    let body = layout.json(&example);
    let headers = Headers { content_type: Some("application/json"), ..Headers::default() };
    let request = |method, target| {
        let body = if method == "POST" { body.as_bytes() } else { b"" };
        let request = Request { method, target, headers, body, bypass_store: false };
        answer(&service, &request, &MapStore::default())
    };
    for target in ["/", "/openapi.json", "/readyz", "/v2"] {
        assert_eq!(request("GET", target).status, 200, "{target}");
    }
    for target in service.manifest().endpoints.iter().map(|endpoint| &*endpoint.path) {
        let response = request("POST", target);
        assert_eq!(response.status, 200, "{target}: {response:?}");
    }
    assert_eq!(request("POST", "/predictions").status, 200);
});
