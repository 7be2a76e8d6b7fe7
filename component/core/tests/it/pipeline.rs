//! The flow: hits, misses, and stores and models that fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use foretold_core::feature::Value;
use foretold_core::http::{Request, Response};
use foretold_core::key::ModelId;
use foretold_core::manifest::Manifest;
use foretold_core::pipeline::{Moment, Service, answer};
use foretold_core::settings::Settings;
use foretold_core::{Model, ModelError, Store, StoreError};

use crate::{SAMPLE, credit};

/// A store that keeps everything, and fails when told to.
#[derive(Default)]
struct MapStore {
    entries: RefCell<BTreeMap<String, Vec<u8>>>,
    fails: Cell<bool>,
    gets: Cell<usize>,
    sets: Cell<usize>,
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
struct AgeModel {
    runs: Cell<usize>,
    output: Option<f32>,
    fails_at: Option<i64>,
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

struct World {
    manifest: Manifest,
    store: MapStore,
    model: AgeModel,
    settings: Settings,
    now: Cell<u32>,
    entropy: Cell<u64>,
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
fn post(path: &str) -> Request<'_> {
    Request {
        method: "POST",
        target: path,
        content_type: Some("application/json"),
        cache_control: None,
        if_none_match: None,
        body: SAMPLE.as_bytes(),
        bypass_store: false,
    }
}

impl World {
    fn answer(&self, request: &Request<'_>) -> Response {
        let id = ModelId::new(b"model", &self.manifest, 1);
        let service = Service::new(self.manifest.clone(), id);
        let moment = Moment { seconds: self.now.get(), entropy: self.entropy.get() };
        answer(&service, request, &self.store, &self.model, &self.settings, moment)
    }

    fn send(&self, method: &str, target: &str, content_type: Option<&str>, body: &str) -> Response {
        let body = body.as_bytes();
        self.answer(&Request { method, content_type, body, ..post(target) })
    }

    fn post(&self, path: &str) -> Response {
        self.answer(&post(path))
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|header| header.name == name).map(|header| header.value.as_ref())
}

fn body(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[test]
fn one_entry_serves_all_endpoints() {
    let world = World::default();
    let miss = world.post("/decisions");
    assert_eq!((miss.status, body(&miss)), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(header(&miss, "cache-status"), Some("foretold; fwd=miss; stored"));
    assert_eq!(header(&miss, "age"), None);
    world.now.set(600);
    let hit = world.post("/risk_categories?x=1");
    assert_eq!((hit.status, body(&hit)), (200, r#"{"risk_category":"MEDIUM"}"#));
    assert_eq!(header(&hit, "cache-status"), Some("foretold; hit; ttl=3000"));
    assert_eq!(header(&hit, "age"), Some("600"));
    assert_eq!(body(&world.post("/probabilities")), r#"{"probability":0.3}"#);
    assert_eq!(world.model.runs.get(), 1);
    assert_eq!(world.store.entries.borrow().len(), 1);
}

#[test]
fn an_entry_ends_with_its_time_to_live() {
    let world = World {
        settings: Settings { ttl_seconds: Some(60), ..Settings::default() },
        ..World::default()
    };
    world.post("/decisions");
    world.now.set(59);
    assert_eq!(header(&world.post("/decisions"), "cache-status"), Some("foretold; hit; ttl=1"));
    world.now.set(60);
    assert_eq!(
        header(&world.post("/decisions"), "cache-status"),
        Some("foretold; fwd=stale; stored")
    );
    world.now.set(61);
    assert_eq!(header(&world.post("/decisions"), "age"), Some("1"));
}

#[test]
fn a_damaged_entry_is_a_miss_and_overwritten() {
    let world = World::default();
    world.post("/decisions");
    for value in world.store.entries.borrow_mut().values_mut() {
        value[10] ^= 1;
    }
    let miss = world.post("/decisions");
    assert_eq!(
        header(&miss, "cache-status"),
        Some("foretold; fwd=miss; stored; detail=corrupt-entry")
    );
    assert_eq!(header(&world.post("/decisions"), "cache-status"), Some("foretold; hit; ttl=3600"));
}

#[test]
fn a_store_that_fails_never_fails_a_prediction() {
    let world = World::default();
    world.store.fails.set(true);
    let response = world.post("/decisions");
    assert_eq!((response.status, body(&response)), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(
        header(&response, "cache-status"),
        Some("foretold; fwd=miss; detail=store-unavailable")
    );
    assert_eq!(world.store.sets.get(), 0, "a store that just failed is not asked again");
}

#[test]
fn outputs_that_are_no_numbers_are_neither_answered_nor_stored() {
    let model = AgeModel { output: Some(f32::NAN), ..AgeModel::default() };
    let world = World { model, ..World::default() };
    let response = world.post("/decisions");
    assert_eq!(response.status, 500);
    assert!(response.log.unwrap().contains("NaN"));
    assert!(world.store.entries.borrow().is_empty());
}

#[test]
fn other_methods_paths_and_types_are_refused() {
    let world = World::default();
    let json = Some("application/json");
    let wrong_method = world.send("GET", "/decisions", None, "");
    assert_eq!((wrong_method.status, header(&wrong_method, "allow")), (405, Some("POST, QUERY")));
    let wrong_path = world.send("POST", "/decision", json, SAMPLE);
    assert_eq!(wrong_path.status, 404);
    assert!(body(&wrong_path).contains("/decisions, /probabilities, /risk_categories"));
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "json", "application/ö", ""]
    {
        let response = world.send("POST", "/decisions", Some(content_type), SAMPLE);
        assert_eq!(response.status, 415, "{content_type}");
        assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
    }
    for content_type in
        [None, json, Some("Application/JSON; charset=utf-8"), Some("application/vnd.x+json")]
    {
        assert_eq!(
            world.send("POST", "/decisions", content_type, SAMPLE).status,
            200,
            "{content_type:?}"
        );
    }
}

#[test]
fn a_problem_document_has_a_pointer_per_field() {
    let world = World::default();
    let response = world.send(
        "POST",
        "/decisions",
        None,
        &SAMPLE.replace("30", "7").replace("{", "{\"a/~b\": 1,"),
    );
    let document: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(document["status"], 422);
    assert_eq!(document["errors"][0]["pointer"], "/a~1~0b");
    assert_eq!(document["errors"][1]["pointer"], "/age_in_years");
    assert_eq!(document["errors"][1]["value"], "7");
    assert_eq!(document["errors"][1]["expected"], "an integer from 18 to 127");
}
