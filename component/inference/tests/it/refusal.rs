//! What is refused when a model is loaded, and how.

use foretold_core::Model;
use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::Manifest;
use foretold_inference::{LoadError, OnnxModel};

use crate::support::{
    example, examples, malformed_of, manifest, number, operator_cases, operators_path, output,
};

fn feature(name: &str, domain: Domain) -> Feature {
    Feature {
        name: name.into(),
        element: None,
        place: None,
        domain,
        optional: false,
        unknown: vec![],
        unit: None,
        description: String::new(),
        example: Value::Number(0.0),
    }
}

#[test]
fn malformed_graphs_are_refused_with_the_reason() {
    let features = || ["a", "b", "c"].map(|name| feature(name, number())).to_vec();
    let mut faults = Vec::new();
    for case in malformed_of("malformed.json") {
        let name = if case.name == "input_given_again" { "X" } else { "Y" };
        match OnnxModel::load(&case.model, &manifest(features(), vec![output(name, 0)])) {
            Ok(_) => faults.push(format!("{}: loaded, expected '{}'", case.name, case.message)),
            Err(error) if error.to_string().contains(&case.message) => {}
            Err(error) => {
                faults.push(format!("{}: expected '{}', got: {error}", case.name, case.message));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn damaged_files_never_panic() {
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for example in examples() {
        for round in 0..200 {
            let mut bytes = example.model.clone();
            if round % 8 == 0 {
                bytes.truncate(next(bytes.len()));
            }
            for _ in 0..=next(4) {
                if !bytes.is_empty() {
                    let at = next(bytes.len());
                    bytes[at] = next(256) as u8;
                }
            }
            if let Ok(model) = OnnxModel::load(&bytes, &example.manifest) {
                let _ = model.predict(&example.rows[0]);
            }
        }
    }
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    for bytes in [&b"not a model"[..], &[], &[0xff; 64]] {
        let error = OnnxModel::load(bytes, &manifest(vec![], vec![])).unwrap_err();
        assert!(matches!(error, LoadError::NotOnnx(_)), "{error}");
    }
}

#[test]
fn categories_are_compared_with_the_encoders_that_they_get_to() {
    let category = |names: &[&str]| Domain::Category {
        categories: names.iter().map(|name| name.to_string()).collect(),
    };
    // Only another feature's encoder knows the text, and that feature has it too.
    let mut alike = example("credit");
    let features = &mut alike.manifest.features;
    features[2].domain = category(&["male: single"]);
    features[4].domain = category(&["male: single", "male: married/widowed"]);
    features.iter_mut().for_each(|feature| feature.unknown.clear());
    features[3].domain = category(&["unemployed"]);
    let error = OnnxModel::load(&alike.model, &alike.manifest).unwrap_err().to_string();
    let expected = "feature \"foreign_worker\": the model's encoder does not know \"male: single\"; it \
                    knows \"no\", \"yes\", which";
    assert!(error.starts_with(expected) && !error.contains("personal_status"), "{error}");

    // An encoder that fails on others leaves no choice.
    let cases = operator_cases(&operators_path());
    let mut strict = cases.into_iter().find(|it| it.name == "one_hot_encoder_zeros_0").unwrap();
    OnnxModel::load(&strict.model, &strict.manifest).expect("it knows all");
    strict.manifest.features[0].domain = category(&["a", "?"]);
    strict.manifest.features[0].unknown = vec!["?".into()];
    let error = OnnxModel::load(&strict.model, &strict.manifest).unwrap_err().to_string();
    assert!(
        error.contains("encoder fails on \"?\"") && error.contains("handle_unknown"),
        "{error}"
    );
}

/// One feature, and a constant that stretches its column to 65.
#[test]
fn a_width_that_the_file_leaves_open_is_proved() {
    for case in [open_width("sub"), open_width("where"), open_width("greater")] {
        let one = manifest(vec![feature("X", number())], vec![output("Y", 0)]);
        let error = OnnxModel::load(&case, &one).unwrap_err().to_string();
        assert!(error.contains("65 would do as well as the manifest's 1"), "{error}");
        assert!(error.contains("'X' (float32, [?, ?])"), "{error}");
        let all = (0..65).map(|i| feature(&format!("x{i}"), number())).collect();
        OnnxModel::load(&case, &manifest(all, vec![output("Y", 0)])).expect("as wide as it is");
    }
    for name in ["scaler", "mat_mul", "imputer", "gather"] {
        let one = manifest(vec![feature("X", number())], vec![output("Y", 0)]);
        let error = OnnxModel::load(&open_width(name), &one).unwrap_err();
        assert!(matches!(error, LoadError::Node { .. }), "{name}: {error}");
    }
    // What is known to be of one column may be compared with many numbers.
    let one = manifest(vec![feature("X", number())], vec![output("Y", 0)]);
    OnnxModel::load(&open_width("column"), &one).expect("the file says one column");
}

/// The graph of a name in `tests/operators/widths.json`.
fn open_width(name: &str) -> Vec<u8> {
    let cases = malformed_of("widths.json");
    cases.into_iter().find(|case| case.name == name).expect("a graph").model
}

/// What NaN goes into makes of it what it makes of a legal value.
#[test]
fn an_optional_feature_whose_absence_is_taken_for_a_value_is_refused() {
    let optional = |domain: Domain| {
        let mut feature = feature("X", domain);
        feature.optional = true;
        manifest(vec![feature], vec![output("Y", 0)])
    };
    let positive =
        Domain::Number { minimum: Some(0.0), maximum: Some(9.0), step: None, round: false };
    let error = OnnxModel::load(&open_width("cast_to_bool"), &optional(positive.clone()));
    let error = error.unwrap_err().to_string();
    let expected = "the feature \"X\" is optional, but the model's operator Cast makes the same of it \
                    when it is missing as when it is 9; let the model impute it, or remove `optional`";
    assert_eq!(error, expected);
    // Which is right: the smallest integer is no category, and an imputer was asked for.
    for name in ["cast_to_encoder", "encoder", "imputed", "where_nan", "tree"] {
        let loaded = OnnxModel::load(&open_width(name), &optional(positive.clone()));
        loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn features_and_outputs_that_do_not_fit_are_refused() {
    let category = |names: &[&str]| Domain::Category {
        categories: names.iter().map(|name| name.to_string()).collect(),
    };
    let integer = Domain::Integer { minimum: 0, maximum: 9 };
    let check = |name: &str, change: &dyn Fn(&mut Manifest), part: &str| {
        let mut example = example(name);
        change(&mut example.manifest);
        let error = OnnxModel::load(&example.model, &example.manifest).unwrap_err().to_string();
        assert!(error.contains(part), "expected '{part}', got: {error}");
    };
    check(
        "credit",
        &|it| it.features[0].name = "other".into(),
        "the features are other, age_in_years",
    );
    check("credit", &|it| it.features[0].name = "other".into(), "'age_in_years' (float32, [?, 1])");
    check("credit", &|it| it.features[1].domain = category(&["x"]), "takes a number, an integer");
    check("credit", &|it| it.features[2].domain = number(), "takes a category");
    check("credit", &|it| it.features[2].domain = Domain::Boolean, "takes a category");
    check("credit", &|it| it.features[2].optional = true, "only float inputs have NaN");
    check("credit", &|it| drop(it.features.pop()), "Expected an input for each feature");
    check("random_forest", &|it| it.features[1].domain = number(), "takes an integer");
    check(
        "logistic_tensor",
        &|it| drop(it.features.pop()),
        "has 4 columns, the manifest 3 features",
    );
    check(
        "logistic_tensor",
        &|it| it.features[0].domain = category(&["x"]),
        "'X' (float32, [?, 4])",
    );
    check("logistic_tensor", &|it| it.features.clear(), "Expected an input for each feature");
    check("credit", &|it| it.outputs[0].column = 2, "expected a column below 2");
    check(
        "decision_tree_string_labels",
        &|it| {
            it.outputs[0].tensor = "label".into();
            it.outputs[0].column = 1;
        },
        "expected a column below 1",
    );
    check("credit", &|it| it.outputs[0].tensor = "p".into(), "the model has 'label' (int64, [?])");
    let misspelt = |position: usize| {
        move |it: &mut Manifest| {
            let Domain::Category { categories } = &mut it.features[position].domain else {
                unreachable!("a feature of categories")
            };
            categories.truncate(2);
            categories[1].push('?');
            it.features[position].unknown.clear();
        }
    };
    check(
        "credit",
        &misspelt(2),
        "feature \"foreign_worker\": the model's encoder does not know \"yes?\"; it knows \"yes\", \
         which the manifest does not have\nSpell categories as in training.",
    );
    check("credit", &misspelt(4), "feature \"personal_status_and_sex\": the model's encoder");
    let mut accepted = example("credit");
    misspelt(2)(&mut accepted.manifest);
    accepted.manifest.features[2].unknown = vec!["yes?".into()];
    OnnxModel::load(&accepted.model, &accepted.manifest)
        .expect("a category that is unknown on purpose");
    let mut accepted = example("credit");
    accepted.manifest.features[1].domain = integer;
    accepted.manifest.features[0].domain = Domain::Boolean;
    OnnxModel::load(&accepted.model, &accepted.manifest)
        .expect("integers and truth values for floats");
}
