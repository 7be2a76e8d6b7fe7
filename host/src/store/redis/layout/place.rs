//! Where entries lie, and the commands that read and write many of them in one round trip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use crate::store::StoreError;
use crate::store::key::Key;
use crate::store::redis::connection::generations::View;
use crate::store::redis::connection::session::Session;
use crate::store::redis::error::is_wrong_type;
use crate::store::redis::error::store_error;
use crate::store::redis::layout::Layout;
use crate::store::redis::layout::hash;
use crate::store::redis::layout::packed;
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;

/// What names of entries depend on besides the key.
pub(crate) struct Moment<'a> {
    pub(crate) url: &'a RedisUrl,
    pub(crate) session: &'a Arc<Session>,
    pub(crate) generation: &'a View,
    pub(crate) time_to_live: Duration,
}

/// Where an entry lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// In which field, unless the entry is a string of its own.
    pub(crate) field: Option<Vec<u8>>,
}

impl Moment<'_> {
    pub(crate) fn now(&self) -> Duration {
        self.session.clock.now()
    }

    /// What the server is to keep an entry for.
    pub(crate) fn expire_seconds(&self) -> u64 {
        self.time_to_live.as_secs().max(1)
    }

    fn stem(&self, model: &str) -> String {
        name::stem(&self.url.prefix, model, self.generation.tag(model))
    }

    /// Where an entry is written.
    fn place(&self, key: &str) -> Place {
        match (Key::parse(key), self.url.layout) {
            (Key::Plain(key), _) => {
                Place { name: format!("{}{key}", self.url.prefix), field: None }
            }
            (Key::Model { model, rest }, Layout::String) => {
                Place { name: format!("{}:{rest}", self.stem(model)), field: None }
            }
            (Key::Model { model, rest }, Layout::Hash) => {
                let place = hash::place(&self.stem(model), rest);
                self.session.note_hash(&place.name);
                place
            }
            (Key::Model { model, rest }, Layout::Packed) => {
                let window = packed::Window::at(self.now(), self.time_to_live);
                packed::place(&self.stem(model), rest, window, &self.session.buckets)
            }
        }
    }

    /// Where an entry may be that was written a while ago, besides its present place.
    fn older_place(&self, key: &str) -> Option<Place> {
        let Key::Model { model, rest } = Key::parse(key) else { return None };
        if self.url.layout != Layout::Packed {
            return None;
        }
        let window = packed::Window::at(self.now(), self.time_to_live).previous()?;
        Some(packed::place(&self.stem(model), rest, window, &self.session.buckets))
    }
}

/// Commands that read entries.
pub(crate) struct Reading {
    groups: Vec<Group>,
    keys: usize,
}

/// Entries that one command reads.
enum Group {
    /// Which key each name is for.
    Strings(Vec<(usize, String)>),
    /// Which key each field is for.
    Fields(String, Vec<(usize, Vec<u8>)>),
}

impl Reading {
    pub(crate) fn plan(moment: &Moment<'_>, keys: &[&str]) -> Reading {
        let mut groups = group(keys.iter().map(|key| Some(moment.place(key))));
        groups.extend(group(keys.iter().map(|key| moment.older_place(key))));
        Reading { groups, keys: keys.len() }
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        let mut pipeline = redis::pipe();
        for group in &self.groups {
            match group {
                // MGET does not tell another type from nothing.
                Group::Strings(names) if names.len() == 1 => {
                    pipeline.cmd("GET").arg(&names[0].1);
                }
                Group::Strings(names) => {
                    let command = pipeline.cmd("MGET");
                    for (_, name) in names {
                        command.arg(name);
                    }
                }
                Group::Fields(name, fields) => {
                    let command = pipeline.cmd("HMGET").arg(name);
                    for (_, field) in fields {
                        command.arg(field);
                    }
                }
            }
        }
        pipeline
    }

