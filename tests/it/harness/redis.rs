//! A guard that runs a real Redis on a free port.

use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

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

    /// Starts it with options of its own.
    pub(crate) fn start_with(port: u16, options: &[&str]) -> Redis {
        Redis::start_program(&program(), port, options)
    }

    pub(crate) fn start_program(program: &OsStr, port: u16, options: &[&str]) -> Redis {
        let redis = Redis::spawn(program, port, options);
        redis.wait_until_it_answers();
        redis
    }

    /// Starts the same without waiting: a server with a large file is not ready for long.
    pub(crate) fn start_loading(port: u16, options: &[&str]) -> Redis {
        Redis::spawn(&program(), port, options)
    }

    fn spawn(program: &OsStr, port: u16, options: &[&str]) -> Redis {
        let folder = TempDir::new().unwrap();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (`make test` sees to it)");
        Redis { child, port, _folder: folder }
    }

    /// Waits until it answers, and does not say that it is loading.
    pub(crate) fn wait_until_it_answers(&self) {
        let start = Instant::now();
        while self
            .client()
            .get_connection()
            .and_then(|mut c| redis::cmd("PING").exec(&mut c))
            .is_err()
        {
            assert!(start.elapsed() < Duration::from_secs(60), "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
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

    /// What the server calls itself: `redis` or `valkey`.
    pub(crate) fn name(&self) -> &'static str {
        let info = self.cli(&["INFO", "server"]).concat();
        if info.contains("valkey_version:") { "valkey" } else { "redis" }
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

    /// A number of bytes of `INFO memory`, e.g. `used_memory`.
    pub(crate) fn memory_bytes(&self, name: &str) -> i64 {
        let info = self.cli(&["INFO", "memory"]);
        let number = info.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        number.unwrap().trim().parse().unwrap()
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

/// The server under test: the machine's, unless the variable `FORETOLD_TEST_REDIS` names another.
pub(crate) fn program() -> OsString {
    std::env::var_os("FORETOLD_TEST_REDIS").unwrap_or("redis-server".into())
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
