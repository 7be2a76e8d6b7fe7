//! Walks through servers with SCAN and HSCAN, some entries at a time, never with KEYS.

use std::sync::Arc;

use bytes::Bytes;
use redis::{RedisError, from_redis_value};

use crate::store::redis::connection::breaker::Shared;
use crate::store::redis::connection::failure::Failure;
use crate::store::redis::connection::session::Session;

/// What a step of SCAN or HSCAN looks at, about: tens of microseconds of the server's time.
const COUNT: u64 = 500;

/// Some fields of a hash with their values.
pub(crate) struct Fields {
    /// Where to go on; 0 is the end.
    pub(crate) next: u64,
    pub(crate) fields: Vec<(Vec<u8>, Bytes)>,
}

/// Where a walk through all names is: in one server after the other.
pub(crate) struct Walk {
    /// Those that are left; the last is walked through.
    pub(crate) servers: Vec<String>,
    /// Where SCAN goes on in it.
    pub(crate) cursor: u64,
}

impl Walk {
    /// Before the first name.
    pub(crate) fn begin(session: &Session) -> Walk {
        Walk { servers: session.link.servers(), cursor: 0 }
    }

    /// Some names that match a pattern, of one type if one is given; there may be none although
    /// more follow. `None` at the end.
    pub(crate) async fn next(
        &mut self,
        shared: &Arc<Shared>,
        session: &Arc<Session>,
        pattern: &str,
        type_name: Option<&str>,
    ) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let Some(server) = self.servers.last() else { return Ok(None) };
        let page = names(shared, session, server, self.cursor, pattern, type_name).await?;
        self.cursor = page.next;
        if self.cursor == 0 {
            self.servers.pop();
        }
        Ok(Some(page.names))
    }
}

/// Some names of one server.
struct Names {
    /// Where to go on; 0 is the end.
    next: u64,
    names: Vec<Vec<u8>>,
}

async fn names(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    server: &str,
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
    let reply = shared.run_tool_on(session, server, pipeline).await?.remove(0)?;
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
