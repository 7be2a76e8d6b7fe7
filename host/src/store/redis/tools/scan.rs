//! Walks through a server with SCAN and HSCAN, some entries at a time, never with KEYS.

use std::sync::Arc;

use bytes::Bytes;
use redis::{RedisError, from_redis_value};

use crate::store::redis::connection::breaker::{Failure, Shared};
use crate::store::redis::connection::session::Session;

/// What a step of SCAN or HSCAN looks at, about: tens of microseconds of the server's time.
const COUNT: u64 = 500;

/// Some names; there may be none although more follow.
pub(crate) struct Names {
    /// Where to go on; 0 is the end.
    pub(crate) next: u64,
    pub(crate) names: Vec<Vec<u8>>,
}

/// Some fields of a hash with their values.
pub(crate) struct Fields {
    /// Where to go on; 0 is the end.
    pub(crate) next: u64,
    pub(crate) fields: Vec<(Vec<u8>, Bytes)>,
}

/// Names that match a pattern, of one type if one is given.
pub(crate) async fn names(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    cursor: u64,
    pattern: &str,
    type_name: Option<&str>,
) -> Result<Names, Failure> {
    let mut pipeline = redis::pipe();
    let command = pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern);
    command.arg("COUNT").arg(COUNT);
    if let Some(type_name) = type_name {
        command.arg("TYPE").arg(type_name);
    }
    let reply = shared.run_tool(session, pipeline).await?.remove(0)?;
    let (next, names) = from_redis_value(reply).map_err(RedisError::from)?;
    Ok(Names { next, names })
}

/// Fields of a hash.
pub(crate) async fn fields(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    name: &[u8],
    cursor: u64,
) -> Result<Fields, Failure> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("HSCAN").arg(name).arg(cursor).arg("COUNT").arg(COUNT);
    let reply = shared.run_tool(session, pipeline).await?.remove(0)?;
    let (next, fields) = from_redis_value(reply).map_err(RedisError::from)?;
    Ok(Fields { next, fields })
}
