//! What errors of Redis mean, and how they are told.

use redis::RedisError;

use crate::store::StoreError;

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
        || error.kind() == redis::ErrorKind::AuthenticationFailed
}

/// The error without anything of the URL in it.
pub(super) fn describe(error: &RedisError) -> String {
    let category =
        if is_authentication(error) { "authentication failed" } else { error.category() };
    match (error.detail(), error.code()) {
        (Some(detail), _) if is_authentication(error) => format!("{category}: {detail}"),
        // The categories of some are empty or say nothing.
        (Some(detail), Some(code)) => format!("{code} {detail}"),
        (Some(detail), None) => format!("{category}: {detail}"),
        (None, _) => error.to_string(),
    }
}
