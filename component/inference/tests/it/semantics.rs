//! The bits of answers, which cache keys promise through [`SEMANTICS`].
//!
//! Two models are not here: tract's kernels for matrices and for tanh differ between processors in
//! the last bits. For all others every bit is the same natively and in WebAssembly.

use std::collections::BTreeMap;

use foretold_core::Model;
use foretold_inference::{OnnxModel, SEMANTICS};
use serde_json::json;

use crate::support::{Example, bits, bits_path, examples, operator_cases};

const REGENERATE: &str = "FORETOLD_REGENERATE";
const DIFFER_BETWEEN_PROCESSORS: [&str; 2] = ["mlp", "mlp_multiclass"];
const OWN_OPERATORS: [&str; 6] =
    ["classifier", "regressor", "linear", "scaler", "normalizer", "imputer"];

fn pinned() -> Vec<Example> {
    let models =
        examples().into_iter().filter(|it| !DIFFER_BETWEEN_PROCESSORS.contains(&&*it.name));
    let own = |it: &Example| OWN_OPERATORS.iter().any(|prefix| it.name.starts_with(prefix));
    models.chain(operator_cases().into_iter().filter(own)).collect()
}

#[test]
fn no_bit_of_an_answer_changes_without_a_new_semantics_number() {
    let found: BTreeMap<String, Vec<u32>> = pinned()
        .into_iter()
        .map(|example| {
            let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
            (example.name, bits(&model.predict(&example.rows.concat()).expect("a batch")))
        })
        .collect();
    let path = bits_path();
    if std::env::var_os(REGENERATE).is_some() {
        let lines: Vec<String> =
            found.iter().map(|(name, bits)| format!("{}:{}", json!(name), json!(bits))).collect();
        let text = format!("{{\"semantics\":{SEMANTICS},\n{}\n}}\n", lines.join(",\n"));
        std::fs::write(&path, text).expect("to write the bits");
    }
    let text = std::fs::read_to_string(&path).expect("the bits");
    let mut expected: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&text).expect("JSON");
    let advice = format!("raise SEMANTICS and regenerate with {REGENERATE}=1 cargo test");
    assert_eq!(
        expected.remove("semantics"),
        Some(json!(SEMANTICS)),
        "bits.json is of another SEMANTICS: {advice}"
    );
    let names: Vec<&String> = expected.keys().collect();
    assert_eq!(names, found.keys().collect::<Vec<_>>(), "models were added or removed: {advice}");
    for (name, bits) in &found {
        assert_eq!(
            expected[name],
            json!(bits),
            "{name}: an answer changed in its last bit: {advice}"
        );
    }
}
