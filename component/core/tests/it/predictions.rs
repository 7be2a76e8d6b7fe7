//! `/predictions`: one representation, steered by the query.

use foretold_core::model::manifest::Manifest;
use foretold_core::settings::{KeyFormat, Settings};
use serde_json::Value;

use crate::SAMPLE;
use crate::world::{World, body, header};

#[test]
fn include_picks_members_in_the_manifests_order() {
    let world = World::default();
    for (query, expected) in [
        ("", r#"{"decision":"ACCEPT","probability":0.3,"risk_category":"MEDIUM"}"#),
        ("?include=probability", r#"{"probability":0.3}"#),
        ("?include=risk_category,decision", r#"{"decision":"ACCEPT","risk_category":"MEDIUM"}"#),
        (
            "?include=risk_category&include=decision",
            r#"{"decision":"ACCEPT","risk_category":"MEDIUM"}"#,
        ),
        ("?include=decision%2C%20probability", r#"{"decision":"ACCEPT","probability":0.3}"#),
        ("?", r#"{"decision":"ACCEPT","probability":0.3,"risk_category":"MEDIUM"}"#),
    ] {
        let response = world.post(&format!("/predictions{query}"));
        assert_eq!((response.status, body(&response)), (200, expected), "{query}");
    }
    assert_eq!(world.store.entries.borrow().len(), 1, "they share one entry");
}

#[test]
fn a_wrong_name_is_answered_by_the_right_ones() {
    let world = World::default();
    for (target, field, value) in [
        ("/predictions?include=decisions", "include", "decisions"),
        ("/predictions?include=", "include", ""),
        ("/predictions?include=decision,", "include", ""),
        ("/predictions?includes=decision", "includes", "decision"),
        ("/decisions?include=decision", "include", "decision"),
    ] {
        let response = world.post(target);
        let problem: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(problem["status"], 422, "{target}");
        let error = &problem["errors"][0];
        assert_eq!((&error["parameter"], &error["field"]), (&field.into(), &field.into()));
        assert_eq!(error["value"], value, "{target}");
        assert_eq!(error.get("pointer"), None);
    }
    let response = world.post("/predictions?include=x");
    assert!(body(&response).contains("the names are decision, probability, risk_category"));
    assert_eq!(world.store.gets.get(), 0);
}

#[test]
fn the_shortest_time_to_live_of_the_members_counts() {
    let endpoint_ttl_seconds =
        vec![("/decisions".to_owned(), 10), ("/probabilities".to_owned(), 20)];
    let settings = Settings { endpoint_ttl_seconds, ..Settings::default() };
    let world = World { settings, ..World::default() };
    world.post("/predictions");
    world.now.set(15);
    let status = |target: &str| header(&world.post(target), "cache-status").unwrap().to_owned();
    assert_eq!(status("/predictions?include=risk_category"), "foretold; hit; ttl=3585");
    assert_eq!(status("/predictions?include=probability,risk_category"), "foretold; hit; ttl=5");
    assert_eq!(status("/predictions"), "foretold; fwd=stale; stored");
}

#[test]
fn arrays_have_problems_in_place_of_rows() {
    let world = World::default();
    let response =
        world.send("POST", "/predictions?include=decision", None, &format!("[{SAMPLE},{{}}]"));
    let rows: Vec<Value> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(rows[0]["decision"], "ACCEPT");
    assert_eq!(
        rows[1]["errors"][0]["pointer"],
        "/1/installment_rate_in_percentage_of_disposable_income"
    );
    assert_eq!(
        (response.report.endpoint, response.report.misses, response.report.refused),
        (Some(3), 1, 1)
    );
}

#[test]
fn a_python_services_entries_have_one_member() {
    let settings = Settings { keys: KeyFormat::Repr, ..Settings::default() };
    let world = World { settings, ..World::default() };
    let status = |target: &str| header(&world.post(target), "cache-status").unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(status("/predictions"), "foretold; fwd=bypass");
    }
    assert!(world.store.entries.borrow().is_empty());
    assert_eq!(status("/decisions"), "foretold; fwd=miss; stored");
    assert_eq!(status("/predictions?include=decision"), "foretold; hit");
}

#[test]
fn a_manifest_cannot_take_what_every_service_has() {
    let text = include_str!("../../../../models/credit/manifest.toml");
    for path in ["/predictions", "/docs", "/docs/x", "/v2/models", "/openapi.json", "/healthz"] {
        let errors = Manifest::parse(&text.replace("/decisions", path)).unwrap_err().to_string();
        assert!(errors.contains("every service has"), "{path}: {errors}");
    }
    assert!(Manifest::parse(&text.replace("/decisions", "/documents")).is_ok());
    let twice = text.replace("field = \"decision\" ", "field = \"probability\" ");
    let errors = Manifest::parse(&twice).unwrap_err().to_string();
    assert!(errors.contains("field \"probability\" is another endpoint's too"), "{errors}");
}

#[test]
fn noise_of_floats_is_not_off_the_steps() {
    let world = World::default();
    let rate =
        |rate: &str| world.send("POST", "/decisions", None, &SAMPLE.replace("0.25", rate)).status;
    // 57 * 0.01 and 0.1 + 0.2 as floats.
    assert_eq!((rate("0.5700000000000001"), rate("0.30000000000000004")), (200, 200));
    assert_eq!((rate("0.57000001"), rate("0.305")), (422, 422));
    world.send("POST", "/decisions", None, &SAMPLE.replace("0.25", "0.57"));
    assert_eq!(world.store.entries.borrow().len(), 2, "noise has no key of its own");
}
