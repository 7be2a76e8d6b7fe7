//! The connections to Redis, one to each server: how they are made, kept, and found to be broken.

mod bound;
pub(super) mod breaker;
mod cluster;
mod dial;
pub(super) mod failure;
pub(super) mod generations;
mod link;
mod refresh;
pub(super) mod sentinel;
pub(super) mod session;
mod stream;
mod suspects;
pub(super) mod tls;
pub(super) mod upkeep;

pub(super) use self::bound::{CUT, MAX_VALUE_BYTES};