    /// The values, in the order of the keys. An empty one means that there is something, but no
    /// entry.
    pub(crate) fn values(
        &self,
        moment: &Moment<'_>,
        replies: Vec<RedisResult<Value>>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut values: Vec<Option<Bytes>> = vec![None; self.keys];
        for (group, reply) in self.groups.iter().zip(replies) {
            let keys: Vec<usize> = match group {
                Group::Strings(names) => names.iter().map(|(key, _)| *key).collect(),
                Group::Fields(_, fields) => fields.iter().map(|(key, _)| *key).collect(),
            };
            let found: Vec<Option<Bytes>> = match (group, reply) {
                (Group::Strings(names), Ok(reply)) if names.len() == 1 => {
                    vec![from_redis_value(reply).map_err(|error| store_error(error.into()))?]
                }
                (_, Ok(reply)) => {
                    from_redis_value(reply).map_err(|error| store_error(error.into()))?
                }
                (_, Err(error)) if is_wrong_type(&error) => vec![Some(Bytes::new()); keys.len()],
                (_, Err(error)) => return Err(store_error(error)),
            };
            let is_hash = matches!(group, Group::Fields(..)) && moment.url.layout == Layout::Hash;
            for (key, found) in keys.into_iter().zip(found) {
                let found = match found {
                    Some(stored) if is_hash => hash::value(&stored, moment.now()),
                    found => found,
                };
                let value = &mut values[key];
                if value.as_ref().is_none_or(Bytes::is_empty) && found.is_some() {
                    *value = found;
                }
            }
        }
        Ok(values)
    }
}

/// One group for all strings, and one for each hash.
fn group(places: impl Iterator<Item = Option<Place>>) -> Vec<Group> {
    let mut strings = Vec::new();
    let mut hashes: BTreeMap<String, Vec<(usize, Vec<u8>)>> = BTreeMap::new();
    for (key, place) in places.enumerate() {
        match place {
            Some(Place { name, field: None }) => strings.push((key, name)),
            Some(Place { name, field: Some(field) }) => {
                hashes.entry(name).or_default().push((key, field));
            }
            None => {}
        }
    }
    let mut groups: Vec<Group> =
        hashes.into_iter().map(|(name, fields)| Group::Fields(name, fields)).collect();
    if !strings.is_empty() {
        groups.push(Group::Strings(strings));
    }
    groups
}

/// Commands that write entries, by the name in Redis.
pub(crate) struct Writing {
    names: BTreeMap<String, Content>,
}

enum Content {
    String(Bytes),
    Fields(Vec<(Vec<u8>, Bytes)>),
}

impl Writing {
    pub(crate) fn plan(moment: &Moment<'_>, entries: &[(&str, Bytes)]) -> Writing {
        let mut names = BTreeMap::new();
        for (key, value) in entries {
            let Place { name, field } = moment.place(key);
            match field {
                None => {
                    names.insert(name, Content::String(value.clone()));
                }
                Some(field) => {
                    let content = names.entry(name).or_insert(Content::Fields(vec![]));
                    if let Content::Fields(fields) = content {
                        fields.push((field, value.clone()));
                    }
                }
            }
        }
        Writing { names }
    }

    /// The names in Redis that it writes to.
    pub(crate) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The commands for some of the names, and for each of them the name that it is for.
    pub(crate) fn commands(
        &self,
        moment: &Moment<'_>,
        names: &[String],
    ) -> (Pipeline, Vec<String>) {
        let mut pipeline = redis::pipe();
        let mut owners = Vec::new();
        for name in names {
            match (&self.names[name], moment.url.layout) {
                (Content::String(value), _) => {
                    let command = pipeline.cmd("SET").arg(name).arg(&value[..]);
                    command.arg("EX").arg(moment.expire_seconds());
                }
                (Content::Fields(fields), Layout::Hash) => {
                    hash::write(&mut pipeline, name, fields, moment);
                }
                (Content::Fields(fields), _) => {
                    packed::write(&mut pipeline, name, fields, moment);
                }
            }
            owners.resize(pipeline.len(), name.clone());
        }
        (pipeline, owners)
    }
}

/// Of the names that commands were for, those that hold something of another type.
pub(crate) fn foreign_names(
    owners: Vec<String>,
    replies: Vec<RedisResult<Value>>,
) -> Result<Vec<String>, StoreError> {
    let mut foreign: Vec<String> = Vec::new();
    for (name, reply) in owners.into_iter().zip(replies) {
        match reply {
            Err(error) if is_wrong_type(&error) => foreign.push(name),
            Err(error) => return Err(store_error(error)),
            Ok(_) => {}
        }
    }
    foreign.dedup();
    Ok(foreign)
}
