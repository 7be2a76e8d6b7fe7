//! What errors of Redis mean, and how they are told.

use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;
use crate::store::redis::connection::CUT;
use crate::store::redis::url::RedisUrl;
use crate::text::shown;

/// Characters of a server's text that are told: more is no explanation.
const MAX_TEXT: usize = 200;

pub(super) fn store_error(error: RedisError) -> StoreError {
    StoreError(describe(&error))
}

/// Whether another program keeps a list or the like under this key.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// Whether the server wants a password, or another one.
pub(super) fn is_authentication(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
        || error.kind() == ErrorKind::AuthenticationFailed
}

/// Whether the connection ended, or what it gives is no answer: another one may be good.
pub(super) fn is_lost(error: &RedisError) -> bool {
    error.is_connection_dropped()
        || error.kind() == ErrorKind::Parse
        || (error.kind() == ErrorKind::Io && !error.is_timeout())
        || is_cut(error)
}

/// Whether the reply was not read, for one before it that was too long.
pub(super) fn is_cut(error: &RedisError) -> bool {
    error.code() == Some(CUT)
}

/// Whether the server says that it is the wrong one for writing, or no longer the right one:
/// after a fail-over that kept the connection, say.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    error.code() == Some("READONLY")
}

/// Whether the server, and not the command, is the trouble. A refused command (out of memory,
/// wrong type) leaves the connection good for others.
pub(super) fn is_outage(error: &RedisError) -> bool {
    let is_away = matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN"));
    is_away || is_authentication(error) || is_lost(error) || error.kind() == ErrorKind::Io
}

/// The error without anything of the URL in it.
pub(super) fn describe(error: &RedisError) -> String {
    let category =
        if is_authentication(error) { "authentication failed" } else { error.category() };
    printable(&match (error.detail(), error.code()) {
        (Some(detail), _) if is_authentication(error) => format!("{category}: {detail}"),
        (None, _) if is_authentication(error) => category.to_owned(),
        // The categories of some are empty or say nothing.
        (Some(detail), Some(code)) => format!("{code} {detail}"),
        (Some(detail), None) => format!("{category}: {detail}"),
        (None, _) => error.to_string(),
    })
}

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
        return Some("this is one node of a cluster, and others have the rest of the keys");
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

/// A text of a server for a log or a terminal.
pub(super) fn printable(text: &str) -> String {
    shown(text, MAX_TEXT).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_server_is_escaped_and_cut() {
        for (text, expected) in [
            ("out of memory \u{fc}", "out of memory \u{fc}"),
            ("a\nWARN forged\u{1b}[2J\u{202e}x\0", "a\\nWARN forged\\u{1b}[2J\\u{202e}x\\u{0}"),
        ] {
            assert_eq!(printable(text), expected);
        }
        let long = "x".repeat(MAX_TEXT);
        assert_eq!(printable(&long), long);
        assert_eq!(printable(&format!("{long}x")), format!("{long}… and 1 more bytes"));
    }
}
