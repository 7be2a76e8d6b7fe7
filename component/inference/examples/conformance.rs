//! Runs the graphs of a file on the inputs beside them: `conformance CASES.json ANSWERS.json`.
//!
//! `tests/operators/conformance.py` writes the one, reads the other, and compares.

use std::process::ExitCode;

use foretold_inference::conformance::run;
use serde_json::{Value as Json, json};

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [cases, answers] = &paths[..] else {
        eprintln!("usage: conformance CASES.json ANSWERS.json");
        return ExitCode::FAILURE;
    };
    let text = std::fs::read_to_string(cases).expect("the file of cases");
    let cases: Vec<Json> = serde_json::from_str(&text).expect("a list of cases");
    let found: Vec<Json> = cases.iter().map(answer).collect();
    std::fs::write(answers, Json::from(found).to_string()).expect("to write the answers");
    ExitCode::SUCCESS
}

fn answer(case: &Json) -> Json {
    let bytes = |json: &Json| decode(json.as_str().expect("digits"));
    let inputs: Vec<Vec<u8>> =
        case["inputs"].as_array().expect("inputs").iter().map(bytes).collect();
    match run(&bytes(&case["model"]), &inputs) {
        Ok(outputs) => {
            let encoded =
                outputs.iter().map(|tensors| tensors.iter().map(|it| encode(it)).collect());
            json!({ "outputs": encoded.collect::<Vec<Vec<String>>>() })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn decode(digits: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
