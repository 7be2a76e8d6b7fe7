//! Redis or Valkey, behind a circuit breaker.
//!
//! A prediction never waits long for a server that is away: every command has a short time limit,
//! and the first that fails for want of a connection or an answer opens the breaker. While it is
//! open, commands fail at once and one probe at a time tries to connect. Opening it for a mere
//! hiccup costs little, since the answer to a miss is a computation of microseconds.

mod advice;
mod connection;
mod error;
mod gather;
pub(super) mod layout;
mod lease;
mod name;
mod tools;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{RedisResult, Value};

use self::connection::MAX_VALUE_BYTES;
use self::connection::breaker::Shared;
use self::connection::failure::Failure;
use self::connection::generations::View;
use self::connection::session::Session;
use self::connection::upkeep::keep;
use self::error::{is_late, store_error};
use self::gather::{Found, Gathering, Turn};
pub use self::layout::Layout;
use self::layout::commands::{Reading, Writing, foreign_names};
use self::layout::place::NameContext;
pub(crate) use self::url::RedisUrl;
use self::url::location::Location;
use crate::store::backend::{Store, StoreError, StoreFuture};
use crate::store::clock::Expiry;

/// Keys of one round trip. The server answers one command after the other, and so a single look-up
/// waits behind all the keys of others: with more, it would be late.
const KEYS_AT_ONCE: usize = 1000;

/// How often commands are sent again whose connection ended, all within their time: once for the
/// end of one, and more where the next had to be given up for replies that are too long.
const RETRIES: usize = 5;
/// Longest entry that is written: a layout may put an expiry in front of it.
const MAX_ENTRY_BYTES: u64 = MAX_VALUE_BYTES - Expiry::BYTES as u64;

/// Entries in a Redis server, in one of the layouts.
pub(crate) struct RedisStore {
    shared: Arc<Shared>,
    /// None in a cluster, where one node that does not answer would hold up the keys of others.
    gathering: Option<Arc<Gathering>>,
}

impl RedisStore {
    /// Connects, or starts probing where the server does not answer.
    ///
    /// # Errors
    /// If the server answers, but cannot have the layout.
    pub(crate) async fn connect(url: &RedisUrl) -> Result<RedisStore, StoreError> {
        let shared = Shared::connect(url).await?;
        tokio::spawn(keep(Arc::downgrade(&shared), shared.states()));
        if url.layout.kind().is_swept {
            tokio::spawn(tools::sweep::sweep(Arc::downgrade(&shared)));
        }
        let is_cluster = matches!(url.location, Location::Cluster(_));
        let gathering = (!is_cluster).then(|| Gathering::new(KEYS_AT_ONCE));
        Ok(RedisStore { shared, gathering })
    }

