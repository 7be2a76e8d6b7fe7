//! A model served from memory: hits, headers, stop.

use std::time::Duration;

use crate::harness::credit::{SAMPLE, aged, change, copy_of_credit};
use crate::harness::host::Host;

#[test]
fn the_second_request_is_a_hit_and_so_is_another_endpoint() {
    let host = Host::credit(&[]);
    let first = host.post("/decisions", SAMPLE);
    assert_eq!((first.status, first.body.as_str()), (200, r#"{"decision":"ACCEPT"}"#));
    assert_eq!(first.header("cache-status"), "foretold; fwd=miss; stored");
    assert_eq!(first.header("content-type"), "application/json");
    let timing = first.header("server-timing");
    assert!(timing.starts_with("lookup;dur=0.") && timing.contains(", model;dur=0."), "{timing}");

    let second = host.post("/decisions", SAMPLE);
    assert!(second.is_hit(), "{second:?}");
    assert_eq!(second.body, first.body);
    assert!(second.header("age").parse::<u32>().unwrap() <= 5);
    assert!(second.header("server-timing").starts_with("lookup;dur=0."));
    assert!(!second.header("server-timing").contains("model"));

    let probability = host.post("/probabilities", SAMPLE);
    assert!(probability.is_hit());
    assert!((probability.json()["probability"].as_f64().unwrap() - 0.3).abs() < 0.05);
    let category = host.post("/risk_categories", SAMPLE);
    assert!(category.is_hit());
    assert_eq!(category.body, r#"{"risk_category":"MEDIUM"}"#);
}

#[test]
fn an_isolated_instance_per_request_shares_the_store() {
    let host = Host::credit(&["--isolate"]);
    assert!(!host.post("/decisions", SAMPLE).is_hit());
    for _ in 0..20 {
        assert!(host.post("/decisions", SAMPLE).is_hit());
    }
}

#[test]
fn an_entry_expires_after_the_ttl_option() {
    let host = Host::credit(&["--ttl", "2"]);
    assert!(!host.post("/decisions", SAMPLE).is_hit());
    let hit = host.post("/decisions", SAMPLE);
    assert!(hit.header("cache-status").starts_with("foretold; hit; ttl="), "{hit:?}");
    std::thread::sleep(Duration::from_millis(2100));
    // The store has dropped it by then, as it was told to.
    let expired = host.post("/decisions", SAMPLE);
    assert_eq!(expired.header("cache-status"), "foretold; fwd=miss; stored");
    assert!(host.post("/decisions", SAMPLE).is_hit());
}

#[test]
fn thresholds_and_bands_of_a_changed_manifest_apply_to_old_entries() {
    let redis = crate::harness::redis::Redis::start();
    let folder = copy_of_credit();
    let store = redis.url();
    let options = ["--no-snapshot", "--store", &store];
    let host = Host::start(folder.path(), &options);
    assert_eq!(host.post("/decisions", SAMPLE).body, r#"{"decision":"ACCEPT"}"#);
    assert!(host.stop().success());
    change(folder.path(), "manifest.toml", "threshold = 0.5", "threshold = 0.1");
    let host = Host::start(folder.path(), &options);
    let hit = host.post("/decisions", SAMPLE);
    assert!(hit.is_hit());
    assert_eq!(hit.body, r#"{"decision":"DECLINE"}"#);
}

#[test]
fn concurrent_clients_get_their_own_answers() {
    let host = Host::credit(&[]);
    let expected: Vec<String> =
        (18..=127).map(|age| host.post("/probabilities", &aged(age)).body).collect();
    std::thread::scope(|scope| {
        for offset in 0..8 {
            let (host, expected) = (&host, &expected);
            scope.spawn(move || {
                for i in 0..200 {
                    let age = 18 + (i * 7 + offset * 13) % 110;
                    let answer = host.post("/probabilities", &aged(age));
                    assert!(answer.is_hit());
                    assert_eq!(answer.body, expected[age - 18]);
                }
            });
        }
    });
}

#[test]
fn a_stopped_host_finishes_what_is_under_way_and_ends_well() {
    use std::io::{Read, Write};
    let host = Host::credit(&[]);
    let mut stream =
        std::net::TcpStream::connect(host.address.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /decisions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        SAMPLE.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&SAMPLE.as_bytes()[..20]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let rest = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&SAMPLE.as_bytes()[20..]).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    });
    assert!(host.stop().success());
    let response = rest.join().unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with(r#"{"decision":"ACCEPT"}"#), "{response}");
}
