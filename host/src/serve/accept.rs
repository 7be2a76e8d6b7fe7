//! Connections, as they come in.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

/// How long a connection may be idle, or take to send the head of a request: longer than the 60 s
/// after which proxies give up idle connections and Prometheus scrapes again, so that connections
/// are not closed under their hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Pause after a failure to accept, which means that the process has no files left.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// HTTP/1.1 on a connection.
pub(crate) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    http
}
