//! What errors of Redis mean, and how they are told.

use redis::{ErrorKind, RedisError, Value, make_extension_error};

use crate::store::backend::StoreError;
use crate::store::redis::connection::CUT;
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

/// The code of the error of a command whose node in a cluster does not answer.
const AWAY: &str = "AWAY";
/// The same for one that did not answer in time.
const LATE: &str = "LATE";

/// What commands get whose node in a cluster does not answer.
pub(super) fn away(reason: &str) -> RedisError {
    refused(AWAY, reason)
}

/// What they get that it has not answered in time.
pub(super) fn late() -> RedisError {
    refused(LATE, "no answer in time")
}

/// An error as a server gives it.
pub(super) fn refused(code: &str, text: &str) -> RedisError {
    let text = (!text.is_empty()).then(|| text.to_owned());
    make_extension_error(code.to_owned(), text)
}

/// The same in the place of a reply.
pub(super) fn error_value(error: RedisError) -> Value {
    error.try_into().map_or(Value::Nil, Value::ServerError)
}

/// Whether a node of a cluster does not answer, or did not in time. Others may.
pub(super) fn is_away(error: &RedisError) -> bool {
    matches!(error.code(), Some(AWAY | LATE))
}

/// Whether the answer did not come in time.
pub(super) fn is_late(error: &RedisError) -> bool {
    error.is_timeout() || error.code() == Some(LATE)
}

/// Whether a reply was not read, for one before it that was too long.
pub(super) fn is_cut_value(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == CUT)
}

/// Whether the server says that it is the wrong one for writing, or no longer the right one:
/// after a fail-over that kept the connection, say.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    error.code() == Some("READONLY")
}

/// Whether the server, and not the command, is the trouble. A refused command (out of memory,
/// wrong type) leaves the connection good for others.
pub(super) fn is_outage(error: &RedisError) -> bool {
    let is_not_ready = matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN"));
    is_not_ready || is_authentication(error) || is_lost(error) || error.kind() == ErrorKind::Io
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
