//! Which generation of entries is the current one.
//!
//! Names of entries hold a tag, and a purge changes it: older entries are never found again. One
//! Redis hash, `PREFIXforetold:generations`, holds the tags: a field for each model that was purged
//! by itself, `all` for the others, and `removed`, of which no name depends. Every host has them in
//! memory and is told when they change: with `CLIENT TRACKING`, on the connection that answers its reads, so that an answer that comes
//! after a purge is known to come after it. In a cluster other nodes answer reads, too: there the
//! tags are read again and again, nothing is read once they are too old, and a purge is over when
//! they are too old everywhere.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use redis::{RedisError, RedisResult, Value, from_redis_value};
use tokio::sync::Notify;

use crate::store::key::is_model_id;
use crate::store::redis::error::is_wrong_type;
use crate::store::redis::name::{TAG_CHARACTERS, is_tag};

/// The field for models without one of their own.
pub(crate) const ALL: &str = "all";
/// The field that changes when single entries were removed: no part of names, but what hosts have in
/// their memory is no longer what is there.
pub(crate) const REMOVED: &str = "removed";

/// The tags, as one connection knows them.
pub(crate) struct Generations {
    /// How often they have changed on this connection.
    changes: AtomicU64,
    /// The tags, and the number of changes that they include.
    known: RwLock<View>,
    /// How long they hold, where changes may not be told in time.
    life: Option<Duration>,
    /// When a reading of them last began.
    confirmed: RwLock<Instant>,
    /// Wakes the task that reads them again.
    pub(crate) changed: Notify,
    /// Whether all keys of the server were removed since they were read last.
    flushed: AtomicBool,
}

/// A reading of the tags that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// The number of changes that it includes.
    changes: u64,
    began: Instant,
}

/// The tags at some moment.
#[derive(Clone)]
pub(crate) struct View {
    changes: u64,
    tags: Arc<Tags>,
    /// See [`Epochs`].
    epoch: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    models: HashMap<String, String>,
    all: String,
    removed: String,
}

/// Numbers the tags as they follow each other, over all connections of a store.
#[derive(Default)]
pub(crate) struct Epochs(Mutex<(u64, Tags)>);

impl Epochs {
    /// The number of tags that were just read: another one than before if they are others, or if
    /// entries are gone although they are the same.
    pub(crate) fn number(&self, tags: &Tags, flushed: bool) -> u64 {
        let mut last = self.0.lock().expect("nobody panics while holding it");
        if flushed || last.1 != *tags {
            *last = (last.0 + 1, tags.clone());
        }
        last.0
    }
}

impl Generations {
    /// Nothing is known yet. What will be holds for a while, if that is given.
    pub(crate) fn unknown(life: Option<Duration>) -> Generations {
        Generations {
            changes: AtomicU64::new(1),
            known: RwLock::new(View { changes: 0, tags: Arc::default(), epoch: 0 }),
            life,
            confirmed: RwLock::new(Instant::now()),
            changed: Notify::new(),
            flushed: AtomicBool::new(false),
        }
    }

    /// The tags, unless they have changed since they were read.
    pub(crate) fn view(&self) -> Option<View> {
        let view = self.known.read().expect("nobody panics while holding it").clone();
        self.is_current(&view).then_some(view)
    }

    pub(crate) fn is_current(&self, view: &View) -> bool {
        self.changes.load(Ordering::SeqCst) == view.changes && !self.are_too_old()
    }

    /// Whether they have not been read for so long that there may have been a purge.
    pub(crate) fn are_too_old(&self) -> bool {
        let confirmed = *self.confirmed.read().expect("nobody panics while holding it");
        self.life.is_some_and(|life| confirmed.elapsed() >= life)
    }

    /// After which time nobody has tags from before a purge.
    pub(crate) fn life(&self) -> Option<Duration> {
        self.life
    }

    /// They have changed.
    pub(crate) fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// All keys of the server were removed.
    pub(crate) fn note_flush(&self) {
        self.flushed.store(true, Ordering::SeqCst);
    }

    /// Whether they were since this was asked last.
    pub(crate) fn take_flush(&self) -> bool {
        self.flushed.swap(false, Ordering::SeqCst)
    }

