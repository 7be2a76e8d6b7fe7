//! Reads which generation is the current one, over a connection that is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::redis::connection::breaker::Shared;
use crate::store::redis::connection::generations::{ALL, Reading, Tags, new_tag};
use crate::store::redis::connection::session::Session;
use crate::store::redis::name;

impl Shared {
    /// Reads the generations again; `false` where they are still not known.
    pub(crate) async fn refresh(self: &Arc<Shared>, session: &Arc<Session>) -> bool {
        let reading = session.generations.begin_reading();
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGETALL").arg(name::generations(&self.url.prefix));
        let replies = self.run_until(session, pipeline, self.deadline(1)).await;
        let Ok(mut replies) = replies else { return false };
        let Some(Ok(tags)) = replies.pop().map(Tags::read) else { return false };
        self.take_tags(session, reading, tags).await
    }

    /// Takes tags that were read; where they were lost or spoiled, new ones are made, so that no
    /// entry from before a purge comes back.
    pub(super) async fn take_tags(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        reading: Reading,
        tags: Option<Tags>,
    ) -> bool {
        match tags {
            Some(tags) if !tags.is_empty() || !self.purged.load(Ordering::Relaxed) => {
                self.purged.fetch_or(!tags.is_empty(), Ordering::Relaxed);
                self.learn(session, reading, tags);
                true
            }
            tags => {
                let generations = name::generations(&self.url.prefix);
                let mut pipeline = redis::pipe();
                if tags.is_none() {
                    pipeline.cmd("DEL").arg(&generations);
                }
                // Of several hosts that find it so, the first sets the tag.
                pipeline.cmd("HSETNX").arg(&generations).arg(ALL).arg(new_tag());
                pipeline.cmd("HGETALL").arg(&generations);
                let replies = self.run_until(session, pipeline, self.deadline(1)).await;
                let Ok(mut replies) = replies else { return false };
                match replies.pop().map(Tags::read) {
                    Some(Ok(Some(tags))) if !tags.is_empty() => {
                        self.purged.store(true, Ordering::Relaxed);
                        self.learn(session, reading, tags);
                        true
                    }
                    _ => false,
                }
            }
        }
    }

    fn learn(&self, session: &Session, reading: Reading, tags: Tags) {
        let epoch = self.epochs.number(&tags, session.generations.take_flush());
        session.generations.learn(reading, tags, epoch);
    }
}
