//! Agreement with onnxruntime.

use foretold_core::Model;
use foretold_inference::OnnxModel;

use crate::support::examples;

#[test]
fn agrees_with_onnxruntime_within_1e_6() {
    let mut faults = Vec::new();
    for example in examples() {
        let model = match OnnxModel::load(&example.model, &example.manifest) {
            Ok(model) => model,
            Err(error) => {
                faults.push(format!("{}: {error}", example.name));
                continue;
            }
        };
        let mut largest = 0.0_f32;
        for (row, expected) in example.rows.iter().zip(&example.outputs) {
            let found = model.predict(row).expect("a prediction");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                largest = largest.max((found - expected).abs());
                if !found.is_finite() {
                    largest = f32::INFINITY;
                }
            }
        }
        println!("{:32} {largest:e}", example.name);
        if largest > 1e-6 {
            faults.push(format!("{}: off by {largest:e}", example.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
