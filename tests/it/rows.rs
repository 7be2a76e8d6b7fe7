//! Arrays of requests: answered row by row, in order, with one trip to the store.

use serde_json::Value;

use crate::harness::credit::{SAMPLE, aged, array};
use crate::harness::host::Host;
use crate::harness::redis::Redis;

fn rows(body: &str) -> Vec<Value> {
    match serde_json::from_str(body) {
        Ok(Value::Array(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_answered_in_order_and_as_if_each_came_alone() {
    let host = Host::credit(&[]);
    let ages: Vec<usize> = (18..=127).rev().collect();
    let body = ages.iter().map(|age| aged(*age)).collect::<Vec<_>>().join(",");
    let answer = host.post("/probabilities", &format!("[{body}]"));
    let status = "foretold; fwd=miss; stored; detail=\"0 hits, 110 misses, 0 refused\"";
    assert_eq!((answer.status, answer.header("cache-status")), (200, status));
    let rows = rows(&answer.body);
    assert_eq!(rows.len(), ages.len());
    let alone = Host::credit(&[]);
    for (age, row) in ages.iter().zip(rows) {
        assert_eq!(alone.post("/probabilities", &aged(*age)).json(), row, "{age}");
        assert!(host.post("/decisions", &aged(*age)).is_hit());
    }
}

#[test]
fn a_bad_row_has_its_problem_in_its_place() {
    let host = Host::credit(&[]);
    let bad = SAMPLE.replace("30", "17").replace("yes", "maybe");
    let answer = host.post("/decisions", &format!("[{SAMPLE},{bad},3,{}]", aged(31)));
    assert_eq!(answer.status, 200);
    let status = "foretold; fwd=miss; stored; detail=\"0 hits, 2 misses, 2 refused\"";
    assert_eq!(answer.header("cache-status"), status);
    let rows = rows(&answer.body);
    assert_eq!((&rows[0]["decision"], &rows[3]["decision"]), (&"ACCEPT".into(), &"ACCEPT".into()));
    assert_eq!(rows[1]["type"], "urn:foretold:problem:invalid-request");
    assert_eq!(rows[1]["status"], 422);
    assert_eq!(rows[1]["errors"][0]["pointer"], "/1/age_in_years");
    assert_eq!(rows[1]["errors"][1]["pointer"], "/1/foreign_worker");
    assert_eq!(rows[2]["errors"][0]["pointer"], "/2");
}

#[test]
fn ten_thousand_rows_are_answered_and_one_more_is_refused() {
    let redis = Redis::start();
    for store in ["memory:", &redis.url()] {
        let host = Host::credit(&["--store", store, "--near-cache-mib", "0"]);
        let first = host.post("/probabilities", &array(10_000));
        assert_eq!(first.status, 200, "{}", &first.body[..first.body.len().min(1000)]);
        let status = "foretold; fwd=miss; stored; detail=\"0 hits, 10000 misses, 0 refused\"";
        assert_eq!(first.header("cache-status"), status);
        let second = host.post("/probabilities", &array(10_000));
        assert!(second.header("cache-status").starts_with("foretold; hit; ttl="), "{store}");
        let hits = "detail=\"10000 hits, 0 misses, 0 refused\"";
        assert!(second.header("cache-status").ends_with(hits), "{store}");
        assert_eq!(second.body, first.body);
        assert_eq!(rows(&second.body).len(), 10_000);
        let refused = host.post("/probabilities", &array(10_001));
        assert_eq!(refused.status, 422);
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("10001 rows; expected at most 10000"), "{detail}");
    }
    // A command that reads for each thousand rows of each array, one when the host connects (may
    // two names be in one command?), and the writes in pipelines.
    let reads = redis.cli(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let line = reads.iter().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
        line.map_or(0, |line| {
            let calls = line.split_once("calls=").unwrap().1;
            calls.split(',').next().unwrap().parse::<u32>().unwrap()
        })
    };
    assert_eq!((calls("mget"), calls("get"), calls("set")), (21, 0, 10_000));
}

#[test]
fn an_empty_array_is_answered_with_one() {
    let host = Host::credit(&[]);
    let answer = host.post("/decisions", " [ ] ");
    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
}

#[test]
fn what_is_no_array_to_its_end_is_refused_as_a_whole() {
    let host = Host::credit(&[]);
    for body in ["[", "[1,]", "[{}", "[]]", "[[]"] {
        assert_eq!(host.post("/decisions", body).status, 400, "{body}");
    }
}

#[test]
fn rows_that_are_the_same_are_stored_once_and_answered_each() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url()]);
    let same = SAMPLE.replace("30", "30.0");
    let body = [SAMPLE, &same].repeat(50).join(",");
    let answer = host.post("/decisions", &format!("[{body}]"));
    assert_eq!(rows(&answer.body).len(), 100);
    assert_eq!(redis.cli(&["--scan"]).len(), 1);
}

#[test]
fn only_the_rows_that_are_missing_are_computed() {
    let host = Host::credit(&[]);
    host.post("/decisions", &array(90));
    let answer = host.post("/decisions", &array(100));
    let status = "foretold; fwd=miss; stored; detail=\"90 hits, 10 misses, 0 refused\"";
    assert_eq!(answer.header("cache-status"), status);
    // And where only the cache may answer, the others get an error each.
    let headers = [("content-type", "application/json"), ("cache-control", "only-if-cached")];
    let answer = host.send("POST", "/decisions", &headers, &array(101));
    let rows = rows(&answer.body);
    assert_eq!((answer.status, rows.len()), (200, 101));
    assert_eq!((&rows[99]["decision"], &rows[100]["status"]), (&"ACCEPT".into(), &504.into()));
}
