//! The command under test, and a guard that runs `foretold serve` on a free port.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::answer::{Answer, agent, answer};
use crate::harness::credit::credit;
use crate::harness::scrape::Scrape;

/// How long hosts wait for Redis where the test does not say: on a busy machine it takes its time.
const PATIENCE: [&str; 2] = ["--store-timeout-ms", "5000"];

/// What is stored is there when its request was answered.
const WRITES: [&str; 2] = ["--writes", "waited"];

/// Longer than any start takes, first compilation included.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(120);

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
        command.arg(cache_folder()).args(options);
        if !options.contains(&PATIENCE[0]) {
            command.args(PATIENCE);
        }
        if !options.contains(&WRITES[0]) {
            command.args(WRITES);
        }
        Host::run(command)
    }

    /// Runs a command that serves, and waits until it answers.
    pub(crate) fn run(mut command: Command) -> Host {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
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

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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
