//! The layout `hash`: one hash per model and generation, `…:H`, with the rest of the key as field.
//!
//! A value is an expiry of 4 bytes and the entry, whatever the server can do, so that hosts on
//! servers of all versions read the same. Where the server has expiry by field, it frees entries;
//! elsewhere `sweep` does. The hash as a whole expires after its newest entry.

use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use crate::store::clock::Expiry;
use crate::store::redis::layout::place::{Moment, Place};

/// What follows the stem in the hash's name.
pub(crate) const MARK: &str = "H";

/// How the server frees fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldExpiry {
    /// It does not.
    #[default]
    Inline,
    /// With HEXPIRE (Redis 7.4).
    Hexpire,
    /// With HSETEX (Redis 8, Valkey 9), one command instead of two.
    Hsetex,
}

/// Asks which of the commands the server has.
pub(crate) fn ask(pipeline: &mut Pipeline) {
    pipeline.cmd("COMMAND").arg(&["INFO", "HSETEX", "HEXPIRE"]);
}

impl FieldExpiry {
    /// Reads the answer. A server that does not give one may well not let us use them either.
    pub(crate) fn read(reply: RedisResult<Value>) -> FieldExpiry {
        let known = reply.ok().and_then(|reply| from_redis_value::<Vec<Value>>(reply).ok());
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

pub(crate) fn place(stem: &str, rest: &str) -> Place {
    Place { name: format!("{stem}:{MARK}"), field: Some(rest.into()) }
}

pub(crate) fn write(
    pipeline: &mut Pipeline,
    name: &str,
    fields: &[(Vec<u8>, Bytes)],
    moment: &Moment<'_>,
) {
    let expiry = Expiry::after(moment.now(), moment.time_to_live);
    let seconds = moment.expire_seconds();
    let field_expiry = moment.session.field_expiry;
    let command = match field_expiry {
        FieldExpiry::Hsetex => {
            let command = pipeline.cmd("HSETEX").arg(name).arg("EX").arg(seconds);
            command.arg("FIELDS").arg(fields.len())
        }
        FieldExpiry::Hexpire | FieldExpiry::Inline => pipeline.cmd("HSET").arg(name),
    };
    for (field, value) in fields {
        command.arg(field).arg(expiry.join(value));
    }
    if field_expiry == FieldExpiry::Hexpire {
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

/// The entry in a stored value, unless it has expired; an empty one where it is none of ours.
pub(crate) fn value(stored: &Bytes, now: Duration) -> Option<Bytes> {
    match Expiry::split(stored) {
        Some((expiry, _)) if expiry.is_past(now) => None,
        Some(_) => Some(stored.slice(Expiry::BYTES..)),
        None => Some(Bytes::new()),
    }
}
