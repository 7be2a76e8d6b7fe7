//! What a draft says of the test models.

use std::path::Path;

use foretold_inference::LoadError;
use foretold_inference::draft::{Draft, Kind, draft};

use crate::support::{example, examples, malformed_of};

fn of(name: &str) -> Draft {
    draft(&example(name).model, None).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_model_has_the_features_and_outputs_that_its_rows_have() {
    for example in examples() {
        let draft = draft(&example.model, None);
        let draft = draft.unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert_eq!(draft.producer, "skl2onnx", "{}", example.name);
        assert_eq!(draft.features.len(), example.manifest.features.len(), "{}", example.name);
        assert_eq!(draft.left_out.len(), 1, "{}: {:?}", example.name, draft.left_out);
        assert_eq!(draft.left_out[0].0, "label");
        let [output] = &draft.outputs[..] else { panic!("{:?}", draft.outputs) };
        assert_eq!(output.tensor, "probabilities");
        assert_eq!(output.classes.len(), output.columns, "{}", example.name);
        assert!(output.are_probabilities, "{}", example.name);
        for (drafted, feature) in draft.features.iter().zip(&example.manifest.features) {
            let is_text = drafted.kind == Kind::Text;
            assert_eq!(is_text, !drafted.categories.is_empty(), "{}", example.name);
            if !drafted.is_column {
                assert_eq!(drafted.name, feature.name, "{}", example.name);
            }
        }
    }
}

#[test]
fn categories_are_those_of_the_encoder_that_sees_the_feature() {
    let draft = of("random_forest");
    let categories = |name: &str| {
        let feature = draft.features.iter().find(|feature| feature.name == name);
        let mut categories = feature.expect("a feature").categories.clone();
        categories.sort();
        categories
    };
    assert_eq!(categories("foreign_worker"), ["no", "yes"]);
    let employment = [
        "... < 1 year",
        "... >= 7 years",
        "1 <= ... < 4 years",
        "4 <= ... < 7 years",
        "unemployed",
    ];
    assert_eq!(categories("present_employment_since"), employment);
    assert_eq!(draft.features[1].kind, Kind::Integer);
}

#[test]
fn classes_are_named_as_in_training() {
    for (name, expected) in [
        ("credit", &["0", "1"][..]),
        ("decision_tree_string_labels", &["for free", "own", "rent"]),
        ("logistic_one_vs_rest", &["0", "1", "2"]),
        ("mlp_multiclass", &["0", "1", "2"]),
    ] {
        let mut classes = of(name).outputs[0].classes.clone();
        classes.sort();
        assert_eq!(classes, expected, "{name}");
    }
}

#[test]
fn columns_of_one_input_are_numbered_and_may_be_missing_where_trees_take_it() {
    let draft = of("hist_gradient_boosting");
    let names: Vec<&str> = draft.features.iter().map(|feature| &*feature.name).collect();
    assert_eq!(names, ["X_0", "X_1", "X_2", "X_3"]);
    assert!(!draft.is_width_open);
    assert!(draft.features.iter().all(|feature| feature.is_column && feature.takes_missing));
    assert!(of("logistic_tensor").features.iter().all(|feature| !feature.takes_missing));
}

#[test]
fn the_largest_number_is_the_class_unless_the_model_says_another() {
    for example in examples() {
        let draft = of(&example.name);
        assert!(draft.outputs.iter().all(|output| output.decides), "{}", example.name);
    }
    let report = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reports").join(name);
        draft(&std::fs::read(folder.join("model.onnx")).expect("a model"), None).expect("a draft")
    };
    let [two] = &report("svc_two_classes").outputs[..] else { panic!("several outputs") };
    assert_eq!((two.decides, &two.classes[..]), (true, &["yes".into(), "no".into()][..]));
    let votes = report("svc_votes").outputs;
    let mut tensors: Vec<&str> = votes.iter().map(|output| &*output.tensor).collect();
    tensors.sort_unstable();
    assert_eq!(tensors, ["label", "probabilities"]);
    let probabilities = votes.iter().find(|output| output.are_probabilities).expect("some");
    assert!(!probabilities.decides && probabilities.classes == ["0", "1", "2"]);
    // The class itself is served then, also as a text, as a number that stands for it.
    let numbered = |texts: [&str; 3]| (0..).zip(texts.map(String::from)).collect::<Vec<_>>();
    let label = |name: &str| {
        let outputs = report(name).outputs;
        outputs.into_iter().find(|output| output.tensor == "label").expect("a label").labels
    };
    assert_eq!(label("svc_votes"), numbered(["0", "1", "2"]));
    let texts = ["high", "low", "middle"];
    assert_eq!(label("svc_votes_texts"), numbered(texts));
    assert_eq!(label("svc_three_classes"), numbered(texts));
    let scores = report("svc_three_classes").outputs;
    let scores = scores.iter().find(|output| output.labels.is_empty()).expect("scores");
    assert!(!scores.decides && !scores.are_fractions && scores.classes == texts);
    let [score] = &report("ridge_two_classes").outputs[..] else { panic!("several outputs") };
    assert!(score.decides && !score.are_fractions && score.classes == ["no", "yes"]);
    assert_eq!((score.columns, &score.labels[..]), (1, &[][..]));
}

#[test]
fn what_no_manifest_can_serve_is_refused_as_when_it_is_baked() {
    assert!(matches!(draft(b"no onnx", None), Err(LoadError::NotOnnx(_))));
    let mut refused = 0;
    for case in malformed_of("malformed.json") {
        // Some are wrong only for the manifest that the case has.
        refused += u32::from(draft(&case.model, None).is_err());
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn damaged_files_never_panic() {
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let mut drafted = 0;
    for example in examples() {
        for _ in 0..40 {
            let mut bytes = example.model.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            drafted += u32::from(draft(&bytes, None).is_ok());
        }
    }
    assert!(drafted > 20, "{drafted}");
}
