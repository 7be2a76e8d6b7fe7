//! Hostile clients: each gets its refusal or its end, and whoever asks well beside it an answer.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::credit::{SAMPLE, aged, array, root};
use crate::harness::host::Host;
use crate::harness::wire::{
    SOON, connect, connect_from, connect_with_little_room, exchange, read, write,
};
use crate::hostile::{NO_IMPORT, serve_with_import};

const ORIGIN: &str = "https://shop.example";
/// Nobody who asks well waits for longer beside them.
const GOOD_LIMIT: Duration = Duration::from_secs(2);

/// Longer than anything takes that has a bound here.
const PATIENCE: Duration = Duration::from_secs(30);

fn credit(options: &[&str]) -> Host {
    let host = Host::credit(&[&["--metrics", "127.0.0.1:0", "--cors", ORIGIN], options].concat());
    assert_answered(&host);
    host
}

/// Asserts that somebody who asks well is answered.
fn assert_answered(host: &Host) {
    let start = Instant::now();
    let answer = host.post("/decisions", SAMPLE);
    assert_eq!((answer.status, &*answer.body), (200, r#"{"decision":"ACCEPT"}"#));
    assert!(start.elapsed() < GOOD_LIMIT, "{:?}", start.elapsed());
}

fn reached(host: &mut Host, bound: &str) -> f64 {
    host.metrics().value("foretold_bounds_reached_total", &[("bound", bound)])
}

/// Waits until a bound was reached so many times.
fn wait_until_reached(host: &mut Host, bound: &str, times: f64) {
    let start = Instant::now();
    while reached(host, bound) < times {
        assert!(start.elapsed() < PATIENCE, "{bound}: {}", reached(host, bound));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A prediction with lines in its head.
pub(crate) fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /decisions HTTP/1.1\r\nconnection: close\r\n{lines}\r\n{body}").into_bytes()
}

/// A prediction with a body in chunks.
fn chunked(body: &str) -> Vec<u8> {
    post("host: x\r\ntransfer-encoding: chunked\r\n", body)
}

/// A prediction whose body is as long as it says.
fn sized(body: &str) -> Vec<u8> {
    post(&format!("host: x\r\ncontent-length: {}\r\n", body.len()), body)
}

/// `GET /healthz` with another first line, and lines in its head.
fn get(line: &str, lines: &str) -> Vec<u8> {
    format!("{line}\r\nhost: x\r\nconnection: close\r\n{lines}\r\n").into_bytes()
}

fn health(lines: &str) -> Vec<u8> {
    get("GET /healthz HTTP/1.1", lines)
}

/// The sample in one chunk.
fn chunk() -> String {
    format!("{:x}\r\n{SAMPLE}\r\n0\r\n\r\n", SAMPLE.len())
}

/// What is sent, under a name, and the status of the answer; 0 where the connection ends without one.
pub(crate) type Case = (&'static str, Vec<u8>, u16);

/// Sends each case over a connection of its own.
fn check(cases: &[Case]) {
    let host = credit(&[]);
    let mut wrong = Vec::new();
    for (name, bytes, status) in cases {
        let reply = exchange(&host, bytes);
        let is_right = reply.status() == *status && reply.ended && reply.responses() <= 1;
        if !is_right {
            let text: String = reply.text.chars().take(200).collect();
            wrong.push(format!("{name}: expected {status}, got {text:?}, ended: {}", reply.ended));
        }
        assert_answered(&host);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_head_that_others_may_read_in_another_way_is_refused() {
    check(&ambiguous_heads());
}

/// Heads that two servers may read in two ways.
pub(crate) fn ambiguous_heads() -> Vec<Case> {
    let length = SAMPLE.len();
    let both =
        |first: &str, second: &str| post(&format!("host: x\r\n{first}\r\n{second}\r\n"), &chunk());
    let with = |lines: &str| post(&format!("host: x\r\n{lines}\r\n"), SAMPLE);
    let named = |name: &str| post(&format!("host: {name}\r\ncontent-length: {length}\r\n"), SAMPLE);
    vec![
        ("no Host", post(&format!("content-length: {length}\r\n"), SAMPLE), 400),
        ("two Hosts", health("host: y\r\n"), 400),
        ("the same Host twice", health("Host: x\r\n"), 400),
        ("a Host with a space", post("host: x y\r\ncontent-length: 0\r\n", ""), 400),
        ("a Host with a user", post("host: a@b\r\ncontent-length: 0\r\n", ""), 400),
        ("a Host with a path", post("host: a/b\r\ncontent-length: 0\r\n", ""), 400),
        ("the Host of a page elsewhere", named("evil.example"), 421),
        ("the same with a port", named("evil.example:8080"), 421),
        ("an address as a name", named("127.0.0.1.evil.example"), 421),
        ("no Host in HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n".to_vec(), 200),
        (
            "two Hosts in HTTP/1.0",
            b"GET /healthz HTTP/1.0\r\nhost: x\r\nhost: x\r\n\r\n".to_vec(),
            400,
        ),
        (
            "an empty Host",
            b"GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n".to_vec(),
            200,
        ),
        ("length, then encoding", both("content-length: 5", "transfer-encoding: chunked"), 400),
        ("encoding, then length", both("transfer-encoding: chunked", "content-length: 5"), 400),
        ("both in capitals", both("TRANSFER-ENCODING: chunked", "CONTENT-LENGTH: 0"), 400),
        ("two lengths", with(&format!("content-length: {length}\r\ncontent-length: 1")), 400),
        ("a list of lengths", with(&format!("content-length: {length}, {length}")), 400),
        ("a length with a sign", with(&format!("content-length: +{length}")), 400),
        ("a negative length", with("content-length: -1"), 400),
        ("a length in hexadecimal", with("content-length: 0x10"), 400),
        ("an empty length", with("content-length:"), 400),
        ("a length beyond 64 bits", with("content-length: 99999999999999999999"), 400),
        ("an encoding that is not chunked", with("transfer-encoding: gzip"), 400),
        ("chunked, but not last", with("transfer-encoding: chunked, gzip"), 400),
        ("identity", with("transfer-encoding: identity"), 400),
        ("nearly chunked", with("transfer-encoding: xchunked"), 400),
        ("a space before the colon", with("transfer-encoding : chunked"), 400),
        ("a folded line", with("x: a\r\n b"), 400),
        ("a header without a colon", with("x"), 400),
        ("a header without a name", with(": x"), 400),
        ("a name with a space", with("a b: c"), 400),
        ("a lone carriage return", with("x: a\rb"), 400),
        ("a zero byte in a value", with("x: a\0b"), 400),
        ("a zero byte in a name", with("x\0: a"), 400),
        (
            "chunks in HTTP/1.0",
            b"POST /decisions HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_vec(),
            400,
        ),
    ]
}

#[test]
fn a_first_line_of_nonsense_does_no_harm() {
    check(&first_lines());
}

/// First lines of nonsense.
pub(crate) fn first_lines() -> Vec<Case> {
    let target = |target: &str| get(&format!("GET {target} HTTP/1.1"), "");
    let method = |method: &str| get(&format!("{method} /healthz HTTP/1.1"), "");
    let post_to = |target: &str| {
        let length = SAMPLE.len();
        get(&format!("POST {target} HTTP/1.1"), &format!("content-length: {length}\r\n"))
            .into_iter()
            .chain(SAMPLE.bytes())
            .collect::<Vec<u8>>()
    };
    vec![
        ("an absolute target", post_to("http://x/decisions"), 200),
        ("another server's target", post_to("https://user@other.example:99/decisions"), 200),
        ("a target without a slash", post_to("decisions"), 400),
        ("two slashes", post_to("//decisions"), 404),
        ("a way up", post_to("/x/../decisions"), 404),
        ("an encoded way up", post_to("/%2e%2e/decisions"), 404),
        ("an encoded zero byte", post_to("/decisions%00"), 404),
        ("a zero byte", post_to("/decisions\0"), 400),
        ("no target", b"GET  HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), 400),
        ("an asterisk", get("OPTIONS * HTTP/1.1", ""), 404),
        ("a tunnel", get("CONNECT other.example:443 HTTP/1.1", ""), 405),
        ("a long path", target(&format!("/{}", "a".repeat(60_000))), 404),
        ("a longer path", target(&format!("/{}", "a".repeat(70_000))), 431),
        ("a long query", target(&format!("/healthz?{}", "a=b&".repeat(10_000))), 200),
        ("a small method", method("get"), 405),
        ("an unknown method", method("FETCH"), 405),
        ("a long method", method(&"A".repeat(10_000)), 405),
        ("a method with a zero byte", method("G\0T"), 400),
        ("a trace", method("TRACE"), 405),
        ("no version", b"GET /healthz\r\n\r\n".to_vec(), 400),
        ("a version of the past", b"GET /healthz HTTP/0.9\r\nhost: x\r\n\r\n".to_vec(), 400),
        ("a version of the future", b"GET /healthz HTTP/3.0\r\nhost: x\r\n\r\n".to_vec(), 400),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 0),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        ("another protocol", b"EHLO mail.example\r\n".to_vec(), 400),
        ("empty lines first", [b"\r\n\r\n".to_vec(), health("")].concat(), 200),
        ("line feeds only", b"GET /healthz HTTP/1.1\nhost: x\nconnection: close\n\n".to_vec(), 200),
        ("nothing", Vec::new(), 0),
    ]
}

#[test]
fn heads_have_a_size() {
    check(&long_heads());
}

/// Heads that are long.
pub(crate) fn long_heads() -> Vec<Case> {
    vec![
        ("70 kB in one header", health(&format!("x: {}\r\n", "a".repeat(70_000))), 431),
        ("70 kB in a name", health(&format!("{}: x\r\n", "a".repeat(70_000))), 431),
        (
            "70 kB without an end",
            format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(70_000)).into(),
            431,
        ),
        ("99 headers", health(&"x: y\r\n".repeat(96)), 200),
        ("200 headers", health(&"x: y\r\n".repeat(200)), 431),
        ("60 kB in one header", health(&format!("x: {}\r\n", "a".repeat(60_000))), 200),
    ]
}

#[test]
fn a_body_of_nonsense_is_refused() {
    check(&bodies());
}

/// Bodies of nonsense.
pub(crate) fn bodies() -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let expecting = format!("host: x\r\nexpect: the worst\r\ncontent-length: {}\r\n", SAMPLE.len());
    vec![
        ("chunks as they should be", chunked(&chunk()), 200),
        ("a chunk that is no number", chunked("zz\r\nx\r\n0\r\n\r\n"), 400),
        ("a chunk beyond 64 bits", chunked("fffffffffffffffff\r\nx\r\n0\r\n\r\n"), 400),
        ("a negative chunk", chunked("-1\r\nx\r\n0\r\n\r\n"), 400),
        ("a chunk that is too short", chunked("5\r\nabc\r\n0\r\n\r\n"), 400),
        ("a chunk that is too long", chunked("1\r\nabc\r\n0\r\n\r\n"), 400),
        ("a chunk without its end", chunked("5\r\nab"), 400),
        ("chunks without an end", chunked("1\r\n{\r\n"), 400),
        (
            "an endless extension",
            chunked(&format!("1;{}\r\n{{\r\n0\r\n\r\n", "a".repeat(100_000))),
            400,
        ),
        ("a body that breaks off", post("host: x\r\ncontent-length: 100\r\n", "{"), 400),
        ("a body of 10 GB", post("host: x\r\ncontent-length: 10000000000\r\n", ""), 413),
        (
            "chunks of 5 MB",
            chunked(&format!("500000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x50_0000))),
            413,
        ),
        ("nothing", sized(""), 400),
        ("zero bytes", sized(&"\0".repeat(1000)), 400),
        ("an array in an array in an array", sized(&deep), 200),
        ("a number without an end", sized(&format!("{{\"a\": {}}}", "9".repeat(100_000))), 422),
        ("an unknown expectation", post(&expecting, SAMPLE), 200),
        ("a great many empty blocks", empty_blocks(), 400),
        ("no gzip", post("host: x\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n", "{}"), 400),
    ]
}

/// Four megabytes of gzip in which there is nothing: blocks of ten bits, four in five bytes.
fn empty_blocks() -> Vec<u8> {
    let blocks = [0x02, 0x08, 0x20, 0x80, 0x00].repeat(800_000);
    let head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    let length = head.len() + blocks.len();
    let lines = format!("host: x\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n");
    [&post(&lines, ""), &head[..], &blocks].concat()
}

#[test]
fn a_request_hidden_in_another_is_not_answered() {
    let host = credit(&[]);
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let lengths = [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ];
    for lengths in lengths {
        let bytes =
            format!("POST /decisions HTTP/1.1\r\nhost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}");
        let reply = exchange(&host, bytes.as_bytes());
        assert_eq!((reply.status(), reply.responses()), (400, 1), "{reply:?}");
        assert!(reply.text.contains("connection: close"), "{reply:?}");
        // The same behind a request that is as it should be.
        let reply = exchange(&host, format!("{hidden}{bytes}").as_bytes());
        assert_eq!((reply.status(), reply.responses()), (200, 2), "{reply:?}");
        assert!(reply.text.contains("HTTP/1.1 400 "), "{reply:?}");
    }
    assert_answered(&host);
}

#[test]
fn many_requests_at_once_are_answered_one_after_the_other() {
    let host = credit(&[]);
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let reply = exchange(&host, request.repeat(2000).as_bytes());
    assert_eq!(reply.responses(), 2000);
    let length = SAMPLE.len();
    let request =
        format!("POST /decisions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{SAMPLE}");
    let reply = exchange(&host, request.repeat(200).as_bytes());
    assert_eq!((reply.responses(), reply.text.matches("ACCEPT").count()), (200, 200));
}

#[test]
fn half_heads_end_in_time() {
    let mut host = credit(&["--head-timeout-ms", "1000"]);
    let halves =
        ["", "G", "GET / HTTP/1.1\r\n", "POST /decisions HTTP/1.1\r\nhost: x\r\ncontent-le"];
    let mut clients: Vec<TcpStream> = (0..200)
        .map(|i| {
            let mut stream = connect_from(&host, 2);
            write(&mut stream, halves[i % halves.len()].as_bytes());
            stream
        })
        .collect();
    assert_answered(&host);
    for stream in &mut clients {
        let reply = read(stream, SOON);
        assert!(reply.ended && reply.status() == 0, "{reply:?}");
    }
    assert_eq!(reached(&mut host, "head-time"), 200.0);
    assert_answered(&host);
}

#[test]
fn a_head_that_comes_byte_by_byte_has_no_more_time() {
    let host = credit(&["--head-timeout-ms", "1000"]);
    for first in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = connect(&host);
        write(&mut stream, first.as_bytes());
        let start = Instant::now();
        while start.elapsed() < SOON && stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(start.elapsed() < Duration::from_secs(3), "{first:?}: {:?}", start.elapsed());
    }
    assert_answered(&host);
}

#[test]
fn a_body_that_comes_slowly_gets_408_which_a_page_can_read() {
    let mut host = credit(&["--body-timeout-ms", "500"]);
    for origin in [ORIGIN, "https://other.example"] {
        let mut stream = connect(&host);
        let lines = format!("host: x\r\norigin: {origin}\r\ncontent-length: 100\r\n");
        write(&mut stream, &post(&lines, "{"));
        let reply = read(&mut stream, SOON);
        assert_eq!(reply.status(), 408, "{reply:?}");
        let allowed = format!("access-control-allow-origin: {ORIGIN}\r\n");
        assert_eq!(reply.text.contains(&allowed), origin == ORIGIN, "{reply:?}");
        assert!(reply.text.contains("x-content-type-options: nosniff"), "{reply:?}");
        assert!(reply.took >= Duration::from_millis(400), "{reply:?}");
    }
    assert_eq!(reached(&mut host, "body-time"), 2.0);
    assert_answered(&host);
}

#[test]
fn refusals_of_the_host_can_be_read_by_pages_of_allowed_origins() {
    let host = credit(&["--max-body-bytes", "1000"]);
    let origin = format!("origin: {ORIGIN}\r\n");
    let long = " ".repeat(2000);
    for (bytes, status) in [
        (post(&format!("host: x\r\n{origin}content-length: 2000\r\n"), &long), 413),
        (post(&format!("host: x\r\n{origin}content-length: 100\r\n"), "{"), 400),
        (post(&format!("{origin}content-length: 0\r\n"), ""), 400),
    ] {
        let reply = exchange(&host, &bytes);
        assert_eq!(reply.status(), status, "{reply:?}");
        let allowed = format!("access-control-allow-origin: {ORIGIN}\r\n");
        assert!(reply.text.contains(&allowed), "{reply:?}");
    }
}

#[test]
fn an_idle_connection_ends() {
    let mut host = credit(&["--idle-timeout-ms", "500", "--head-timeout-ms", "5000"]);
    let before = reached(&mut host, "idle-time");
    let mut stream = connect_from(&host, 2);
    write(&mut stream, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let reply = read(&mut stream, SOON);
    assert!(reply.ended && reply.status() == 200, "{reply:?}");
    assert!(reply.took >= Duration::from_millis(450), "{reply:?}");
    assert!(reply.took < Duration::from_secs(3), "{reply:?}");
    assert!(reached(&mut host, "idle-time") > before);
}

#[test]
fn clients_that_do_not_read_lose_their_connections() {
    let mut host = credit(&["--write-timeout-ms", "1000"]);
    let request = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3000);
    let clients: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = connect_with_little_room(&host, 2);
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            write(&mut stream, request.as_bytes());
            stream
        })
        .collect();
    assert_answered(&host);
    wait_until_reached(&mut host, "write-time", 4.0);
    drop(clients);
    assert_answered(&host);
}

#[test]
fn an_address_has_its_share_of_the_connections_and_all_have_a_bound() {
    let mut host = credit(&["--max-connections", "40", "--max-connections-per-address", "15"]);
    let open = |n: u8, count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| connect_from(&host, n)).collect()
    };
    let flood = open(2, 60);
    assert_answered(&host);
    let mut refused = 0;
    for mut stream in flood.iter().map(|stream| stream.try_clone().unwrap()) {
        let reply = read(&mut stream, Duration::from_millis(50));
        assert!(matches!(reply.status(), 0 | 503), "{reply:?}");
        refused += usize::from(reply.ended);
    }
    assert_eq!(refused, 45);
    let more = [open(3, 20), open(4, 20)];
    let mut stream = connect(&host);
    let reply = read(&mut stream, SOON);
    assert!(reply.ended && reply.text.contains("retry-after: 1"), "{reply:?}");
    drop((flood, more));
    wait_until_reached(&mut host, "connections", 1.0);
    assert_eq!(reached(&mut host, "connections-per-address"), 45.0 + 5.0);
    let start = Instant::now();
    while connect_is_refused(&host) {
        assert!(start.elapsed() < SOON);
    }
    assert_answered(&host);
}

fn connect_is_refused(host: &Host) -> bool {
    let mut stream = connect(host);
    write(&mut stream, &health(""));
    read(&mut stream, SOON).status() != 200
}

/// Options with which bodies have 22 MiB together.
const LITTLE: [&str; 6] =
    ["--memory-mib", "290", "--max-connections", "64", "--store-memory-mib", "1"];

#[test]
fn bodies_have_a_memory_together_and_small_ones_do_without() {
    let mut host = credit(
        &[&LITTLE[..], &["--max-concurrent-requests", "1"], &["--body-timeout-ms", "60000"]]
            .concat(),
    );
    host.wait_for_log("memory: at most 290 MiB", Duration::ZERO);
    // Five that leave little, and as many small ones as find room in that.
    let lengths = [4_000_000; 5].into_iter().chain([300_000; 20]);
    let unfinished: Vec<TcpStream> = lengths
        .map(|length| {
            let mut stream = connect_from(&host, 2);
            let lines = format!("host: x\r\ncontent-length: {length}\r\n");
            write(&mut stream, &post(&lines, &" ".repeat(length - 1)));
            stream
        })
        .collect();
    wait_until_reached(&mut host, "body-memory", 1.0);
    assert_answered(&host);
    // What does not fit is told to come back.
    let large = format!("{SAMPLE}{}", " ".repeat(4_000_000 - SAMPLE.len()));
    let refused = host.post("/decisions", &large);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:?}");
    assert!(refused.body.contains("bodies take all the memory"), "{refused:?}");
    drop(unfinished);
    let start = Instant::now();
    while host.post("/decisions", &large).status != 200 {
        assert!(start.elapsed() < SOON);
    }
}

