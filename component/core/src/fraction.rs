//! Numbers that look random and follow from bytes, for jitter and early refresh.

/// A number from 0 up to, but not including, 1 that depends on nothing but some bytes.
pub(crate) fn fraction(parts: &[&[u8]]) -> f64 {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    let bits = u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
