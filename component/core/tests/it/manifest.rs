//! Manifests: the credit one reads as meant, and each mistake is found on its line.

use foretold_core::cache::key::ModelId;
use foretold_core::model::feature::{Domain, Place, Value};
use foretold_core::model::manifest::{Manifest, Rule};

use crate::credit;

const TEXT: &str = r#"[model]
name = "m"
file = "model.onnx"
[cache]
ttl_seconds = 60
[[feature]]
name = "a"
type = "number"
minimum = 0
maximum = 1
step = 0.5
example = 0.5
[[feature]]
name = "b"
type = "category"
categories = ["x", "y"]
example = "x"
[[output]]
name = "p"
tensor = "probabilities"
column = 1
[[endpoint]]
path = "/p"
field = "p"
output = "p"
[[endpoint]]
path = "/q"
field = "q"
output = "p"
bands = [
  { below = 0.5, label = "LOW" },
  { label = "HIGH" },
]
"#;

#[test]
fn the_credit_manifest_reads_as_meant() {
    let manifest = credit();
    assert_eq!(manifest.name, "credit");
    assert_eq!(manifest.cache.ttl_seconds, 3600);
    let names: Vec<&str> = manifest.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "installment_rate_in_percentage_of_disposable_income",
            "age_in_years",
            "foreign_worker",
            "present_employment_since",
            "personal_status_and_sex"
        ]
    );
    assert_eq!(manifest.features[1].domain, Domain::Integer { minimum: 18, maximum: 127 });
    assert_eq!(manifest.features[1].example, Value::Integer(30));
    assert_eq!(manifest.outputs[0].column, 1);
    let paths: Vec<&str> =
        manifest.endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
    assert_eq!(paths, ["/decisions", "/probabilities", "/risk_categories"]);
    assert!(
        matches!(manifest.endpoints[2].rule, Rule::Bands { ref bands, .. } if bands.len() == 2)
    );
}

/// One change to the text, the line that is named, and a part of the message.
fn check(from: &str, to: &str, line: usize, message: &str) {
    check_in(TEXT, from, to, line, message);
}

fn check_in(text: &str, from: &str, to: &str, line: usize, message: &str) {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let errors = Manifest::parse(&text).expect_err(to).0;
    assert!(
        errors.iter().any(|error| error.line == line && error.message.contains(message)),
        "{from} -> {to}: expected line {line}: {message}, got {errors:?}"
    );
}

#[test]
fn classes_are_read_and_their_mistakes_are_named() {
    let two_outputs =
        TEXT.replacen("[[endpoint]]", "[[output]]\nname = \"o\"\ntensor = \"t\"\n[[endpoint]]", 1);
    let bands = &TEXT[TEXT.find("output = \"p\"\nbands").unwrap()..];
    let classes =
        "classes = [\n{ output = \"p\", label = \"P\" },\n{ output = \"o\", label = \"O\" },\n]\n";
    let text = two_outputs.replacen(bands, classes, 1);
    let manifest = Manifest::parse(&text).unwrap();
    let rule = &manifest.endpoints[1].rule;
    let expected = vec![(0, "P".to_owned()), (1, "O".to_owned())];
    assert_eq!(*rule, Rule::Classes { classes: expected });
    assert_eq!((rule.outputs(), rule.labels()), (vec![0, 1], vec!["P", "O"]));

    check_in(
        &text,
        "classes = [",
        "output = \"p\"\nclasses = [",
        32,
        "\"output\" is not known here",
    );
    check_in(&text, "classes = [", "threshold = 1\nclasses = [", 33, "exclude each other");
    check_in(&text, "{ output = \"o\", label = \"O\" },\n", "", 32, "at least two");
    check_in(&text, "{ output = \"o\"", "{ output = \"x\"", 34, "the outputs are p, o");
    check_in(&text, "{ output = \"o\"", "{ output = \"p\"", 34, "has a class already");
    check_in(&text, "{ output = \"o\"", "{ column = 1", 34, "known are output, label");
    check_in(&text, ", label = \"O\"", "", 34, "has no label");
    check_in(&text, "classes = [", "class = [", 32, "known are path, field, output");
    let names = two_outputs.replacen(bands, "classes = [\"p\", \"o\"]\n", 1);
    let errors = Manifest::parse(&names).unwrap_err().to_string();
    assert_eq!(errors, "line 32: classes must be an array of tables");
}

