//! A redis-server of the benchmark's own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// Another program may take the port that was free a moment ago.
const ATTEMPTS: usize = 3;

/// An empty server on a free port that keeps nothing on the disk. It ends when this is dropped.
pub(super) struct ScratchServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl ScratchServer {
    /// Starts one and waits until it answers.
    pub(super) async fn start() -> Result<ScratchServer> {
        for _ in 0..ATTEMPTS {
            let mut server = ScratchServer::spawn()?;
            let start = Instant::now();
            while server.child.try_wait()?.is_none() {
                if server.connect().await.is_ok() {
                    return Ok(server);
                }
                if start.elapsed() > START_LIMIT {
                    bail!("redis-server does not answer within {} s", START_LIMIT.as_secs());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        bail!("redis-server ended at once, {ATTEMPTS} times; start it by hand to see why")
    }

    fn spawn() -> Result<ScratchServer> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let child = child.context(
            "cannot start redis-server; install it first, e.g. with: sudo apt-get install \
             redis-server",
        )?;
        Ok(ScratchServer { child, port, _folder: folder })
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Bytes that it has allocated for its data.
    pub(super) async fn used_memory_bytes(&self) -> Result<u64> {
        let info: String =
            redis::cmd("INFO").arg("memory").query_async(&mut self.connect().await?).await?;
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok()).context("INFO memory has no used_memory")
    }

    /// Version, as the server says it.
    pub(super) async fn version(&self) -> Result<String> {
        let info: String =
            redis::cmd("INFO").arg("server").query_async(&mut self.connect().await?).await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.unwrap_or_default().trim().to_owned())
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let client = redis::Client::open(self.url())?;
        client.get_multiplexed_async_connection().await
    }
}

impl Drop for ScratchServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_ends_with_its_handle() {
        let server = ScratchServer::start().await.unwrap();
        let url = server.url();
        assert!(server.used_memory_bytes().await.unwrap() > 0);
        drop(server);
        let client = redis::Client::open(url).unwrap();
        assert!(client.get_multiplexed_async_connection().await.is_err());
    }
}
