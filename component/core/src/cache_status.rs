//! What the cache did for a response, as the `Cache-Status` header of RFC 9211 says it.

use std::fmt;

/// What the cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer derives from an entry.
    Hit {
        /// Seconds that the entry will still be served.
        ttl_seconds: u32,
        /// Seconds since it was written, for the `Age` header.
        age_seconds: u32,
    },
    /// The model was run.
    Miss {
        /// Why.
        miss: Miss,
        /// Whether the store confirmed the new entry.
        stored: bool,
    },
}

/// Why there was no entry to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The store has none.
    Absent,
    /// It is older than its time to live.
    Expired,
    /// It does not decode, or fails its check.
    Corrupt,
    /// The store did not answer.
    StoreUnavailable,
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheStatus::Hit { ttl_seconds, .. } => write!(f, "foretold; hit; ttl={ttl_seconds}"),
            CacheStatus::Miss { miss, stored } => {
                let forward = if *miss == Miss::Expired { "stale" } else { "miss" };
                write!(f, "foretold; fwd={forward}")?;
                if *stored {
                    f.write_str("; stored")?;
                }
                match miss {
                    Miss::Absent if !stored => f.write_str("; detail=not-stored"),
                    Miss::Absent | Miss::Expired => Ok(()),
                    Miss::Corrupt => f.write_str("; detail=corrupt-entry"),
                    Miss::StoreUnavailable => f.write_str("; detail=store-unavailable"),
                }
            }
        }
    }
}
