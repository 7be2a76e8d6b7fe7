//! Everything that reads bytes from outside, on bytes that nobody meant: nothing panics, and what
//! is accepted is what would have been written.

use foretold_core::cache::control::CacheControl;
use foretold_core::cache::entry::Entry;
use foretold_core::cache::key::{KeyLayout, ModelId};
use foretold_core::cache::python;
use foretold_core::http::etag;
use foretold_core::http::request::{self, Rows};
use foretold_core::model::answer::Answer;
use foretold_core::settings::{Allowed, Secret};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{SAMPLE, credit};

/// A text that is nearly right: pieces cut out, doubled, or replaced by what JSON is made of.
fn mutated(text: String) -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "", "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u00", "null", "-", "1e999", "0.", "\u{0}",
        "é",
    ]);
    let edit = (any::<Index>(), 0usize..6, pieces, any::<Option<u8>>());
    prop::collection::vec(edit, 0..5).prop_map(move |edits| {
        let mut bytes = text.clone().into_bytes();
        for (at, cut, piece, byte) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            let new = piece.bytes().chain(byte);
            bytes.splice(at..end, new.collect::<Vec<u8>>());
        }
        bytes
    })
}

proptest! {
    #[test]
    fn bodies(body in mutated(format!("[{SAMPLE}, {SAMPLE}]")), one in mutated(SAMPLE.into())) {
        let manifest = credit();
        for body in [body, one] {
            let rows = match request::rows(&body, &manifest.features) {
                Ok(Rows::One(row)) => vec![row],
                Ok(Rows::Many(rows)) => rows.into_iter().filter_map(Result::ok).collect(),
                Err(problem) => {
                    prop_assert!((400..500).contains(&problem.status()));
                    continue;
                }
            };
            let layout = KeyLayout::new(ModelId::new(b"model", &manifest, 1), &manifest.features);
            for row in rows {
                prop_assert_eq!(layout.unpack(&layout.pack(&row)), Some(row));
            }
        }
    }

    #[test]
    fn readable_keys(text in mutated(SAMPLE.replace('\n', ""))) {
        let manifest = credit();
        let id = ModelId::new(b"model", &manifest, 1);
        let layout = KeyLayout::new(id, &manifest.features);
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Some(row) = layout.row(&format!("foretold:{id}:r{text}")) {
            prop_assert_eq!(layout.json(&row), text);
        }
    }

    #[test]
    fn entries_with_a_few_other_bytes(
        edits in prop::collection::vec((any::<Index>(), 1u8..), 1..4),
        cut in prop::option::of(any::<Index>()),
        with_mac in any::<bool>(),
    ) {
        let secret = Secret::for_entries(&[1; 16]).unwrap();
        let mac = with_mac.then_some(&secret);
        let good = Entry { written_at: 7, outputs: vec![0.5, 0.25] }.encode("key", mac);
        let mut bytes = good.clone();
        for (at, flip) in edits {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
        prop_assume!(bytes != good);
        prop_assert_eq!(Entry::decode("key", &bytes, 2, mac), None);
    }

    #[test]
    fn values_of_a_python_service(value in prop::collection::vec(any::<u8>(), 0..24), number in ".{0,4}[0-9.e+-]{0,12}") {
        let manifest = credit();
        for endpoint in &manifest.endpoints {
            for value in [&value[..], number.as_bytes()] {
                match python::answer(endpoint, value) {
                    Some(Answer::Number(number)) => prop_assert!(number.is_finite()),
                    Some(Answer::Label(label)) => prop_assert_eq!(label.as_bytes(), value),
                    None => {}
                }
            }
        }
    }

    #[test]
    fn request_headers(
        header in "((no-(cache|store)|max-age|only-if-cached|[a-z\"=, é]{0,6})[=, ]{0,2}[0-9\"]{0,12}){0,4}",
    ) {
        let _ = CacheControl::parse(&header, Allowed::ALL);
        prop_assert_eq!(CacheControl::parse(&header, Allowed::NONE), CacheControl::default());
        let _ = (etag::matches(&header, "\"x\""), Allowed::parse(&header));
    }
}
