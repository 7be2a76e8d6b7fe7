//! What the tools and the housekeeping need of Redis.

pub(super) mod inventory;
mod purge;
pub(super) mod scan;
mod server;
pub(super) mod sweep;
