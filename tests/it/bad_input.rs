//! Bad input over HTTP: a 4xx problem document each, and the next request is served.

use crate::harness::answer::{Answer, answer};
use crate::harness::credit::SAMPLE;
use crate::harness::host::Host;

fn assert_problem(answer: &Answer, status: u16, parts: &[&str]) {
    let document = answer.problem(status);
    assert!(document["type"].as_str().unwrap().starts_with("urn:foretold:problem:"));
    assert!(!document["title"].as_str().unwrap().is_empty());
    let detail = document["detail"].as_str().unwrap();
    for part in parts {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[test]
fn each_kind_of_bad_input_gets_its_problem_document() {
    let host = Host::credit(&[]);
    let field = |from: &str, to: &str| SAMPLE.replace(from, to);
    let ages = "expected an integer from 18 to 127";
    let cases: &[(String, u16, &[&str])] = &[
        (field("}", ""), 400, &["line 1 column"]),
        (field("30", "NaN"), 400, &["line 1 column", "\"age_in_years\""]),
        (field("30", "1e999"), 422, &["age_in_years", ages, "1e999"]),
        (field("\"age_in_years\": 30, ", ""), 422, &["age_in_years is missing", ages]),
        (field("{", "{\"shoe_size\": 43, "), 422, &["shoe_size", "the fields are", "age_in_years"]),
        (field("{", "{\"age_in_years\": 43, "), 422, &["age_in_years is there more than once"]),
        (field("30", "\"30\""), 422, &["age_in_years", ages, "\"30\""]),
        (field("yes", "maybe"), 422, &["foreign_worker", "\"yes\", \"no\"", "maybe"]),
        (field("30", "17"), 422, &["age_in_years", ages, "17"]),
        (field("0.25", "0.251"), 422, &["in steps of 0.01", "0.251"]),
        (field("30", "17").replace("yes", "maybe"), 422, &["age_in_years", "foreign_worker"]),
        ("3".to_owned(), 422, &["an object"]),
        (String::new(), 400, &["line 1 column 0"]),
    ];
    for (body, status, parts) in cases {
        assert_problem(&host.post("/decisions", body), *status, parts);
    }
    let errors = host.post("/decisions", &field("30", "17").replace("yes", "maybe")).json();
    assert_eq!(errors["errors"][0]["field"], "age_in_years");
    assert_eq!(errors["errors"][0]["value"], "17");
    assert_eq!(errors["errors"][1]["pointer"], "/foreign_worker");
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn wrong_methods_paths_and_content_types_are_refused() {
    let host = Host::credit(&[]);
    let url = |path: &str| format!("{}{path}", host.address);
    let agent = host.agent();
    let get = answer(agent.get(url("/decisions")).call());
    assert_problem(&get, 405, &["GET", "POST"]);
    assert_eq!(get.header("allow"), "POST, QUERY, OPTIONS");
    let delete = answer(agent.delete(url("/probabilities")).call());
    assert_problem(&delete, 405, &["DELETE", "POST"]);
    let endpoints = [
        "/decisions",
        "/probabilities",
        "/risk_categories",
        "/predictions",
        "/v2/models/credit/infer",
    ];
    let unknown = host.post("/decide", SAMPLE);
    assert_problem(&unknown, 404, &[&["/decide"], &endpoints[..]].concat());
    assert_eq!(unknown.json()["endpoints"], serde_json::json!(endpoints));
    assert_problem(&answer(agent.get(url("/docs/none")).call()), 404, &endpoints);
    let form = agent.post(url("/decisions")).content_type("application/x-www-form-urlencoded");
    assert_problem(&answer(form.send(SAMPLE)), 415, &["x-www-form-urlencoded", "application/json"]);
    let bare = agent.post(url("/decisions")).header("content-type", "").send(SAMPLE);
    assert_problem(&answer(bare), 415, &["application/json"]);
}
