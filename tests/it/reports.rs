//! What was reported from the field, with the right values: each folder of `tests/reports` has a
//! model, a manifest, rows, and what onnxruntime makes of them; `reference.json` is what the library
//! says that trained the model.

use serde_json::Value as Json;

use crate::harness::credit::root;
use crate::harness::host::Host;

fn check(name: &str) {
    let folder = root().join("tests/reports").join(name);
    let read = |file: &str| -> Vec<Json> {
        serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap()
    };
    let host = Host::start(&folder, &["--no-snapshot"]);
    let (rows, expected) = (read("rows.json"), read("expected.json"));
    assert!(!rows.is_empty() && rows.len() == expected.len());
    // The second time, they are from the cache.
    for _ in 0..2 {
        for (row, expected) in rows.iter().zip(&expected) {
            let answer = host.post("/predictions", &row.to_string());
            assert_eq!(answer.status, 200, "{row}: {}", answer.body);
            let found: Json = serde_json::from_str(&answer.body).unwrap();
            for (field, expected) in expected.as_object().unwrap() {
                let (found, expected) = (found[field].as_f64(), expected.as_f64().unwrap());
                let close = found.is_some_and(|found| (found - expected).abs() <= 1e-6);
                assert!(close, "{name} {row}: {field} is {found:?}, expected {expected}");
            }
        }
    }
}

#[test]
fn a_missing_number_is_none_of_the_categories_that_an_encoder_knows() {
    check("nan_onehot_trained_without_nan");
}

#[test]
fn a_missing_number_goes_through_clip_to_the_trees() {
    check("nan_minmax_clip_hgb");
}

#[test]
fn noise_of_floats_at_the_bounds_is_taken() {
    check("bounds_noise");
}

/// A list of maps is the tensor that it is made of; a sequence is its tensors one after the other.
#[test]
fn outputs_that_are_no_tensors_are_the_numbers_in_them() {
    check("catboost_binary");
    check("lgb_default_zipmap");
    check("multi_clf");
}

#[test]
fn several_labels_are_columns_one_after_the_other() {
    check("rf_two_labels");
}

#[test]
fn an_input_of_several_columns_beside_another_takes_the_features_that_have_none() {
    check("two_inputs_wide");
    check("vector");
}

#[test]
fn the_scores_of_support_vector_machines_are_served() {
    check("svc_two_classes");
    check("svc_votes");
    check("svc_votes_texts");
    check("svc_three_classes");
    check("ridge_two_classes");
}

#[test]
fn models_of_float64_are_served() {
    check("double_logistic");
    check("double_mlp");
}

#[test]
fn a_single_tensor_of_several_columns_is_served() {
    check("iris_one_tensor");
}

/// Thresholds are compared as the answer is shown, in 32 bits; with keys of the kind repr, as a
/// Python service does it, in 64 bits.
#[test]
fn ties_are_decided_as_shown_or_as_python_does() {
    check("ties_in_tenths");
    let folder = root().join("tests/reports/ties_in_tenths");
    let own = Host::start(&folder, &["--no-snapshot"]);
    let python = Host::start(&folder, &["--no-snapshot", "--keys", "repr"]);
    // What Python 3.11 says of `float(numpy.float32(i / 10)) > i / 10`.
    let above = [1, 2, 3, 4, 6, 8];
    for tenths in 1..10 {
        let ask = |host: &Host| {
            host.post(&format!("/above{tenths}"), &format!("{{\"tenths\": {tenths}}}"))
        };
        assert_eq!(ask(&own).body, format!("{{\"above{tenths}\":\"NO\"}}"));
        let expected = if above.contains(&tenths) { "YES" } else { "NO" };
        let expected = format!("{{\"above{tenths}\":\"{expected}\"}}");
        // Computed, and then from the cache.
        assert_eq!((ask(&python).body, ask(&python).body), (expected.clone(), expected));
    }
}
