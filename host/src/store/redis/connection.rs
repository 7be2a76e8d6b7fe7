//! The one connection to Redis: how it is made, kept, and found to be broken.

mod bound;
pub(super) mod breaker;
mod dial;
pub(super) mod generations;
pub(super) mod sentinel;
pub(super) mod session;
mod stream;
mod suspects;
pub(super) mod tls;
pub(super) mod upkeep;

pub(super) use self::bound::{CUT, MAX_VALUE_BYTES};
