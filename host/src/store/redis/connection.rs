//! The one connection to Redis: how it is made, kept, and found to be broken.

pub(super) mod breaker;
pub(super) mod generations;
pub(super) mod session;
