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

use std::collections::{BTreeMap, HashMap};
use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use redis::{Pipeline, RedisResult, Value, from_redis_value};
use tracing::warn;

use crate::store::redis::layout::arrangement::{Arrangement, Kind, ListedEntry, Located, Server};
use crate::store::redis::layout::place::{NameContext, Place};

/// Longest row that is a field itself.
const MAX_ROW_BYTES: usize = 12;
/// Length of the digests of others. The check in an entry is over the whole key, so that a wrong
/// one is found out.
const DIGEST_BYTES: usize = 11;
/// What the rest of a key begins with where the key is not known, only its digest.
const UNKNOWN: char = '?';
/// What Redis has unless it is configured otherwise.
const DEFAULT_LISTPACK_ENTRIES: u64 = 512;

pub(crate) const KIND: Kind = Kind {
    name: "packed",
    is_swept: false,
    ask,
    arrange: |server, replies| Ok(Box::new(PackedLayout::new(server, replies))),
};

struct PackedLayout {
    buckets: Buckets,
    /// Longest element of a listpack, if the server told: a longer one costs a bucket its form.
    max_value_bytes: Option<u64>,
    /// The server's, for the log.
    server: String,
    /// Whether the log has said that an entry is too long.
    long_entry: Once,
}

/// Asks what fits into a listpack.
fn ask(pipeline: &mut Pipeline, _: &str) {
    // The names before Redis 7 second; where both are known they are the same setting.
    for setting in
        ["hash-max-listpack-entries", "hash-max-ziplist-entries", "hash-max-listpack-value"]
    {
        pipeline.cmd("CONFIG").arg(&["GET", setting]);
    }
}

impl PackedLayout {
    /// With buckets that are half full on average, so that chance leaves hardly any of them too
    /// full.
    fn new(server: &Server<'_>, replies: Vec<RedisResult<Value>>) -> PackedLayout {
        let mut settings = replies.into_iter().map(|reply| {
            let settings: Vec<(String, u64)> = from_redis_value(reply.ok()?).ok()?;
            settings.first().map(|(_, value)| *value)
        });
        let mut setting = || settings.next().flatten();
        let (entries, entries_before_7, max_value_bytes) = (setting(), setting(), setting());
        let entries = entries.or(entries_before_7).unwrap_or(DEFAULT_LISTPACK_ENTRIES);
        let buckets = Buckets { count: server.capacity.div_ceil((entries / 2).max(1)) };
        let (server, long_entry) = (server.name.to_string(), Once::new());
        PackedLayout { buckets, max_value_bytes, server, long_entry }
    }

    fn place_in(&self, window: Window, stem: &str, rest: &str) -> Place {
        let (fields, field) = field(rest);
        let (mark, index) = (fields.mark(), self.buckets.index(&field));
        let name = format!("{stem}:{mark}{}.{}.{index}", self.buckets.count, window.number);
        Place { name, field: Some(field) }
    }

    /// Says once that entries take more memory than they would need to.
    fn note_length(&self, bytes: u64) {
        if let Some(limit) = self.max_value_bytes.filter(|limit| bytes > *limit) {
            self.long_entry.call_once(|| {
                warn!(
                    "an entry has {bytes} bytes, {} packs at most {limit}: raise its setting \
                     hash-max-listpack-value, or choose another layout",
                    self.server
                );
            });
        }
    }
}

impl Arrangement for PackedLayout {
    fn place(&self, stem: &str, rest: &str, context: &NameContext<'_>) -> Place {
        self.place_in(Window::at(context.now(), context.time_to_live), stem, rest)
    }

    fn older_place(&self, stem: &str, rest: &str, context: &NameContext<'_>) -> Option<Place> {
        let window = Window::at(context.now(), context.time_to_live).previous()?;
        Some(self.place_in(window, stem, rest))
    }

    fn write_fields(
        &self,
        pipeline: &mut Pipeline,
        name: &str,
        fields: &[(Vec<u8>, Bytes)],
        context: &NameContext<'_>,
    ) {
        let now = context.now();
        let longest = fields.iter().map(|(field, value)| field.len().max(value.len())).max();
        self.note_length(longest.unwrap_or_default() as u64);
        let command = pipeline.cmd("HSET").arg(name);
        for (field, value) in fields {
            command.arg(field).arg(&value[..]);
        }
        let window = Window::at(now, context.time_to_live);
        pipeline.cmd("EXPIRE").arg(name).arg(window.seconds_left(now));
    }

    fn owns(&self, name_rest: &str) -> bool {
        Bucket::parse(name_rest).is_some()
    }

    fn list_field(
        &self,
        name_rest: &str,
        field: &[u8],
        stored: Bytes,
        _: Duration,
    ) -> Option<ListedEntry> {
        let rest = Bucket::parse(name_rest)?.fields.rest(field);
        Some(ListedEntry { rest, value: stored, time_left: None })
    }

    /// In the buckets of all windows and sizes.
    fn locate<'a>(&self, _: &str, rests: &'a [&'a str]) -> Located<'a> {
        let mut indexes: BTreeMap<u64, FieldIndex> = BTreeMap::new();
        Located::Within(Box::new(move |name_rest| {
            let Some(bucket) = Bucket::parse(name_rest) else { return vec![] };
            let count = bucket.count;
            let index = indexes.entry(count).or_insert_with(|| FieldIndex::new(count, rests));
            index.of(&bucket).to_vec()
        }))
    }
}

/// What the fields of a bucket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fields {
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
    fn rest(self, field: &[u8]) -> String {
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
struct Window {
    number: u64,
    seconds: u64,
}

impl Window {
    fn at(now: Duration, time_to_live: Duration) -> Window {
        let whole = time_to_live.as_secs() + u64::from(time_to_live.subsec_nanos() > 0);
        let seconds = whole.max(1);
        Window { number: now.as_secs() / seconds, seconds }
    }

    fn previous(self) -> Option<Window> {
        Some(Window { number: self.number.checked_sub(1)?, seconds: self.seconds })
    }

    /// Seconds until no reader looks into it any more.
    fn seconds_left(self, now: Duration) -> u64 {
        self.number
            .saturating_add(2)
            .saturating_mul(self.seconds)
            .saturating_sub(now.as_secs())
            .max(1)
    }
}

/// How many buckets a window has.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    count: u64,
}

impl Buckets {
    fn index(&self, field: &[u8]) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(field).as_bytes()[..8]);
        u64::from_le_bytes(first) % self.count.max(1)
    }
}

/// A bucket's name after the stem, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket<'a> {
    fields: Fields,
    count: u64,
    window: &'a str,
    index: u64,
}

impl<'a> Bucket<'a> {
    fn parse(rest: &'a str) -> Option<Bucket<'a>> {
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
}

/// The fields of some keys, by the one of so many buckets that they belong to.
struct FieldIndex(HashMap<(Fields, u64), Vec<Vec<u8>>>);

impl FieldIndex {
    fn new(count: u64, rests: &[&str]) -> FieldIndex {
        let buckets = Buckets { count };
        let mut index: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        for rest in rests {
            let (fields, field) = field(rest);
            index.entry((fields, buckets.index(&field))).or_default().push(field);
        }
        FieldIndex(index)
    }

    /// Those that belong to a bucket.
    fn of(&self, bucket: &Bucket<'_>) -> &[Vec<u8>] {
        self.0.get(&(bucket.fields, bucket.index)).map_or(&[], Vec::as_slice)
    }
}
