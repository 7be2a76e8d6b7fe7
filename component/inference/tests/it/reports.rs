//! What was reported from the field, with the right values: `tests/it/reports.rs` serves the same
//! folders.

use std::path::Path;

use foretold_core::Model;
use foretold_core::http::request;
use foretold_core::model::manifest::{Manifest, Rule};
use foretold_inference::OnnxModel;
use serde_json::Value as Json;

/// A report's manifest and model, and whether it predicts what the report expects.
fn check(name: &str, change: impl Fn(String) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reports").join(name);
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a file");
    let manifest = Manifest::parse(&change(text("manifest.toml"))).expect("a manifest");
    let model = std::fs::read(folder.join("model.onnx")).expect("a model");
    let model =
        OnnxModel::load(&model, &manifest).unwrap_or_else(|error| panic!("{name}: {error}"));
    let read = |file: &str| -> Vec<Json> { serde_json::from_str(&text(file)).expect("a list") };
    let (rows, expected) = (read("rows.json"), read("expected.json"));
    assert!(!rows.is_empty() && rows.len() == expected.len(), "{name}");
    for (row, expected) in rows.iter().zip(&expected) {
        let values = request::parse(row.to_string().as_bytes(), &manifest.features);
        let outputs = model.predict(&values.expect("a row")).expect("an answer");
        for (field, expected) in expected.as_object().expect("fields") {
            let endpoint = manifest.endpoints.iter().find(|it| it.field == *field);
            let Rule::Number { output } = endpoint.expect("an endpoint").rule else {
                panic!("{field} is no number")
            };
            let (found, expected) = (f64::from(outputs[output]), expected.as_f64().unwrap());
            let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
            assert!(close, "{name} {row}: {field} is {found:?}, expected {expected}");
        }
    }
}

#[test]
fn all_reports_are_right() {
    for name in [
        "bounds_noise",
        "catboost_binary",
        "double_logistic",
        "double_mlp",
        "iris_one_tensor",
        "lgb_default_zipmap",
        "multi_clf",
        "nan_minmax_clip_hgb",
        "nan_onehot_trained_without_nan",
        "rf_two_labels",
        "ridge_two_classes",
        "svc_three_classes",
        "svc_two_classes",
        "svc_votes",
        "svc_votes_texts",
        "ties_in_tenths",
        "two_inputs_wide",
        "vector",
    ] {
        check(name, |manifest| manifest);
    }
}

/// The same model, where the manifest says to which input each feature goes.
#[test]
fn a_feature_names_its_input_and_column() {
    let placed = |columns: [&'static str; 3]| {
        move |manifest: String| {
            let names = ["num0", "num1", "num2"];
            names.iter().zip(columns).fold(manifest, |text, (name, column)| {
                let line = format!("name = \"{name}\"\n");
                text.replace(&line, &format!("{line}input = \"num\"\n{column}\n"))
            })
        }
    };
    check("two_inputs_wide", placed(["", "", ""]));
    check("two_inputs_wide", placed(["column = 0", "column = 1", "column = 2"]));
    check("two_inputs_wide", placed(["", "column = 1", ""]));
    // In another order, the features are swapped.
    let swapped = |text: String| {
        placed(["column = 1", "column = 0", "column = 2"])(text)
            .replace("\"num0\"", "\"other\"")
            .replace("\"num1\"", "\"num0\"")
            .replace("\"other\"", "\"num1\"")
    };
    check("two_inputs_wide", swapped);
}