/// A feature names the input that it goes to, and its column there.
#[test]
fn places_of_features_are_read_and_their_mistakes_are_named() {
    let place = |input: &str, column| Some(Place { input: input.into(), column });
    let with = |first: &str, second: &str| {
        TEXT.replace("name = \"a\"\n", &format!("name = \"a\"\n{first}\n"))
            .replace("name = \"b\"\n", &format!("name = \"b\"\n{second}\n"))
    };
    let places = |first: &str, second: &str| {
        let features = Manifest::parse(&with(first, second)).unwrap().features;
        (features[0].place.clone(), features[1].place.clone())
    };
    assert_eq!(places("", ""), (None, None));
    assert_eq!(places("input = \"x\"", "input = \"x\""), (place("x", 0), place("x", 1)));
    assert_eq!(places("input = \"x\"", "input = \"y\""), (place("x", 0), place("y", 0)));
    let third = "input = \"x\"\ncolumn = 3";
    assert_eq!(places(third, "input = \"x\""), (place("x", 3), place("x", 4)));
    assert_eq!(places("input = \"x\"", "input = \"x\"\ncolumn = 7").1, place("x", 7));
    let message =
        |first: &str, second: &str| Manifest::parse(&with(first, second)).unwrap_err().to_string();
    let error = message("column = 1", "");
    assert!(error.ends_with("a column needs an input; name the model's input"), "{error}");
    let error = message(third, third);
    let expected = "column 3 of \"x\" is the feature \"a\" already";
    assert!(error.ends_with(expected), "{error}");
    // It decides what a row means, so it is part of the model's id.
    let id = |first: &str, second: &str| {
        ModelId::new(b"model", &Manifest::parse(&with(first, second)).unwrap(), 1)
    };
    let ids = [id("", ""), id("input = \"x\"", ""), id(third, ""), id("input = \"y\"", "")];
    assert!((0..4).all(|i| ids[i + 1..].iter().all(|other| *other != ids[i])));
}

#[test]
fn unknown_categories_change_no_key() {
    let with = TEXT.replacen("example = \"x\"", "unknown = [\"y\"]\nexample = \"x\"", 1);
    let [with, without] = [&with, TEXT].map(|text| Manifest::parse(text).unwrap());
    assert_eq!(with.features[1].unknown, ["y"]);
    assert_eq!(ModelId::new(b"", &with, 1), ModelId::new(b"", &without, 1));
}

