//! Everything that reads bytes from outside, on bytes that nobody meant: nothing panics, and what
//! is accepted is what would have been written.

use std::io::Write;

use foretold_core::cache::control::CacheControl;
use foretold_core::cache::entry::Entry;
use foretold_core::cache::key::{KeyLayout, ModelId};
use foretold_core::cache::python;
use foretold_core::http::etag;
use foretold_core::http::request::{self, Rows};
use foretold_core::http::{Headers, Request};
use foretold_core::model::answer::Answer;
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::{Allowed, Secret, Settings};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::world::{World, post};
use crate::{SAMPLE, credit};

/// A request of the Open Inference Protocol that is right.
const INFER: &str = r#"{"id": "7", "parameters": {"binary_data_output": true}, "inputs": [
    {"name": "installment_rate_in_percentage_of_disposable_income", "shape": [2, 1], "datatype": "FP32", "data": [1.07, 4]},
    {"name": "age_in_years", "shape": [2], "datatype": "INT64", "data": [[30], [22]], "parameters": {}},
    {"name": "foreign_worker", "shape": [2, 1], "datatype": "BYTES", "data": ["yes", "yes"]},
    {"name": "present_employment_since", "shape": [2, 1], "datatype": "BYTES", "data": ["unemployed", "unemployed"]},
    {"name": "personal_status_and_sex", "shape": [2, 1], "datatype": "BYTES", "data": ["male: single", "male: single"]}],
    "outputs": [{"name": "decision", "parameters": {"binary_data": false}}, {"name": "probability"}]}"#;

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

    /// A whole request that is nearly right: it is answered, and shortly.
    #[test]
    fn requests(
        method in prop::sample::select(vec!["POST", "QUERY", "GET", "HEAD", "OPTIONS", "é"]),
        target in prop_oneof![
            mutated("/predictions?include=decision%2Cprobability&include=risk_category".into()),
            mutated("/v2/models/%63redit/infer".into()),
            Just(b"/v2/models/credit/infer".to_vec()),
            Just(b"/decisions".to_vec()),
        ],
        body in prop_oneof![
            mutated(format!("\u{feff}[{SAMPLE}, {SAMPLE}]")),
            mutated(INFER.into()),
            mutated(INFER.into()),
        ],
        encoding in prop::option::weighted(0.1, "gzip|deflate|[a-z]{0,4}"),
        split in prop::option::weighted(0.3, "[0-9]{1,3}|-?[0-9]{18,21}"),
        header in "[ -~]{0,40}",
        allowed in any::<bool>(),
    ) {
        let allowed = if allowed { Allowed::ALL } else { Allowed::NONE };
        let cors = vec!["https://example.com".to_owned()];
        let settings = Settings { allowed, cors, ..Settings::default() };
        let world = World { settings, ..World::default() };
        let header = Some(&*header);
        let headers = Headers {
            content_type: Some("application/json"),
            cache_control: header,
            if_none_match: header,
            accept_encoding: header,
            content_encoding: encoding.as_deref(),
            inference_header_content_length: split.as_deref(),
            origin: header,
            ..Headers::default()
        };
        let target = String::from_utf8_lossy(&target);
        let request =
            Request { method, target: &target, headers, body: &body, bypass_store: false };
        let response = world.answer(&request);
        prop_assert!((200..600).contains(&response.status));
        prop_assert!(response.status < 400 || response.body.len() < 100_000);
        for header in &response.headers {
            prop_assert!(header.value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }

    #[test]
    fn compressed_bodies(edits in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6), copies in 0usize..4) {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(SAMPLE.as_bytes()).unwrap();
        let mut body = gzip.finish().unwrap().repeat(copies);
        for (at, byte) in edits.into_iter().filter(|_| copies > 0) {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for encoding in ["gzip", "deflate"] {
            let headers = Headers { content_encoding: Some(encoding), ..Headers::default() };
            let response =
                World::default().answer(&Request { headers, body: &body, ..post("/decisions") });
            prop_assert!(matches!(response.status, 200 | 400 | 413 | 422));
        }
    }

    /// A manifest that is nearly right: refused, or one whose example is packed and answered.
    #[test]
    fn manifests(text in mutated(include_str!("../../../../models/credit-full/manifest.toml").into())) {
        let Ok(manifest) = Manifest::parse(&String::from_utf8_lossy(&text)) else { return Ok(()) };
        let layout = KeyLayout::new(ModelId::new(b"model", &manifest, 1), &manifest.features);
        let example = manifest.example();
        let row = request::parse(layout.json(&example).as_bytes(), &manifest.features);
        prop_assert_eq!(&row, &Ok(example.clone()));
        prop_assert_eq!(layout.unpack(&layout.pack(&example)), Some(example));
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
