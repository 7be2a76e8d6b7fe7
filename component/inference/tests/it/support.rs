//! Test models with their manifests and golden rows.

use std::path::{Path, PathBuf};

use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::{Cache, Manifest, Output};
use serde_json::Value as Json;

/// The models of the folder `models`.
const MODELS: [&str; 2] = ["credit", "credit-full"];

/// A model with rows of input and what onnxruntime gives for them.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) outputs: Vec<Vec<f32>>,
}

/// A small graph with rows of input and what onnxruntime gives for them.
pub(crate) struct OperatorCase {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) rows: Vec<Vec<Value>>,
    /// `None` where it gives an error.
    pub(crate) outputs: Vec<Option<Vec<f32>>>,
    /// Whether every bit must be the same.
    pub(crate) exact: bool,
}

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Every model of `tests/models`, and the credit models.
pub(crate) fn examples() -> Vec<Example> {
    let mut examples = examples_in(&crate_folder().join("tests/models"));
    examples.extend(MODELS.map(credit));
    examples
}

/// Every model of a folder, with its golden rows.
pub(crate) fn examples_in(folder: &Path) -> Vec<Example> {
    let entries = std::fs::read_dir(folder).expect("the folder of models");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "onnx"))
        .map(|path| path.file_stem().expect("a stem").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no models in {}", folder.display());
    names.iter().map(|name| from_model(folder, name)).collect()
}

pub(crate) fn example(name: &str) -> Example {
    if MODELS.contains(&name) {
        credit(name)
    } else {
        from_model(&crate_folder().join("tests/models"), name)
    }
}

fn read_json(path: &Path) -> Json {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn from_model(folder: &Path, name: &str) -> Example {
    let golden = read_json(&folder.join(format!("{name}.golden.json")));
    let model = std::fs::read(folder.join(format!("{name}.onnx"))).expect("a model");
    let mut types = Vec::new();
    for input in golden["inputs"].as_array().expect("inputs") {
        let (input_name, kind) = (input["name"].as_str().expect("a name"), &input["type"]);
        let width = input["shape"][1].as_u64().expect("a width");
        for column in 0..width {
            let name = if width == 1 { input_name.into() } else { format!("{input_name}{column}") };
            types.push((name, kind.as_str().expect("a type").to_string()));
        }
    }
    let columns = golden["output"]["columns"].as_u64().expect("columns") as usize;
    let tensor = golden["output"]["tensor"].as_str().expect("a tensor");
    build(name, model, &golden["rows"], "inputs", &types, tensor, &(0..columns).collect::<Vec<_>>())
}

fn credit(name: &str) -> Example {
    let folder = crate_folder().join("../../models").join(name);
    let golden = read_json(&folder.join("golden.json"));
    let model = std::fs::read(folder.join("model.onnx")).expect("a model");
    let names = golden["features"].as_array().expect("features");
    let first = &golden["rows"][0]["features"];
    let kind = |i: usize| if first[i].is_string() { "string" } else { "float32" };
    let types: Vec<(String, String)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str().expect("a name").into(), kind(i).into()))
        .collect();
    build(name, model, &golden["rows"], "features", &types, "probabilities", &[1])
}

fn build(
    name: &str,
    model: Vec<u8>,
    rows: &Json,
    inputs: &str,
    types: &[(String, String)],
    tensor: &str,
    columns: &[usize],
) -> Example {
    let rows = rows.as_array().expect("rows");
    let features: Vec<Feature> = types
        .iter()
        .enumerate()
        .map(|(i, (name, kind))| feature(name, kind, rows.iter().map(|row| &row[inputs][i])))
        .collect();
    let values = rows.iter().map(|row| {
        features.iter().enumerate().map(|(i, feature)| value(feature, &row[inputs][i])).collect()
    });
    let outputs = rows.iter().map(|row| {
        let outputs = row["outputs"].as_array().expect("outputs");
        outputs.iter().map(|it| it.as_f64().expect("a number") as f32).collect()
    });
    Example {
        name: name.into(),
        model,
        rows: values.collect(),
        outputs: outputs.collect(),
        manifest: manifest(
            features,
            columns.iter().map(|&column| output(tensor, column)).collect(),
        ),
    }
}

fn feature<'a>(name: &str, kind: &str, values: impl Iterator<Item = &'a Json> + Clone) -> Feature {
    let domain = match kind {
        "string" => {
            let mut categories: Vec<String> =
                values.clone().map(|it| it.as_str().expect("a string").into()).collect();
            categories.sort();
            categories.dedup();
            Domain::Category { categories }
        }
        "int64" => Domain::Integer { minimum: i64::MIN, maximum: i64::MAX },
        "int32" => Domain::Integer { minimum: i32::MIN.into(), maximum: i32::MAX.into() },
        "bool" => Domain::Boolean,
        _ => number(),
    };
    let (example, unknown) = match &domain {
        // The rows have texts that no encoder knows, too.
        Domain::Category { categories } => (Value::Category(0), categories.clone()),
        Domain::Integer { .. } => (Value::Integer(0), vec![]),
        Domain::Boolean => (Value::Boolean(false), vec![]),
        _ => (Value::Number(0.0), vec![]),
    };
    Feature {
        name: name.into(),
        element: None,
        place: None,
        domain,
        optional: values.clone().any(Json::is_null),
        unknown,
        unit: None,
        description: String::new(),
        example,
    }
}

