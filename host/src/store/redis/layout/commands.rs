//! The commands that read and write many entries in one round trip.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::{FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};

use crate::store::backend::StoreError;
use crate::store::key::Key;
use crate::store::redis::error::{is_away, is_cut, is_wrong_type, store_error};
use crate::store::redis::layout::arrangement::Arrangement;
use crate::store::redis::layout::place::{NameContext, Place};

/// Commands that read entries.
pub(crate) struct Reading<'a> {
    layout: &'a dyn Arrangement,
    context: &'a NameContext<'a>,
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

impl<'a> Reading<'a> {
    pub(crate) fn plan(
        layout: &'a dyn Arrangement,
        context: &'a NameContext<'a>,
        keys: &[&str],
    ) -> Reading<'a> {
        let mut groups = group(keys.iter().map(|key| Some(place(layout, context, key))));
        groups.extend(group(keys.iter().map(|key| older_place(layout, context, key))));
        Reading { layout, context, groups, keys: keys.len() }
    }

    /// The commands; one for all strings where the server can have that.
    pub(crate) fn pipeline(&self, reads_together: bool) -> Pipeline {
        let mut pipeline = redis::pipe();
        for group in &self.groups {
            match group {
                Group::Strings(names) if reads_together && names.len() > 1 => {
                    let command = pipeline.cmd("MGET");
                    for (_, name) in names {
                        command.arg(name);
                    }
                }
                // MGET does not tell another type from nothing.
                Group::Strings(names) => {
                    for (_, name) in names {
                        pipeline.cmd("GET").arg(name);
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

    /// All places that it reads.
    pub(crate) fn places(&self) -> Vec<Place> {
        let of_group = |group: &Group| -> Vec<Place> {
            let place = |name: &String, field: Option<&Vec<u8>>| Place {
                name: name.clone(),
                field: field.cloned(),
            };
            match group {
                Group::Strings(names) => names.iter().map(|(_, name)| place(name, None)).collect(),
                Group::Fields(name, fields) => {
                    fields.iter().map(|(_, field)| place(name, Some(field))).collect()
                }
            }
        };
        self.groups.iter().flat_map(of_group).collect()
    }

    /// The values, in the order of the keys. An empty one means that there is something, but no
    /// entry.
    pub(crate) fn values(
        &self,
        replies: Vec<RedisResult<Value>>,
        reads_together: bool,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut values: Vec<Option<Bytes>> = vec![None; self.keys];
        let mut replies = replies.into_iter();
        for group in &self.groups {
            match group {
                Group::Strings(names) if !reads_together || names.len() == 1 => {
                    for ((key, _), reply) in names.iter().zip(&mut replies) {
                        values[*key] = read_reply(reply)?.unwrap_or(Some(Bytes::new()));
                    }
                }
                Group::Strings(names) => {
                    let keys = names.iter().map(|(key, _)| *key);
                    for (key, found) in keys.zip(read_array(replies.next(), names.len())?) {
                        values[key] = found;
                    }
                }
                Group::Fields(_, fields) => {
                    let keys = fields.iter().map(|(key, _)| *key);
                    for (key, found) in keys.zip(read_array(replies.next(), fields.len())?) {
                        let found = found
                            .and_then(|stored| self.layout.read_field(stored, self.context.now()));
                        let value = &mut values[key];
                        if value.as_ref().is_none_or(Bytes::is_empty) && found.is_some() {
                            *value = found;
                        }
                    }
                }
            }
        }
        Ok(values)
    }
}

/// What a reply holds; `None` where it is of another type. One that was not read, for another
/// before it that was too long, or did not come, while those of other servers did, holds nothing.
fn read_reply<T: Default + FromRedisValue>(
    reply: RedisResult<Value>,
) -> Result<Option<T>, StoreError> {
    match reply {
        Ok(reply) => from_redis_value(reply).map(Some).map_err(|error| store_error(error.into())),
        Err(error) if is_wrong_type(&error) => Ok(None),
        Err(error) if is_cut(&error) || is_away(&error) => Ok(Some(T::default())),
        Err(error) => Err(store_error(error)),
    }
}

/// The same for a reply with so many elements.
fn read_array(
    reply: Option<RedisResult<Value>>,
    elements: usize,
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let Some(reply) = reply else { return Ok(vec![]) };
    let found: Option<Vec<Option<Bytes>>> = read_reply(reply)?;
    Ok(found.unwrap_or_else(|| vec![Some(Bytes::new()); elements]))
}

/// Where an entry is written.
fn place(layout: &dyn Arrangement, context: &NameContext<'_>, key: &str) -> Place {
    match Key::parse(key) {
        Key::Plain(key) => Place { name: format!("{}{key}", context.prefix), field: None },
        Key::Model { model, rest } => layout.place(&context.stem(model), rest, context),
    }
}

/// Where an entry may be that was written a while ago, besides its present place.
fn older_place(layout: &dyn Arrangement, context: &NameContext<'_>, key: &str) -> Option<Place> {
    let Key::Model { model, rest } = Key::parse(key) else { return None };
    layout.older_place(&context.stem(model), rest, context)
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
pub(crate) struct Writing<'a> {
    layout: &'a dyn Arrangement,
    context: &'a NameContext<'a>,
    names: BTreeMap<String, Content>,
}

enum Content {
    String(Bytes),
    Fields(Vec<(Vec<u8>, Bytes)>),
}

impl<'a> Writing<'a> {
    pub(crate) fn plan(
        layout: &'a dyn Arrangement,
        context: &'a NameContext<'a>,
        entries: &[(&str, Bytes)],
    ) -> Writing<'a> {
        let mut names = BTreeMap::new();
        for (key, value) in entries {
            let Place { name, field } = place(layout, context, key);
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
        Writing { layout, context, names }
    }

    /// The names in Redis that it writes to.
    pub(crate) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The commands for some of the names, and for each of them the name that it is for.
    pub(crate) fn commands(&self, names: &[String]) -> (Pipeline, Vec<String>) {
        let mut pipeline = redis::pipe();
        let mut owners = Vec::new();
        for name in names {
            match &self.names[name] {
                Content::String(value) => {
                    let command = pipeline.cmd("SET").arg(name).arg(&value[..]);
                    command.arg("EX").arg(self.context.expire_seconds());
                }
                Content::Fields(fields) => {
                    self.layout.write_fields(&mut pipeline, name, fields, self.context);
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
