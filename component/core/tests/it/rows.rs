//! Arrays of rows: answered in order, looked up, computed and stored together.

use foretold_core::http::Response;
use foretold_core::http::problem::Problem;
use foretold_core::http::request::{MAX_ROWS, Rows, rows};
use foretold_core::report::Report;

use crate::world::{AgeModel, World, body, header};
use crate::{SAMPLE, credit};

fn aged(age: i64) -> String {
    SAMPLE.replace("30", &age.to_string())
}

fn send(world: &World, rows: &[String]) -> Response {
    world.send("POST", "/probabilities", None, &format!(" [{}]", rows.join(", ")))
}

#[test]
fn rows_are_answered_in_order_with_one_look_up_one_run_and_one_store() {
    let world = World::default();
    world.send("POST", "/decisions", None, &aged(40));
    let response = send(&world, &[aged(50), aged(40), aged(20)]);
    assert_eq!(body(&response), r#"[{"probability":0.5},{"probability":0.4},{"probability":0.2}]"#);
    let counts = (world.store.gets.get(), world.model.runs.get(), world.store.sets.get());
    assert_eq!(counts, (2, 2, 2));
    assert_eq!(
        header(&response, "cache-status"),
        Some(r#"foretold; fwd=miss; stored; detail="1 hits, 2 misses, 0 refused""#)
    );
    let report = Report { endpoint: Some(1), hits: 1, misses: 2, stored: 2, ..Report::default() };
    assert_eq!(response.report, report);
    let again = send(&world, &[aged(20), aged(40), aged(50)]);
    assert_eq!(
        header(&again, "cache-status"),
        Some(r#"foretold; hit; ttl=3600; detail="3 hits, 0 misses, 0 refused""#)
    );
    assert_eq!(world.model.runs.get(), 2);
}

#[test]
fn the_same_row_is_computed_and_stored_once() {
    let world = World::default();
    let response = send(&world, &[aged(30), aged(31), aged(30), aged(30)]);
    assert_eq!(response.report.misses, 4);
    assert_eq!(response.report.stored, 2);
    assert_eq!(world.store.entries.borrow().len(), 2);
}

#[test]
fn a_bad_row_has_its_error_in_its_place() {
    let world = World::default();
    let response = send(&world, &[aged(30), aged(7), "3".into(), "{}".into(), aged(31)]);
    assert_eq!(response.status, 200);
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answers.len(), 5);
    assert!(answers[0]["probability"].is_number() && answers[4]["probability"].is_number());
    assert_eq!(answers[1]["status"], 422);
    assert_eq!(answers[1]["errors"][0]["pointer"], "/1/age_in_years");
    assert_eq!(answers[1]["errors"][0]["value"], "7");
    assert_eq!(answers[2]["errors"][0]["pointer"], "/2");
    assert_eq!(answers[3]["errors"].as_array().unwrap().len(), 5);
    let Report { hits, misses, refused, .. } = response.report;
    assert_eq!((hits, misses, refused), (0, 2, 3));
}

#[test]
fn a_row_on_which_the_model_fails_does_not_take_the_others_with_it() {
    let model = AgeModel { fails_at: Some(31), ..AgeModel::default() };
    let world = World { model, ..World::default() };
    let response = send(&world, &[aged(30), aged(31), aged(32)]);
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answers[0]["probability"], 0.3);
    assert_eq!(answers[1]["status"], 500);
    assert_eq!(answers[2]["probability"], 0.32);
    assert!(response.log.unwrap().contains("no"));
    assert_eq!(world.store.entries.borrow().len(), 2);
}

#[test]
fn a_store_that_fails_is_asked_once_and_fails_no_row() {
    let world = World::default();
    world.store.fails.set(true);
    let response = send(&world, &[aged(30), aged(31)]);
    assert_eq!(body(&response), r#"[{"probability":0.3},{"probability":0.31}]"#);
    assert_eq!((world.store.gets.get(), world.store.sets.get()), (1, 0));
    assert_eq!(response.report.unavailable, 2);
}

#[test]
fn an_empty_array_is_answered_with_one() {
    let world = World::default();
    let response = send(&world, &[]);
    assert_eq!((response.status, body(&response)), (200, "[]"));
    assert_eq!((world.store.gets.get(), world.model.runs.get()), (0, 0));
}

#[test]
fn as_many_rows_as_allowed_are_taken_and_one_more_is_refused() {
    let features = credit().features;
    let array = |count: usize| format!("[{}]", vec![SAMPLE; count].join(","));
    let taken = rows(array(MAX_ROWS).as_bytes(), &features).unwrap();
    assert!(matches!(taken, Rows::Many(rows) if rows.len() == MAX_ROWS));
    let Err(Problem::InvalidRequest { errors }) = rows(array(MAX_ROWS + 1).as_bytes(), &features)
    else {
        panic!("it is one too many")
    };
    assert!(errors[0].detail.contains("10001 rows"), "{}", errors[0].detail);
}

#[test]
fn an_array_that_is_not_json_is_refused_as_a_whole() {
    let world = World::default();
    for array in ["[", "[1,]", "[{}", "[{\"a\":1}} ]", "[\"\u{1}\"]"] {
        let response = world.send("POST", "/decisions", None, array);
        assert_eq!(response.status, 400, "{array}: {}", body(&response));
        assert_eq!(response.report.refused, 1);
    }
}

#[test]
fn mistakes_are_explained_for_the_first_rows_and_said_of_all() {
    let world = World::default();
    let rows = vec!["{\"x\":1}".to_owned(); MAX_ROWS];
    let response = send(&world, &rows);
    assert_eq!(response.report.refused as usize, MAX_ROWS);
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answers[39]["errors"][0]["pointer"], "/39/x");
    assert_eq!(answers[100]["errors"], serde_json::Value::Null);
    assert_eq!(answers[MAX_ROWS - 1]["detail"], "the row has mistakes");
    assert!(answers.iter().all(|answer| answer["status"] == 422));
    let bytes = response.body.len();
    assert!(bytes < 1_400_000, "{bytes}");
}

#[test]
fn a_mistake_in_each_of_a_hundred_rows_is_explained() {
    let response = send(&World::default(), &vec![aged(7); 101]);
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answers[99]["errors"][0]["pointer"], "/99/age_in_years");
    assert_eq!(answers[100]["errors"], serde_json::Value::Null);
}
