//! The host's clocks.

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u32 {
    u32::try_from(wall_clock::now().seconds).unwrap_or(u32::MAX)
}

/// Nanoseconds since some moment.
pub(crate) fn nanoseconds() -> u64 {
    monotonic_clock::now()
}