/// The most memory that a host has had, in MiB, as the kernel says.
fn peak_mib(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
fn a_host_takes_no_more_memory_than_it_says() {
    let host = credit(&LITTLE);
    let rows = array(8000);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let answer = host.post("/decisions", &rows);
                    assert!(matches!(answer.status, 200 | 503 | 504), "{answer:?}");
                }
            });
        }
        // Neither 3.9 MB that never end, nor answers that nobody reads.
        scope.spawn(|| {
            let body = format!("[{}", " ".repeat(3_900_000));
            let unfinished: Vec<TcpStream> = (0..20)
                .map(|_| {
                    let mut stream = connect_from(&host, 2);
                    write(&mut stream, &post("host: x\r\ncontent-length: 4000000\r\n", &body));
                    stream
                })
                .collect();
            std::thread::sleep(Duration::from_secs(1));
            drop(unfinished);
        });
    });
    assert_answered(&host);
    let peak = peak_mib(&host);
    assert!(peak < 290, "{peak} MiB");
}

#[test]
fn instances_have_a_memory_together() {
    let options = ["--memory-mib", "124", "--max-connections", "32", "--store-memory-mib", "1"];
    let more = ["--max-memory-mib", "8", "--max-body-bytes", "100000", "--timeout-ms", "3000"];
    let host = serve_with_import(NO_IMPORT, &[&options[..], &more].concat());
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let endless: Vec<_> =
            (0..24).map(|_| scope.spawn(|| host.post("/loop", "").status)).collect();
        endless.into_iter().map(|request| request.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert!(statuses.contains(&503) && statuses.contains(&504), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 503 | 504)), "{statuses:?}");
    assert_eq!(host.post("/answer", "").status, 200);
}

