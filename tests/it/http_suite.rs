//! One suite of requests, and every home of a component: the answers are those of our own host with
//! the artefact for the edge, byte for byte.
//!
//! | home | artefact | when |
//! |---|---|---|
//! | `foretold serve` | edge | always |
//! | `foretold serve` | spin | always |
//! | `foretold serve spin.toml` | spin | always |
//! | a host of the crates that `wasmtime serve` is made of | edge | always |
//! | `wasmtime serve` | edge | `make test-homes`, which puts `wasmtime` on PATH |
//! | `spin up` | spin | `make test-spin`, where `spin` is on PATH |

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use foretold::Target;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::answer::{Answer, agent, answer};
use crate::harness::credit::{SAMPLE, aged, array, credit, root};
use crate::harness::host::Host;
use crate::harness::redis::free_port;
use crate::wasi_http;

/// Headers that differ from answer to answer, or belong to the connection.
const OF_THE_MOMENT: [&str; 6] =
    ["date", "server-timing", "connection", "keep-alive", "transfer-encoding", "content-length"];

/// What our host adds to every answer in JSON.
const OF_OUR_HOST: [&str; 1] = ["x-content-type-options"];

/// What the cache did: a home whose store keeps nothing cannot say the same.
const OF_THE_CACHE: [&str; 2] = ["cache-status", "age"];

/// A program that answers HTTP with the credit model, and is stopped when this is dropped.
struct Home {
    name: &'static str,
    address: String,
    /// Whether its store keeps what is put into it.
    has_store: bool,
    _running: Box<dyn std::any::Any>,
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The credit model baked for a target, once for all tests.
pub(crate) fn baked(target: Target) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    static EDGE: OnceLock<PathBuf> = OnceLock::new();
    static SPIN: OnceLock<PathBuf> = OnceLock::new();
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let file = match target {
        Target::Edge => &EDGE,
        Target::Spin => &SPIN,
        Target::Library => &LIBRARY,
    };
    let bake = || {
        let folder = FOLDER.get_or_init(|| TempDir::new().unwrap());
        let path = folder.path().join(format!("credit-{}.wasm", target.name()));
        std::fs::write(&path, bake(target)).unwrap();
        path
    };
    file.get_or_init(bake).clone()
}

