//! Keys: injective, reversible, short, and another model's are never read.

use foretold_core::cache::key::{KeyLayout, ModelId};
use foretold_core::http::request;
use foretold_core::model::feature::{Feature, Value, fields};
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::{KeyFormat, Secret};
use proptest::prelude::*;

use crate::{SAMPLE, credit, features_and_rows};

fn layout(manifest: &Manifest, model: &[u8]) -> KeyLayout {
    KeyLayout::new(ModelId::new(model, manifest, 1), &manifest.features)
}

/// The key of a row, of the kind that is made unless the operator wants another.
fn packed_key(layout: &KeyLayout, row: &[Value]) -> String {
    layout.key(KeyFormat::Packed, None, Some(&credit().endpoints[0]), &layout.pack(row))
}

fn credit_key(body: &str) -> String {
    let manifest = credit();
    let layout = layout(&manifest, b"model");
    let row = request::parse(body.as_bytes(), &manifest.features).unwrap();
    packed_key(&layout, &row)
}

/// The layout of stored keys: when this fails, every cache out there is lost, so mean it.
#[test]
fn the_sample_has_the_golden_key() {
    assert_eq!(credit_key(SAMPLE), "foretold:oqOYiB-NH-T4wBA:pGRgA");
}

#[test]
fn notation_and_order_make_no_difference() {
    let same = [
        SAMPLE.replace("30", "30.0"),
        SAMPLE.replace("30", "3e1"),
        SAMPLE.replace("0.25", "25e-2"),
        SAMPLE.replace(['\n', ' '], "").replace("male:single", "male: single"),
        SAMPLE.replace("\"yes\"", "\"\\u0079es\"").replace("age_in", "\\u0061ge_in"),
        r#"{"personal_status_and_sex": "male: single", "foreign_worker": "yes",
            "present_employment_since": "unemployed", "age_in_years": 30,
            "installment_rate_in_percentage_of_disposable_income": 0.250}"#
            .to_owned(),
    ];
    for body in same {
        assert_eq!(credit_key(&body), credit_key(SAMPLE), "{body}");
    }
    assert_eq!(credit_key(&SAMPLE.replace("0.25", "-0")), credit_key(&SAMPLE.replace("0.25", "0")));
}

#[test]
fn every_changed_field_gives_another_key() {
    let others = [
        SAMPLE.replace("0.25", "0.26"),
        SAMPLE.replace("30", "31"),
        SAMPLE.replace("yes", "no"),
        SAMPLE.replace("unemployed", "... < 1 year"),
        SAMPLE.replace("male: single", "male: married/widowed"),
    ];
    let mut keys: Vec<String> = others.iter().map(|body| credit_key(body)).collect();
    keys.push(credit_key(SAMPLE));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), others.len() + 1);
}

#[test]
fn what_decides_the_outputs_changes_the_model_id_and_nothing_else_does() {
    let text = include_str!("../../../../models/credit/manifest.toml");
    let id = |text: &str, model: &[u8], semantics| {
        ModelId::new(model, &Manifest::parse(text).unwrap(), semantics)
    };
    let original = id(text, b"model", 1);
    assert_ne!(id(text, b"retrained", 1), original);
    assert_ne!(id(text, b"model", 2), original);
    let changed = [
        ("column = 1", "column = 0"),
        ("[\"yes\", \"no\"]", "[\"no\", \"yes\"]"),
        ("step = 0.01", "step = 0.05"),
        ("maximum = 127", "maximum = 120"),
        ("tensor = \"probabilities\"", "tensor = \"other\""),
    ];
    for (from, to) in changed {
        assert!(text.contains(from), "{from}");
        assert_ne!(id(&text.replace(from, to), b"model", 1), original, "{to}");
    }
    let unchanged = [
        ("threshold = 0.5", "threshold = 0.6"),
        ("below = 0.2", "below = 0.1"),
        ("ttl_seconds = 3600", "ttl_seconds = 60"),
        ("\"DECLINE\"", "\"REFUSE\""),
        ("unit = \"years\"", "unit = \"a\""),
    ];
    for (from, to) in unchanged {
        assert!(text.contains(from), "{from}");
        assert_eq!(id(&text.replace(from, to), b"model", 1), original, "{to}");
    }
}

#[test]
fn keys_are_under_64_bytes() {
    assert!(credit_key(SAMPLE).len() < 64);
}

#[test]
fn a_key_is_read_back_only_under_its_own_model() {
    let manifest = credit();
    let (mine, other) = (layout(&manifest, b"mine"), layout(&manifest, b"other"));
    let row = request::parse(SAMPLE.as_bytes(), &manifest.features).unwrap();
    let key = packed_key(&mine, &row);
    assert_eq!(mine.row(&key), Some(row));
    assert_eq!(other.row(&key), None);
}

