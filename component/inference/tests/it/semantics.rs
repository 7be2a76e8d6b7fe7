//! The bits of answers, which cache keys promise through [`SEMANTICS`].
//!
//! Every bit is the same on all processors, natively and in WebAssembly, for all operators that
//! compute are this crate's own.

use std::collections::{BTreeMap, BTreeSet};

use foretold_core::Model;
use foretold_core::model::manifest::Manifest;
use foretold_inference::{OnnxModel, SEMANTICS};
use serde_json::{Value as Json, json};

use crate::support::{
    bits, bits_path, checksum, examples, operator_cases, operators_path, pinned_bits,
};

const REGENERATE: &str = "FORETOLD_REGENERATE";

fn found() -> BTreeMap<String, Json> {
    let load =
        |model: &[u8], manifest: &Manifest| OnnxModel::load(model, manifest).expect("a model");
    let models = examples().into_iter().map(|it| {
        let model = load(&it.model, &it.manifest);
        (it.name, json!(bits(&model.predict(&it.rows.concat()).expect("a batch"))))
    });
    let cases = operator_cases(&operators_path()).into_iter().map(|it| {
        let model = load(&it.model, &it.manifest);
        (it.name, json!(checksum(|row| model.predict(row).ok(), &it.rows)))
    });
    models.chain(cases).collect()
}

#[test]
fn no_bit_of_an_answer_changes_without_a_new_semantics_number() {
    let found = found();
    if std::env::var_os(REGENERATE).is_some() {
        let lines: Vec<String> =
            found.iter().map(|(name, bits)| format!("{}:{bits}", json!(name))).collect();
        let text = format!("{{\"semantics\":{SEMANTICS},\n{}\n}}\n", lines.join(",\n"));
        std::fs::write(bits_path(), text).expect("to write the bits");
    }
    let mut expected = pinned_bits();
    let advice = format!("raise SEMANTICS and regenerate with {REGENERATE}=1 cargo test");
    assert_eq!(
        expected.remove("semantics"),
        Some(json!(SEMANTICS)),
        "bits.json is of another SEMANTICS: {advice}"
    );
    let names: BTreeSet<&String> = expected.keys().collect();
    let found_names = found.keys().collect();
    assert_eq!(names, found_names, "models were added or removed: {advice}");
    for (name, bits) in &found {
        assert_eq!(&expected[name], bits, "{name}: an answer changed in its last bit: {advice}");
    }
}
