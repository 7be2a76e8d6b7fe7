//! What an operator says of a store beside its URL.

use std::fmt;
use std::time::Duration;

use crate::store::redis::layout::Layout;

/// What stands beside the URL.
#[derive(Clone)]
pub struct StoreSettings {
    /// Bound on the memory that entries of the memory store take.
    pub max_bytes: u64,
    /// Time that a command to Redis may take.
    pub timeout: Duration,
    /// How entries lie in Redis, where the URL does not say it.
    pub layout: Option<Layout>,
    /// The password for Redis, instead of one in the URL.
    pub password: Option<String>,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("max_bytes", &self.max_bytes)
            .field("timeout", &self.timeout)
            .field("layout", &self.layout)
            .field("password", &self.password.as_ref().map(|_| "<hidden>"))
            .finish()
    }
}
