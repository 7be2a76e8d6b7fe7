//! What servers say of themselves with INFO, added up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redis::from_redis_value;

use crate::store::backend::StoreError;
use crate::store::inventory::ServerStatistics;
use crate::store::redis::connection::breaker::Shared;
use crate::store::redis::connection::session::Session;
use crate::store::redis::error::{printable, store_error};

/// Those of all servers that take writes.
pub(crate) async fn statistics(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
) -> Result<ServerStatistics, StoreError> {
    let mut all = Vec::new();
    for server in session.link.servers() {
        all.push(ask(shared, session, &server).await?);
    }
    let texts = |text: fn(&ServerStatistics) -> &str| {
        let different: BTreeSet<&str> = all.iter().map(text).collect();
        different.into_iter().collect::<Vec<_>>().join(", ")
    };
    let sum = |number: fn(&ServerStatistics) -> u64| all.iter().map(number).sum();
    let has_no_bound = all.iter().any(|server| server.max_memory_bytes == 0);
    Ok(ServerStatistics {
        name: texts(|server| &server.name),
        version: texts(|server| &server.version),
        used_memory_bytes: sum(|server| server.used_memory_bytes),
        max_memory_bytes: if has_no_bound { 0 } else { sum(|server| server.max_memory_bytes) },
        max_memory_policy: texts(|server| &server.max_memory_policy),
        evicted_keys: sum(|server| server.evicted_keys),
    })
}

async fn ask(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    server: &str,
) -> Result<ServerStatistics, StoreError> {
    let mut pipeline = redis::pipe();
    for section in ["server", "memory", "stats"] {
        pipeline.cmd("INFO").arg(section);
    }
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for reply in shared.run_tool_on(session, server, pipeline).await? {
        let reply = reply.map_err(store_error)?;
        let text: String = from_redis_value(reply).map_err(|error| store_error(error.into()))?;
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        fields.extend(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }
    let text = |name: &str| printable(fields.get(name).map_or("", String::as_str));
    let number = |name: &str| text(name).parse().unwrap_or_default();
    let is_valkey = fields.contains_key("valkey_version");
    let (name, version) =
        if is_valkey { ("valkey", "valkey_version") } else { ("redis", "redis_version") };
    Ok(ServerStatistics {
        name: name.to_owned(),
        version: text(version),
        used_memory_bytes: number("used_memory"),
        max_memory_bytes: number("maxmemory"),
        max_memory_policy: text("maxmemory_policy"),
        evicted_keys: number("evicted_keys"),
    })
}
