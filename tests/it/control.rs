//! What a request may ask of the cache, and what the operator may forbid.

use crate::harness::answer::Answer;
use crate::harness::credit::{SAMPLE, aged};
use crate::harness::host::Host;
use crate::harness::redis::Redis;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends the sample with a Cache-Control.
fn ask(host: &Host, control: &str) -> Answer {
    host.send("POST", "/decisions", &[JSON, ("cache-control", control)], SAMPLE)
}

fn query(host: &Host, headers: &[(&str, &str)]) -> Answer {
    host.send("QUERY", "/probabilities", &[&[JSON], headers].concat(), SAMPLE)
}

#[test]
fn each_directive_does_what_rfc_9111_says() {
    let host = Host::credit(&[]);
    let absent = ask(&host, "only-if-cached");
    assert_eq!(absent.status, 504);
    assert_eq!(absent.json()["type"], "urn:foretold:problem:not-cached");
    assert_eq!(ask(&host, "no-store").header("cache-status"), "foretold; fwd=bypass");
    // Nothing was stored, so this computes and stores.
    assert_eq!(ask(&host, "no-cache").header("cache-status"), "foretold; fwd=bypass; stored");
    assert!(ask(&host, "only-if-cached").is_hit());
    assert_eq!(ask(&host, "no-cache").header("cache-status"), "foretold; fwd=bypass; stored");
    assert!(ask(&host, "max-age=60").is_hit());
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = ask(&host, "max-age=0");
    assert_eq!(old.header("cache-status"), "foretold; fwd=stale; stored; detail=max-age");
    assert!(ask(&host, "max-age=60, unknown=1").is_hit());
}

#[test]
fn each_directive_can_be_forbidden_alone() {
    let all = ["no-cache", "no-store", "max-age", "only-if-cached", "cache-status", "query"];
    for forbidden in &all[..4] {
        let rest: Vec<&str> = all.into_iter().filter(|name| name != forbidden).collect();
        let host = Host::credit(&["--allow", &rest.join(",")]);
        if *forbidden == "only-if-cached" {
            let answer = ask(&host, "only-if-cached");
            assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; stored");
        }
        host.post("/decisions", SAMPLE);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        for directive in ["no-cache", "no-store", "max-age=0"] {
            let answer = ask(&host, directive);
            let ignored = directive.starts_with(forbidden);
            assert_eq!(answer.is_hit(), ignored, "{directive} without {forbidden}: {answer:?}");
            // What is not ignored may have stored an entry of age 0.
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }
}

#[test]
fn a_hidden_cache_status_hides_all_that_tells_a_hit_from_a_miss() {
    let host = Host::credit(&["--allow", "no-cache,query"]);
    let names = |answer: &Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(|name| name.to_string()).collect();
        names.sort();
        names
    };
    let (miss, hit) = (host.post("/decisions", SAMPLE), host.post("/decisions", SAMPLE));
    assert_eq!(
        names(&miss),
        [
            "cache-control",
            "content-length",
            "content-type",
            "date",
            "etag",
            "x-content-type-options"
        ]
    );
    assert_eq!(names(&miss), names(&hit));
    for name in ["cache-control", "etag", "content-length"] {
        assert_eq!(miss.header(name), hit.header(name), "{name}");
    }
    let (miss, hit) = (query(&host, &[("cache-control", "no-cache")]), query(&host, &[]));
    assert_eq!(miss.header("cache-control"), hit.header("cache-control"));
    assert_eq!(names(&miss), names(&hit));
}

#[test]
fn without_query_only_post_is_answered() {
    let host = Host::credit(&["--allow", "none"]);
    let refused = query(&host, &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, "POST, OPTIONS"));
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn a_query_can_be_kept_by_other_caches_and_a_post_cannot() {
    let host = Host::credit(&["--ttl", "600"]);
    let post = host.post("/probabilities", SAMPLE);
    assert_eq!((post.header("cache-control"), post.header("vary")), ("no-store", ""));
    let first = query(&host, &[]);
    assert_eq!((first.status, &first.body), (200, &post.body));
    assert_eq!(first.header("vary"), "content-type");
    assert_eq!(first.header("cache-control"), "max-age=600");
    assert_eq!(first.header("etag"), post.header("etag"));
    // RFC 10008: a query says what it is.
    assert_eq!(host.send("QUERY", "/probabilities", &[], SAMPLE).status, 415);
}

#[test]
fn a_query_that_is_known_gets_304_and_a_post_never() {
    let host = Host::credit(&[]);
    let etag = query(&host, &[]).header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10, "{etag}");
    for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let known = query(&host, &[("if-none-match", &tags)]);
        assert_eq!((known.status, known.body.as_str()), (304, ""), "{tags}");
        assert_eq!(known.header("etag"), etag);
        let post = host.send("POST", "/probabilities", &[JSON, ("if-none-match", &tags)], SAMPLE);
        assert_eq!(post.status, 200, "{tags}");
        assert!(!post.body.is_empty());
    }
    assert_eq!(query(&host, &[("if-none-match", "\"other\"")]).status, 200);
    // The connection is still good after a 304.
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn an_etag_is_the_same_on_every_host_and_after_a_restart() {
    let redis = Redis::start();
    let one = Host::credit(&["--store", &redis.url()]);
    let other = Host::credit(&[]);
    let etag = one.post("/probabilities", SAMPLE).header("etag").to_owned();
    assert_eq!(other.post("/probabilities", SAMPLE).header("etag"), etag);
    assert_ne!(one.post("/probabilities", &aged(60)).header("etag"), etag);
    assert!(one.stop().success());
    let again = Host::credit(&["--store", &redis.url()]);
    let hit = again.post("/probabilities", SAMPLE);
    assert!(hit.is_hit());
    assert_eq!(hit.header("etag"), etag);
}

#[test]
fn age_is_counted_from_the_prediction_whichever_host_made_it() {
    let redis = Redis::start();
    let one = Host::credit(&["--store", &redis.url(), "--ttl", "100"]);
    let miss = one.post("/decisions", SAMPLE);
    assert_eq!(miss.header("age"), "");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let other = Host::credit(&["--store", &redis.url(), "--ttl", "100"]);
    let hit = other.post("/decisions", SAMPLE);
    let age: u32 = hit.header("age").parse().unwrap();
    assert!((2..30).contains(&age), "{age}");
    assert_eq!(hit.header("cache-status"), format!("foretold; hit; ttl={}", 100 - age));
}

#[test]
fn each_endpoint_judges_the_age_of_the_one_entry() {
    let host = Host::credit(&["--ttl", "600", "--ttl", "/decisions=1"]);
    assert!(!host.post("/decisions", SAMPLE).is_hit());
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(host.post("/probabilities", SAMPLE).is_hit());
    assert_eq!(
        host.post("/decisions", SAMPLE).header("cache-status"),
        "foretold; fwd=stale; stored"
    );
}
