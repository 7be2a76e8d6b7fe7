//! `--cache auto` through the real host. What it decides for which costs is tested beside it; here
//! a store that is far away must be found out, and one that is near must be left in use.

use std::time::Duration;

use crate::harness::credit::{SAMPLE, aged};
use crate::harness::host::Host;
use crate::harness::onnx::slow_model;
use crate::harness::proxy::{Proxy, Trouble};
use crate::harness::redis::Redis;

/// What a member of the host looks like.
const BYPASSED: &str = "foretold; fwd=bypass, foretold-host; detail=model-cheaper-than-lookup";

/// A line of the log may come after the answer.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// With a time limit for the store that no busy machine hits: look-ups that are not answered do not
/// count.
fn host(store: &str, options: &[&str]) -> Host {
    let auto = ["--cache", "auto", "--metrics", "127.0.0.1:0"];
    // What the store takes is what decides.
    let store = ["--store", store, "--store-timeout-ms", "2000", "--near-cache-mib", "0"];
    Host::credit(&[&auto[..], &store, options].concat())
}

/// Sends requests until an answer has a status; returns how many it took.
fn send_until(host: &Host, limit: usize, status: &str) -> usize {
    for sent in 1..=limit {
        let answer = host.post("/decisions", &aged(18 + sent % 110));
        assert_eq!(answer.status, 200);
        if answer.header("cache-status") == status {
            return sent;
        }
    }
    panic!("no {status:?} in {limit} requests:\n{}", host.log());
}

#[test]
fn a_store_that_takes_longer_than_the_model_is_bypassed() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port());
    proxy.make(Trouble::Delay(Duration::from_millis(3)));
    let mut host = host(&proxy.url(), &[]);
    assert_eq!(host.metrics().value("foretold_cache_bypassed", &[]), 0.0);
    // One window of look-ups.
    assert_eq!(send_until(&host, 1000, BYPASSED), 257);
    let line = host.wait_for_log("the cache costs more than it saves", LOG_LIMIT);
    assert!(line.contains("INFO") && line.contains("µs") && line.contains("% hit"), "{line}");
    let metrics = host.metrics();
    assert_eq!(metrics.value("foretold_cache_bypassed", &[]), 1.0);
    assert_eq!(metrics.value("foretold_bypassed_total", &[]), 1.0);
    let gets = || metrics.value("foretold_lookup_seconds_count", &[]);
    assert_eq!(gets(), 256.0);
    // Requests that get no prediction say nothing of the cache.
    assert_eq!(host.post("/decisions", "{}").header("cache-status"), "");
    // It looks again after the pause, finds the same, and does not repeat itself.
    for i in 0..2000 {
        assert_eq!(host.post("/decisions", &aged(18 + i % 110)).status, 200);
    }
    let metrics = host.metrics();
    assert_eq!(metrics.value("foretold_lookup_seconds_count", &[]), 512.0);
    assert_eq!(host.log().matches("the cache costs more").count(), 1);
}

#[test]
fn a_hidden_cache_status_gets_no_member_of_the_host_either() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port());
    proxy.make(Trouble::Delay(Duration::from_millis(3)));
    let mut host = host(&proxy.url(), &["--allow", "none"]);
    for _ in 0..300 {
        assert_eq!(host.post("/decisions", SAMPLE).header("cache-status"), "");
    }
    assert_eq!(host.metrics().value("foretold_cache_bypassed", &[]), 1.0);
}

#[test]
fn a_store_in_memory_stays_in_use() {
    // One that takes longer than to look into memory, which the credit model hardly does.
    let folder = slow_model(0);
    let options = ["--no-snapshot", "--cache", "auto", "--near-cache-mib", "0"];
    let metrics = ["--metrics", "127.0.0.1:0"];
    let mut host = Host::start(folder.path(), &[&options[..], &metrics].concat());
    for i in 0..2000 {
        let answer = host.post("/numbers", &format!("{{\"x\":{}}}", i % 110));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let metrics = host.metrics();
    assert_eq!(metrics.value("foretold_cache_bypassed", &[]), 0.0);
    assert_eq!(metrics.value("foretold_misses_total", &[]), 110.0);
}
