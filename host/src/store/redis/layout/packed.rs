//! The layout `packed`: many small hashes ("buckets"), which Redis keeps as listpacks, the form
//! with the least overhead.
//!
//! `…:P3907.29843.1234` is bucket 1234 of 3907 in window 29843. A window is as long as the time to
//! live, and a bucket expires when its window has been over for one time to live; a read looks into
//! the present window and the one before. So the server frees an entry once twice its time to live
//! is over at the latest, and the reader of an entry judges its age.
//!
//! In buckets `P` a field is the packed row itself, in buckets `D` a digest of the key's rest: a row
//! and a digest are never taken for each other.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use crate::store::redis::layout::place::{Moment, Place};

/// Longest row that is a field itself.
const MAX_ROW_BYTES: usize = 12;
/// Length of the digests of others. The check in an entry is over the whole key, so that a wrong
/// one is found out.
const DIGEST_BYTES: usize = 11;
/// What the rest of a key begins with where the key is not known, only its digest.
pub(crate) const UNKNOWN: char = '?';
/// What Redis has unless it is configured otherwise.
const DEFAULT_LISTPACK_ENTRIES: u64 = 512;

/// What the fields of a bucket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fields {
    Rows,
    Digests,
}

impl Fields {
    fn mark(self) -> char {
        match self {
            Fields::Rows => 'P',
            Fields::Digests => 'D',
        }
    }

    /// The rest of the key that a field is for.
    pub(crate) fn rest(self, field: &[u8]) -> String {
        let text = BASE64URL_NOPAD.encode(field);
        match self {
            Fields::Rows => format!("p{text}"),
            Fields::Digests => format!("{UNKNOWN}{text}"),
        }
    }
}

/// A field and what it is, from the rest of a key.
fn field(rest: &str) -> (Fields, Vec<u8>) {
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    if let Some(row) = rest.strip_prefix('p').and_then(decode)
        && row.len() <= MAX_ROW_BYTES
    {
        return (Fields::Rows, row);
    }
    if let Some(digest) = rest.strip_prefix(UNKNOWN).and_then(decode)
        && digest.len() == DIGEST_BYTES
    {
        return (Fields::Digests, digest);
    }
    (Fields::Digests, blake3::hash(rest.as_bytes()).as_bytes()[..DIGEST_BYTES].to_vec())
}

/// A span of time that entries are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    number: u64,
    seconds: u64,
}

impl Window {
    pub(crate) fn at(now: Duration, time_to_live: Duration) -> Window {
        let whole = time_to_live.as_secs() + u64::from(time_to_live.subsec_nanos() > 0);
        let seconds = whole.max(1);
        Window { number: now.as_secs() / seconds, seconds }
    }

    pub(crate) fn previous(self) -> Option<Window> {
        Some(Window { number: self.number.checked_sub(1)?, seconds: self.seconds })
    }

    /// Seconds until no reader looks into it any more.
    fn seconds_left(self, now: Duration) -> u64 {
        (self.number + 2).saturating_mul(self.seconds).saturating_sub(now.as_secs()).max(1)
    }
}

/// How many buckets a window has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Buckets {
    count: u64,
    /// Longest element of a listpack, if the server told: a longer one costs a bucket its form.
    pub(crate) max_value_bytes: Option<u64>,
}

/// Asks what fits into a listpack.
pub(crate) fn ask(pipeline: &mut Pipeline) {
    // The names before Redis 7 second; where both are known they are the same setting.
    for setting in
        ["hash-max-listpack-entries", "hash-max-ziplist-entries", "hash-max-listpack-value"]
    {
        pipeline.cmd("CONFIG").arg(&["GET", setting]);
    }
}

impl Buckets {
    /// Half full on average, so that chance leaves hardly any of them too full.
    pub(crate) fn read(capacity: u64, replies: [RedisResult<Value>; 3]) -> Buckets {
        let [entries, entries_before_7, max_value_bytes] = replies.map(|reply| {
            let settings: Vec<(String, u64)> = from_redis_value(reply.ok()?).ok()?;
            settings.first().map(|(_, value)| *value)
        });
        let entries = entries.or(entries_before_7).unwrap_or(DEFAULT_LISTPACK_ENTRIES);
        Buckets { count: capacity.div_ceil((entries / 2).max(1)), max_value_bytes }
    }

    fn index(&self, field: &[u8]) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(field).as_bytes()[..8]);
        u64::from_le_bytes(first) % self.count.max(1)
    }
}

pub(crate) fn place(stem: &str, rest: &str, window: Window, buckets: &Buckets) -> Place {
    let (fields, field) = field(rest);
    let (mark, index) = (fields.mark(), buckets.index(&field));
    let name = format!("{stem}:{mark}{}.{}.{index}", buckets.count, window.number);
    Place { name, field: Some(field) }
}

/// A bucket's name after the stem, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket<'a> {
    pub(crate) fields: Fields,
    count: u64,
    window: &'a str,
    index: u64,
}

impl<'a> Bucket<'a> {
    pub(crate) fn parse(rest: &'a str) -> Option<Bucket<'a>> {
        let fields = match rest.chars().next()? {
            'P' => Fields::Rows,
            'D' => Fields::Digests,
            _ => return None,
        };
        let mut parts = rest[1..].split('.');
        let (count, window, index) = (parts.next()?, parts.next()?, parts.next()?);
        let (count, index) = (count.parse().ok()?, index.parse().ok()?);
        parts.next().is_none().then_some(Bucket { fields, count, window, index })
    }

    /// How many buckets there are of its kind.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

/// The fields of some keys, by the one of so many buckets that they belong to.
pub(crate) struct FieldIndex(HashMap<(Fields, u64), Vec<Vec<u8>>>);

impl FieldIndex {
    pub(crate) fn new(count: u64, rests: &[&str]) -> FieldIndex {
        let buckets = Buckets { count, max_value_bytes: None };
        let mut index: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        for rest in rests {
            let (fields, field) = field(rest);
            index.entry((fields, buckets.index(&field))).or_default().push(field);
        }
        FieldIndex(index)
    }

    /// Those that belong to a bucket.
    pub(crate) fn of(&self, bucket: &Bucket<'_>) -> &[Vec<u8>] {
        self.0.get(&(bucket.fields, bucket.index)).map_or(&[], Vec::as_slice)
    }
}

pub(crate) fn write(
    pipeline: &mut Pipeline,
    name: &str,
    fields: &[(Vec<u8>, Bytes)],
    moment: &Moment<'_>,
) {
    let now = moment.now();
    let longest = fields.iter().map(|(field, value)| field.len().max(value.len())).max();
    moment.session.note_length(moment.url, longest.unwrap_or_default() as u64);
    let command = pipeline.cmd("HSET").arg(name);
    for (field, value) in fields {
        command.arg(field).arg(&value[..]);
    }
    let window = Window::at(now, moment.time_to_live);
    pipeline.cmd("EXPIRE").arg(name).arg(window.seconds_left(now));
}
