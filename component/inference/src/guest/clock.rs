//! The host's clock, through Rust's standard library.

use std::time::SystemTime;

use foretold_core::service::Now;

/// The time of a request or call.
pub fn now() -> Now {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seconds = u32::try_from(since_1970.as_secs()).unwrap_or(u32::MAX);
    Now { seconds, entropy: u64::from(since_1970.subsec_nanos()) }
}
