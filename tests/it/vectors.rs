//! A model with an input of several columns, as one feature: over HTTP, from files, and in a program.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use foretold::CacheFolder;
use foretold::predictor::{Domain, NumberDomain, Predictor, Value};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::harness::credit::root;
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::run::{failure, output, printed};

/// A model that takes three numbers as one feature, with rows and what onnxruntime makes of them.
struct Wide {
    folder: PathBuf,
    rows: Vec<Json>,
    expected: Vec<f64>,
}

impl Wide {
    fn new() -> Wide {
        let folder = root().join("tests/reports/vector");
        let list = |file: &str| -> Vec<Json> {
            serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
        };
        let expected =
            list("expected.json").iter().map(|it| it["value"].as_f64().unwrap()).collect();
        let rows = list("rows.json");
        Wide { folder, rows, expected }
    }

    fn check(&self, found: impl IntoIterator<Item = f64>) {
        let found: Vec<f64> = found.into_iter().collect();
        assert_eq!(found.len(), self.expected.len());
        for (found, expected) in found.iter().zip(&self.expected) {
            assert!((found - expected).abs() <= 1e-5, "{found}, expected {expected}");
        }
    }
}

#[test]
fn the_service_answers_as_onnxruntime_does() {
    let wide = Wide::new();
    let host = Host::start(&wide.folder, &["--no-snapshot"]);
    for status in ["fwd=miss", "hit"] {
        wide.check(wide.rows.iter().map(|row| {
            let answer = host.post("/values", &row.to_string());
            let found = answer.header("cache-status");
            assert!(answer.status == 200 && found.contains(status), "{found}: {}", answer.body);
            serde_json::from_str::<Json>(&answer.body).unwrap()["value"].as_f64().unwrap()
        }));
    }
    let answer = host.post("/values", r#"{"num":[1,"x",3],"cat":"a"}"#);
    let problem: Json = serde_json::from_str(&answer.body).unwrap();
    let error = &problem["errors"][0];
    assert_eq!((&error["field"], &error["pointer"]), (&json!("num"), &json!("/num/1")));
}

#[test]
fn files_have_it_as_an_array_or_as_columns() {
    let wide = Wide::new();
    let model = wide.folder.to_str().unwrap();
    let number = |row: &Json, i: usize| row["num"][i].to_string();
    let arrays = wide.rows.iter().map(|row| {
        format!("\"[{}, {},{}]\",{}\n", number(row, 0), number(row, 1), number(row, 2), row["cat"])
    });
    let columns = wide.rows.iter().map(|row| {
        format!("{},{},{},{}\n", number(row, 2), row["cat"], number(row, 0), number(row, 1))
    });
    let lines: String = wide.rows.iter().map(|row| format!("{row}\n")).collect();
    for file in [
        format!("num,cat\n{}", arrays.collect::<String>()),
        format!("num[2],cat,num[0],num[1]\n{}", columns.collect::<String>()),
        lines,
    ] {
        let scored = printed(&["predict", model, "--format", "jsonl"], file.as_bytes());
        wide.check(
            scored
                .lines()
                .map(|line| serde_json::from_str::<Json>(line).unwrap()["value"].as_f64().unwrap()),
        );
    }
    for (header, expected) in [
        ("cat", "column \"num\" is missing as a JSON array, or \"num[0]\" and so on"),
        ("cat,num[0],num[2]", "column \"num[1]\" is missing beside other elements"),
        ("cat,num,num[0]", "\"num\" and its elements are columns; expected one of them"),
    ] {
        let message = failure(&["predict", model], format!("{header}\n").as_bytes());
        assert!(message.contains(expected), "{message}");
    }
    let message = failure(&["predict", model], b"cat,num\na,[1 2 3]\na,\"[1,2]\"\n");
    let expected = "num: expected an array of 3 elements, each a number from -5 to 5, got";
    assert!(message.contains(&format!("{expected} \"[1 2 3]\"")), "{message}");
    assert!(message.contains(&format!("{expected} 2 elements")), "{message}");
}

#[test]
fn a_program_gives_it_as_a_list_of_numbers() {
    let wide = Wide::new();
    let scratch = TempDir::new().unwrap();
    let file = scratch.path().join("wide.wasm");
    let mut bake = foretold();
    bake.arg("bake").arg(&wide.folder).args(["--target", "library", "-o"]).arg(&file);
    assert!(output(bake, b"").status.success());
    let component = fs::read(file).unwrap();
    let folder = CacheFolder::open(&cache_folder()).unwrap();
    let mut predictor = Predictor::new(component, &folder, &[], HashMap::new()).unwrap();
    let feature = predictor.description().features[0].clone();
    assert_eq!((&*feature.name, feature.length), ("num", Some(3)));
    let bounds = NumberDomain { minimum: Some(-5.0), maximum: Some(5.0), step: None, round: false };
    assert_eq!(feature.domain, Domain::Number(bounds));
    assert_eq!(feature.example, Value::Vector(vec![1.0, 2.0, 3.5]));
    let row = |row: &Json| -> [(&str, Value); 2] {
        let elements = row["num"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap());
        let category = row["cat"].as_str().unwrap();
        [("num", elements.collect::<Vec<f64>>().into()), ("cat", category.into())]
    };
    wide.check(wide.rows.iter().map(|it| predictor.predict(&row(it)).unwrap().outputs[0].into()));
    for (wrong, expected) in [
        (
            Value::Vector(vec![1.0, f64::NAN, 3.0]),
            "num[1]: expected a number from -5 to 5, got null",
        ),
        (
            Value::Vector(vec![1.0, 2.0, f64::INFINITY]),
            "num[2]: expected a number from -5 to 5, got \"inf\"",
        ),
        (Value::Vector(vec![1.0]), "got 1 elements"),
        (Value::Number(1.0), "num: expected an array of 3 elements"),
    ] {
        let error =
            predictor.predict(&[("num", wrong), ("cat", "a".into())]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