    /// Before they are read.
    pub(crate) fn begin_reading(&self) -> Reading {
        Reading { changes: self.changes.load(Ordering::SeqCst), began: Instant::now() }
    }

    /// Takes what was read, and its number.
    pub(crate) fn learn(&self, Reading { changes, began }: Reading, tags: Tags, epoch: u64) {
        let mut known = self.known.write().expect("nobody panics while holding it");
        // A reading that took longer than a later one.
        if known.changes > changes {
            return;
        }
        let mut confirmed = self.confirmed.write().expect("nobody panics while holding it");
        *confirmed = began.max(*confirmed);
        let mut includes = changes;
        if *known.tags != tags {
            // Reads that are under way began with other tags, whoever told of the change.
            let next = changes + 1;
            let swap =
                self.changes.compare_exchange(changes, next, Ordering::SeqCst, Ordering::SeqCst);
            includes = if swap.is_ok() { next } else { changes };
        }
        *known = View { changes: includes, tags: Arc::new(tags), epoch };
    }
}

impl View {
    /// The number of these tags.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The tag of a model; empty before the first purge.
    pub(crate) fn tag(&self, model: &str) -> &str {
        self.tags.models.get(model).unwrap_or(&self.tags.all)
    }
}

impl Tags {
    /// Reads the reply of HGETALL; `None` where it holds what no host has written.
    ///
    /// # Errors
    /// If the server refused.
    pub(crate) fn read(reply: RedisResult<Value>) -> Result<Option<Tags>, RedisError> {
        let fields = match reply {
            Ok(reply) => from_redis_value::<Vec<(Vec<u8>, Vec<u8>)>>(reply)?,
            Err(error) if is_wrong_type(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut tags = Tags::default();
        for (model, tag) in fields {
            match (String::from_utf8(model), String::from_utf8(tag)) {
                (Ok(model), Ok(tag)) if model == ALL && is_tag(&tag) => tags.all = tag,
                (Ok(field), Ok(tag)) if field == REMOVED && is_tag(&tag) => tags.removed = tag,
                (Ok(model), Ok(tag)) if is_model_id(&model) && is_tag(&tag) => {
                    tags.models.insert(model, tag);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(tags))
    }

    /// Whether no generation was ever purged.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.models.is_empty()
    }
}

/// A tag that no one has used. Not a secret, so the seed of hash maps is random enough.
pub(crate) fn new_tag() -> String {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let mut tag = BASE64URL_NOPAD.encode(&random.to_le_bytes());
    tag.truncate(TAG_CHARACTERS);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &str) -> Tags {
        Tags { all: all.to_owned(), ..Tags::default() }
    }

    #[test]
    fn tags_hold_for_a_while_from_the_begin_of_their_reading() {
        let life = Duration::from_millis(100);
        let generations = Generations::unknown(Some(life));
        let reading = generations.begin_reading();
        generations.learn(reading, tags("first"), 0);
        let view = generations.view().unwrap();
        assert_eq!(view.tag("model"), "first");
        std::thread::sleep(life);
        assert!(generations.view().is_none() && !generations.is_current(&view));
        // What was read then and arrives now is as old.
        generations.learn(reading, tags("first"), 0);
        assert!(generations.are_too_old());
        generations.learn(generations.begin_reading(), tags("first"), 0);
        assert!(generations.is_current(&view));
        // A reading that began before the last one ended neither brings back nor prolongs.
        let earlier = generations.begin_reading();
        generations.learn(generations.begin_reading(), tags("second"), 0);
        generations.learn(earlier, tags("first"), 0);
        assert_eq!(generations.view().unwrap().tag("model"), "second");
        assert!(!generations.is_current(&view));
    }

    #[test]
    fn where_changes_are_told_tags_hold_until_then() {
        let generations = Generations::unknown(None);
        assert!(generations.view().is_none());
        generations.learn(generations.begin_reading(), tags("first"), 0);
        assert!(generations.view().is_some() && !generations.are_too_old());
        let reading = generations.begin_reading();
        generations.invalidate();
        generations.learn(reading, tags("first"), 0);
        assert!(generations.view().is_none());
    }
}