/// The domain of any number.
pub(crate) fn number() -> Domain {
    Domain::Number { minimum: None, maximum: None, step: None, round: false }
}

/// A feature's value in JSON.
pub(crate) fn value(feature: &Feature, json: &Json) -> Value {
    match &feature.domain {
        _ if json.is_null() => Value::Missing,
        Domain::Category { categories } => {
            let found = categories.iter().position(|it| json == it.as_str());
            Value::Category(found.expect("a category"))
        }
        Domain::Integer { .. } => {
            let whole = || json.as_f64().map(|number| number as i64);
            Value::Integer(json.as_i64().or_else(whole).expect("an integer"))
        }
        Domain::Boolean => Value::Boolean(json.as_bool().expect("a truth value")),
        // JSON has no NaN and no infinities.
        Domain::Number { .. } => Value::Number(match json.as_str() {
            Some(text) => text.parse().expect("a number"),
            None => json.as_f64().expect("a number"),
        }),
    }
}

pub(crate) fn output(tensor: &str, column: usize) -> Output {
    Output {
        name: format!("{tensor}{column}"),
        tensor: tensor.into(),
        column,
        description: String::new(),
    }
}

pub(crate) fn manifest(features: Vec<Feature>, outputs: Vec<Output>) -> Manifest {
    Manifest {
        name: "test".into(),
        description: String::new(),
        license: None,
        contact: None,
        file: "model.onnx".into(),
        cache: Cache { ttl_seconds: 1, ..Cache::default() },
        features,
        outputs,
        endpoints: vec![],
    }
}

/// The cases of a file as `tests/operators/cases.json`: a graph from columns `X` to one tensor.
pub(crate) fn operator_cases(path: &Path) -> Vec<OperatorCase> {
    read_json(path).as_array().expect("cases").iter().map(operator_case).collect()
}

/// The file of the committed cases.
pub(crate) fn operators_path() -> PathBuf {
    crate_folder().join("tests/operators/cases.json")
}

fn operator_case(case: &Json) -> OperatorCase {
    let kind = case["type"].as_str().expect("a type");
    let rows = case["rows"].as_array().expect("rows");
    let width = rows[0].as_array().expect("a row").len();
    let features: Vec<Feature> = (0..width)
        .map(|i| {
            let name = match case["keys"].get(i) {
                Some(key) => key.as_str().expect("a key").into(),
                None if width == 1 => "X".into(),
                None => format!("X{i}"),
            };
            feature(&name, kind, rows.iter().map(move |row| &row[i]))
        })
        .collect();
    let values = rows.iter().map(|row| {
        features.iter().enumerate().map(|(i, feature)| value(feature, &row[i])).collect()
    });
    let number = |json: &Json| match json.as_str() {
        Some(text) => text.parse().expect("a number"),
        None => json.as_f64().expect("a number") as f32,
    };
    let outputs = case["outputs"].as_array().expect("outputs").iter();
    let outputs = outputs.map(|row| Some(row.as_array()?.iter().map(number).collect()));
    let outputs: Vec<Option<Vec<f32>>> = outputs.collect();
    let columns = outputs.iter().flatten().map(Vec::len).next().expect("an answer");
    let tensor = case["tensor"].as_str().expect("a tensor");
    OperatorCase {
        name: case["name"].as_str().expect("a name").into(),
        model: bytes(case["onnx"].as_str().expect("a model")),
        rows: values.collect(),
        manifest: manifest(features, (0..columns).map(|i| output(tensor, i)).collect()),
        outputs,
        exact: case["exact"].as_bool().expect("a truth value"),
    }
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    let pair = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("digits");
    (0..digits.len() / 2).map(pair).collect()
}

/// A graph that must be refused, and a part of the message that says why; in `widths.json` it
/// depends on the manifest.
pub(crate) struct Malformed {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) message: String,
}

/// The graphs of a file in `tests/operators`.
pub(crate) fn malformed_of(file: &str) -> Vec<Malformed> {
    let cases = read_json(&crate_folder().join("tests/operators").join(file));
    let text = |json: &Json| json.as_str().expect("a string").to_string();
    let malformed = |case: &Json| Malformed {
        name: text(&case["name"]),
        model: bytes(&text(&case["onnx"])),
        message: text(&case["message"]),
    };
    cases.as_array().expect("cases").iter().map(malformed).collect()
}

/// The bits of numbers, which tell apart what `==` does not.
pub(crate) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// The bits of a model's answers, as a checksum (FNV-1a); all NaN are one, and an error is another.
pub(crate) fn checksum(
    predict: impl Fn(&[Value]) -> Option<Vec<f32>>,
    rows: &[Vec<Value>],
) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for row in rows {
        let numbers = predict(row).unwrap_or_else(|| vec![f32::from_bits(u32::MAX)]);
        let one_nan = numbers.iter().map(|&it| if it.is_nan() { f32::NAN } else { it });
        for byte in one_nan.flat_map(|number| number.to_bits().to_le_bytes()) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{sum:016x}")
}

/// The bits that [`SEMANTICS`](foretold_inference::SEMANTICS) promises, by the name of the model or
/// case: all of a model's, a checksum of a case's.
pub(crate) fn pinned_bits() -> serde_json::Map<String, Json> {
    let Json::Object(pinned) = read_json(&bits_path()) else { panic!("bits.json is no object") };
    pinned
}

/// The file of `semantics.rs`.
pub(crate) fn bits_path() -> PathBuf {
    crate_folder().join("tests/it/bits.json")
}
