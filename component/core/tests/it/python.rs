//! Sharing a Redis with a Python service: its keys and values, byte for byte.

use foretold_core::settings::{KeyFormat, Settings};

use crate::world::{World, body, header};

fn world() -> World {
    let settings = Settings { keys: KeyFormat::Repr, ..Settings::default() };
    World { settings, ..World::default() }
}

/// What pydantic prints for `repr(DecisionRequest(…))`.
const KEY: &str = "DecisionRequest(installment_rate_in_percentage_of_disposable_income=0.25, \
    age_in_years=30, foreign_worker='yes', present_employment_since='unemployed', \
    personal_status_and_sex='male: single')";

#[test]
fn keys_and_values_are_those_of_the_python_service() {
    let world = world();
    for path in ["/decisions", "/probabilities", "/risk_categories"] {
        assert_eq!(header(&world.post(path), "cache-status"), Some("foretold; fwd=miss; stored"));
        let hit = world.post(path);
        assert_eq!(header(&hit, "cache-status"), Some("foretold; hit"));
        assert_eq!(header(&hit, "age"), None);
    }
    let entries = world.store.entries.borrow();
    let expected = [
        (KEY.to_owned(), b"ACCEPT".to_vec()),
        (KEY.replace("Decision", "Probability"), b"0.30000001192092896".to_vec()),
        (KEY.replace("Decision", "RiskCategory"), b"MEDIUM".to_vec()),
    ];
    assert_eq!(entries.clone().into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_the_python_service_wrote_is_answered() {
    let world = world();
    let put = |key: &str, value: &str| {
        world.store.entries.borrow_mut().insert(key.into(), value.into());
    };
    put(KEY, "DECLINE");
    put(&KEY.replace("Decision", "Probability"), "1.2345678901234567e-05");
    put(&KEY.replace("Decision", "RiskCategory"), "HIGH");
    assert_eq!(body(&world.post("/decisions")), r#"{"decision":"DECLINE"}"#);
    assert_eq!(body(&world.post("/probabilities")), r#"{"probability":0.000012345679}"#);
    assert_eq!(body(&world.post("/risk_categories")), r#"{"risk_category":"HIGH"}"#);
    assert_eq!(world.model.runs.get(), 0);
}

#[test]
fn what_no_endpoint_answers_is_a_miss_and_overwritten() {
    for value in [&b""[..], b"accept", b"MAYBE", b"\xff", b"0.3"] {
        let world = world();
        world.store.entries.borrow_mut().insert(KEY.into(), value.into());
        let miss = world.post("/decisions");
        assert_eq!(
            header(&miss, "cache-status"),
            Some("foretold; fwd=miss; stored; detail=corrupt-entry")
        );
        assert_eq!(world.store.entries.borrow()[KEY], b"ACCEPT");
    }
    for value in ["nan", "inf", "1e300", "", "0,3", "ACCEPT"] {
        let world = world();
        let key = KEY.replace("Decision", "Probability");
        world.store.entries.borrow_mut().insert(key, value.into());
        assert_eq!(body(&world.post("/probabilities")), r#"{"probability":0.3}"#, "{value}");
    }
}
