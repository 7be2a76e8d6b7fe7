//! What the targets share: services with a store in memory and a model that answers at once, and what
//! is true of every response.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use foretold_core::cache::key::ModelId;
use foretold_core::http::{Request, Response};
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_core::pipeline;
use foretold_core::service::{Now, Service};
use foretold_core::settings::Settings;
use foretold_core::{Model, ModelError, Store, StoreError};

/// The service of the credit model: five features.
pub static CREDIT: LazyLock<Service> =
    LazyLock::new(|| service(include_str!("../../models/credit/manifest.toml")));

/// The service of the credit model with all 20 features.
pub static CREDIT_FULL: LazyLock<Service> =
    LazyLock::new(|| service(include_str!("../../models/credit-full/manifest.toml")));

/// The service for the text of a good manifest.
fn service(manifest: &str) -> Service {
    let manifest = Manifest::parse(manifest).expect("a committed manifest");
    let id = ModelId::new(b"model", &manifest, 1);
    Service::new(manifest, id)
}

/// A store that keeps everything.
#[derive(Debug, Default)]
pub struct MapStore(RefCell<BTreeMap<String, Vec<u8>>>);

impl Store for MapStore {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        Ok(keys.iter().map(|key| self.0.borrow().get(key).cloned()).collect())
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.0.borrow_mut().extend(entries.iter().cloned());
        Ok(())
    }
}

/// A model that gives the same for all rows.
struct Constant {
    features: usize,
    outputs: usize,
}

impl Model for Constant {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        Ok(vec![0.5; rows.len() / self.features * self.outputs])
    }
}

/// Answers a request and checks what is true of every response: no fault of the server, visible
/// headers, and JSON where it says so.
///
/// # Panics
/// Where one of these is not true.
pub fn answer(service: &Service, request: &Request<'_>, store: &MapStore) -> Response {
    let Manifest { features, outputs, .. } = service.manifest();
    let model = Constant { features: features.len(), outputs: outputs.len() };
    let now = Now { seconds: 1, entropy: 0 };
    let response = pipeline::answer(service, request, store, &model, &Settings::default(), now);
    assert!(matches!(response.status, 200..500 | 504), "{response:?}");
    for header in &response.headers {
        let is_visible = header.value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(is_visible, "{}: {:?}", header.name, header.value);
    }
    let value = |name| {
        let header = response.headers.iter().find(|header| header.name == name);
        header.map(|header| header.value.as_ref())
    };
    let is_json = value("content-type").is_some_and(|value| value.ends_with("json"));
    if is_json && value("content-encoding").is_none() && !response.body.is_empty() {
        let json = serde_json::from_slice::<serde_json::Value>(&response.body);
        assert!(json.is_ok(), "{json:?}: {:?}", String::from_utf8_lossy(&response.body));
    }
    response
}
