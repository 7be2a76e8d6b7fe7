//! HTTP/1.1 on the wire: what clients send besides one tidy request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::credit::SAMPLE;
use crate::harness::host::Host;

/// Far less than any time limit of the server.
const SOON: Duration = Duration::from_secs(3);
const ANSWER: &str = r#"{"decision":"ACCEPT"}"#;

fn connect(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn request() -> String {
    let length = SAMPLE.len();
    format!("POST /decisions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{SAMPLE}")
}

/// One response whose body is [`ANSWER`].
fn read_answer(stream: &mut TcpStream) -> String {
    let mut response = String::new();
    let mut byte = [0];
    while !response.ends_with(ANSWER) {
        assert_eq!(stream.read(&mut byte).expect("an answer soon"), 1, "closed: {response:?}");
        response.push(char::from(byte[0]));
    }
    response
}

#[test]
fn bytes_after_a_request_do_not_delay_its_answer() {
    let host = Host::credit(&[]);
    for after in ["\r\n", "POST /decisions HTT"] {
        let mut stream = connect(&host);
        stream.write_all(format!("{}{after}", request()).as_bytes()).unwrap();
        assert!(read_answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"), "{after:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let host = Host::credit(&[]);
    let mut stream = connect(&host);
    stream.write_all(request().repeat(3).as_bytes()).unwrap();
    assert!(read_answer(&mut stream).contains("fwd=miss"));
    assert!(read_answer(&mut stream).contains("hit;"));
    assert!(read_answer(&mut stream).contains("hit;"));
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answer() {
    let host = Host::credit(&[]);
    for _ in 0..20 {
        let mut stream = connect(&host);
        stream.write_all(request().as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_answer(&mut stream);
    }
}

#[test]
fn what_is_no_http_gets_400() {
    let host = Host::credit(&[]);
    let two_lengths =
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    for junk in
        [two_lengths, "GET / HTTP/1.1\r\nho st: x\r\n\r\n", "\u{16}\u{3}\u{1} hello\r\n\r\n"]
    {
        let mut stream = connect(&host);
        stream.write_all(junk.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 400 "), "{junk:?}: {response:?}");
    }
}

#[test]
fn a_content_type_that_is_there_twice_is_refused() {
    let host = Host::credit(&[]);
    let mut stream = connect(&host);
    let types =
        "content-type: application/json\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n";
    stream
        .write_all(request().replacen("\r\n\r\n", &format!("\r\n{types}"), 1).as_bytes())
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 415 "), "{response}");
}

#[test]
fn a_host_that_stops_answers_once_more_and_says_that_it_closes() {
    let host = Host::credit(&[]);
    let mut stream = connect(&host);
    stream.write_all(request().as_bytes()).unwrap();
    assert!(!read_answer(&mut stream).contains("connection: close"));
    host.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(request().as_bytes()).unwrap();
    assert!(read_answer(&mut stream).contains("connection: close"));
    assert!(host.stop().success());
}
