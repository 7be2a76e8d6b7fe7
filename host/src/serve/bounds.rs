//! The bounds of time and number that clients may reach, and how often each was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many connections there may be, and how long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionBounds {
    /// Connections in all.
    pub(crate) max_connections: usize,
    /// Connections from one address.
    pub(crate) max_connections_per_address: usize,
    /// From the first byte of a head, or from the beginning of a connection, to its end.
    pub(crate) head_timeout: Duration,
    /// Between an answer and the next request.
    pub(crate) idle_timeout: Duration,
    /// For an answer, in addition to what it takes at [`MIN_BYTES_PER_SECOND`].
    pub(crate) write_timeout: Duration,
}

/// How fast a client has to read, at least.
pub(crate) const MIN_BYTES_PER_SECOND: u64 = 64 << 10;

macro_rules! bounds {
    ($($(#[$doc:meta])* $bound:ident $name:literal)+) => {
        /// A bound that a client has reached.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Bound { $($(#[$doc])* $bound),+ }

        impl Bound {
            /// All of them, in the order of their declaration.
            pub(crate) const ALL: &[Bound] = &[$(Bound::$bound),+];

            /// Its name in the metrics.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Bound::$bound => $name),+ }
            }
        }
    };
}

bounds! {
    /// There are too many connections.
    Connections "connections"
    /// There are too many of one address.
    ConnectionsPerAddress "connections-per-address"
    /// The head of a request did not come in time.
    HeadTime "head-time"
    /// The body of a request did not come in time.
    BodyTime "body-time"
    /// Nothing more came over a connection.
    IdleTime "idle-time"
    /// An answer was not read in time.
    WriteTime "write-time"
    /// A request was not answered in time.
    RequestTime "request-time"
    /// A body is too long.
    BodyBytes "body-bytes"
    /// There are too many requests.
    Requests "requests"
    /// The bodies take all the memory that they may.
    BodyMemory "body-memory"
    /// The answers do.
    AnswerMemory "answer-memory"
    /// The instances do.
    InstanceMemory "instance-memory"
}

/// How often each bound was reached, and what is open now.
#[derive(Debug, Default)]
pub(crate) struct BoundCounts {
    reached: [AtomicU64; Bound::ALL.len()],
    connections: AtomicU64,
}

impl BoundCounts {
    /// Counts one more.
    pub(crate) fn reached(&self, bound: Bound) {
        self.reached[bound as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often a bound was reached.
    pub(crate) fn count(&self, bound: Bound) -> u64 {
        self.reached[bound as usize].load(Ordering::Relaxed)
    }

    /// Sets the number of open connections.
    pub(crate) fn set_connections(&self, connections: usize) {
        self.connections.store(connections as u64, Ordering::Relaxed);
    }

    /// The number of open connections.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}
