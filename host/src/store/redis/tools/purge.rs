//! Purges: the generation changes, and what older ones left is freed.
//!
//! A purge must not be lost, and it does no harm twice. So it is repeated while the server is no
//! longer the one to write to, or not yet, as in a fail-over; and it is done only when the replicas
//! have it too, since one of them may be the next server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisError, Value, from_redis_value};
use tracing::warn;

use crate::store::backend::StoreError;
use crate::store::inventory::Purge;
use crate::store::key::{PREFIX, is_model_id};
use crate::store::redis::RedisStore;
use crate::store::redis::connection::breaker::Shared;
use crate::store::redis::connection::failure::Failure;
use crate::store::redis::connection::generations::{ALL, REMOVED, new_tag};
use crate::store::redis::connection::session::Session;
use crate::store::redis::error::{is_away, is_demoted, is_outage};
use crate::store::redis::name;
use crate::store::redis::name::Name;
use crate::store::redis::tools::scan::Walk;

/// For how long a purge is repeated: longer than fail-overs take.
const PATIENCE: Duration = Duration::from_secs(30);
const REPEAT_PAUSE: Duration = Duration::from_millis(100);
/// How long replicas have to take a purge.
const REPLICATION_LIMIT: Duration = Duration::from_secs(1);

impl RedisStore {
    pub(super) async fn write_generation(&self, purge: &Purge) -> Result<(), StoreError> {
        self.write_tags(&commands(self.prefix(), purge)?).await
    }

    /// Says that single entries were removed, which changes no generation.
    pub(super) async fn write_removal(&self) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HSET").arg(name::generations(self.prefix())).arg(REMOVED).arg(new_tag());
        self.write_tags(&pipeline).await
    }

    async fn write_tags(&self, commands: &Pipeline) -> Result<(), StoreError> {
        let patience = Patience::new(&self.shared);
        while let Err(failure) = self.write_tags_once(commands).await {
            patience.wait(failure).await?;
        }
        Ok(())
    }

    async fn write_tags_once(&self, commands: &Pipeline) -> Result<(), Failure> {
        let session = self.shared.session().await?;
        let replies = self.shared.run_tool(&session, commands.clone()).await?;
        replies.into_iter().collect::<Result<Vec<Value>, RedisError>>()?;
        self.wait_for_replicas(&session).await?;
        session.generations.invalidate();
        self.current().await.map(drop)
    }

    /// Waits until the replicas have what was written. A server that does not tell has none.
    async fn wait_for_replicas(&self, session: &Arc<Session>) -> Result<(), Failure> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ROLE");
        let role = self.shared.run_tool(session, pipeline).await?.pop();
        let role = role.and_then(|role| from_redis_value::<Vec<Value>>(role.ok()?).ok());
        // Of a primary: its role, how much it has written, and its replicas.
        let replicas =
            role.and_then(|role| from_redis_value::<Vec<Value>>(role.into_iter().nth(2)?).ok());
        let replicas = replicas.map_or(0, |replicas| replicas.len());
        if replicas == 0 {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        let limit_ms = u64::try_from(REPLICATION_LIMIT.as_millis()).unwrap_or(u64::MAX);
        pipeline.cmd("WAIT").arg(replicas).arg(limit_ms);
        let reached = self.shared.run_tool(session, pipeline).await?.pop();
        let reached = reached.and_then(|reached| from_redis_value::<usize>(reached.ok()?).ok());
        if let Some(reached) = reached.filter(|reached| *reached < replicas) {
            let late = replicas - reached;
            warn!(
                "{late} of {replicas} replicas of {} have not got the purge yet: purge again if \
                 one of them takes over",
                self.shared.url
            );
        }
        Ok(())
    }

    pub(super) async fn free(
        &self,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, StoreError> {
        let (patience, mut freed) = (Patience::new(&self.shared), 0);
        // From the start: a cursor means nothing to another server.
        while let Err(failure) = self.free_once(&mut freed, progress).await {
            patience.wait(failure).await?;
        }
        Ok(freed)
    }

    async fn free_once(
        &self,
        freed: &mut u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Failure> {
        let pattern = name::pattern(&format!("{}{PREFIX}", self.prefix()));
        let session = self.shared.session().await?;
        let mut walk = Walk::begin(&session);
        while let Some(mut names) = walk.next(&self.shared, &session, &pattern, None).await? {
            // The tags as they are after the names were read: none of them is newer.
            self.shared.refresh(&session).await;
            let (_, generation) = self.current().await?;
            names.retain(|name| {
                Name::parse(self.prefix(), name)
                    .is_some_and(|name| name.tag != generation.tag(name.model))
            });
            if !names.is_empty() {
                let mut pipeline = redis::pipe();
                for name in &names {
                    pipeline.cmd("HLEN").arg(name);
                    pipeline.cmd("UNLINK").arg(name);
                }
                let replies = self.shared.run_tool(&session, pipeline).await?;
                let mut replies = replies.into_iter();
                while let (Some(length), Some(unlinked)) = (replies.next(), replies.next()) {
                    unlinked?;
                    // What is no hash is a string: one entry.
                    *freed += length
                        .ok()
                        .map_or(Ok(1), from_redis_value::<u64>)
                        .map_err(RedisError::from)?;
                }
                progress(*freed);
            }
        }
        Ok(())
    }
}

/// For how long something is repeated that failed.
struct Patience {
    began: Instant,
    /// A server that never was there is not waited for.
    was_connected: bool,
}

impl Patience {
    fn new(shared: &Shared) -> Patience {
        Patience { began: Instant::now(), was_connected: shared.was_connected() }
    }

    /// Waits a little before another attempt.
    ///
    /// # Errors
    /// If there is no use in another.
    async fn wait(&self, failure: Failure) -> Result<(), StoreError> {
        if !self.was_connected || !may_pass(&failure) || self.began.elapsed() >= PATIENCE {
            return Err(failure.into());
        }
        tokio::time::sleep(REPEAT_PAUSE).await;
        Ok(())
    }
}

/// The commands that change a generation; together, so that nobody sees half of it.
fn commands(prefix: &str, purge: &Purge) -> Result<Pipeline, StoreError> {
    let generations = name::generations(prefix);
    let mut pipeline = redis::pipe();
    match purge {
        Purge::All => {
            pipeline.cmd("MULTI").cmd("DEL").arg(&generations);
            pipeline.cmd("HSET").arg(&generations).arg(ALL).arg(new_tag()).cmd("EXEC");
        }
        Purge::Model(model) if is_model_id(model) => {
            pipeline.cmd("HSET").arg(&generations).arg(model).arg(new_tag());
        }
        Purge::Model(model) => {
            return Err(StoreError(format!("{model:?} is not a model id: expected 15 characters")));
        }
    }
    Ok(pipeline)
}

/// Whether another connection, perhaps to another server, may be good.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Open(_) | Failure::Lost(_) => true,
        Failure::Redis(error) => is_demoted(error) || is_outage(error) || is_away(error),
        Failure::Store(_) => false,
    }
}