#[test]
fn each_mistake_is_named_on_its_line() {
    assert!(Manifest::parse(TEXT).is_ok());
    check("name = \"m\"", "name = \"M\"", 2, "lower-case");
    check("name = \"m\"", "", 1, "[model] has no name");
    check("file = \"model.onnx\"", "file = \"../x\"", 3, "beside the manifest");
    check("[cache]\nttl_seconds = 60", "", 1, "has no cache");
    check("ttl_seconds = 60", "ttl_seconds = 0", 5, "from 1 to");
    check("ttl_seconds = 60", "ttl = 60", 5, "known are ttl_seconds");
    check("ttl_seconds = 60", "ttl_seconds = \"1h\"", 5, "must be an integer, not string");
    check("type = \"number\"", "type = \"float\"", 8, "not one of number, integer");
    check("type = \"number\"\n", "", 6, "has no type");
    check("minimum = 0", "minimum = 2", 9, "above maximum");
    check("minimum = 0", "minimum = nan", 9, "finite");
    check("minimum = 0\n", "", 10, "needs a minimum and a maximum");
    check("step = 0.5", "step = -1", 11, "positive");
    check("step = 0.5", "round = true", 11, "needs a step");
    check("step = 0.5", "stp = 0.5", 11, "known are");
    check("example = 0.5", "example = 0.3", 12, "in steps of 0.5, not 0.3");
    check("example = 0.5", "", 6, "has no example");
    check("name = \"b\"", "name = \"a\"", 14, "twice");
    check("[\"x\", \"y\"]", "[\"x\", \"x\"]", 16, "twice");
    check("[\"x\", \"y\"]", "[]", 16, "1 to");
    check("[\"x\", \"y\"]", "[1]", 16, "strings");
    check("example = \"x\"", "example = \"z\"", 17, "one of");
    check("example = \"x\"", "unknown = [\"z\"]\nexample = \"x\"", 17, "\"z\" is not one of the");
    check("example = \"x\"", "unknown = \"x\"\nexample = \"x\"", 17, "an array of strings");
    check("example = 0.5", "unknown = []\nexample = 0.5", 12, "\"unknown\" is not known here");
    check("tensor = \"probabilities\"", "tensor = 1", 20, "must be a string");
    check("column = 1", "column = -1", 21, "from 0");
    check("path = \"/p\"", "path = \"p\"", 23, "like /decisions");
    check("path = \"/p\"", "path = \"/q\"", 27, "twice");
    check("output = \"p\"", "output = \"r\"", 25, "the outputs are p");
    check("below = 0.5", "above = 0.5", 31, "known are below, label");
    check("{ label = \"HIGH\" }", "{ below = 1, label = \"HIGH\" }", 32, "leave below out");
    check(
        "{ below = 0.5, label = \"LOW\" },",
        "{ below = 0.5, label = \"LOW\" },\n{ below = 0.4, label = \"L\" },",
        32,
        "previous",
    );
    check("bands = [", "threshold = 1\nbands = [", 31, "exclude each other");
    check(
        "[[endpoint]]",
        "[[output]]\nname = \"o\"\ntensor = \"probabilities\"\ncolumn = 1\n[[endpoint]]",
        25,
        "column 1 of \"probabilities\" is the output \"p\" already",
    );
    check("[model]", "[modell]", 1, "known are model");
    check("[model]", "[model", 1, "");
    check(
        "[[output]]",
        "[[output]]\nname = \"unused\"\ntensor = \"t\"\n[[output]]",
        18,
        "used by no endpoint",
    );
}

#[test]
fn all_mistakes_are_found_at_once() {
    let text = TEXT
        .replace("\"m\"", "\"M\"")
        .replace("minimum = 0", "minimum = 9")
        .replace("column = 1", "column = 1.5");
    let errors = Manifest::parse(&text).unwrap_err();
    let lines: Vec<usize> = errors.0.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 9, 21], "{errors}");
    assert!(errors.to_string().starts_with("line 2: "));
}

#[test]
fn an_empty_manifest_lists_what_is_needed() {
    let errors = Manifest::parse("").unwrap_err().to_string();
    for part in ["model", "cache", "[[feature]]", "[[output]]", "[[endpoint]]"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

/// With FORETOLD_UPDATE in the environment it is written anew.
/// Without a feature there would be no column, and without an output no width to cut rows by.
#[test]
fn an_empty_list_of_tables_is_as_none() {
    for key in ["feature", "output", "endpoint"] {
        let text = TEXT.replace(&format!("[[{key}]]"), &format!("[[x.{key}]]"));
        let errors = Manifest::parse(&format!("{key} = []\n{text}")).unwrap_err().0;
        let message = format!("the manifest has no [[{key}]]; add at least one");
        assert!(errors.iter().any(|e| e.line == 1 && e.message == message), "{errors:?}");
    }
}

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manifest.md");
    let reference = Manifest::reference();
    if std::env::var_os("FORETOLD_UPDATE").is_some() {
        std::fs::write(path, &reference).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let hint = "run `FORETOLD_UPDATE=1 cargo test --release -p foretold-core the_reference`";
    assert!(found == reference, "docs/manifest.md is not what the code says; {hint}");
}
