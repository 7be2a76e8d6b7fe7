//! A connection before a word is said on it: to whichever address answers, with TLS where it is asked for.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::store::redis::connection::tls::Tls;

/// Less than a connection may take in all, so that it is known what took so long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(700);
/// A peer that is gone without a word is found out by the system within half a minute.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// A connection without a word said.
pub(crate) async fn stream(
    host: &str,
    port: u16,
    tls: Option<&Tls>,
) -> io::Result<Pin<Box<dyn Stream>>> {
    let tcp = connect(host, port).await?;
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_PAUSE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
    let Some(tls) = tls else { return Ok(Box::pin(tcp)) };
    let connector = TlsConnector::from(tls.config.clone());
    let handshake = connector.connect(tls.name_of(host)?, tcp);
    // A server without TLS waits for more of what it takes for a command.
    let silence = |_| {
        let text = "no answer in TLS: if it does not speak TLS there, use redis:// or its TLS port";
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(silence)??;
    Ok(Box::pin(stream))
}

/// Connects to whichever address of a name answers first.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut attempts = JoinSet::new();
    for address in tokio::net::lookup_host((host, port)).await? {
        attempts.spawn(TcpStream::connect(address));
    }
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last_error = error,
            Err(error) => last_error = io::Error::other(error),
        }
    }
    Err(last_error)
}
