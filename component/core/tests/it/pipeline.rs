//! The flow: hits, misses, and stores and models that fail.

use foretold_core::cache::key::ModelId;
use foretold_core::http::{Headers, Request};
use foretold_core::service::Service;
use foretold_core::settings::Settings;

use crate::SAMPLE;
use crate::world::{AgeModel, World, body, header, post};

#[test]
fn one_entry_serves_all_endpoints() {
    let world = World::default();
    let miss = world.post("/decisions");
    assert_eq!((miss.status, body(&miss)), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(header(&miss, "cache-status"), Some("foretold; fwd=miss; stored"));
    assert_eq!(header(&miss, "age"), None);
    world.now.set(600);
    let hit = world.post("/risk_categories?");
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
    assert_eq!(
        (wrong_method.status, header(&wrong_method, "allow")),
        (405, Some("POST, QUERY, OPTIONS"))
    );
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
fn a_page_cannot_ask_blindly_without_a_content_type() {
    let world = World::default();
    for (content_type, status) in [(None, 415), (Some("application/json"), 200)] {
        let origin = Some("https://other.example");
        let headers = Headers { content_type, origin, ..Headers::default() };
        let response = world.answer(&Request { headers, ..post("/decisions") });
        let is_empty = world.store.entries.borrow().is_empty();
        assert_eq!((response.status, is_empty), (status, status == 415));
    }
}

#[test]
fn an_escaped_path_is_the_path_and_a_slash_is_never_escaped() {
    let world = World::default();
    let response = world.post("/%64ecisions?");
    assert_eq!((response.status, body(&response)), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(response.report.endpoint, Some(0));
    assert_eq!(world.send("GET", "/v2/models/%63redit", None, "").status, 200);
    assert_eq!(world.send("GET", "/v2%2Fmodels/credit", None, "").status, 404);
    assert_eq!(world.send("GET", "/docs/..%2fhealthz", None, "").status, 404);
    let missing = world.send("GET", "/%76%32/%78", None, "");
    assert!(body(&missing).contains(r#""error":"there is no /%76%32/%78; "#), "{}", body(&missing));
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

#[test]
fn every_path_of_the_description_is_counted_where_it_says() {
    let world = World::default();
    let service = Service::new(world.manifest.clone(), ModelId::new(b"model", &world.manifest, 1));
    let description = service.description(&world.settings);
    let endpoints = service.endpoints();
    assert_eq!(description.endpoints(), endpoints);
    assert_eq!(description.paths.len(), endpoints.len() + 1);
    for path in &description.paths {
        assert_eq!(world.post(&path.path).report.endpoint, Some(path.endpoint), "{}", path.path);
    }
    for path in ["/", "/v2", "/healthz", "/v2/models/credit/versions/1/infer"] {
        assert!(description.paths.iter().all(|known| known.path != path), "{path}");
        assert_eq!(world.post(path).report.endpoint, None, "{path}");
    }
}
