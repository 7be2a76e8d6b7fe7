//! The host's clocks, through Rust's standard library.

use std::time::{Instant, SystemTime};

use foretold_core::pipeline::Moment;

/// The time of a request.
pub(crate) fn now() -> Moment {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seconds = u32::try_from(since_1970.as_secs()).unwrap_or(u32::MAX);
    Moment { seconds, entropy: u64::from(since_1970.subsec_nanos()) }
}

/// Nanoseconds since a moment.
pub(crate) fn nanoseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
