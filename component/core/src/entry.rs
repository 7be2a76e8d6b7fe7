//! A cache entry: the model's outputs for one input, as the bytes under its key.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | version of this format: 1 |
//! | 4 | when it was written, seconds since 1970, little endian |
//! | 4 | check: the first bytes of BLAKE3 over the key, a zero byte, and all other bytes here |
//! | 4 each | the outputs in the manifest's order, IEEE binary32, little endian |
//!
//! The key is under the check, so a value that ended up under another key is found out. What does
//! not decode is a miss. Stores have no common notion of expiry, so the reader judges the age.

/// How far ahead the clock of another host may be.
const MAX_CLOCK_DIFFERENCE_SECONDS: u32 = 60;
/// Version 1 of the format.
const VERSION: u8 = 1;
const WRITTEN_AT: std::ops::Range<usize> = 1..5;
const CHECK: std::ops::Range<usize> = 5..9;
const HEADER_BYTES: usize = 9;

/// A decoded entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was written, in seconds since 1970.
    pub written_at: u32,
    /// The model's outputs; all finite.
    pub outputs: Vec<f32>,
}

impl Entry {
    /// The bytes to put under a key.
    pub fn encode(&self, key: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 4 * self.outputs.len());
        bytes.push(VERSION);
        bytes.extend(self.written_at.to_le_bytes());
        bytes.extend([0; 4]);
        for output in &self.outputs {
            bytes.extend(output.to_le_bytes());
        }
        let check = check(key, &bytes);
        bytes[CHECK].copy_from_slice(&check);
        bytes
    }

    /// The entry in the bytes found under a key, or `None` where they are no such entry.
    pub fn decode(key: &str, bytes: &[u8], outputs: usize) -> Option<Entry> {
        if bytes.len() != HEADER_BYTES + 4 * outputs || bytes[CHECK] != check(key, bytes) {
            return None;
        }
        let written_at = written_at(bytes)?;
        let outputs =
            bytes[HEADER_BYTES..].as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk));
        let outputs: Vec<f32> = outputs.collect();
        outputs.iter().all(|output| output.is_finite()).then_some(Entry { written_at, outputs })
    }

    /// Whether it may be served: younger than the time to live, and not from the future. Clocks of
    /// two hosts may differ a little; one that is set back further makes a miss, so that no entry
    /// lives longer for it.
    pub fn is_fresh(&self, now: u32, ttl_seconds: u32) -> bool {
        self.age_seconds(now) < ttl_seconds
            && self.written_at <= now.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS)
    }

    /// Seconds since it was written; 0 where the clock has since been set back.
    pub fn age_seconds(&self, now: u32) -> u32 {
        now.saturating_sub(self.written_at)
    }
}

/// When the entry in these bytes was written, in seconds since 1970, or `None` where they are not
/// an entry of this version. It does not verify the check: it is for stores that set an expiry.
pub fn written_at(bytes: &[u8]) -> Option<u32> {
    (bytes.len() >= HEADER_BYTES && bytes[0] == VERSION)
        .then(|| u32::from_le_bytes(bytes[WRITTEN_AT].try_into().expect("a range of four bytes")))
}

fn check(key: &str, bytes: &[u8]) -> [u8; 4] {
    let mut hash = blake3::Hasher::new();
    hash.update(key.as_bytes());
    hash.update(&[0]);
    hash.update(&bytes[..CHECK.start]);
    hash.update(&bytes[CHECK.end..]);
    let hash = hash.finalize();
    [hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], hash.as_bytes()[3]]
}
