//! `/metrics`: what it says adds up, and is what clients saw.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::answer::{Answer, answer};
use crate::harness::credit::{SAMPLE, aged, array, copy_of_credit};
use crate::harness::host::Host;
use crate::harness::redis::Redis;
use crate::harness::refusal::refusal_at_start;
use crate::harness::scrape::Scrape;

fn host(options: &[&str]) -> Host {
    Host::credit(&[&["--metrics", "127.0.0.1:0"], options].concat())
}

fn get(host: &Host, path: &str) -> Answer {
    answer(host.agent().get(format!("{}{path}", host.address)).call())
}

/// The value of a counter of one endpoint.
fn count(metrics: &Scrape, name: &str, endpoint: &str) -> f64 {
    metrics.value(&format!("foretold_{name}_total"), &[("endpoint", endpoint), ("model", "credit")])
}

/// Asserts requests, hits, misses, bypassed and refused of an endpoint.
fn assert_counts(metrics: &Scrape, endpoint: &str, expected: [f64; 5]) {
    let names = ["requests", "hits", "misses", "bypassed", "refused"];
    assert_eq!(names.map(|name| count(metrics, name, endpoint)), expected, "{endpoint}");
    assert_eq!(expected[0], expected[1..].iter().sum::<f64>());
}

#[test]
fn all_series_are_there_from_the_start() {
    let mut host = host(&[]);
    let metrics = host.metrics();
    let infer = "/v2/models/credit/infer";
    let endpoints = ["", "/decisions", "/predictions", "/probabilities", "/risk_categories", infer];
    for endpoint in endpoints {
        assert_counts(&metrics, endpoint, [0.0; 5]);
        for name in ["entries_stored", "lookups_unavailable", "model_seconds_saved"] {
            assert_eq!(count(&metrics, name, endpoint), 0.0);
        }
        for name in ["foretold_lookup_seconds_count", "foretold_model_seconds_count"] {
            assert_eq!(metrics.value(name, &[("endpoint", endpoint)]), 0.0);
        }
    }
    assert_eq!(metrics.value("foretold_cache_bypassed", &[("model", "credit")]), 0.0);
    let build = [("version", env!("CARGO_PKG_VERSION")), ("model", "credit")];
    assert_eq!(metrics.value("foretold_build_info", &build), 1.0);
    assert_eq!(metrics.label_values("model_id").first().unwrap().len(), 15);
}

#[test]
fn the_table_in_the_documentation_has_every_metric() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/caching.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `foretold_"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    let described = names.map(|name| format!("foretold_{}", name.replace("`foretold_", "")));
    let described: BTreeSet<String> =
        described.map(|name| name.trim_end_matches('`').to_owned()).collect();
    let mut host = host(&[]);
    host.post("/decisions", SAMPLE);
    let metrics = host.metrics();
    let found: BTreeSet<String> = metrics.names().into_iter().map(str::to_owned).collect();
    assert_eq!(described, found);
}

