//! Predicts the rows of folders: `score FOLDER…`, each with `manifest.toml`, its model and `rows.json`;
//! writes `answers.json` beside them, with a list of outputs for each row, or what is wrong.
//!
//! `tests/zoo.py` compares them with onnxruntime.

use std::path::Path;
use std::process::ExitCode;

use foretold_core::Model;
use foretold_core::http::request;
use foretold_core::model::manifest::Manifest;
use foretold_inference::OnnxModel;
use serde_json::{Value as Json, json};

fn main() -> ExitCode {
    let mut failed = false;
    for folder in std::env::args().skip(1) {
        let folder = Path::new(&folder);
        let answers = score(folder).unwrap_or_else(|error| json!({ "error": error }));
        if let Err(error) = std::fs::write(folder.join("answers.json"), answers.to_string()) {
            eprintln!("{}: {error}", folder.display());
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn score(folder: &Path) -> Result<Json, String> {
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).map_err(|e| e.to_string());
    let manifest = Manifest::parse(&text("manifest.toml")?).map_err(|e| e.to_string())?;
    let model = std::fs::read(folder.join(&manifest.file)).map_err(|e| e.to_string())?;
    let model = OnnxModel::load(&model, &manifest).map_err(|e| e.to_string())?;
    let rows: Vec<Json> = serde_json::from_str(&text("rows.json")?).map_err(|e| e.to_string())?;
    let answers = rows.iter().map(|row| {
        let values = request::parse(row.to_string().as_bytes(), &manifest.features);
        let values = values.map_err(|problem| format!("{row}: {problem:?}"))?;
        let outputs = model.predict(&values).map_err(|error| error.0)?;
        // JSON has no NaN and no infinities.
        Ok(outputs.iter().map(|output| json!(output.to_string())).collect::<Json>())
    });
    let answers = answers.map(|answer| answer.unwrap_or_else(|error: String| json!(error)));
    Ok(answers.collect())
}
