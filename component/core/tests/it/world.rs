//! A service with a store and a model that tests can look into.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use foretold_core::cache::key::ModelId;
use foretold_core::http::{Headers, Request, Response};
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_core::pipeline::answer;
use foretold_core::service::{Now, Service};
use foretold_core::settings::Settings;
use foretold_core::{Model, ModelError, Store, StoreError};

use crate::{SAMPLE, credit};

/// A store that keeps everything, and fails when told to.
#[derive(Default)]
pub(crate) struct MapStore {
    pub(crate) entries: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) fails: Cell<bool>,
    pub(crate) gets: Cell<usize>,
    pub(crate) sets: Cell<usize>,
}

impl Store for MapStore {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.gets.set(self.gets.get() + 1);
        if self.fails.get() {
            return Err(StoreError("away".into()));
        }
        Ok(keys.iter().map(|key| self.entries.borrow().get(key).cloned()).collect())
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.sets.set(self.sets.get() + 1);
        if self.fails.get() {
            return Err(StoreError("away".into()));
        }
        self.entries.borrow_mut().extend(entries.iter().cloned());
        Ok(())
    }
}

/// A model that answers with the age in hundredths, and counts its runs.
#[derive(Default)]
pub(crate) struct AgeModel {
    pub(crate) runs: Cell<usize>,
    pub(crate) output: Option<f32>,
    pub(crate) fails_at: Option<i64>,
}

impl Model for AgeModel {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        self.runs.set(self.runs.get() + 1);
        let rows = rows.chunks_exact(5).map(|row| match row[1] {
            Value::Integer(age) if Some(age) == self.fails_at => Err(ModelError("no".into())),
            Value::Integer(age) => Ok(self.output.unwrap_or(age as f32 / 100.0)),
            _ => Err(ModelError("no age".into())),
        });
        rows.collect()
    }
}

pub(crate) struct World {
    pub(crate) manifest: Manifest,
    pub(crate) store: MapStore,
    pub(crate) model: AgeModel,
    pub(crate) settings: Settings,
    pub(crate) now: Cell<u32>,
    pub(crate) entropy: Cell<u64>,
}

impl Default for World {
    fn default() -> World {
        World {
            manifest: credit(),
            store: MapStore::default(),
            model: AgeModel::default(),
            settings: Settings::default(),
            now: Cell::new(0),
            entropy: Cell::new(0),
        }
    }
}

/// A request with the sample as its body.
pub(crate) fn post(path: &str) -> Request<'_> {
    Request {
        method: "POST",
        target: path,
        headers: Headers { content_type: Some("application/json"), ..Headers::default() },
        body: SAMPLE.as_bytes(),
        bypass_store: false,
    }
}

impl World {
    pub(crate) fn answer(&self, request: &Request<'_>) -> Response {
        let id = ModelId::new(b"model", &self.manifest, 1);
        let service = Service::new(self.manifest.clone(), id);
        let now = Now { seconds: self.now.get(), entropy: self.entropy.get() };
        answer(&service, request, &self.store, &self.model, &self.settings, now)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Response {
        let body = body.as_bytes();
        let headers = Headers { content_type, ..Headers::default() };
        self.answer(&Request { method, headers, body, ..post(target) })
    }

    pub(crate) fn post(&self, path: &str) -> Response {
        self.answer(&post(path))
    }
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|header| header.name == name).map(|header| header.value.as_ref())
}

pub(crate) fn body(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}
