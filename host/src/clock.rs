//! The clock that components read, too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970, as entries are dated in.
pub(crate) fn unix_seconds() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

/// Milliseconds since 1970.
pub(crate) fn unix_milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
