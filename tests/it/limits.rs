//! Limits of the host: each has a clear answer, and the host goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::answer::answer;
use crate::harness::credit::{SAMPLE, aged};
use crate::harness::host::Host;
use crate::harness::redis::Redis;
use crate::harness::refusal::refusal_of_credit;

#[test]
fn a_long_body_gets_413_whether_its_length_is_announced_or_not() {
    let host = Host::credit(&["--max-body-bytes", "1000"]);
    let long = format!("{SAMPLE}{}", " ".repeat(1001 - SAMPLE.len()));
    let refused = host.post("/decisions", &long);
    assert_eq!((refused.status, refused.header("connection")), (413, "close"));
    assert!(refused.json()["detail"].as_str().unwrap().contains("1000 bytes"), "{}", refused.body);
    let chunked = host.agent().post(format!("{}/decisions", host.address));
    let reader = &mut long.as_bytes();
    let refused =
        answer(chunked.content_type("application/json").send(ureq::SendBody::from_reader(reader)));
    assert_eq!(refused.status, 413);
    assert_eq!(host.post("/decisions", &long[..1000]).status, 200);
}

#[test]
fn an_announced_long_body_is_refused_before_it_is_sent() {
    let host = Host::credit(&[]);
    let mut stream = TcpStream::connect(host.address.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /decisions HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

#[test]
fn a_body_of_ten_thousand_mistakes_gets_a_short_answer() {
    let host = Host::credit(&[]);
    let body = format!("{{{}}}", vec![r#""a":1"#; 10_000].join(","));
    let refused = host.post("/decisions", &body);
    assert_eq!(refused.status, 422);
    assert!(refused.body.len() < 50_000, "{}", refused.body.len());
    assert!(refused.body.contains("and 9985 more mistakes"), "{}", refused.body);
}

#[test]
fn a_request_over_the_time_limit_gets_504() {
    let redis = Redis::start();
    let options = ["--store", &redis.url(), "--store-timeout-ms", "10000", "--timeout-ms", "200"];
    let host = Host::credit(&[&options[..], &["--near-cache-mib", "0"]].concat());
    host.post("/decisions", SAMPLE);
    redis.signal(Signal::STOP);
    let start = Instant::now();
    let late = host.post("/decisions", SAMPLE);
    assert_eq!(late.status, 504, "{late:?}");
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(late.json()["detail"].as_str().unwrap().contains("200 ms"));
    redis.signal(Signal::CONT);
    assert!(host.post("/decisions", SAMPLE).is_hit());
}

#[test]
fn one_request_too_many_gets_503() {
    let redis = Redis::start();
    let options = ["--store", &redis.url(), "--store-timeout-ms", "2000", "--timeout-ms", "3000"];
    let host = Host::credit(&[&options[..], &["--max-concurrent-requests", "2"]].concat());
    host.post("/decisions", SAMPLE);
    redis.signal(Signal::STOP);
    let statuses = std::thread::scope(|scope| {
        let clients: Vec<_> = (20..23)
            .map(|age| {
                let host = &host;
                scope.spawn(move || host.post("/decisions", &aged(age)))
            })
            .collect();
        // A busy host is alive.
        std::thread::sleep(Duration::from_millis(200));
        let health = host.agent().get(format!("{}/healthz", host.address)).call().unwrap();
        assert_eq!(health.status(), 200);
        let mut statuses: Vec<u16> =
            clients.into_iter().map(|client| client.join().unwrap().status).collect();
        statuses.sort_unstable();
        statuses
    });
    redis.signal(Signal::CONT);
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn a_host_whose_memory_limit_is_too_low_for_the_model_says_so() {
    let error = refusal_of_credit(&["--max-memory-mib", "1"], &[]);
    assert!(error.contains("memory"), "{error}");
}
