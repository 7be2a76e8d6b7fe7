//! The entries in Redis, for tools: those of the layout in use, of the current generation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use crate::store::backend::{StoreError, StoreFuture};
use crate::store::inventory::{Counts, Position};
use crate::store::inventory::{Cursor, Entry, Inventory, Page, Purge, Selection, Statistics};
use crate::store::key::{Key, PREFIX};
use crate::store::redis::connection::failure::Failure;
use crate::store::redis::connection::generations::View;
use crate::store::redis::connection::session::Session;
use crate::store::redis::error::{is_wrong_type, store_error};
use crate::store::redis::layout::arrangement::{DataType, FieldsOf, ListedEntry, Located};
use crate::store::redis::layout::place::Place;
use crate::store::redis::name;
use crate::store::redis::name::Name;
use crate::store::redis::tools::scan::{self, Walk};
use crate::store::redis::tools::server;
use crate::store::redis::{RedisStore, unknown_generation};

/// Names of a page of SCAN whose memory is measured, to stand for all of them.
const SAMPLE: usize = 20;
/// How often the generations are read at most until they are not changed meanwhile.
const MAX_READINGS: usize = 10;

impl Inventory for RedisStore {
    fn page<'a>(&'a self, selection: &'a Selection, cursor: Cursor) -> StoreFuture<'a, Page> {
        Box::pin(self.read_page(selection, cursor))
    }

    fn epoch(&self) -> Option<u64> {
        self.shared.epoch()
    }

    fn lease<'a>(&'a self, key: &'a str, time: Duration) -> StoreFuture<'a, bool> {
        Box::pin(self.take_lease(key, time))
    }

    fn end_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.drop_lease(key))
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, u64> {
        Box::pin(self.remove_keys(keys))
    }

    fn tell_of_removal(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.write_removal())
    }

    fn change_generation<'a>(&'a self, purge: &'a Purge) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.write_generation(purge).await?;
            // In a cluster hosts may have the old one for so long.
            let session = self.shared.session().await?;
            if let Some(life) = session.generations.life() {
                tokio::time::sleep(life).await;
            }
            Ok(0)
        })
    }

    fn free_old_generations<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.free(progress))
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        Box::pin(self.count())
    }
}

impl RedisStore {
    pub(super) fn prefix(&self) -> &str {
        &self.shared.url.prefix
    }

    /// The connection and the current generation, read again if need be.
    pub(super) async fn current(&self) -> Result<(Arc<Session>, View), Failure> {
        for _ in 0..MAX_READINGS {
            let session = self.shared.session().await?;
            if let Some(view) = session.generations.view() {
                return Ok((session, view));
            }
            self.shared.refresh(&session).await;
            if session.generations.are_too_old() {
                return Err(unknown_generation().into());
            }
        }
        Err(StoreError("one purge follows the other".to_owned()).into())
    }

