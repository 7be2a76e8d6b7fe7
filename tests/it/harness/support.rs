//! Guards that start real programs on free ports, and stop them when dropped.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::scrape::Scrape;

/// The sample request of the README.
pub(crate) const SAMPLE: &str = r#"{"installment_rate_in_percentage_of_disposable_income": 0.25, "age_in_years": 30, "foreign_worker": "yes", "present_employment_since": "unemployed", "personal_status_and_sex": "male: single"}"#;

/// How long hosts wait for Redis where the test does not say: on a busy machine it takes its time.
const PATIENCE: [&str; 2] = ["--store-timeout-ms", "5000"];

/// Longer than any start takes, first compilation included.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn credit() -> PathBuf {
    root().join("models/credit")
}

/// The sample request with another age: a request of its own.
pub(crate) fn aged(age: usize) -> String {
    SAMPLE.replace("30", &age.to_string())
}

/// An array of so many rows, all different.
pub(crate) fn array(rows: usize) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|i| {
            aged(18 + i % 110).replace("0.25", &format!("{}.{:02}", i / 11_000, i / 110 % 100))
        })
        .collect();
    format!("[{}]", rows.join(","))
}

/// The folder of compiled components that all tests share.
pub(crate) fn cache_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// A `foretold` that is not running yet.
pub(crate) fn foretold() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foretold"));
    let variables =
        ["FORETOLD_STORE", "FORETOLD_STORE_PASSWORD", "FORETOLD_KEY_SECRET", "FORETOLD_MAC_SECRET"];
    for variable in variables {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// A running `foretold serve`.
pub(crate) struct Host {
    child: Child,
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
}

/// What a client sees of a response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Host {
    /// Serves the credit model on a free port.
    pub(crate) fn credit(options: &[&str]) -> Host {
        Host::start(&credit(), &[&["--no-snapshot"], options].concat())
    }

    /// Serves a model folder or a component on a free port, and waits until it answers.
    pub(crate) fn start(source: &Path, options: &[&str]) -> Host {
        Host::start_in(source, options, &[])
    }

    /// Serves with variables in the environment.
    pub(crate) fn start_in(source: &Path, options: &[&str], variables: &[(&str, &str)]) -> Host {
        let mut command = foretold();
        command.envs(variables.iter().copied());
        command.arg("serve").arg(source).args(["--listen", "127.0.0.1:0", "--cache-dir"]);
        command.arg(cache_folder()).args(options).stderr(Stdio::piped());
        if !options.contains(&PATIENCE[0]) {
            command.args(PATIENCE);
        }
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut host = Host { child, address: String::new(), log, agent: agent() };
        let ready = host.wait_for_log("serving ", START_LIMIT);
        let start = ready.find("http://").unwrap();
        let end = start + ready[start..].find(": POST").unwrap();
        host.address = ready[start..end].to_owned();
        host
    }

    /// Waits for a line of the log, and returns it.
    pub(crate) fn wait_for_log(&mut self, text: &str, limit: Duration) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("foretold ended with {status}:\n{}", self.log());
            }
            assert!(start.elapsed() < limit, "no {text:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.address));
        answer(request.content_type("application/json").send(body))
    }

    /// Sends a request with any method and headers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let request = ureq::http::Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.address));
        // Without a length the client would take the body of an unknown method for none.
        let request = request.header("content-length", body.len());
        let add = |request: ureq::http::request::Builder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let request = headers.iter().fold(request, add);
        answer(self.agent.run(request.body(body.to_owned()).unwrap()))
    }

    /// Asks for a decision until it comes from the cache. What is predicted while a host learns of
    /// a purge is not stored, so it may take more than two requests.
    pub(crate) fn wait_for_hit(&self, body: &str, limit: Duration) {
        let start = Instant::now();
        while !self.post("/decisions", body).is_hit() {
            assert!(start.elapsed() < limit, "no hit within {limit:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The metrics of a host that serves them.
    pub(crate) fn metrics(&mut self) -> Scrape {
        let line = self.wait_for_log("metrics at http://", Duration::ZERO);
        let url = &line[line.find("http://").unwrap()..];
        let scraped = answer(self.agent.get(url).call());
        assert_eq!(scraped.status, 200);
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(scraped.header("content-type"), content_type);
        Scrape::parse(&scraped.body)
    }

    pub(crate) fn agent(&self) -> &ureq::Agent {
        &self.agent
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> std::process::ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the host:\n{}", self.log());
        }
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .max_idle_connections_per_host(64)
        .build()
        .into()
}

pub(crate) fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let (head, mut body) = response.expect("the server answers").into_parts();
    let body = body.read_to_string().expect("a body of text");
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Whether the answer came from the cache.
    pub(crate) fn is_hit(&self) -> bool {
        self.header("cache-status").starts_with("foretold; hit; ttl=")
    }
}

/// A running `redis-server` without persistence.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        Redis::start_on(free_port())
    }

    pub(crate) fn start_on(port: u16) -> Redis {
        Redis::start_with(port, &[])
    }

    /// Starts the server that the variable `FORETOLD_TEST_REDIS` names, to test with a newer one.
    pub(crate) fn start_with(port: u16, options: &[&str]) -> Redis {
        let program = std::env::var_os("FORETOLD_TEST_REDIS").unwrap_or("redis-server".into());
        Redis::start_program(&program, port, options)
    }

    pub(crate) fn start_program(program: &OsStr, port: u16, options: &[&str]) -> Redis {
        let folder = TempDir::new().unwrap();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (`make test` sees to it)");
        let redis = Redis { child, port, _folder: folder };
        let start = Instant::now();
        while redis
            .client()
            .get_connection()
            .and_then(|mut c| redis::cmd("PING").exec(&mut c))
            .is_err()
        {
            assert!(start.elapsed() < Duration::from_secs(10), "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        redis
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    /// Runs a command with `redis-cli`, as an operator would, and returns its lines.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Vec<String> {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli is installed with redis-server");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A copy of a model's folder, for changing.
pub(crate) fn copy_of_credit() -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["manifest.toml", "model.onnx"] {
        std::fs::copy(credit().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// Replaces a text that is there in a file of a folder.
pub(crate) fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}
