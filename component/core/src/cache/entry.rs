//! A cache entry: the model's outputs for one input, as the bytes under its key.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | when it was written, seconds since 1970, little endian |
//! | 4 or 16 | check or MAC: the first bytes of a keyed BLAKE3 over the key, a zero byte, and all other bytes here |
//! | 4 each | the outputs in the manifest's order, IEEE binary32, little endian |
//!
//! The hash of the check is keyed with the name and version of this format, so an entry of another
//! version fails its check; that of a MAC with the operator's secret. With 12 bytes for one output,
//! a value takes 32 bytes in Redis; one more would make it 48.
//!
//! The check finds accidents; the MAC also finds values that somebody else made. A reader with a
//! secret takes entries with a MAC only. The key is under the check, so a value that ended up under another key is found out. What does
//! not decode is a miss. Stores have no common notion of expiry, so the reader judges the age.

use crate::settings::Secret;

/// How far ahead the clock of another host may be.
const MAX_CLOCK_DIFFERENCE_SECONDS: u32 = 60;
const WRITTEN_AT: std::ops::Range<usize> = 0..4;
/// Key of the check: public, and different for each version of the format.
const VERSION: &[u8; 32] = b"foretold: cache entry, version 1";

/// Where check or MAC stand.
fn protection(mac: Option<&Secret>) -> std::ops::Range<usize> {
    if mac.is_some() { 4..20 } else { 4..8 }
}

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
    pub fn encode(&self, key: &str, mac: Option<&Secret>) -> Vec<u8> {
        let range = protection(mac);
        let mut bytes = Vec::with_capacity(range.end + 4 * self.outputs.len());
        bytes.extend(self.written_at.to_le_bytes());
        bytes.resize(range.end, 0);
        for output in &self.outputs {
            bytes.extend(output.to_le_bytes());
        }
        let check = check(key, &bytes, &range, mac);
        bytes[range.clone()].copy_from_slice(&check.as_bytes()[..range.len()]);
        bytes
    }

    /// The entry in the bytes found under a key, or `None` where they are no such entry.
    pub fn decode(key: &str, bytes: &[u8], outputs: usize, mac: Option<&Secret>) -> Option<Entry> {
        let range = protection(mac);
        if bytes.len() != range.end + 4 * outputs {
            return None;
        }
        // Hashes are compared in constant time.
        let expected = check(key, bytes, &range, mac);
        let mut found = *expected.as_bytes();
        found[..range.len()].copy_from_slice(&bytes[range.clone()]);
        if expected != blake3::Hash::from(found) {
            return None;
        }
        let written_at = u32::from_le_bytes(bytes[WRITTEN_AT].try_into().ok()?);
        let outputs =
            bytes[range.end..].as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk));
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

/// What the bytes of an entry say of themselves: for tools that have no model or no secret at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was written, in seconds since 1970.
    pub written_at: u32,
    /// Whether its check is right. If not, it has a MAC, or is damaged: only the secret tells.
    pub is_checked: bool,
    /// How many outputs it has.
    pub outputs: usize,
}

impl Header {
    /// The header in the bytes found under a key, or `None` where they have not the form of an
    /// entry.
    pub fn read(key: &str, bytes: &[u8]) -> Option<Header> {
        let written_at = u32::from_le_bytes(bytes.get(WRITTEN_AT)?.try_into().ok()?);
        let outputs = |mac_bytes: usize| {
            let rest = bytes.len().checked_sub(WRITTEN_AT.end + mac_bytes)?;
            (rest > 0 && rest.is_multiple_of(4)).then_some(rest / 4)
        };
        let checked = outputs(4)?;
        let is_checked = Entry::decode(key, bytes, checked, None).is_some();
        let outputs = if is_checked { checked } else { outputs(16).unwrap_or(checked) };
        Some(Header { written_at, is_checked, outputs })
    }
}

fn check(
    key: &str,
    bytes: &[u8],
    range: &std::ops::Range<usize>,
    mac: Option<&Secret>,
) -> blake3::Hash {
    let version = || blake3::Hasher::new_keyed(VERSION);
    let mut hash = mac.map_or_else(version, Secret::hasher);
    hash.update(key.as_bytes());
    hash.update(&[0]);
    hash.update(&bytes[..range.start]);
    hash.update(&bytes[range.end..]);
    hash.finalize()
}