/// Keys of the other kinds, which stored entries out there have too.
#[test]
fn the_sample_has_golden_keys_of_all_kinds() {
    let manifest = credit();
    let layout = layout(&manifest, b"model");
    let packed = layout.pack(&request::parse(SAMPLE.as_bytes(), &manifest.features).unwrap());
    let secret = Some(Secret::for_keys(b"sixteen bytes at least").unwrap());
    for ((format, secret), expected) in [
        ((KeyFormat::Packed, None), "foretold:oqOYiB-NH-T4wBA:pGRgA"),
        ((KeyFormat::Digest, None), "foretold:oqOYiB-NH-T4wBA:d1LqKSr35o8PiL5c08D3WPA"),
        ((KeyFormat::Digest, secret), "foretold:oqOYiB-NH-T4wBA:krKJibJ8ICAa2udP0fV6-fg"),
        (
            (KeyFormat::Readable, None),
            "foretold:oqOYiB-NH-T4wBA:r\
             {\"installment_rate_in_percentage_of_disposable_income\":0.25,\"age_in_years\":30,\
             \"foreign_worker\":\"yes\",\"present_employment_since\":\"unemployed\",\
             \"personal_status_and_sex\":\"male: single\"}",
        ),
    ] {
        let key = layout.key(format, secret.as_ref(), Some(&manifest.endpoints[0]), &packed);
        assert_eq!(key, expected);
        let readable = matches!(format, KeyFormat::Packed | KeyFormat::Readable);
        let row = layout.row(&key).map(|row| layout.pack(&row));
        assert_eq!(row, readable.then(|| packed.clone()));
    }
}

/// Who reads a store of several models does not see which of their entries are one person's.
#[test]
fn a_row_has_another_keyed_digest_in_each_model() {
    let manifest = credit();
    let secret = Secret::for_keys(&[3; 16]).ok();
    let digest = |model: &[u8]| {
        let layout = layout(&manifest, model);
        let packed = layout.pack(&request::parse(SAMPLE.as_bytes(), &manifest.features).unwrap());
        let key = layout.key(KeyFormat::Digest, secret.as_ref(), None, &packed);
        key.rsplit_once(":k").unwrap().1.to_owned()
    };
    assert_eq!(digest(b"one"), digest(b"one"));
    assert_ne!(digest(b"one"), digest(b"another"));
}

#[test]
fn a_model_id_is_read_back() {
    let id = ModelId::new(b"model", &credit(), 1);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("oqOYiB".parse::<ModelId>().is_err());
}

proptest! {
    #[test]
    fn every_kind_of_key_tells_rows_apart((features, one, two) in features_and_rows()) {
        let manifest = Manifest { features, ..credit() };
        let layout = layout(&manifest, b"model");
        let secret = Secret::for_keys(&[3; 16]).ok();
        for (format, secret) in [
            (KeyFormat::Digest, None),
            (KeyFormat::Digest, secret.as_ref()),
            (KeyFormat::Readable, None),
            (KeyFormat::Repr, None),
        ] {
            let endpoint = Some(&manifest.endpoints[0]);
            let key = |row| layout.key(format, secret, endpoint, &layout.pack(row));
            prop_assert_eq!(key(&one) == key(&two), one == two);
            if format == KeyFormat::Readable {
                prop_assert_eq!(layout.row(&key(&one)), Some(one.clone()));
            }
        }
    }


    #[test]
    fn packing_is_reversible_and_injective((features, one, two) in features_and_rows()) {
        let manifest = Manifest { features, ..credit() };
        let layout = layout(&manifest, b"model");
        let (packed_one, packed_two) = (layout.pack(&one), layout.pack(&two));
        prop_assert_eq!(layout.unpack(&packed_one), Some(one.clone()));
        prop_assert_eq!(layout.unpack(&packed_two), Some(two.clone()));
        prop_assert_eq!(packed_one == packed_two, one == two);
        let (key_one, key_two) = (packed_key(&layout, &one), packed_key(&layout, &two));
        prop_assert_eq!(key_one == key_two, one == two);
        prop_assert!(key_one.len() < 64);
        if packed_one.len() <= 16 {
            prop_assert_eq!(layout.row(&key_one), Some(one));
        }
    }

    #[test]
    fn bytes_unpack_to_a_row_that_packs_to_them_or_not_at_all(
        (features, _, _) in features_and_rows(),
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let manifest = Manifest { features, ..credit() };
        let layout = layout(&manifest, b"model");
        if let Some(row) = layout.unpack(&bytes) {
            prop_assert_eq!(layout.pack(&row), bytes);
        }
    }

    #[test]
    fn a_row_written_as_json_is_read_back((features, row, _) in features_and_rows()) {
        let members: Vec<String> = fields(&features)
            .map(|field| format!("{:?}: {}", field.name, field.json(&row, Feature::display)))
            .collect();
        let json = format!("{{{}}}", members.join(", "));
        let read = request::parse(json.as_bytes(), &features);
        prop_assert_eq!(read, Ok(row), "{}", json);
    }

    #[test]
    fn any_text_is_no_key_or_a_key_that_is_made_again(text in ".*") {
        let manifest = credit();
        let layout = layout(&manifest, b"model");
        let prefix = credit_prefix(&layout);
        for key in [text.clone(), format!("{prefix}p{text}")] {
            if let Some(row) = layout.row(&key) {
                prop_assert_eq!(packed_key(&layout, &row), key);
            }
        }
    }
}

fn credit_prefix(layout: &KeyLayout) -> String {
    let row = [
        Value::Number(0.0),
        Value::Integer(18),
        Value::Category(0),
        Value::Category(0),
        Value::Category(0),
    ];
    let key = packed_key(layout, &row);
    key[..key.rfind(':').unwrap() + 1].to_owned()
}
