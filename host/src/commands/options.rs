//! What is typed, and what it means.

pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod store;

use std::net::SocketAddr;

/// An address to listen at.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, like 127.0.0.1:8080".to_owned())
}
