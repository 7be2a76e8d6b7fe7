//! Which host computes a missing value, while others wait for it.

use std::time::{Duration, Instant};

use redis::{Pipeline, Value};

use crate::store::backend::StoreError;
use crate::store::redis::RedisStore;
use crate::store::redis::error::store_error;
use crate::store::redis::name;

impl RedisStore {
    /// Takes the lease of a key, if no host has it.
    pub(super) async fn take_lease(&self, key: &str, time: Duration) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let command = pipeline.cmd("SET").arg(name::lease(&self.shared.url.prefix, key)).arg("");
        command.arg("NX").arg("PX").arg(time_ms.max(1));
        Ok(!matches!(self.ask(pipeline).await?, Value::Nil))
    }

    /// Gives it back.
    pub(super) async fn drop_lease(&self, key: &str) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(name::lease(&self.shared.url.prefix, key));
        self.ask(pipeline).await.map(drop)
    }

    /// Sends one command.
    async fn ask(&self, pipeline: Pipeline) -> Result<Value, StoreError> {
        let deadline: Instant = self.shared.deadline(1);
        let session = self.shared.session_until(deadline).await?;
        let replies = self.shared.run_until(&session, pipeline, deadline).await?;
        let reply = replies.into_iter().next().unwrap_or(Ok(Value::Nil));
        reply.map_err(store_error)
    }
}
