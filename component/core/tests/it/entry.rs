//! Entries: they round-trip, and what is no entry under this key is none.

use foretold_core::cache::entry::{Entry, Header};
use foretold_core::settings::Secret;
use proptest::prelude::*;

/// The layout of stored values: when this fails, every cache out there is lost, so mean it.
#[test]
fn an_entry_has_the_golden_bytes() {
    let entry = Entry { written_at: 1_800_000_000, outputs: vec![0.25, -1.5] };
    let bytes = entry.encode("foretold:x:pAA", None);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "00d2496b6530942a0000803e0000c0bf");
}

#[test]
fn an_entry_under_another_key_is_none() {
    let bytes = Entry { written_at: 1, outputs: vec![0.5] }.encode("a", None);
    assert!(Entry::decode("a", &bytes, 1, None).is_some());
    assert_eq!(Entry::decode("b", &bytes, 1, None), None);
    assert_eq!(Entry::decode("a", &bytes, 2, None), None);
}

#[test]
fn outputs_that_are_no_numbers_are_none() {
    for output in [f32::NAN, f32::INFINITY] {
        let bytes = Entry { written_at: 1, outputs: vec![output] }.encode("a", None);
        assert_eq!(Entry::decode("a", &bytes, 1, None), None);
    }
}

#[test]
fn a_clock_that_was_set_back_gives_no_negative_age() {
    let entry = Entry { written_at: 100, outputs: vec![] };
    assert_eq!(entry.age_seconds(160), 60);
    assert_eq!(entry.age_seconds(40), 0);
    assert!(entry.is_fresh(40, 10));
    assert!(!entry.is_fresh(39, 10), "more than a minute from the future");
    assert!(entry.is_fresh(109, 10));
    assert!(!entry.is_fresh(110, 10));
}

#[test]
fn an_entry_with_a_mac_is_read_with_its_secret_alone() {
    let secret = |byte| Secret::for_entries(&[byte; 16]).unwrap();
    let entry = Entry { written_at: 1, outputs: vec![0.5] };
    let (mine, other) = (secret(1), secret(2));
    let bytes = entry.encode("a", Some(&mine));
    assert_eq!(bytes.len(), 24);
    let header = Header { written_at: 1, is_checked: false, outputs: 1 };
    assert_eq!(Header::read("a", &bytes), Some(header));
    assert_eq!(Entry::decode("a", &bytes, 1, Some(&mine)), Some(entry.clone()));
    assert_eq!(Entry::decode("a", &bytes, 1, Some(&other)), None);
    assert_eq!(Entry::decode("b", &bytes, 1, Some(&mine)), None);
    assert_eq!(Entry::decode("a", &bytes, 1, None), None);
    let unprotected = entry.encode("a", None);
    assert_eq!(Entry::decode("a", &unprotected, 1, Some(&mine)), None);
}

proptest! {
    #[test]
    fn entries_round_trip(
        key in ".*",
        written in any::<u32>(),
        outputs in proptest::collection::vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 0..9),
    ) {
        let entry = Entry { written_at: written, outputs };
        let bytes = entry.encode(&key, None);
        let outputs = entry.outputs.len();
        let header = (outputs > 0).then_some(Header { written_at: written, is_checked: true, outputs });
        prop_assert_eq!(Header::read(&key, &bytes), header);
        prop_assert_eq!(Entry::decode(&key, &bytes, entry.outputs.len(), None), Some(entry));
    }

    #[test]
    fn one_flipped_bit_is_found(outputs in proptest::collection::vec(0f32..1.0, 1..4), bit in any::<prop::sample::Index>()) {
        let mut bytes = Entry { written_at: 7, outputs: outputs.clone() }.encode("key", None);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Entry::decode("key", &bytes, outputs.len(), None), None);
    }

    #[test]
    fn arbitrary_bytes_never_panic(key in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..64), outputs in 0usize..12) {
        let _ = Header::read(&key, &bytes);
        let secret = Secret::for_entries(&[1; 16]).unwrap();
        for mac in [None, Some(&secret)] {
            prop_assert_eq!(Entry::decode(&key, &bytes, outputs, mac), None);
        }
    }
}
