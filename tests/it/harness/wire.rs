//! Clients that write and read bytes, not requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::host::Host;

/// Longer than a host that is not waiting for anything takes to answer.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// What came back over a connection until its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// Whether the host ended the connection, before the client lost patience.
    pub(crate) ended: bool,
    pub(crate) took: Duration,
}

impl Reply {
    /// The status of the first response; 0 where there is none.
    pub(crate) fn status(&self) -> u16 {
        let line = self.text.strip_prefix("HTTP/1.1 ").or(self.text.strip_prefix("HTTP/1.0 "));
        line.and_then(|line| line.get(..3)?.parse().ok()).unwrap_or(0)
    }

    /// The statuses of all responses.
    pub(crate) fn responses(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

/// Connects from this machine's usual address.
pub(crate) fn connect(host: &Host) -> TcpStream {
    connect_from(host, 1)
}

/// Connects from the address 127.0.0.N.
pub(crate) fn connect_from(host: &Host, n: u8) -> TcpStream {
    connect_as(host, n, None)
}

/// The same with little room for what comes back.
pub(crate) fn connect_with_little_room(host: &Host, n: u8) -> TcpStream {
    connect_as(host, n, Some(4096))
}

fn connect_as(host: &Host, n: u8, receive_bytes: Option<u32>) -> TcpStream {
    let to: SocketAddr = host.address.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.bind((Ipv4Addr::new(127, 0, 0, n), 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// Writes as much as the host takes: it may have refused before it has all.
pub(crate) fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Reads to the end, as far as it comes before patience does.
pub(crate) fn read(stream: &mut TcpStream, patience: Duration) -> Reply {
    let start = Instant::now();
    let (mut bytes, mut chunk, mut ended) = (Vec::new(), [0; 1 << 16], false);
    while let Some(left) = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut chunk) {
            Ok(0) => ended = true,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => ended = true,
        }
        if ended {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Reply { text, ended, took: start.elapsed() }
}

/// Sends bytes over a connection of their own, and nothing more.
pub(crate) fn exchange(host: &Host, bytes: &[u8]) -> Reply {
    let mut stream = connect(host);
    write(&mut stream, bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read(&mut stream, SOON)
}

/// Sends bytes to a server at a port of this machine, and stays: proxies take a client that says it is
/// done for one that is gone.
pub(crate) fn exchange_at(port: u16, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    write(&mut stream, bytes);
    read(&mut stream, SOON)
}