#[test]
fn every_request_is_counted_once_whatever_becomes_of_it() {
    let mut host = host(&["--max-body-bytes", "100000", "--near-cache-mib", "0"]);
    let no_cache = [("content-type", "application/json"), ("cache-control", "no-cache")];
    // A miss, three hits, one past the cache.
    for path in ["/decisions", "/decisions", "/probabilities", "/decisions"] {
        assert_eq!(host.post(path, SAMPLE).status, 200);
    }
    assert_eq!(host.send("POST", "/probabilities", &no_cache, SAMPLE).status, 200);
    // Of an array: two that are the same and not there, one hit, and one that is refused.
    let rows = [&aged(31), &aged(31), SAMPLE, "{}"].join(",");
    assert_eq!(host.post("/risk_categories", &format!("[{rows}]")).status, 200);
    assert_eq!(host.post("/risk_categories", "[]").status, 200);
    // Refused by the component: malformed, invalid, of another type, with another method, nowhere.
    assert_eq!(host.post("/decisions", "{").status, 400);
    assert_eq!(host.post("/decisions", "{}").status, 422);
    assert_eq!(host.send("POST", "/decisions", &[("content-type", "a/b")], SAMPLE).status, 415);
    assert_eq!(answer(host.agent().get(format!("{}/decisions", host.address)).call()).status, 405);
    assert_eq!(host.post("/nowhere", SAMPLE).status, 404);
    assert_eq!(host.post("/nowhere/else", SAMPLE).status, 404);
    // Refused by the host.
    assert_eq!(host.post("/probabilities?x=1", &" ".repeat(100_001)).status, 413);
    assert_eq!(host.post("/nowhere", &" ".repeat(100_001)).status, 413);

    let metrics = host.metrics();
    assert_counts(&metrics, "/decisions", [7.0, 2.0, 1.0, 0.0, 4.0]);
    assert_counts(&metrics, "/probabilities", [3.0, 1.0, 0.0, 1.0, 1.0]);
    assert_counts(&metrics, "/risk_categories", [4.0, 1.0, 2.0, 0.0, 1.0]);
    assert_counts(&metrics, "", [3.0, 0.0, 0.0, 0.0, 3.0]);
    let stored = |endpoint| count(&metrics, "entries_stored", endpoint);
    assert_eq!((stored("/decisions"), stored("/probabilities")), (1.0, 1.0));
    assert_eq!(stored("/risk_categories"), 1.0);
    let responses = |endpoint, code| {
        metrics.value("foretold_responses_total", &[("endpoint", endpoint), ("code", code)])
    };
    assert_eq!(responses("/decisions", "200"), 3.0);
    for code in ["400", "422", "415", "405"] {
        assert_eq!(responses("/decisions", code), 1.0, "{code}");
    }
    assert_eq!(
        (responses("/probabilities", "200"), responses("/probabilities", "413")),
        (2.0, 1.0)
    );
    assert_eq!((responses("/risk_categories", "200")), 2.0);
    assert_eq!((responses("", "404"), responses("", "413")), (2.0, 1.0));
    // Look-ups: the three of /decisions, the one of the array; the model: a miss, no-cache, array.
    let of = |name, endpoint| metrics.value(name, &[("endpoint", endpoint)]);
    assert_eq!(of("foretold_lookup_seconds_count", "/decisions"), 3.0);
    assert_eq!(of("foretold_lookup_seconds_count", "/probabilities"), 1.0);
    assert_eq!(of("foretold_lookup_seconds_count", "/risk_categories"), 1.0);
    assert_eq!(of("foretold_model_seconds_count", "/decisions"), 1.0);
    assert_eq!(of("foretold_model_seconds_count", "/probabilities"), 1.0);
    assert_eq!(of("foretold_model_seconds_count", "/risk_categories"), 1.0);
    assert!(of("foretold_model_seconds_sum", "/decisions") > 0.0);
    let saved = |endpoint| count(&metrics, "model_seconds_saved", endpoint);
    assert!(saved("/decisions") > 0.0 && saved("/probabilities") > 0.0);
    assert_eq!(saved(""), 0.0);
    // Nothing of a request is a label.
    let infer = "/v2/models/credit/infer";
    let endpoints = ["", "/decisions", "/predictions", "/probabilities", "/risk_categories", infer];
    assert!(metrics.label_values("endpoint").into_iter().eq(endpoints));
}

