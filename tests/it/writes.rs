//! Writes that no request waits for: `--writes queued`.

use std::time::{Duration, Instant};

use crate::harness::credit::aged;
use crate::harness::host::Host;
use crate::harness::redis::Redis;

const ROWS: usize = 40;
const QUEUED: &str = "foretold; fwd=miss; detail=write-queued";

fn host(url: &str, options: &[&str]) -> Host {
    let common = ["--store", url, "--writes", "queued", "--metrics", "127.0.0.1:0"];
    Host::credit(&[&common[..], options].concat())
}

fn rows() -> impl Iterator<Item = String> {
    (18..18 + ROWS).map(aged)
}

fn count(host: &mut Host, outcome: &str) -> f64 {
    host.metrics().value("foretold_queued_writes_total", &[("outcome", outcome)])
}

fn wait_until_stored(host: &mut Host, rows: usize) {
    let start = Instant::now();
    while count(host, "stored") < rows as f64 {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", count(host, "stored"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_miss_does_not_wait_for_its_write_and_the_next_request_finds_it() {
    let redis = Redis::start();
    for near_cache in [&["--near-cache-mib", "0"][..], &[]] {
        redis.cli(&["FLUSHALL"]);
        let mut host = host(&redis.url(), near_cache);
        let other = Host::credit(&["--store", &redis.url(), "--near-cache-mib", "0"]);
        other.wait_for_hit(&aged(17 + ROWS + 1), Duration::from_secs(10));
        redis.cli(&["CLIENT", "PAUSE", "2000", "WRITE"]);
        let start = Instant::now();
        for row in rows() {
            let miss = host.post("/decisions", &row);
            assert_eq!((miss.status, miss.header("cache-status")), (200, QUEUED));
            let again = host.post("/decisions", &row);
            assert!(again.is_hit(), "{again:?}");
            assert_eq!(again.body, miss.body);
        }
        let asked = start.elapsed();
        if asked < Duration::from_millis(1500) {
            assert_eq!(count(&mut host, "stored"), 0.0);
        }
        wait_until_stored(&mut host, ROWS);
        for row in rows() {
            assert!(other.post("/decisions", &row).is_hit(), "{row}");
        }
        let metrics = host.metrics();
        let stored = [("endpoint", "/decisions")];
        assert_eq!(metrics.value("foretold_entries_stored_total", &stored), 0.0);
        for outcome in ["failed", "full", "purged"] {
            assert_eq!(count(&mut host, outcome), 0.0, "{outcome}");
        }
    }
}

#[test]
fn a_host_that_stops_writes_what_is_queued() {
    let redis = Redis::start();
    let host = host(&redis.url(), &[]);
    host.wait_for_hit(&aged(90), Duration::from_secs(10));
    redis.cli(&["CLIENT", "PAUSE", "700", "WRITE"]);
    for row in rows() {
        assert_eq!(host.post("/decisions", &row).header("cache-status"), QUEUED);
    }
    host.stop();
    let other = Host::credit(&["--store", &redis.url(), "--near-cache-mib", "0"]);
    other.wait_for_hit(&aged(90), Duration::from_secs(10));
    for row in rows() {
        assert!(other.post("/decisions", &row).is_hit(), "{row}");
    }
}

#[test]
fn what_the_store_does_not_take_is_counted_and_predicted_again() {
    let redis = Redis::start();
    let mut host = host(&redis.url(), &["--near-cache-mib", "0"]);
    host.wait_for_hit(&aged(90), Duration::from_secs(10));
    // Out of memory, with reads as before.
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let row = aged(30);
    let first = host.post("/decisions", &row);
    assert_eq!(first.header("cache-status"), QUEUED);
    let start = Instant::now();
    while count(&mut host, "failed") < 1.0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    let again = host.post("/decisions", &row);
    assert_eq!((again.body, again.status), (first.body, 200));
    assert!(!again.headers["cache-status"].to_str().unwrap().contains("hit"));
}
