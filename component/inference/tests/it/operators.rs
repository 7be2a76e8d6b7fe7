//! Agreement of each operator with onnxruntime, on small graphs.

use foretold_core::Model;
use foretold_inference::OnnxModel;

use crate::support::operator_cases;

#[test]
fn every_operator_agrees_with_onnxruntime() {
    let mut faults = Vec::new();
    for case in operator_cases() {
        let model = match OnnxModel::load(&case.model, &case.manifest) {
            Ok(model) => model,
            Err(error) => {
                faults.push(format!("{}: {error}", case.name));
                continue;
            }
        };
        for (row, expected) in case.rows.iter().zip(&case.outputs) {
            let found = match model.predict(row) {
                Ok(found) => found,
                Err(error) => {
                    faults.push(format!("{}: {}", case.name, error.0));
                    continue;
                }
            };
            let agrees = |(found, expected): (&f32, &f32)| {
                let tolerance = 1e-6 * expected.abs().max(1.0);
                found == expected
                    || (found.is_nan() && expected.is_nan())
                    || (found - expected).abs() <= tolerance
            };
            if !found.iter().zip(expected).all(agrees) {
                faults
                    .push(format!("{}: {row:?} gives {found:?}, expected {expected:?}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
