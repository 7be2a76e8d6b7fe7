//! The host's clocks.

use foretold_core::pipeline::Moment;

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// The time of a request.
pub(crate) fn now() -> Moment {
    let seconds = u32::try_from(wall_clock::now().seconds).unwrap_or(u32::MAX);
    Moment { seconds, entropy: monotonic_clock::now() }
}

/// Nanoseconds since some moment.
pub(crate) fn nanoseconds() -> u64 {
    monotonic_clock::now()
}
