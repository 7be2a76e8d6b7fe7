//! Errors that have a usual cause, and what to do about them.

use std::io;
use std::sync::Arc;

use redis::RedisError;

use crate::store::redis::error::{describe, is_authentication, is_lost};
use crate::store::redis::url::RedisUrl;

/// The error, and what to do about those that have a usual cause.
pub(super) fn explain(error: &RedisError, url: &RedisUrl) -> String {
    let reason = describe(error);
    match advice(error, url) {
        Some(advice) => format!("{reason}: {advice}"),
        None => reason,
    }
}

fn advice(error: &RedisError, url: &RedisUrl) -> Option<&'static str> {
    let says = |text: &str| error.detail().is_some_and(|detail| detail.contains(text));
    let is_plain = url.tls.is_none();
    if is_authentication(error) {
        return Some("give its user in the URL and the password in a file or the environment");
    }
    if says("DB index") || says("SELECT is not allowed") {
        return Some("there is no such database: the URL ends in /0 or another number it has");
    }
    if error.code() == Some("MOVED") {
        return Some("this is one node of a cluster: use redis+cluster://");
    }
    if says("cluster support disabled") {
        return Some("this is no cluster: use redis:// or redis+sentinel://");
    }
    match tls_error(error) {
        Some(rustls::Error::InvalidMessage(_)) => {
            Some("it does not speak TLS there: use redis:// or its TLS port")
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            Some("?ca= names the file of its authority, ?server_name= the name that it is for")
        }
        // The first bytes of TLS mean nothing to a client without it, and the other way round.
        _ if is_plain && is_lost(error) && !error.is_connection_refusal() && is_end(error) => {
            Some("it ended the connection at once: if it speaks TLS there, use rediss://")
        }
        _ => None,
    }
}

/// What the system or TLS said.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = std::error::Error::source(error)?;
    let shared: Option<&Arc<dyn std::error::Error + Send + Sync>> = source.downcast_ref();
    match shared {
        Some(error) => error.downcast_ref(),
        None => source.downcast_ref(),
    }
}

fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    io_error(error)?.get_ref()?.downcast_ref()
}

/// Whether the peer has closed the connection, or sent what is no reply.
fn is_end(error: &RedisError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let kind = io_error(error).map(io::Error::kind);
    kind.is_none_or(|kind| matches!(kind, UnexpectedEof | ConnectionReset | BrokenPipe))
}
