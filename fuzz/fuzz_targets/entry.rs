//! Values found in a store: entries, and those that a Python service writes. An input is a key, a zero
//! byte, and the value.

#![no_main]

use foretold_core::cache::entry::{Entry, Header};
use foretold_core::cache::python;
use foretold_core::model::answer::Answer;
use foretold_core::settings::Secret;
use foretold_fuzz::CREDIT;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or_default();
    let Ok(key) = std::str::from_utf8(&input[..end]) else { return };
    let value = input.get(end + 1..).unwrap_or_default();
    let secret = Secret::for_entries(&[1; 16]).expect("16 bytes");

    let header = Header::read(key, value);
    for mac in [None, Some(&secret)] {
        for outputs in 0..4 {
            let Some(entry) = Entry::decode(key, value, outputs, mac) else { continue };
            assert_eq!(entry.encode(key, mac), value);
            assert!(entry.outputs.iter().all(|output| output.is_finite()));
            assert!(outputs == 0 || header.is_some_and(|it| it.written_at == entry.written_at));
        }
    }

    // The bytes as what an entry holds: what is written is read again, under its own key only.
    let (written_at, outputs) = match value.split_first_chunk() {
        Some((first, rest)) => (u32::from_le_bytes(*first), rest),
        None => (0, value),
    };
    let outputs = outputs.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk));
    let entry = Entry { written_at, outputs: outputs.filter(|it| it.is_finite()).collect() };
    for mac in [None, Some(&secret)] {
        let bytes = entry.encode(key, mac);
        let count = entry.outputs.len();
        assert_eq!(Entry::decode(key, &bytes, count, mac).as_ref(), Some(&entry));
        assert_eq!(Entry::decode(&format!("{key} "), &bytes, count, mac), None);
        let _ = (entry.is_fresh(u32::MAX, 1), entry.age_seconds(0));
    }

    for endpoint in &CREDIT.manifest().endpoints {
        match python::answer(endpoint, value) {
            Some(Answer::Number(number)) => assert!(number.is_finite()),
            Some(Answer::Label(label)) => assert_eq!(label.as_bytes(), value),
            None => {}
        }
    }
});
