//! The bits of answers, which cache keys promise through [`SEMANTICS`].
//!
//! Every bit is the same on all processors, natively and in WebAssembly, for all operators that
//! compute are this crate's own.

use std::collections::BTreeMap;

use foretold_core::Model;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_inference::{OnnxModel, SEMANTICS};
use serde_json::json;

use crate::support::{bits_path, checksum, examples, operator_cases, operators_path, pinned_bits};

const REGENERATE: &str = "FORETOLD_REGENERATE";

fn checksums() -> BTreeMap<String, String> {
    let check = |model: &[u8], manifest: &Manifest, rows: &[Vec<Value>]| {
        let model = OnnxModel::load(model, manifest).expect("a model");
        checksum(|row| model.predict(row).ok(), rows)
    };
    let models = examples().into_iter();
    let models = models.map(|it| (it.name, check(&it.model, &it.manifest, &it.rows)));
    let cases = operator_cases(&operators_path()).into_iter();
    let cases = cases.map(|it| (it.name, check(&it.model, &it.manifest, &it.rows)));
    models.chain(cases).collect()
}

#[test]
fn no_bit_of_an_answer_changes_without_a_new_semantics_number() {
    let found = checksums();
    if std::env::var_os(REGENERATE).is_some() {
        let lines: Vec<String> =
            found.iter().map(|(name, sum)| format!("{}:{}", json!(name), json!(sum))).collect();
        let text = format!("{{\"semantics\":{SEMANTICS},\n{}\n}}\n", lines.join(",\n"));
        std::fs::write(bits_path(), text).expect("to write the bits");
    }
    let mut expected = pinned_bits();
    let advice = format!("raise SEMANTICS and regenerate with {REGENERATE}=1 cargo test");
    assert_eq!(
        expected.remove("semantics"),
        Some(SEMANTICS.to_string()),
        "bits.json is of another SEMANTICS: {advice}"
    );
    let names: Vec<&String> = expected.keys().collect();
    assert_eq!(names, found.keys().collect::<Vec<_>>(), "models were added or removed: {advice}");
    for (name, sum) in &found {
        assert_eq!(&expected[name], sum, "{name}: an answer changed in its last bit: {advice}");
    }
}