fn bake(target: Target) -> Vec<u8> {
    let model = foretold::ModelDir::read(&credit()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(foretold::bake(target.generic().unwrap(), &model)).unwrap()
}

/// The application `spin.toml` of the project, with the component at a place of its own.
pub(crate) fn application(folder: &Path, manifest: &str) -> PathBuf {
    let text = std::fs::read_to_string(root().join(manifest)).unwrap();
    assert!(text.contains("\"dist/credit-spin.wasm\""), "{text}");
    let spin = baked(Target::Spin);
    let text = text.replace("dist/credit-spin.wasm", spin.to_str().unwrap());
    let file = folder.join(manifest);
    std::fs::write(&file, text).unwrap();
    file
}

impl Home {
    fn foretold(name: &'static str, host: Host) -> Home {
        Home { name, address: host.address.clone(), has_store: true, _running: Box::new(host) }
    }

    fn edge() -> Home {
        Home::foretold("foretold serve, edge", Host::start(&baked(Target::Edge), &[]))
    }

    fn spin() -> Home {
        Home::foretold("foretold serve, spin", Host::start(&baked(Target::Spin), &[]))
    }

    fn spin_toml() -> Home {
        let folder = TempDir::new().unwrap();
        let host = Host::start(&application(folder.path(), "spin.toml"), &[]);
        Home::foretold("foretold serve spin.toml", host)
    }

    fn wasmtime_crates() -> Home {
        let address = wasi_http::serve();
        let name = "the crates of wasmtime serve";
        Home { name, address, has_store: false, _running: Box::new(()) }
    }

    /// A command of another project, if it is on PATH.
    fn command(
        name: &'static str,
        has_store: bool,
        start: impl Fn(u16) -> Command,
    ) -> Option<Home> {
        let port = free_port();
        let mut command = start(port);
        let is_there = Command::new(command.get_program()).arg("--version").output().is_ok();
        if !is_there {
            return None;
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let running = Box::new(Running(child));
        let address = format!("http://127.0.0.1:{port}");
        let started = Instant::now();
        while agent().get(&address).call().is_err() {
            assert!(started.elapsed() < Duration::from_secs(180), "{name} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Home { name, address, has_store, _running: running })
    }

    fn send(&self, case: &Case<'_>) -> Answer {
        let request = ureq::http::Request::builder().method(case.method);
        let mut request = request.uri(format!("{}{}", self.address, case.path));
        for (name, value) in case.headers {
            request = request.header(*name, *value);
        }
        let request = agent().configure_request(request.body(case.body.to_owned()).unwrap());
        answer(agent().run(request.allow_non_standard_methods(true).build()))
    }
}

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

struct Case<'a> {
    status: u16,
    method: &'a str,
    path: &'a str,
    headers: Headers<'a>,
    body: &'a str,
}

/// Sends all requests to two homes, and compares.
fn compare(reference: &Home, home: &Home) {
    let json: Headers<'_> = &[("content-type", "application/json")];
    let charset: Headers<'_> = &[("content-type", "application/json; charset=utf-8")];
    let suffix: Headers<'_> = &[("content-type", "application/vnd.credit+json")];
    let text: Headers<'_> = &[("content-type", "text/plain")];
    let cached_only: Headers<'_> =
        &[("content-type", "application/json"), ("cache-control", "only-if-cached")];
    let no_store: Headers<'_> =
        &[("content-type", "application/json"), ("cache-control", "no-store")];
    let wrong = SAMPLE.replace("30", "17").replace("yes", "maybe \u{1f600} \\n");
    let missing = SAMPLE.replace("\"age_in_years\": 30, ", "");
    let mixed = format!("[{SAMPLE},{wrong},3,{SAMPLE}]");
    let (many, unfinished) = (array(2000), SAMPLE.replace('}', ""));
    let fresh = aged(77);
    let html: Headers<'_> = &[("accept", "text/html")];
    let infer = "/v2/models/credit/infer";
    let tensors = tensors(SAMPLE);
    let cases: &[(u16, &str, &str, Headers<'_>, &str)] = &[
        (200, "POST", "/decisions", json, SAMPLE),
        (200, "POST", "/decisions", json, SAMPLE),
        (200, "POST", "/probabilities?", charset, SAMPLE),
        (200, "POST", "/risk_categories", suffix, SAMPLE),
        (200, "QUERY", "/probabilities", json, SAMPLE),
        (415, "QUERY", "/probabilities", &[], SAMPLE),
        (200, "POST", "/decisions", no_store, &fresh),
        (504, "POST", "/decisions", cached_only, &fresh),
        (200, "POST", "/decisions", json, "[]"),
        (200, "POST", "/probabilities", json, &mixed),
        (200, "POST", "/probabilities", json, &many),
        (422, "POST", "/decisions", json, &wrong),
        (422, "POST", "/decisions", json, &missing),
        (422, "POST", "/decisions", json, "3"),
        (400, "POST", "/decisions", json, &unfinished),
        (400, "POST", "/decisions", json, ""),
        (404, "POST", "/decide", json, SAMPLE),
        (405, "GET", "/decisions", &[], ""),
        (405, "PUT", "/decisions", json, SAMPLE),
        (405, "BREW", "/decisions", json, SAMPLE),
        (415, "POST", "/decisions", text, SAMPLE),
        (200, "POST", "/predictions", json, SAMPLE),
        (200, "POST", "/predictions?include=probability,decision", json, SAMPLE),
        (422, "POST", "/predictions?include=decisions", json, SAMPLE),
        (200, "POST", "/predictions", json, &many),
        (200, "POST", infer, json, &tensors),
        (422, "POST", infer, json, "{}"),
        (406, "POST", "/decisions", html, SAMPLE),
        (200, "GET", "/", &[], ""),
        (200, "GET", "/", html, ""),
        (200, "GET", "/docs", html, ""),
        (200, "GET", "/docs/swagger-ui-bundle.js", &[], ""),
        (404, "GET", "/docs/none", &[], ""),
        (200, "GET", "/openapi.json", &[], ""),
        (406, "GET", "/openapi.json", html, ""),
        (200, "HEAD", "/openapi.json", &[], ""),
        (204, "OPTIONS", "/decisions", &[], ""),
        (200, "GET", "/healthz", &[], ""),
        (200, "GET", "/readyz", &[], ""),
        (200, "GET", "/v2", &[], ""),
        (200, "GET", "/v2/health/live", &[], ""),
        (200, "GET", "/v2/health/ready", &[], ""),
        (200, "GET", "/v2/models/credit", &[], ""),
        (404, "GET", "/v2/models/credit/versions/1", &[], ""),
    ];
    for &(status, method, path, headers, body) in cases {
        let case = Case { status, method, path, headers, body };
        check(reference, home, &case);
    }
}

/// An object as a request of the Open Inference Protocol.
fn tensors(row: &str) -> String {
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
    let inputs: Vec<_> = row
        .into_iter()
        .map(|(name, value)| {
            let datatype = match &value {
                serde_json::Value::String(_) => "BYTES",
                serde_json::Value::Number(number) if number.is_i64() => "INT64",
                _ => "FP64",
            };
            json!({ "name": name, "shape": [1, 1], "datatype": datatype, "data": [value] })
        })
        .collect();
    json!({ "inputs": inputs }).to_string()
}

fn check(reference: &Home, home: &Home, case: &Case<'_>) {
    let Case { status, method, path, body, .. } = case;
    let shown = &body[..body.floor_char_boundary(200)];
    let name = format!("{}: {method} {path} {shown}", home.name);
    let (expected, found) = (reference.send(case), home.send(case));
    assert_eq!(found.status, *status, "{name}: {found:?}");
    assert_eq!((found.status, &found.body), (expected.status, &expected.body), "{name}");
    let compared = |answer: &Answer| -> Vec<(String, String)> {
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| !OF_THE_MOMENT.contains(&&**name))
            .filter(|(name, _)| !OF_OUR_HOST.contains(&&**name))
            .filter(|(name, _)| home.has_store || !OF_THE_CACHE.contains(&&**name))
            .map(|(name, value)| (name, without_seconds(&value)))
            .collect();
        headers.sort();
        headers
    };
    assert_eq!(compared(&found), compared(&expected), "{name}");
    let length = found.header("content-length");
    let is_right = length == found.body.len().to_string() || *method == "HEAD";
    assert!(length.is_empty() || is_right, "{name}: {length}");
    if *status == 200 && *body == SAMPLE && home.has_store {
        // Every home has answered the sample before, but for the first case of all.
        let again = home.send(case);
        assert!(again.is_hit(), "{name}: {again:?}");
        assert_eq!(again.body, found.body, "{name}");
    }
}

/// A second may pass between two homes' answers.
fn without_seconds(value: &str) -> String {
    let digits = |(i, part): (usize, &str)| match i {
        0 => part.to_owned(),
        _ => format!("ttl={}", part.trim_start_matches(|c: char| c.is_ascii_digit())),
    };
    let value: String = value.split("ttl=").enumerate().map(digits).collect();
    if value.bytes().all(|byte| byte.is_ascii_digit()) { "seconds".to_owned() } else { value }
}

#[test]
fn our_host_answers_the_same_with_the_artefact_for_spin() {
    compare(&Home::edge(), &Home::spin());
}

#[test]
fn our_host_answers_the_same_with_an_application_for_spin() {
    compare(&Home::edge(), &Home::spin_toml());
}

#[test]
fn the_crates_of_wasmtime_serve_answer_the_same() {
    compare(&Home::edge(), &Home::wasmtime_crates());
}

/// Run by `make test-homes`.
#[test]
#[ignore = "needs wasmtime"]
fn wasmtime_serve_answers_the_same() {
    let home = Home::command("wasmtime serve", false, |port| {
        let mut command = Command::new("wasmtime");
        command.args(["serve", "-Scli", "-Skeyvalue", "--env", "FORETOLD_STORE=", "--addr"]);
        command.arg(format!("127.0.0.1:{port}")).arg(baked(Target::Edge));
        command
    });
    compare(&Home::edge(), &home.expect("wasmtime is on PATH, as make test-homes puts it there"));
}

/// Run by `make test-spin`.
#[test]
#[ignore = "needs spin"]
fn spin_up_answers_the_same() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin.toml");
    let home = Home::command("spin up", true, |port| {
        let mut command = Command::new("spin");
        command.args(["up", "--quiet", "--listen", &format!("127.0.0.1:{port}"), "--state-dir"]);
        command.arg(folder.path().join("state")).arg("--from").arg(&file);
        command
    });
    compare(&Home::edge(), &home.expect("spin is on PATH, as make test-spin has seen"));
}