#[test]
fn an_instance_that_has_grown_is_not_kept() {
    let host = serve_with_import(NO_IMPORT, &[]);
    assert_eq!(host.post("/answer", "").body, "1");
    assert_eq!(host.post("/answer", "").body, "2");
    // It takes 12 MiB.
    assert_eq!(host.post("/both", "").body, "3");
    assert_eq!(host.post("/answer", "").body, "1");
}

#[test]
fn the_log_has_no_queries_and_not_how_a_component_broke_down() {
    let mut host = serve_with_import(NO_IMPORT, &["--timeout-ms", "200"]);
    let name = "n".repeat(3000);
    for path in ["/loop", "/trap", "/outside", "/status"] {
        let answer = host.post(&format!("{path}{name}?secret=4711"), "");
        assert!(answer.status >= 500, "{answer:?}");
        assert!(!answer.body.contains("wasm"), "{answer:?}");
    }
    host.wait_for_log("its status is 99", SOON);
    let log = host.log();
    for word in ["4711", "secret", "backtrace", "wasm function"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
    assert!(log.contains("the component broke down on POST /trap"), "{log}");
    assert!(log.contains("unreachable"), "{log}");
    assert!(log.lines().all(|line| line.len() < 1500), "{log}");
}

#[test]
fn requests_that_are_cut_off_leave_nothing() {
    let mut host = credit(&[]);
    let whole = sized(&aged(44));
    for end in (0..whole.len()).step_by(7) {
        let mut stream = connect_from(&host, 2);
        write(&mut stream, &whole[..end]);
        // Some say that they are done, and some are just gone.
        if end % 2 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    assert_answered(&host);
    let start = Instant::now();
    while host.metrics().value("foretold_connections", &[]) > 4.0 {
        assert!(start.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_that_answers_clients_may_panic() {
    // What these say cannot happen, whatever a client or a component does.
    let known =
        [r#".expect("nobody panics while holding it")"#, r#".expect("a String takes everything")"#];
    let mut folders = vec![root().join("host/src/serve"), root().join("host/src/guest")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            let rest = known.iter().fold(source.to_owned(), |text, known| text.replace(known, ""));
            for panics in [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!("] {
                assert!(!rest.contains(panics), "{panics} in {}", path.display());
            }
        }
    }
    assert!(files > 20, "{files}");
}
