//! Rows: how they go in, and that they do not see each other.

use foretold_core::model::feature::Value;
use foretold_core::{Model, ModelError};
use foretold_inference::OnnxModel;

use crate::executors::difference;
use crate::support::{bits, example, examples, operator_cases, operators_path};

#[test]
fn a_row_has_the_same_bits_alone_and_in_any_batch() {
    for example in examples() {
        let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
        let alone: Vec<f32> =
            example.rows.iter().flat_map(|row| model.predict(row).expect("a row")).collect();
        let together = model.predict(&example.rows.concat()).expect("a batch");
        assert_eq!(bits(&alone), bits(&together), "{}", example.name);
        let backwards: Vec<Value> = example.rows.iter().rev().flatten().copied().collect();
        let mut backwards: Vec<Vec<f32>> = model
            .predict(&backwards)
            .expect("a batch")
            .chunks(example.manifest.outputs.len())
            .map(<[f32]>::to_vec)
            .collect();
        backwards.reverse();
        assert_eq!(bits(&alone), bits(&backwards.concat()), "{}, backwards", example.name);
    }
}

#[test]
fn tract_gives_the_same_bits_for_every_model_and_most_graphs() {
    for example in examples() {
        let found = difference(&example.model, &example.manifest, &example.rows);
        assert_eq!(found, Some(Ok(())), "{}", example.name);
    }
    // Whether they differ is asked where they are compared with onnxruntime.
    let cases = operator_cases(&operators_path());
    let programs = cases.iter().filter(|case| {
        OnnxModel::load(&case.model, &case.manifest).is_ok_and(|model| !model.is_for_tract())
    });
    let (programs, all) = (programs.count(), cases.len());
    assert!(programs * 10 >= all * 9, "{programs} of {all} graphs are programs");
}

#[test]
fn a_loaded_model_can_be_used_by_threads_at_once() {
    let example = example("credit");
    let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
    let rows = example.rows.concat();
    let expected = bits(&model.predict(&rows).expect("a batch"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(bits(&model.predict(&rows).expect("a batch")), expected));
        }
    });
}

#[test]
fn no_rows_give_no_outputs_and_half_a_row_is_an_error() {
    let example = example("credit");
    let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
    assert_eq!(model.predict(&[]), Ok(vec![]));
    let error = model.predict(&example.rows[0][1..]).expect_err("half a row");
    assert_eq!(error, ModelError("4 values, expected rows of 5".into()));
}

#[test]
fn values_of_another_kind_are_errors_and_leave_the_model_usable() {
    let example = example("credit");
    let model = OnnxModel::load(&example.model, &example.manifest).expect("a model");
    let expected = model.predict(&example.rows[0]).expect("a row");
    for (position, value) in [
        (0, Value::Category(0)),
        (2, Value::Number(1.0)),
        (2, Value::Missing),
        (2, Value::Category(99)),
    ] {
        let mut row = example.rows[0].clone();
        row[position] = value;
        assert!(model.predict(&row).is_err(), "{value:?} at {position}");
        assert_eq!(model.predict(&example.rows[0]).expect("a row"), expected);
    }
}
