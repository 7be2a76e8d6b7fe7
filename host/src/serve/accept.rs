//! Connections, as they come in: not more than there may be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::serve::bounds::{Bound, BoundCounts, ConnectionBounds};
use crate::serve::budget::MAX_HEAD_BYTES;
use crate::serve::stream::{Exchange, TimedStream};

/// Pause after a failure to accept, which means that the process has no files left.
const PAUSE: Duration = Duration::from_millis(50);
/// What a connection too many is told, if it listens: its request is not read.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// A connection, as long as it is open.
pub(crate) struct Connection {
    pub(crate) stream: TimedStream<TcpStream>,
    pub(crate) exchange: Arc<Exchange>,
    /// Its place among the others.
    pub(crate) place: Place,
}

/// Lets connections in.
pub(crate) struct Gate {
    bounds: ConnectionBounds,
    counts: Arc<BoundCounts>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    in_all: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// The place of a connection, which is free again when it is dropped.
pub(crate) struct Place {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Gate {
    pub(crate) fn new(bounds: ConnectionBounds, counts: Arc<BoundCounts>) -> Arc<Gate> {
        Arc::new(Gate { bounds, counts, open: Mutex::default() })
    }

    /// The next connection.
    pub(crate) async fn accept(self: &Arc<Gate>, listener: &TcpListener) -> Connection {
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            match self.admit(from.ip()) {
                Ok(place) => {
                    // Only a latency setting: a socket that is gone already fails soon enough.
                    let _ = stream.set_nodelay(true);
                    let exchange = Exchange::new(self.bounds, self.counts.clone());
                    let stream = TimedStream::new(stream, exchange.clone());
                    return Connection { stream, exchange, place };
                }
                Err(bound) => {
                    self.counts.reached(bound);
                    // Nobody waits for a client that does not even take this.
                    let _ = stream.try_write(REFUSAL);
                }
            }
        }
    }

    fn admit(self: &Arc<Gate>, address: IpAddr) -> Result<Place, Bound> {
        let address = network(address);
        let mut open = self.lock();
        if open.in_all >= self.bounds.max_connections {
            return Err(Bound::Connections);
        }
        let of_address = open.per_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.bounds.max_connections_per_address {
            return Err(Bound::ConnectionsPerAddress);
        }
        open.per_address.insert(address, of_address + 1);
        open.in_all += 1;
        self.counts.set_connections(open.in_all);
        Ok(Place { gate: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nobody panics while holding it")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.lock();
        open.in_all -= 1;
        if let Some(of_address) = open.per_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.per_address.remove(&self.address);
            }
        }
        self.gate.counts.set_connections(open.in_all);
    }
}

/// What counts as one address: a subscriber has 2^64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// HTTP/1.1 on a connection. The stream has the time limits.
pub(crate) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(None);
    http.max_buf_size(MAX_HEAD_BYTES).max_header_size(MAX_HEAD_BYTES);
    http
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Arc<Gate> {
        let second = Duration::from_secs(1);
        let bounds = ConnectionBounds {
            max_connections: 3,
            max_connections_per_address: 2,
            head_timeout: second,
            idle_timeout: second,
            write_timeout: second,
        };
        Gate::new(bounds, Arc::default())
    }

    fn admit(gate: &Arc<Gate>, address: &str) -> Result<Place, Bound> {
        gate.admit(address.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_bound_and_all_have_one() {
        let gate = gate();
        let first = admit(&gate, "10.0.0.1").unwrap();
        let _second = admit(&gate, "::ffff:10.0.0.1").unwrap();
        assert_eq!(admit(&gate, "10.0.0.1").err(), Some(Bound::ConnectionsPerAddress));
        let third = admit(&gate, "10.0.0.2").unwrap();
        assert_eq!(admit(&gate, "10.0.0.3").err(), Some(Bound::Connections));
        drop(first);
        assert_eq!(gate.counts.connections(), 2);
        drop(third);
        let _again = admit(&gate, "10.0.0.1").unwrap();
        assert!(!gate.lock().per_address.contains_key(&"10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let gate = gate();
        let _first = admit(&gate, "2001:db8::1").unwrap();
        let _second = admit(&gate, "2001:db8::ffff:1").unwrap();
        assert_eq!(admit(&gate, "2001:db8::2").err(), Some(Bound::ConnectionsPerAddress));
        assert!(admit(&gate, "2001:db8:0:1::1").is_ok());
    }
}