    fn name_context<'a>(
        &'a self,
        session: &Session,
        generation: &'a View,
        time_to_live: Duration,
    ) -> NameContext<'a> {
        let (prefix, clock) = (&self.shared.url.prefix, session.clock);
        NameContext { prefix, generation, clock, time_to_live }
    }

    /// Looks up one key, with those that are asked for at the same moment.
    async fn look_up(&self, key: &str, time_to_live: Duration) -> Found {
        let turn = self.gathering.as_ref().map(|gathering| gathering.join(key, time_to_live));
        let others = match turn {
            Some(Turn::First(first)) => first.others().await,
            Some(Turn::Along(found)) => match found.await {
                Ok(found) => return found,
                // Who would have taken it along was given up.
                Err(_) => Vec::new(),
            },
            Some(Turn::Alone) | None => Vec::new(),
        };
        let keys: Vec<&str> =
            std::iter::once(key).chain(others.iter().map(|other| &*other.key)).collect();
        let mut found = match self.read(&keys, time_to_live).await {
            Ok(values) => values.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); keys.len()],
        }
        .into_iter();
        let own = found.next().unwrap_or(Ok(None));
        for (other, found) in others.into_iter().zip(found) {
            // Who was given up asks no longer.
            let _ = other.found.send(found);
        }
        own
    }

    async fn read(
        &self,
        keys: &[&str],
        time_to_live: Duration,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(vec![]);
        }
        let deadline = self.shared.deadline(keys.len());
        let mut values = self.read_once(keys, time_to_live, deadline).await;
        for _ in 0..RETRIES {
            let Err(Failure::Lost(_)) = values else { break };
            values = self.read_once(keys, time_to_live, deadline).await;
        }
        Ok(values?)
    }

    async fn read_once(
        &self,
        keys: &[&str],
        time_to_live: Duration,
        deadline: Instant,
    ) -> Result<Vec<Option<Bytes>>, Failure> {
        let session = self.shared.session_until(deadline).await?;
        if session.generations.are_too_old() {
            return Err(unknown_generation().into());
        }
        // Which generation is the current one is being read: nothing is known to be in it.
        let Some(generation) = session.generations.view() else {
            return Ok(vec![None; keys.len()]);
        };
        let context = self.name_context(&session, &generation, time_to_live);
        let reading = Reading::plan(&*session.layout, &context, keys);
        let pipeline = reading.pipeline(session.reads_together);
        let replies = self.shared.run_until(&session, pipeline, deadline).await;
        if is_any_late(&replies) {
            self.shared.suspects.note(reading.places());
        }
        let replies = replies?;
        let values = reading.values(replies, session.reads_together)?;
        // A purge came in between: these may be of the old generation.
        if !session.generations.is_current(&generation) {
            return Ok(vec![None; keys.len()]);
        }
        Ok(values)
    }

    async fn write(
        &self,
        entries: &[(&str, Bytes)],
        time_to_live: Duration,
    ) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let longest = entries.iter().map(|(_, value)| value.len()).max().unwrap_or_default() as u64;
        if longest > MAX_ENTRY_BYTES {
            return Err(StoreError(format!(
                "an entry has {longest} bytes: expected at most {MAX_ENTRY_BYTES}"
            )));
        }
        let deadline = self.shared.deadline(entries.len());
        let mut written = self.write_once(entries, time_to_live, deadline).await;
        for _ in 0..RETRIES {
            let Err(Failure::Lost(_)) = written else { break };
            written = self.write_once(entries, time_to_live, deadline).await;
        }
        Ok(written?)
    }

    async fn write_once(
        &self,
        entries: &[(&str, Bytes)],
        time_to_live: Duration,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let session = self.shared.session_until(deadline).await?;
        if session.generations.are_too_old() {
            return Err(unknown_generation().into());
        }
        let Some(generation) = session.generations.view() else {
            return Err(StoreError("a purge is under way".to_owned()).into());
        };
        let context = self.name_context(&session, &generation, time_to_live);
        let writing = Writing::plan(&*session.layout, &context, entries);
        let (pipeline, owners) = writing.commands(&writing.names());
        let replies = self.shared.run_until(&session, pipeline, deadline).await?;
        let foreign = foreign_names(owners, replies)?;
        if !foreign.is_empty() {
            self.write_over(&session, &writing, &foreign, deadline).await?;
        }
        if session.generations.is_current(&generation) {
            Ok(())
        } else {
            Err(StoreError("a purge came in between".to_owned()).into())
        }
    }

    /// Writes where another program has a list or the like in our place.
    async fn write_over(
        &self,
        session: &Arc<Session>,
        writing: &Writing<'_>,
        foreign: &[String],
        deadline: Instant,
    ) -> Result<(), Failure> {
        let (commands, _) = writing.commands(foreign);
        let mut pipeline = redis::pipe();
        // Each by itself: in a cluster they are in different places.
        for name in foreign {
            pipeline.cmd("UNLINK").arg(name);
        }
        for command in commands.cmd_iter() {
            pipeline.add_command(command.clone());
        }
        let replies = self.shared.run_until(session, pipeline, deadline).await?;
        replies.into_iter().collect::<Result<Vec<_>, _>>().map_err(store_error)?;
        Ok(())
    }
}

/// In a cluster a purge may have come meanwhile.
fn unknown_generation() -> StoreError {
    StoreError("the node that knows of purges has not answered for a while".to_owned())
}

fn is_any_late(replies: &Result<Vec<RedisResult<Value>>, Failure>) -> bool {
    match replies {
        Ok(replies) => replies.iter().any(|reply| reply.as_ref().is_err_and(is_late)),
        Err(Failure::Redis(error)) => is_late(error),
        Err(_) => false,
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a str, time_to_live: Duration) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(self.look_up(key, time_to_live))
    }

    fn set<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.write(&[(key, value)], time_to_live).await })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        time_to_live: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>> {
        Box::pin(async move {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let mut values = Vec::with_capacity(keys.len());
            for keys in keys.chunks(KEYS_AT_ONCE) {
                values.extend(self.read(keys, time_to_live).await?);
            }
            Ok(values)
        })
    }

    fn set_many(
        &self,
        entries: Vec<(String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let entries: Vec<(&str, Bytes)> =
                entries.iter().map(|(key, value)| (&**key, value.clone())).collect();
            for entries in entries.chunks(KEYS_AT_ONCE) {
                self.write(entries, time_to_live).await?;
            }
            Ok(())
        })
    }
}