    /// A name of the layout in use and the current generation, taken apart.
    fn entry_name<'a>(
        &self,
        session: &Session,
        generation: &View,
        name: &'a [u8],
    ) -> Option<Name<'a>> {
        let name = Name::parse(self.prefix(), name)?;
        let is_entry = session.layout.owns(name.rest) && name.tag == generation.tag(name.model);
        is_entry.then_some(name)
    }

    async fn read_page(&self, selection: &Selection, cursor: Cursor) -> Result<Page, StoreError> {
        let (session, generation) = self.current().await?;
        let (mut walk, mut hashes, within) = match cursor.0 {
            Position::Start => (Walk::begin(&session), vec![], 0),
            Position::Scan { servers, scan, hashes, within } => {
                (Walk { servers, cursor: scan }, hashes, within)
            }
            Position::After(_) => return Err(StoreError("a cursor of another store".to_owned())),
        };
        if let Some(hash) = hashes.last() {
            let page = scan::fields(&self.shared, &session, hash, within).await;
            // It has expired since, or is another type now.
            let (next, fields) = match page {
                Ok(page) => (page.next, page.fields),
                Err(Failure::Redis(error)) if is_wrong_type(&error) => (0, vec![]),
                Err(failure) => return Err(failure.into()),
            };
            let entries = self.hash_entries(&session, &generation, hash, fields).await?;
            if next == 0 {
                hashes.pop();
            }
            return Ok(Page { entries, next: position(walk, hashes, next) });
        }
        let pattern = match selection {
            Selection::All => name::pattern(&format!("{}{PREFIX}", self.prefix())),
            Selection::Model(model) => name::pattern(&format!("{}{PREFIX}{model}", self.prefix())),
            Selection::Prefix(prefix) => name::pattern(&format!("{}{prefix}", self.prefix())),
        };
        let plain = matches!(selection, Selection::Prefix(_));
        let data_type = if plain { DataType::String } else { session.layout.data_type() };
        let type_name = Some(data_type.name());
        let names = walk.next(&self.shared, &session, &pattern, type_name).await?;
        let names = names.unwrap_or_default();
        if data_type == DataType::Hash {
            let mut hashes = names;
            hashes.retain(|name| self.entry_name(&session, &generation, name).is_some());
            return Ok(Page { entries: vec![], next: position(walk, hashes, 0) });
        }
        let keys = names.into_iter().filter_map(|name| {
            let key = match self.entry_name(&session, &generation, &name) {
                Some(entry) if !plain => Key::join(entry.model, entry.rest),
                _ => {
                    String::from_utf8(name.strip_prefix(self.prefix().as_bytes())?.to_vec()).ok()?
                }
            };
            selection.takes(Key::parse(&key)).then_some((key, name))
        });
        // A model's name without a tag, from before a purge, is no entry of the current generation.
        let keys: Vec<(String, Vec<u8>)> = keys
            .filter(|(_, name)| plain || self.entry_name(&session, &generation, name).is_some())
            .collect();
        let entries = self.string_entries(&session, keys).await?;
        Ok(Page { entries, next: position(walk, vec![], 0) })
    }

    async fn string_entries(
        &self,
        session: &Arc<Session>,
        keys: Vec<(String, Vec<u8>)>,
    ) -> Result<Vec<Entry>, StoreError> {
        if keys.is_empty() {
            return Ok(vec![]);
        }
        let mut pipeline = redis::pipe();
        for (_, name) in &keys {
            pipeline.cmd("GET").arg(name).cmd("PTTL").arg(name);
        }
        let replies = self.shared.run_tool(session, pipeline).await?;
        let mut entries = Vec::new();
        for ((key, _), replies) in keys.into_iter().zip(replies.chunks_exact(2)) {
            // Gone, or of another type, since SCAN saw it.
            let [Ok(value), Ok(time_left)] = replies else { continue };
            let value: Option<Bytes> = read(value)?;
            let Some(value) = value else { continue };
            entries.push(Entry { key, value, time_left: time_left_ms(read(time_left)?) });
        }
        Ok(entries)
    }

    async fn hash_entries(
        &self,
        session: &Arc<Session>,
        generation: &View,
        hash_name: &[u8],
        fields: Vec<(Vec<u8>, Bytes)>,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(name) = self.entry_name(session, generation, hash_name) else { return Ok(vec![]) };
        let now = session.clock.now();
        let listed: Vec<ListedEntry> = fields
            .into_iter()
            .filter_map(|(field, stored)| session.layout.list_field(name.rest, &field, stored, now))
            .collect();
        let mut hash_time_left = None;
        if listed.iter().any(|entry| entry.time_left.is_none()) {
            let mut pipeline = redis::pipe();
            pipeline.cmd("PTTL").arg(hash_name);
            let replies = self.shared.run_tool(session, pipeline).await?;
            if let Some(Ok(time_left)) = replies.first() {
                hash_time_left = time_left_ms(read(time_left)?);
            }
        }
        let entries = listed.into_iter().map(|ListedEntry { rest, value, time_left }| Entry {
            key: Key::join(name.model, &rest),
            value,
            time_left: time_left.or(hash_time_left),
        });
        Ok(entries.collect())
    }

    async fn remove_keys(&self, keys: &[String]) -> Result<u64, StoreError> {
        let (session, generation) = self.current().await?;
        let mut strings: Vec<String> = Vec::new();
        let mut by_model: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in keys {
            match Key::parse(key) {
                Key::Plain(key) => strings.push(format!("{}{key}", self.prefix())),
                Key::Model { model, rest } => by_model.entry(model).or_default().push(rest),
            }
        }
        let mut pipeline = redis::pipe();
        for (model, rests) in by_model {
            let stem = name::stem(self.prefix(), model, generation.tag(model));
            match session.layout.locate(&stem, &rests) {
                Located::At(places) => {
                    let mut hashes: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
                    for Place { name, field } in places {
                        match field {
                            Some(field) => hashes.entry(name).or_default().push(field),
                            None => strings.push(name),
                        }
                    }
                    for (name, fields) in hashes {
                        pipeline.cmd("HDEL").arg(name).arg(&fields);
                    }
                }
                Located::Within(fields_of) => {
                    for (name, fields) in self.find(&session, &stem, fields_of).await? {
                        pipeline.cmd("HDEL").arg(name).arg(&fields);
                    }
                }
            }
        }
        for name in &strings {
            pipeline.cmd("UNLINK").arg(name);
        }
        if pipeline.is_empty() {
            return Ok(0);
        }
        let replies = self.shared.run_tool(&session, pipeline).await?;
        replies.into_iter().try_fold(0, |removed, reply| match reply {
            Ok(count) => Ok(removed + read::<u64>(&count)?),
            // Nothing of ours is there.
            Err(error) if is_wrong_type(&error) => Ok(removed),
            Err(error) => Err(store_error(error)),
        })
    }

    /// The hashes of a model in which there may be some keys, with their fields.
    async fn find(
        &self,
        session: &Arc<Session>,
        stem: &str,
        mut fields_of: FieldsOf<'_>,
    ) -> Result<Vec<(Vec<u8>, Vec<Vec<u8>>)>, StoreError> {
        let pattern = name::pattern(&format!("{stem}:"));
        let type_name = Some(session.layout.data_type().name());
        let mut found = Vec::new();
        let mut walk = Walk::begin(session);
        while let Some(names) = walk.next(&self.shared, session, &pattern, type_name).await? {
            for hash_name in names {
                let Some(name) = Name::parse(self.prefix(), &hash_name) else { continue };
                let fields = fields_of(name.rest);
                if !fields.is_empty() {
                    found.push((hash_name, fields));
                }
            }
        }
        Ok(found)
    }

    async fn count(&self) -> Result<Statistics, StoreError> {
        let (session, generation) = self.current().await?;
        let pattern = name::pattern(&format!("{}{PREFIX}", self.prefix()));
        let data_type = session.layout.data_type();
        let type_name = Some(data_type.name());
        let mut counts = Counts::default();
        let (mut walk, mut bytes) = (Walk::begin(&session), 0);
        while let Some(mut names) = walk.next(&self.shared, &session, &pattern, type_name).await? {
            names.retain(|name| self.entry_name(&session, &generation, name).is_some());
            let sample = names.len().min(SAMPLE);
            let mut pipeline = redis::pipe();
            for name in &names[..sample] {
                pipeline.cmd("MEMORY").arg("USAGE").arg(name);
            }
            if data_type == DataType::Hash {
                for name in &names {
                    pipeline.cmd("HLEN").arg(name);
                }
            }
            if !pipeline.is_empty() {
                let mut replies = self.shared.run_tool(&session, pipeline).await?.into_iter();
                let mut number = || -> Result<u64, StoreError> {
                    match replies.next() {
                        Some(Ok(reply)) => Ok(read::<Option<u64>>(&reply)?.unwrap_or_default()),
                        Some(Err(error)) => Err(store_error(error)),
                        None => Ok(0),
                    }
                };
                let mut sampled = 0;
                for _ in 0..sample {
                    sampled += number()?;
                }
                bytes += sampled * names.len() as u64 / sample.max(1) as u64;
                for name in &names {
                    let Some(entry) = self.entry_name(&session, &generation, name) else {
                        continue;
                    };
                    let entries = match data_type {
                        DataType::String => 1,
                        DataType::Hash => number()?,
                    };
                    counts.add(entry.model, entries);
                }
            }
        }
        let server = Some(server::statistics(&self.shared, &session).await?);
        Ok(Statistics { models: counts.into_models(), bytes, server })
    }
}

fn position(walk: Walk, hashes: Vec<Vec<u8>>, within: u64) -> Option<Cursor> {
    let Walk { servers, cursor: scan } = walk;
    let more = !servers.is_empty() || !hashes.is_empty();
    more.then_some(Cursor(Position::Scan { servers, scan, hashes, within }))
}

/// From the reply of PTTL, which is negative where there is no expiry.
fn time_left_ms(milliseconds: i64) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

fn read<T: redis::FromRedisValue>(reply: &Value) -> Result<T, StoreError> {
    redis::from_redis_value_ref(reply).map_err(|error| store_error(error.into()))
}
