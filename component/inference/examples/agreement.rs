//! Compares small graphs with onnxruntime: `agreement CASES.json…`, files as
//! `tests/operators/cases.json`, which is taken where none is named.
//!
//! It is what the tests of this crate do, as a program that also runs in WebAssembly.

#[path = "../tests/it/agreement.rs"]
mod agreement;
#[path = "../tests/it/executors.rs"]
mod executors;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/support.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use foretold_core::Model;
use foretold_inference::OnnxModel;

fn main() -> ExitCode {
    let mut paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let mut faults = Vec::new();
    if paths.is_empty() {
        paths.push(support::operators_path());
        faults.extend(models());
    }
    let cases: Vec<_> = paths.iter().flat_map(|path| support::operator_cases(path)).collect();
    faults.extend(agreement::faults(&cases));
    for fault in &faults {
        println!("{fault}");
    }
    println!("{} graphs, {} faults", cases.len(), faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What differs from the pinned bits of the test models, and between program and tract.
fn models() -> Vec<String> {
    let pinned = support::pinned_bits();
    let examples = support::examples().into_iter().filter_map(|example| {
        let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
        let found = support::bits(&model.predict(&example.rows.concat()).expect("a batch"));
        let pinned = pinned[&example.name].as_array().expect("bits").iter();
        let same = pinned.map(|bits| bits.as_u64()).eq(found.iter().map(|&bits| Some(bits.into())));
        if !same {
            return Some(format!("{}: other bits than natively", example.name));
        }
        let found = executors::difference(&example.model, &example.manifest, &example.rows);
        found?.err().map(|found| format!("{}: {found}", example.name))
    });
    examples.collect()
}
