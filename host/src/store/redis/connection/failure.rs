//! Why commands gave nothing.

use redis::{RedisError, RedisResult, Value};

use crate::store::backend::StoreError;
use crate::store::redis::error::{describe, is_lost};

/// Why commands gave nothing.
pub(crate) enum Failure {
    /// They were not sent: the breaker is open.
    Open(String),
    /// The connection ended before they were answered: on another one they may be.
    Lost(String),
    Redis(RedisError),
    /// The server answered, but not with what was asked for.
    Store(StoreError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Failure {
        if is_lost(&error) { Failure::Lost(describe(&error)) } else { Failure::Redis(error) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Open(reason) => StoreError(format!("the circuit breaker is open: {reason}")),
            Failure::Lost(reason) => StoreError(reason),
            Failure::Redis(error) => StoreError(describe(&error)),
            Failure::Store(error) => error,
        }
    }
}

/// The last error, if all replies are errors of a kind.
pub(super) fn common_error(
    replies: &[RedisResult<Value>],
    is_of_kind: impl Fn(&RedisError) -> bool,
) -> Option<&RedisError> {
    let errors = replies.iter().map(|reply| reply.as_ref().err().filter(|error| is_of_kind(error)));
    errors.collect::<Option<Vec<_>>>()?.pop()
}
