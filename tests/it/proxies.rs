//! Hostile clients through the proxies that usually stand in front, with their caches on: whatever one
//! sends, all others get the answer to what they asked, and not to what is hidden in a request.
//!
//! They are the packages of Debian; where one is missing, its tests say so and do nothing. `make test`
//! installs them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::answer::{Answer, agent, answer};
use crate::harness::credit::{SAMPLE, aged};
use crate::harness::host::Host;
use crate::harness::redis::free_port;
use crate::harness::wire::exchange_at;
use crate::hostile_clients::{ambiguous_heads, bodies, first_lines, long_heads};

/// One process, and one connection to the host that all clients share: a request that is left over on
/// it is the next client's.
const NGINX: &str = "
daemon off;
pid FOLDER/pid;
error_log FOLDER/error.log;
worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/temp;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  client_header_timeout 500ms;
  client_body_timeout 500ms;
  keepalive_timeout 500ms;
  client_max_body_size 6m;
  proxy_cache_path FOLDER/cache keys_zone=answers:1m;
  upstream host { server 127.0.0.1:HOST; keepalive 1; }
  server {
    listen 127.0.0.1:PORT;
    proxy_http_version 1.1;
    proxy_set_header connection '';
    proxy_cache answers;
    proxy_cache_valid any 1m;
    add_header x-cache $upstream_cache_status always;
    location / { proxy_pass http://host; }
    location /docs/ { proxy_pass http://host; proxy_ignore_headers cache-control; }
    location /risk_categories { proxy_pass http://host; proxy_cache_methods GET HEAD POST; }
  }
}
";

const HAPROXY: &str = "
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 500ms
  timeout server 10s
  timeout http-request 500ms
  timeout http-keep-alive 500ms
  http-reuse always
cache answers
  total-max-size 32
  max-age 60
  process-vary on
frontend clients
  bind 127.0.0.1:PORT
  default_backend host
backend host
  http-request set-var(txn.path) path
  http-request cache-use answers
  http-response set-header cache-control max-age=60 if { var(txn.path) -m beg /docs/ }
  http-response cache-store answers
  http-response set-header x-cache HIT if !{ srv_id -m found }
  server host 127.0.0.1:HOST
";

/// A proxy in front of a host, killed when it is dropped.
struct Proxy {
    name: &'static str,
    child: Child,
    port: u16,
    host: Host,
    _folder: TempDir,
}

impl Proxy {
    /// Those that are installed.
    fn all() -> Vec<Proxy> {
        let cors = ["--cors", "https://a.example,https://b.example"];
        let nginx = Proxy::start("nginx", NGINX, &["-e", "stderr", "-c"], &cors);
        // It keeps nothing that depends on the origin.
        let haproxy = Proxy::start("haproxy", HAPROXY, &["-q", "-f"], &[]);
        [nginx, haproxy].into_iter().flatten().collect()
    }

    fn start(
        name: &'static str,
        config: &str,
        options: &[&str],
        host_options: &[&str],
    ) -> Option<Proxy> {
        let host = Host::credit(host_options);
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let host_port = host.address.rsplit(':').next().unwrap();
        let text = config
            .replace("FOLDER", folder.path().to_str().unwrap())
            .replace("HOST", host_port)
            .replace("PORT", &port.to_string());
        let file = folder.path().join("conf");
        fs::write(&file, text).unwrap();
        // Where Debian has them is not on every user's path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut command = Command::new(name);
        command.env("PATH", path).args(options).arg(&file).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("SKIPPED: there is no {name}; install Debian's package");
            return None;
        };
        let proxy = Proxy { name, child, port, host, _folder: folder };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "{name} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        proxy.assert_answers("at the start");
        Some(proxy)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        // Over a connection of its own: proxies here end idle ones soon.
        let agent = agent();
        let request = agent.get(self.url(path));
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        answer(request.call())
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        let agent = agent();
        let request = agent.post(self.url(path));
        answer(request.content_type("application/json").send(body))
    }

    /// Asserts that each of some clients gets the answer to what it asks, from the cache or not.
    fn assert_answers(&self, after: &str) {
        let name = self.name;
        for client in 0..3 {
            let path = format!("/of-client-{client}-{}", after.replace(' ', "-"));
            let other = self.get(&path, &[]);
            assert!(
                other.status == 404 && other.body.contains(&path),
                "{name}, {after}: {other:?}"
            );
            let decision = self.post("/decisions", SAMPLE);
            let body = r#"{"decision":"ACCEPT"}"#;
            assert_eq!((decision.status, &*decision.body), (200, body), "{name}, {after}");
            let licences = self.get("/docs/licences.txt", &[]);
            let start = &licences.body[..licences.body.len().min(100)];
            let is_right = licences.status == 200 && start.starts_with("swagger-ui");
            assert!(is_right, "{name}, {after}: {}, {start}", licences.status);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A killed master of nginx would leave its worker behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Requests with another behind them, which only one of two servers takes for a request.
pub(crate) fn smuggled() -> Vec<(String, Vec<u8>)> {
    let hidden = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let lines = [
        "content-length: LENGTH\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: LENGTH",
        "content-length: LENGTH\r\ntransfer-encoding : chunked",
        "content-length: LENGTH\r\ntransfer-encoding:\tchunked",
        "content-length: LENGTH\r\ntransfer-encoding:\x0bchunked",
        "content-length: LENGTH\r\n transfer-encoding: chunked",
        "content-length: LENGTH\r\nx: y\ntransfer-encoding: chunked",
        "content-length: LENGTH\r\nx: y\rtransfer-encoding: chunked",
        "content-length: LENGTH\r\ntransfer-encoding: xchunked",
        "content-length: LENGTH\r\ntransfer-encoding: chunked, identity",
        "content-length: LENGTH\r\ntransfer-encoding: identity, chunked",
        "content-length: LENGTH\r\ntransfer-encoding: \"chunked\"",
        "content-length: LENGTH\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity",
        "content-length: LENGTH\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked",
        "content-length: LENGTH\r\ntransfer_encoding: chunked",
        "content-length: LENGTH\r\nx\0transfer-encoding: chunked",
        "content-length: LENGTH\r\ncontent-length: 5",
        "content-length: 5\r\ncontent-length: LENGTH",
        "content-length: 5, LENGTH",
        "content-length: +LENGTH",
        "content-length: 0LENGTH",
        "content-length: LENGTH ",
        "content-length : LENGTH\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\nconnection: transfer-encoding",
        "content-length: LENGTH\r\nconnection: content-length",
    ];
    let body = format!("0\r\n\r\n{hidden}");
    let by_lines = lines.into_iter().map(|lines| {
        let lines = lines.replace("LENGTH", &body.len().to_string());
        (lines.clone(), format!("POST /decisions HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{body}"))
    });
    let chunks = [
        "0\r\n\r\n",
        "0;x\r\n\r\n",
        "0;x\n\r\n",
        "0\n\n",
        "00\r\n\r\n",
        "0x0\r\n\r\n",
        "-0\r\n\r\n",
        " 0\r\n\r\n",
        "0 \r\n\r\n",
        "1\r\nz0\r\n\r\n",
        "1\r\nz\n0\r\n\r\n",
        "1;a=\"\r\n0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
        "0\r\ncontent-length: 99\r\n\r\n",
        "10000000000000000\r\n0\r\n\r\n",
    ];
    let by_chunks = chunks.into_iter().map(|chunks| {
        let head = "POST /decisions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        (format!("the chunks {chunks:?}"), format!("{head}{chunks}{hidden}"))
    });
    let gets = ["content-length: LENGTH", "transfer-encoding: chunked"].map(|lines| {
        let lines = lines.replace("LENGTH", &body.len().to_string());
        let request =
            format!("GET /docs/licences.txt HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{body}");
        (format!("GET with {lines}"), request)
    });
    let all = by_lines.chain(by_chunks).chain(gets);
    all.map(|(name, request)| (name, request.into_bytes())).collect()
}

#[test]
fn behind_a_proxy_nobody_gets_the_answer_to_what_another_hid_in_a_request() {
    let cases = smuggled();
    assert!(cases.len() >= 40, "{}", cases.len());
    for proxy in Proxy::all() {
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        for (number, (_, bytes)) in cases.iter().enumerate() {
            let reply = exchange_at(proxy.port, bytes);
            *statuses.entry(reply.status()).or_default() += 1;
            // What a client sends behind a whole request is its own second one; not what is inside.
            proxy.assert_answers(&format!("hidden request {number}"));
        }
        println!("{}: {} cases, by status {statuses:?}", proxy.name, cases.len());
    }
}

#[test]
fn behind_a_proxy_hostile_requests_change_no_other_answer() {
    let cases = [ambiguous_heads(), first_lines(), long_heads(), bodies()].concat();
    assert!(cases.len() >= 80, "{}", cases.len());
    for proxy in Proxy::all() {
        for (number, (name, bytes, _)) in cases.iter().enumerate() {
            let reply = exchange_at(proxy.port, bytes);
            assert!(reply.responses() <= 1, "{}, {name}: {reply:?}", proxy.name);
            proxy.assert_answers(&format!("hostile request {number}"));
        }
        println!("{}: {} cases", proxy.name, cases.len());
    }
}

#[test]
fn a_proxys_cache_gives_no_answer_to_another_question() {
    for proxy in Proxy::all() {
        let name = proxy.name;
        // It does cache, what it is told to.
        proxy.get("/docs/licences.txt", &[]);
        let cached = proxy.get("/docs/licences.txt", &[]);
        assert_eq!(cached.header("x-cache"), "HIT", "{name}: {:?}", cached.headers);
        // Nor is a row another's, by POST or QUERY.
        for age in [30, 41, 30, 41] {
            for method in ["POST", "QUERY"] {
                let request = ureq::http::Request::builder().method(method);
                let request = request.uri(proxy.url("/probabilities"));
                let request = request.header("content-type", "application/json");
                let body = aged(age);
                let request = request.header("content-length", body.len());
                let found = answer(agent().run(request.body(body.clone()).unwrap()));
                let direct = proxy.host.post("/probabilities", &body);
                // nginx before 1.29 may not know the method, and then says so.
                if method == "POST" || found.status == 200 {
                    assert_eq!(
                        (found.status, &found.body),
                        (200, &direct.body),
                        "{name}, {method}"
                    );
                }
            }
        }
        // What depends on a header of the request.
        for _ in 0..2 {
            for (accept, start) in [("text/html", "<!"), ("application/json", "{")] {
                let page = proxy.get("/", &[("accept", accept)]);
                assert!(page.body.starts_with(start), "{name}, {accept}: {page:?}");
            }
            for origin in ["https://a.example", "https://b.example", "https://c.example"] {
                let page = proxy.get("/docs/style.css", &[("origin", origin)]);
                let allowed = page.header("access-control-allow-origin");
                let is_allowed = name == "nginx" && !origin.contains("c.");
                let expected = if is_allowed { origin } else { "" };
                assert_eq!(allowed, expected, "{name}: {page:?}");
            }
            for (encoding, expected) in [("gzip", "gzip"), ("identity", "")] {
                let bytes = exchange_at(proxy.port, &bundle(encoding));
                let text = bytes.text.to_lowercase();
                let found = text.contains("content-encoding: gzip");
                assert_eq!(found, !expected.is_empty(), "{name}, {encoding}: {}", text.len());
            }
        }
    }
}

#[test]
fn a_proxy_that_keeps_answers_to_post_by_their_path_gives_no_clients_to_another() {
    for proxy in Proxy::all().into_iter().filter(|proxy| proxy.name == "nginx") {
        let path = "/risk_categories";
        let expected = proxy.host.post(path, SAMPLE).body;
        let spoiled = ["{", "\"x\"", "", &aged(17)];
        for body in spoiled {
            let refused = proxy.post(path, body);
            assert!((400..500).contains(&refused.status), "{body}: {refused:?}");
            assert_eq!(refused.header("cache-control"), "no-store", "{body}: {refused:?}");
            let good = proxy.post(path, SAMPLE);
            assert_eq!((good.status, &good.body), (200, &expected), "after {body}");
        }
        // What the host refuses before the component sees it.
        let plain = answer(agent().post(proxy.url(path)).content_type("text/plain").send("x"));
        assert_eq!((plain.status, plain.header("cache-control")), (415, "no-store"));
        let good = proxy.post(path, SAMPLE);
        assert_eq!((good.status, &good.body), (200, &expected));
    }
}

fn bundle(encoding: &str) -> Vec<u8> {
    let mut request = String::new();
    let path = "/docs/swagger-ui.css";
    write!(request, "GET {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: {encoding}\r\n").unwrap();
    request.push_str("connection: close\r\n\r\n");
    request.into_bytes()
}
