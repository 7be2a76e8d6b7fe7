//! The layout `hash`: one hash per model and generation, `…:H`, with the rest of the key as field.
//!
//! A value is an expiry of 4 bytes and the entry, whatever the server can do, so that hosts on
//! servers of all versions read the same. Where the server has expiry by field, it frees entries;
//! elsewhere `sweep` does. The hash as a whole expires after its newest entry.

use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use crate::store::clock::Expiry;
use crate::store::redis::error::describe;
use crate::store::redis::layout::arrangement::{Arrangement, Hashes, Kind, ListedEntry, Located};
use crate::store::redis::layout::place::{NameContext, Place};
use crate::store::redis::name;

/// What follows the stem in the hash's name.
const MARK: &str = "H";

pub(crate) const KIND: Kind = Kind {
    name: "hash",
    is_swept: true,
    ask,
    arrange: |_, replies| {
        let mut replies = replies.into_iter();
        let field_expiry = FieldExpiry::read(replies.next());
        check_expiry(replies.next())?;
        Ok(Box::new(HashLayout { field_expiry, hashes: Hashes::default() }))
    },
};

struct HashLayout {
    field_expiry: FieldExpiry,
    /// Those in use, for the sweep.
    hashes: Hashes,
}

/// How the server frees fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldExpiry {
    /// It does not.
    Inline,
    /// With HEXPIRE (Redis 7.4).
    Hexpire,
    /// With HSETEX (Redis 8, Valkey 9), one command instead of two.
    Hsetex,
}

/// Asks which of the commands the server has, and whether it can expire a hash as a whole.
fn ask(pipeline: &mut Pipeline, prefix: &str) {
    pipeline.cmd("COMMAND").arg(&["INFO", "HSETEX", "HEXPIRE"]);
    // Nothing is there: it says whether it could.
    pipeline.cmd("EXPIRE").arg(name::probe(prefix, 'a')).arg(1).arg("GT");
}

/// Without the conditions of EXPIRE (before Redis 7) hashes would stay for ever.
fn check_expiry(reply: Option<RedisResult<Value>>) -> Result<(), String> {
    match reply {
        // A replica refuses all writes, and may be none tomorrow.
        Some(Err(error)) if error.code() == Some("ERR") => Err(format!(
            "the layout hash needs EXPIRE with the option GT, which the server refuses ({}): \
             choose the layout string or packed, or a server that has it (Redis 7, Valkey)",
            describe(&error)
        )),
        _ => Ok(()),
    }
}

impl FieldExpiry {
    /// Reads the answer. A server that does not give one may well not let us use them either.
    fn read(reply: Option<RedisResult<Value>>) -> FieldExpiry {
        let known = reply.and_then(|reply| from_redis_value::<Vec<Value>>(reply.ok()?).ok());
        let has = |index: usize| {
            let command = known.as_ref().and_then(|known| known.get(index));
            matches!(command, Some(Value::Array(parts)) if !parts.is_empty())
        };
        match (has(0), has(1)) {
            (true, _) => FieldExpiry::Hsetex,
            (false, true) => FieldExpiry::Hexpire,
            (false, false) => FieldExpiry::Inline,
        }
    }
}

impl Arrangement for HashLayout {
    fn place(&self, stem: &str, rest: &str, _: &NameContext<'_>) -> Place {
        let place = place(stem, rest);
        self.hashes.note(&place.name);
        place
    }

    fn write_fields(
        &self,
        pipeline: &mut Pipeline,
        name: &str,
        fields: &[(Vec<u8>, Bytes)],
        context: &NameContext<'_>,
    ) {
        let expiry = Expiry::after(context.now(), context.time_to_live);
        let seconds = context.expire_seconds();
        let command = match self.field_expiry {
            FieldExpiry::Hsetex => {
                let command = pipeline.cmd("HSETEX").arg(name).arg("EX").arg(seconds);
                command.arg("FIELDS").arg(fields.len())
            }
            FieldExpiry::Hexpire | FieldExpiry::Inline => pipeline.cmd("HSET").arg(name),
        };
        for (field, value) in fields {
            command.arg(field).arg(expiry.join(value));
        }
        if self.field_expiry == FieldExpiry::Hexpire {
            let command = pipeline.cmd("HEXPIRE").arg(name).arg(seconds);
            command.arg("FIELDS").arg(fields.len());
            for (field, _) in fields {
                command.arg(field);
            }
        }
        // Never shorter than another entry needs it.
        pipeline.cmd("EXPIRE").arg(name).arg(seconds + 1).arg("NX");
        pipeline.cmd("EXPIRE").arg(name).arg(seconds + 1).arg("GT");
    }

    fn read_field(&self, stored: Bytes, now: Duration) -> Option<Bytes> {
        Expiry::read(&stored, now).map(|value| stored.slice_ref(value))
    }

    fn owns(&self, name_rest: &str) -> bool {
        name_rest == MARK
    }

    fn list_field(
        &self,
        _: &str,
        field: &[u8],
        stored: Bytes,
        now: Duration,
    ) -> Option<ListedEntry> {
        let rest = std::str::from_utf8(field).ok()?.to_owned();
        let (expiry, value) = Expiry::split(&stored)?;
        let time_left = Some(expiry.time_left(now)?);
        Some(ListedEntry { rest, value: stored.slice_ref(value), time_left })
    }

    fn locate<'a>(&self, stem: &str, rests: &'a [&'a str]) -> Located<'a> {
        Located::At(rests.iter().map(|rest| place(stem, rest)).collect())
    }

    fn swept_hashes(&self) -> Option<&Hashes> {
        (self.field_expiry == FieldExpiry::Inline).then_some(&self.hashes)
    }
}

fn place(stem: &str, rest: &str) -> Place {
    Place { name: format!("{stem}:{MARK}"), field: Some(rest.into()) }
}
