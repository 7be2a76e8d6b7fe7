//! The component's answers against onnxruntime's, and against the native build's bits.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::bake::bake_refusal;
use crate::harness::credit::root;
use crate::harness::host::Host;

const TOLERANCE: f64 = 1e-6;

fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_golden_row_of_credit_agrees_with_onnxruntime_and_with_the_native_bits() {
    check_golden("credit");
}

#[test]
fn every_golden_row_of_credit_full_agrees_with_onnxruntime_and_with_the_native_bits() {
    check_golden("credit-full");
}

/// Serves one of the folder `models`, and compares every golden row.
fn check_golden(name: &str) {
    let folder = root().join("models").join(name);
    let golden = read_json(&folder.join("golden.json"));
    let names = golden["features"].as_array().unwrap();
    let rows = golden["rows"].as_array().unwrap();
    let bits = &read_json(&root().join("component/inference/tests/it/bits.json"))[name];
    assert!(rows.len() >= 300);
    let host = Host::start(&folder, &["--no-snapshot"]);
    for (i, row) in rows.iter().enumerate() {
        let members = names.iter().zip(row["features"].as_array().unwrap());
        let body: Map<String, Value> = members
            .map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone()))
            .collect();
        let body = Value::Object(body).to_string();
        // The second answer comes from the cache, if the first did not already.
        for _ in 0..2 {
            let answer = host.post("/probabilities", &body);
            assert_eq!(answer.status, 200, "{body}: {}", answer.body);
            let probability = answer.json()["probability"].as_f64().unwrap();
            assert_close(probability, &row["outputs"][0], &body);
            assert_eq!((probability as f32).to_bits(), bits[i].as_u64().unwrap() as u32, "{body}");
        }
        assert!(host.post("/decisions", &body).is_hit());
    }
}

#[test]
fn all_operators_agree_with_onnxruntime_in_wasm() {
    let models = root().join("component/inference/tests/models");
    let mut tested = 0;
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            check_model(&path, &read_json(&path.with_extension("golden.json")));
            tested += 1;
        }
    }
    assert!(tested >= 10, "{tested}");
}

/// Serves a model under a manifest made from its golden file, and compares every output.
fn check_model(model: &std::path::Path, golden: &Value) {
    let rows = golden["rows"].as_array().unwrap();
    let columns = golden["output"]["columns"].as_u64().unwrap();
    let features = features(golden);
    let folder = TempDir::new().unwrap();
    std::fs::copy(model, folder.path().join("model.onnx")).unwrap();
    std::fs::write(folder.path().join("manifest.toml"), manifest(golden, &features)).unwrap();
    let host = Host::start(folder.path(), &["--no-snapshot"]);
    for row in rows {
        let values = row["inputs"].as_array().unwrap();
        let names = features.iter().map(|(name, _)| name.clone());
        let body = Value::Object(names.zip(values.iter().cloned()).collect()).to_string();
        for column in 0..columns {
            let answer = host.post(&format!("/p{column}"), &body);
            assert_eq!(answer.status, 200, "{}: {body}: {}", model.display(), answer.body);
            let output = answer.json()[format!("p{column}")].as_f64().unwrap();
            let context = format!("{}: {body}, column {column}", model.display());
            assert_close(output, &row["outputs"][column as usize], &context);
        }
        if columns > 1 {
            let answer = host.post("/classes", &body);
            assert!(answer.is_hit(), "{answer:?}");
            let expected = format!("class {}", most_likely(&row["outputs"]));
            assert_eq!(answer.json(), json!({"class": expected}), "{}: {body}", model.display());
        }
    }
}

#[test]
fn a_feature_is_optional_only_where_the_model_does_without() {
    let model = root().join("component/inference/tests/models/logistic.onnx");
    let golden = read_json(&model.with_extension("golden.json"));
    let text = manifest(&golden, &features(&golden)).replace("optional = false", "optional = true");
    let folder = TempDir::new().unwrap();
    std::fs::copy(model, folder.path().join("model.onnx")).unwrap();
    std::fs::write(folder.path().join("manifest.toml"), text).unwrap();
    let error = bake_refusal(folder.path(), &folder.path().join("m.wasm"));
    assert!(error.contains("is optional, but the model gives no number without it"), "{error}");
}

/// The position of the largest output; the first of equal ones.
fn most_likely(outputs: &Value) -> usize {
    let outputs: Vec<f64> =
        outputs.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
    let largest = outputs.iter().copied().fold(f64::MIN, f64::max);
    outputs.iter().position(|output| *output == largest).unwrap()
}

/// Name and type of each feature: the inputs, or the columns of the only one.
fn features(golden: &Value) -> Vec<(String, String)> {
    let inputs = golden["inputs"].as_array().unwrap();
    let text = |input: &Value, key: &str| input[key].as_str().unwrap().to_owned();
    let width = golden["rows"][0]["inputs"].as_array().unwrap().len();
    if inputs.len() == width {
        return inputs.iter().map(|input| (text(input, "name"), text(input, "type"))).collect();
    }
    (0..width).map(|i| (format!("x{i}"), text(&inputs[0], "type"))).collect()
}

fn manifest(golden: &Value, features: &[(String, String)]) -> String {
    let mut toml =
        "[model]\nname = \"m\"\nfile = \"model.onnx\"\n[cache]\nttl_seconds = 60\n".to_owned();
    for (i, (name, kind)) in features.iter().enumerate() {
        let rows = golden["rows"].as_array().unwrap();
        let mut values: Vec<&Value> = rows.iter().map(|row| &row["inputs"][i]).collect();
        let name = json!(name);
        write!(toml, "[[feature]]\nname = {name}\n").unwrap();
        match kind.as_str() {
            "string" => {
                values.sort_by_key(|value| value.to_string());
                values.dedup();
                let example = values[0];
                write!(
                    toml,
                    // The rows have texts that no encoder knows, too.
                    "type = \"category\"\ncategories = {0}\nunknown = {0}\nexample = {example}\n",
                    json!(values)
                )
            }
            "int64" => writeln!(toml, "type = \"integer\"\nexample = 1"),
            _ => {
                let optional = values.contains(&&Value::Null);
                writeln!(toml, "type = \"number\"\noptional = {optional}\nexample = 1")
            }
        }
        .unwrap();
    }
    let tensor = &golden["output"]["tensor"];
    let columns = golden["output"]["columns"].as_u64().unwrap();
    for column in 0..columns {
        write!(toml, "[[output]]\nname = \"p{column}\"\ntensor = {tensor}\ncolumn = {column}\n")
            .unwrap();
        let endpoint = format!("[[endpoint]]\npath = \"/p{column}\"\nfield = \"p{column}\"\n");
        writeln!(toml, "{endpoint}output = \"p{column}\"").unwrap();
    }
    if columns > 1 {
        toml += "[[endpoint]]\npath = \"/classes\"\nfield = \"class\"\nclasses = [\n";
        for column in 0..columns {
            writeln!(toml, "{{ output = \"p{column}\", label = \"class {column}\" }},").unwrap();
        }
        toml += "]\n";
    }
    toml
}

fn assert_close(found: f64, expected: &Value, context: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= TOLERANCE, "{context}: {found}, not {expected}");
}
