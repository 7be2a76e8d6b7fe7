//! The host's clocks.

use foretold_core::service::Now;

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// The time of a request.
pub(crate) fn now() -> Now {
    let seconds = u32::try_from(wall_clock::now().seconds).unwrap_or(u32::MAX);
    Now { seconds, entropy: monotonic_clock::now() }
}

/// Nanoseconds since some moment.
pub(crate) fn nanoseconds() -> u64 {
    monotonic_clock::now()
}