#[test]
fn what_the_store_did_is_counted() {
    let redis = Redis::start();
    let mut host = host(&["--store", &redis.url(), "--ttl", "1", "--near-cache-mib", "0"]);
    host.post("/decisions", SAMPLE);
    let key = redis.cli(&["--scan"]).remove(0);
    redis.cli(&["SET", &key, "something else"]);
    host.post("/decisions", SAMPLE);
    // Redis is made to keep it for longer than it may be served.
    redis.cli(&["PERSIST", &key]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    host.post("/decisions", SAMPLE);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    host.post("/decisions", &aged(40));
    drop(redis);
    while host.metrics().value("foretold_lookups_unavailable_total", &[]) == 0.0 {
        assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    }
    let metrics = host.metrics();
    let decisions = |name| count(&metrics, name, "/decisions");
    assert_eq!(decisions("entries_corrupt"), 1.0);
    assert_eq!(decisions("entries_expired"), 1.0);
    assert_eq!(decisions("entries_dropped"), 1.0);
    assert_eq!(decisions("entries_stored"), 3.0);
    assert_eq!(decisions("requests"), decisions("misses"));
}

#[test]
fn only_get_metrics_is_answered_there() {
    let mut host = host(&[]);
    let line = host.wait_for_log("metrics at ", std::time::Duration::ZERO);
    let url = &line[line.find("http://").unwrap()..];
    let agent = host.agent();
    let post = answer(agent.post(url).send("x"));
    assert_eq!((post.status, post.header("allow")), (405, "GET"));
    for path in ["/", "/metrics/", "/decisions"] {
        assert_eq!(answer(agent.get(url.replace("/metrics", path)).call()).status, 404, "{path}");
    }
    // And the other way round.
    assert_eq!(answer(agent.get(format!("{}/metrics", host.address)).call()).status, 404);
}

#[test]
fn rows_of_many_clients_add_up() {
    let mut host = host(&[]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for age in 18..68 {
                    assert_eq!(host.post("/decisions", &aged(age)).status, 200);
                    assert_eq!(host.post("/decisions", &array(10)).status, 200);
                }
            });
        }
    });
    let metrics = host.metrics();
    assert_eq!(count(&metrics, "requests", "/decisions"), 4.0 * 50.0 * 11.0);
    let sum =
        ["hits", "misses"].map(|name| count(&metrics, name, "/decisions")).iter().sum::<f64>();
    assert_eq!(sum, 4.0 * 50.0 * 11.0);
    let stored = count(&metrics, "entries_stored", "/decisions");
    assert_eq!(stored, count(&metrics, "misses", "/decisions"));
}

#[test]
fn an_address_for_metrics_that_is_taken_is_said_before_anything_is_served() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let model = copy_of_credit();
    let address = taken.local_addr().unwrap().to_string();
    let options = ["--no-snapshot", "--metrics", &address];
    let error = refusal_at_start(model.path(), &options, &[]);
    assert!(error.contains("for metrics") && !error.contains("serving"), "{error}");
}

#[test]
fn statistics_of_the_open_inference_protocol_are_those_of_the_metrics() {
    let host = Host::credit(&[]);
    let rows = format!("[{}]", [&aged(31), &aged(32), SAMPLE].join(","));
    for (path, body) in [("/decisions", SAMPLE), ("/probabilities", SAMPLE), ("/decisions", &rows)]
    {
        assert_eq!(host.post(path, body).status, 200);
    }
    assert_eq!(host.post("/decisions", "{}").status, 422);
    // Where it is announced, perf_analyzer takes versions for integers.
    assert!(!get(&host, "/v2").body.contains("statistics"));
    let model: Value = serde_json::from_str(&get(&host, "/v2/models/credit").body).unwrap();
    let version = model["versions"][0].as_str().unwrap();
    let of_version = format!("/v2/models/credit/versions/{version}/stats");
    for path in ["/v2/models/stats", "/v2/models/credit/stats", &of_version] {
        let answer = get(&host, path);
        let found: Value = serde_json::from_str(&answer.body).unwrap();
        let found = &found["model_stats"][0];
        assert_eq!((&found["name"], &found["version"]), (&"credit".into(), &version.into()));
        assert_eq!((&found["inference_count"], &found["execution_count"]), (&5.into(), &2.into()));
        let counts = ["success", "fail", "cache_hit", "cache_miss", "compute_infer", "queue"]
            .map(|name| found["inference_stats"][name]["count"].as_u64().unwrap());
        assert_eq!(counts, [3, 1, 1, 2, 2, 0], "{path}");
        assert!(found["inference_stats"]["compute_infer"]["ns"].as_u64() > Some(0));
        assert!(found["last_inference"].as_u64() > Some(1_700_000_000_000));
    }
    for path in ["/v2/models/other/stats", "/v2/models/credit/versions/1/stats"] {
        assert_eq!(get(&host, path).status, 404, "{path}");
    }
}

#[test]
fn who_may_not_tell_hits_from_misses_gets_no_statistics() {
    let host = Host::credit(&["--allow", "query"]);
    assert_eq!(get(&host, "/v2/models/credit/stats").status, 404);
}
