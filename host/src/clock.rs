//! The clock that components read, too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
