//! Agreement of small graphs with onnxruntime, and of the program with tract.

use foretold_core::Model;
use foretold_inference::OnnxModel;

use crate::executors::difference;
use crate::support::OperatorCase;

/// What differs from onnxruntime, and between program and tract.
pub(crate) fn faults(cases: &[OperatorCase]) -> Vec<String> {
    let differences = cases.iter().filter_map(|case| {
        let found = difference(&case.model, &case.manifest, &case.rows)?.err()?;
        Some(format!("{}: {found}", case.name))
    });
    cases.iter().filter_map(fault).chain(differences).collect()
}

/// The first row of a case that differs.
fn fault(case: &OperatorCase) -> Option<String> {
    let name = &case.name;
    let model = match OnnxModel::load(&case.model, &case.manifest) {
        Ok(model) => model,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    for (row, expected) in case.rows.iter().zip(&case.outputs) {
        match (model.predict(row), expected) {
            (Err(_), None) => {}
            (Err(error), Some(_)) => return Some(format!("{name}: {}", error.0)),
            (Ok(found), None) => {
                return Some(format!("{name}: {row:?} gives {found:?}, expected an error"));
            }
            (Ok(found), Some(expected)) => {
                let agrees = |a: f32, b: f32| if case.exact { same(a, b) } else { close(a, b) };
                let differs = |i: &usize| !agrees(found[*i], expected[*i]);
                if let Some(i) = (0..expected.len()).find(differs) {
                    let (found, expected) = (found[i], expected[i]);
                    return Some(format!(
                        "{name}: {row:?} gives {found:?} at {i}, expected {expected:?}"
                    ));
                }
            }
        }
    }
    None
}

/// All NaN are one.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn close(a: f32, b: f32) -> bool {
    same(a, b) || (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}
