//! Models with their forests in the small form answer as their files do, to the bit.

use foretold_core::Model;
use foretold_inference::OnnxModel;
use foretold_inference::pack::pack;

use crate::support::{examples, operator_cases, operators_path};

#[test]
fn a_packed_model_answers_as_its_file_does() {
    let mut packed_models = 0;
    for example in examples() {
        let Ok(Some(packed)) = pack(&example.model, &example.manifest) else { continue };
        packed_models += 1;
        assert!(packed.model.len() < example.model.len(), "{}", example.name);
        let [file, small] = [&example.model, &packed.model]
            .map(|model| OnnxModel::load(model, &example.manifest).expect("a model"));
        for row in &example.rows {
            let [expected, found] = [&file, &small].map(|model| {
                let outputs = model.predict(row).expect("a prediction");
                outputs.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{}", example.name);
        }
        // There is nothing left to be made small.
        assert!(pack(&packed.model, &example.manifest).unwrap().is_none(), "{}", example.name);
    }
    assert!(packed_models >= 6, "{packed_models}");
}

/// Its nodes are put in where it is called, in the small form, too.
#[test]
fn a_forest_in_a_function_is_packed() {
    let mut cases = operator_cases(&operators_path()).into_iter();
    let case = cases.find(|it| it.name == "hard_function_forest").expect("the case");
    let packed = pack(&case.model, &case.manifest).expect("a model").expect("a small form");
    let [file, small] = [&case.model, &packed.model]
        .map(|model| OnnxModel::load(model, &case.manifest).expect("a model"));
    for row in &case.rows {
        assert_eq!(file.predict(row).expect("a row"), small.predict(row).expect("a row"));
    }
}

#[test]
fn a_packed_graph_answers_as_its_file_does() {
    let mut packed_names = Vec::new();
    for case in operator_cases(&operators_path()) {
        let Ok(Some(packed)) = pack(&case.model, &case.manifest) else { continue };
        let [file, small] = [&case.model, &packed.model]
            .map(|model| OnnxModel::load(model, &case.manifest).expect("a model"));
        for row in &case.rows {
            let [expected, found] = [&file, &small].map(|model| {
                let outputs = model.predict(row).map_err(|error| error.0);
                outputs.map(|outputs| outputs.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            });
            assert_eq!(found, expected, "{}", case.name);
        }
        packed_names.push(case.name);
    }
    let count = packed_names.iter().filter(|name| name.contains("tree_ensemble_only")).count();
    assert!(count >= 2 && packed_names.len() > 10, "{packed_names:?}");
}

#[test]
fn damaged_bytes_are_refused_or_answer() {
    for example in examples() {
        let Ok(Some(packed)) = pack(&example.model, &example.manifest) else { continue };
        let step = packed.model.len() / 200 + 1;
        for at in (0..packed.model.len()).step_by(step) {
            let mut bytes = packed.model.clone();
            bytes[at] ^= 0x41;
            // Whatever comes of it, it has an end and is no panic.
            if let Ok(model) = OnnxModel::load(&bytes, &example.manifest) {
                let _ = model.predict(&example.rows[0]);
            }
        }
    }
}
