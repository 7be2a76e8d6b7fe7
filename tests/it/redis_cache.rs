//! Predictions in a real Redis.

use crate::harness::credit::{SAMPLE, aged, change, copy_of_credit, credit};
use crate::harness::host::Host;
use crate::harness::redis::Redis;

#[test]
fn keys_are_short_and_expire_by_themselves() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url(), "--ttl", "100"]);
    for age in 18..28 {
        host.post("/decisions", &aged(age));
    }
    let keys = redis.cli(&["--scan"]);
    assert_eq!(keys.len(), 10);
    for key in keys {
        assert!(key.len() < 64 && key.starts_with("foretold:"), "{key}");
        let ttl: i64 = redis.cli(&["TTL", &key])[0].parse().unwrap();
        assert!((90..=100).contains(&ttl), "{ttl}");
    }
}

#[test]
fn two_models_in_one_redis_never_see_each_others_entries() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url()]);
    host.post("/probabilities", SAMPLE);
    assert!(host.post("/probabilities", SAMPLE).is_hit());
    // The same graph with another weight: what retraining gives.
    let retrained = copy_of_credit();
    let path = retrained.path().join("model.onnx");
    let mut bytes = std::fs::read(&path).unwrap();
    let base = (-0.847_297_85_f32).to_le_bytes();
    let place = bytes.windows(4).position(|window| window == base).expect("the base value");
    bytes[place..place + 4].copy_from_slice(&0.5f32.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    let other = Host::start(retrained.path(), &["--no-snapshot", "--store", &redis.url()]);
    let answer = other.post("/probabilities", SAMPLE);
    assert!(!answer.is_hit());
    let mine = host.post("/probabilities", SAMPLE);
    assert!(mine.is_hit());
    assert_ne!(mine.body, answer.body);
    // The same model with another order of categories: a key would mean another input.
    let reordered = copy_of_credit();
    change(reordered.path(), "manifest.toml", r#"["yes", "no"]"#, r#"["no", "yes"]"#);
    let reordered = Host::start(reordered.path(), &["--no-snapshot", "--store", &redis.url()]);
    let answer = reordered.post("/probabilities", SAMPLE);
    assert!(!answer.is_hit());
    assert_eq!(answer.body, mine.body);
}

#[test]
fn damaged_and_foreign_values_are_misses() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url(), "--near-cache-mib", "0"]);
    let expected = host.post("/probabilities", SAMPLE).body;
    let key = redis.cli(&["--scan"]).remove(0);
    let values = ["", "x", "\u{1}aaaabbbbcccc", "hello, this is somebody else's value"];
    for value in values {
        redis.cli(&["SET", &key, value]);
        let answer = host.post("/probabilities", SAMPLE);
        assert_eq!(answer.body, expected);
        let status = "foretold; fwd=miss; stored; detail=corrupt-entry";
        assert_eq!(answer.header("cache-status"), status, "{value:?}");
        assert!(host.post("/probabilities", SAMPLE).is_hit());
    }
    // Another type in our place.
    redis.cli(&["DEL", &key]);
    redis.cli(&["LPUSH", &key, "x"]);
    let answer = host.post("/probabilities", SAMPLE);
    assert_eq!((answer.status, &answer.body), (200, &expected));
    let status = "foretold; fwd=miss; stored; detail=corrupt-entry";
    assert_eq!(answer.header("cache-status"), status);
    assert!(host.post("/probabilities", SAMPLE).is_hit());
}

#[test]
fn a_server_that_refuses_writes_still_lets_predictions_through() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let host = Host::credit(&["--store", &redis.url()]);
    let answer = host.post("/decisions", SAMPLE);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; detail=not-stored");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(
        host.post("/decisions", SAMPLE).header("cache-status"),
        "foretold; fwd=miss; stored"
    );
}

/// Serves with a URL that the environment gives.
fn host_with(url: &str) -> Host {
    let options = ["--no-snapshot", "--log", "trace"];
    Host::start_in(&credit(), &options, &[("FORETOLD_STORE", url)])
}

#[test]
fn a_password_is_used_and_never_logged() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "sesame-7"]);
    let host = host_with(&redis.url().replace("redis://", "redis://:sesame-7@"));
    host.post("/decisions", SAMPLE);
    assert!(host.post("/decisions", SAMPLE).is_hit());
    assert!(!host.log().contains("sesame"), "{}", host.log());
    let mut host = host_with(&redis.url().replace("redis://", "redis://:wrong-pass@"));
    host.wait_for_log("authentication failed", std::time::Duration::from_secs(5));
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    assert!(!host.log().contains("wrong-pass"), "{}", host.log());
}
