//! `foretold new`: a model alone becomes a folder that is served.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use crate::harness::credit::{credit, root};
use crate::harness::host::Host;
use crate::harness::onnx;
use crate::harness::run::{failure, printed, run, stderr, stdout};

/// Writes a folder for a model, with options, and returns what it says.
fn new(model: &Path, folder: &Path, options: &[&str]) -> String {
    let (model, folder) = (model.to_str().unwrap(), folder.to_str().unwrap());
    printed(&[&["new", model, "-o", folder], options].concat(), b"")
}

/// What it says of a model that it refuses.
fn refused(model: &Path, folder: &Path, options: &[&str]) -> String {
    let (model, folder) = (model.to_str().unwrap(), folder.to_str().unwrap());
    failure(&[&["new", model, "-o", folder], options].concat(), b"")
}

fn manifest(folder: &Path) -> toml::Table {
    fs::read_to_string(folder.join("manifest.toml")).unwrap().parse().unwrap()
}

/// The tables of a kind, e.g. `feature`.
fn tables<'m>(manifest: &'m toml::Table, kind: &str) -> Vec<&'m toml::Table> {
    manifest[kind].as_array().unwrap().iter().map(|table| table.as_table().unwrap()).collect()
}

fn text<'t>(table: &'t toml::Table, key: &str) -> &'t str {
    table[key].as_str().unwrap_or_else(|| panic!("{key}: {table:?}"))
}

/// The answers to rows of JSON Lines.
fn predict(folder: &Path, rows: &str) -> Vec<Json> {
    let arguments = ["predict", folder.to_str().unwrap(), "--format", "jsonl"];
    let printed = printed(&arguments, rows.as_bytes());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A row of the examples of a manifest.
fn example(manifest: &toml::Table) -> String {
    let value = |table: &toml::Table| serde_json::to_value(&table["example"]).unwrap();
    let features = tables(manifest, "feature");
    let row: Map<String, Json> =
        features.iter().map(|table| (text(table, "name").to_owned(), value(table))).collect();
    Json::from(row).to_string()
}

fn models() -> Vec<PathBuf> {
    let folder = root().join("component/inference/tests/models");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "onnx")).collect();
    models.sort();
    assert!(models.len() > 10);
    models
}

#[test]
fn every_model_alone_gives_a_folder_that_answers() {
    let reports = fs::read_dir(root().join("tests/reports")).unwrap();
    let reports = reports.map(|entry| entry.unwrap().path().join("model.onnx"));
    let others = ["credit", "credit-full"].map(|name| root().join("models").join(name));
    let others = others.map(|folder| folder.join("model.onnx"));
    for model in models().into_iter().chain(reports).chain(others) {
        let folder = TempDir::new().unwrap();
        let said = new(&model, folder.path(), &[]);
        assert_eq!(said.lines().count(), 3, "{said}");
        let manifest = manifest(folder.path());
        let answers = predict(folder.path(), &example(&manifest));
        assert_eq!(answers.len(), 1);
        for endpoint in tables(&manifest, "endpoint") {
            let answer = &answers[0][text(endpoint, "field")];
            assert!(answer.is_number() || answer.is_string(), "{}: {answers:?}", model.display());
        }
    }
}

/// The rows of a golden file as CSV, those without an empty text; and what onnxruntime gives.
fn golden(model: &Path) -> (Vec<String>, String, Vec<Vec<f64>>) {
    let text = fs::read_to_string(model.with_extension("golden.json")).unwrap();
    let golden: Json = serde_json::from_str(&text).unwrap();
    let inputs = golden["inputs"].as_array().unwrap();
    let names: Vec<String> = match &inputs[..] {
        [input] => {
            let width = input["shape"][1].as_u64().unwrap();
            (0..width).map(|i| format!("column {i}")).collect()
        }
        inputs => inputs.iter().map(|input| input["name"].as_str().unwrap().to_owned()).collect(),
    };
    let (mut csv, mut outputs) = (names.join(",") + "\n", Vec::new());
    for row in golden["rows"].as_array().unwrap() {
        let cells = row["inputs"].as_array().unwrap();
        if cells.iter().any(|cell| cell == "") {
            continue;
        }
        let cell = |cell: &Json| match cell {
            Json::Null => String::new(),
            Json::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
            number => number.to_string(),
        };
        let cells: Vec<String> = cells.iter().map(cell).collect();
        writeln!(csv, "{}", cells.join(",")).unwrap();
        let numbers = row["outputs"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap());
        outputs.push(numbers.collect());
    }
    (names, csv, outputs)
}

/// With a sample, all of its rows are legal, also those with missing values and with texts that the
/// encoders do not know, and the answers are those of onnxruntime.
#[test]
fn the_rows_of_a_sample_are_answered_as_onnxruntime_does() {
    for model in models() {
        let name = model.file_stem().unwrap().to_string_lossy();
        let (names, csv, expected) = golden(&model);
        assert!(expected.len() > 40, "{name}");
        let folder = TempDir::new().unwrap();
        let sample = folder.path().join("sample.csv");
        fs::write(&sample, &csv).unwrap();
        let served = folder.path().join("served");
        new(&model, &served, &["--sample", sample.to_str().unwrap()]);
        let manifest = manifest(&served);
        let features = tables(&manifest, "feature");
        let found: Vec<&str> = features.iter().map(|table| text(table, "name")).collect();
        assert_eq!(found, names, "{name}");
        let has_missing = csv.lines().any(|line| line.starts_with(',') || line.contains(",,"));
        let is_optional = features.iter().any(|table| table.contains_key("optional"));
        assert_eq!(is_optional, has_missing, "{name}");

        let answers = predict(&served, &csv);
        assert_eq!(answers.len(), expected.len(), "{name}");
        let outputs = tables(&manifest, "output");
        let numbers = tables(&manifest, "endpoint").into_iter().filter(|endpoint| {
            endpoint.contains_key("output") && !endpoint.contains_key("threshold")
        });
        let mut compared = 0;
        for endpoint in numbers {
            let is_ours = |output: &&&toml::Table| output["name"] == endpoint["output"];
            let column = outputs.iter().find(is_ours).unwrap()["column"].as_integer().unwrap();
            for (answer, expected) in answers.iter().zip(&expected) {
                let found = answer[text(endpoint, "field")].as_f64();
                let expected = expected[column as usize];
                let close = found.is_some_and(|found| (found - expected).abs() <= 1e-6);
                assert!(close, "{name}: {answer}: expected {expected}");
                compared += 1;
            }
        }
        assert!(compared >= expected.len(), "{name}");
    }
}

#[test]
fn what_it_writes_is_served_and_says_what_the_model_says() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("Loans 2");
    let said = new(&credit().join("model.onnx"), &path, &[]);
    let expected = "5 features (2 numbers, 3 categories), POST /probabilities, /classes";
    assert!(said.lines().next().unwrap().ends_with(expected), "{said}");
    assert!(said.contains("skl2onnx") && said.contains("left out: \"label\""), "{said}");
    let manifest = manifest(&path);
    assert_eq!(text(manifest["model"].as_table().unwrap(), "name"), "loans-2");
    let features = tables(&manifest, "feature");
    let worker = features.iter().find(|it| text(it, "name") == "foreign_worker").unwrap();
    assert_eq!(worker["categories"].as_array().unwrap().len(), 2);
    let class = tables(&manifest, "endpoint")[1];
    assert_eq!((text(class, "above"), text(class, "otherwise")), ("1", "0"));
    let host = Host::start(&path, &["--no-snapshot"]);
    let answer = host.post("/predictions", &example(&manifest));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(host.post("/classes", &example(&manifest)).is_hit());
}

#[test]
fn classes_have_their_names_and_probabilities_their_paths() {
    let folder = TempDir::new().unwrap();
    let models = root().join("component/inference/tests/models");
    new(&models.join("decision_tree_string_labels.onnx"), folder.path(), &[]);
    let manifest = manifest(folder.path());
    let endpoints = tables(&manifest, "endpoint");
    let paths: Vec<&str> = endpoints.iter().map(|table| text(table, "path")).collect();
    let expected =
        ["/classes", "/probabilities/for_free", "/probabilities/own", "/probabilities/rent"];
    assert_eq!(paths, expected);
    let classes = endpoints[0]["classes"].as_array().unwrap();
    let labels: Vec<&str> =
        classes.iter().map(|class| text(class.as_table().unwrap(), "label")).collect();
    assert_eq!(labels, ["for free", "own", "rent"]);
}

#[test]
fn nothing_is_overwritten() {
    let folder = TempDir::new().unwrap();
    let (path, model) = (folder.path().join("m"), credit().join("model.onnx"));
    new(&model, &path, &[]);
    let before = fs::read(path.join("manifest.toml")).unwrap();
    let error = refused(&model, &path, &[]);
    assert!(error.contains("already, and nothing is overwritten"), "{error}");
    fs::remove_file(path.join("manifest.toml")).unwrap();
    let other = root().join("component/inference/tests/models/mlp.onnx");
    let error = refused(&other, &path, &[]);
    assert!(error.contains("has \"model.onnx\" already"), "{error}");
    // The model that is there itself is no other.
    let said = new(&path.join("model.onnx"), &path, &[]);
    assert!(said.starts_with("wrote "), "{said}");
    let after = String::from_utf8(fs::read(path.join("manifest.toml")).unwrap()).unwrap();
    assert_eq!(after, String::from_utf8(before).unwrap());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refused(&model, &file, &[]).contains("cannot read the folder"));
}

#[test]
fn what_cannot_be_used_is_named_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let (path, wrong) = (folder.path().join("m"), folder.path().join("wrong.onnx"));
    fs::write(&wrong, "no onnx").unwrap();
    assert!(refused(&wrong, &path, &[]).contains("not an ONNX model"));
    fs::write(&wrong, "").unwrap();
    assert!(refused(&wrong, &path, &[]).contains("it has no graph"));
    let mut cut = fs::read(credit().join("model.onnx")).unwrap();
    cut.truncate(cut.len() / 2);
    fs::write(&wrong, cut).unwrap();
    assert!(refused(&wrong, &path, &[]).contains("not an ONNX model"));
    let missing = folder.path().join("none.onnx");
    assert!(refused(&missing, &path, &[]).contains("cannot read the model"));

    let (model, sample) = (credit().join("model.onnx"), folder.path().join("sample.csv"));
    let row = "0.25,30,yes,unemployed,male: single";
    let header = "installment_rate_in_percentage_of_disposable_income,age_in_years,foreign_worker,\
                  present_employment_since,personal_status_and_sex";
    for (csv, options, expected) in [
        (String::new(), &[][..], "is empty; expected a line with the names of columns"),
        (format!("{header}\n"), &[], "has no rows below its first line"),
        (format!("{header}\n{row}\n1,2\n"), &[], "line 3: it has 2 cells; expected 5"),
        ("age_in_years\n3\n".to_owned(), &[], "column \"installment_rate_in_percentage_of"),
        (format!("{header},age_in_years\n{row},3\n"), &[], "\"age_in_years\" is there twice"),
        (format!("{header}\n{row}\n"), &["--ignore", "age"], "--ignore: "),
        ("{\"age_in_years\": 3}\n".to_owned(), &[], "expected CSV"),
    ] {
        fs::write(&sample, &csv).unwrap();
        let options = [&["--sample", sample.to_str().unwrap()], options].concat();
        let error = refused(&model, &path, &options);
        assert!(error.contains(expected), "{csv:?}: {error}");
    }
    fs::write(&sample, b"age_in_years\n\xff\n").unwrap();
    let error = refused(&model, &path, &["--sample", sample.to_str().unwrap()]);
    assert!(error.contains("line 2: expected UTF-8"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_sample_says_types_ranges_steps_categories_and_examples() {
    let folder = TempDir::new().unwrap();
    let sample = folder.path().join("sample.csv");
    // As spreadsheets and pandas write it: with a mark, an index, quotes and CRLF.
    let csv = "\u{feff},age_in_years,installment_rate_in_percentage_of_disposable_income,\
               foreign_worker,\"present_employment_since\",personal_status_and_sex,bad\r\n\
               0,NaN,1.5,yes,unemployed,male: single,1\r\n\
               1,30.0,2.25,yes,\"retired, early\",male: single,0\r\n\
               2,31.0,0,no,unemployed,male: single,0\r\n";
    fs::write(&sample, csv).unwrap();
    let path = folder.path().join("m");
    let model = credit().join("model.onnx");
    let said = new(&model, &path, &["--sample", sample.to_str().unwrap(), "--ignore", "bad"]);
    let expected = "\"present_employment_since\": the model's encoder does not know these of the \
                    sample: \"retired, early\"";
    assert!(said.contains(expected) && said.lines().count() == 3, "{said}");
    let manifest = manifest(&path);
    let features = tables(&manifest, "feature");
    let [rate, age, worker, employment, _] = features[..] else { panic!("{features:?}") };
    assert_eq!((text(rate, "type"), text(age, "type")), ("number", "integer"));
    assert_eq!(rate["minimum"].as_integer(), Some(0));
    assert_eq!((rate["maximum"].as_float(), rate["step"].as_float()), (Some(2.25), Some(0.01)));
    assert_eq!((age["minimum"].as_integer(), age["maximum"].as_integer()), (Some(30), Some(31)));
    // Trees take it, and the sample has such a row.
    assert_eq!(age["optional"].as_bool(), Some(true));
    // The first row that has a value of each.
    assert_eq!((rate["example"].as_float(), text(worker, "example")), (Some(2.25), "yes"));
    assert_eq!(text(employment, "example"), "retired, early");
    assert_eq!(employment["unknown"].as_array().unwrap().len(), 1);
    // And each of its rows is answered.
    let arguments = ["predict", path.to_str().unwrap(), sample.to_str().unwrap()];
    assert_eq!(printed(&arguments, b"").lines().count(), 4);
}

#[test]
fn the_columns_of_one_input_have_the_names_of_the_sample() {
    let folder = TempDir::new().unwrap();
    let model = root().join("component/inference/tests/models/hist_gradient_boosting.onnx");
    let sample = folder.path().join("sample.csv");
    let sample_option = ["--sample", sample.to_str().unwrap()];
    fs::write(&sample, "a,b,c,d,target,split\n1,2.5,,true,7,x\n2,3,4,false,8,y\n").unwrap();
    let path = folder.path().join("m");
    let error = refused(&model, &path, &sample_option);
    let expected = "the model takes 4 columns, and there are 6: a, b, c, d, target, split";
    assert!(error.contains(expected), "{error}");
    let ignored = ["--ignore", "target", "--ignore", "split"];
    new(&model, &path, &[&sample_option[..], &ignored].concat());
    let manifest = manifest(&path);
    let features = tables(&manifest, "feature");
    let found: Vec<(&str, &str)> =
        features.iter().map(|table| (text(table, "name"), text(table, "type"))).collect();
    let expected = [("a", "integer"), ("b", "number"), ("c", "integer"), ("d", "boolean")];
    assert_eq!(found, expected);
    assert_eq!(features[2]["optional"].as_bool(), Some(true));
}

#[test]
fn an_open_width_is_settled_by_the_model_or_by_the_sample() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("wide.onnx");
    fs::write(&model, onnx::open_width(3)).unwrap();
    let alone = folder.path().join("alone");
    let said = new(&model, &alone, &[]);
    assert!(said.contains("the number of columns, which the model's file leaves open"), "{said}");
    let manifest = manifest(&alone);
    assert_eq!(tables(&manifest, "feature").len(), 3);
    assert_eq!(predict(&alone, &example(&manifest))[0]["y"], 0.0);
    let sample = folder.path().join("sample.csv");
    fs::write(&sample, "a,b\n1,2\n").unwrap();
    let options = ["--sample", sample.to_str().unwrap()];
    let output =
        run(&[&["new", model.to_str().unwrap(), "-o", "nowhere"], &options[..]].concat(), b"");
    assert!(!output.status.success(), "{}{}", stdout(&output), stderr(&output));
    fs::write(&sample, "a,b,c\n1,2,3\n").unwrap();
    new(&model, &folder.path().join("sampled"), &options);
}

/// So many columns without a name are rather an embedding than fields of a form.
#[test]
fn an_input_of_many_columns_is_a_vector() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("wide.onnx");
    fs::write(&model, onnx::open_width(384)).unwrap();
    let said = new(&model, &folder.path().join("alone"), &[]);
    assert!(said.contains("1 feature (1 vector)"), "{said}");
    let manifest = manifest(&folder.path().join("alone"));
    let features = tables(&manifest, "feature");
    assert_eq!((features.len(), text(features[0], "type")), (1, "vector"));
    assert_eq!(features[0]["length"].as_integer(), Some(384));
    let row = format!("{{\"{}\": {:?}}}", text(features[0], "name"), vec![1; 384]);
    assert_eq!(predict(&folder.path().join("alone"), &row)[0]["error"], Json::Null);
}

/// With several wide inputs a name says nothing of where a value goes.
#[test]
fn columns_of_several_inputs_have_their_input_and_their_column() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model.onnx");
    fs::write(&model, onnx::numbers_and_codes()).unwrap();
    let sample = folder.path().join("sample.csv");
    // One is called as an input is, to which it does not go.
    fs::write(&sample, "a,codes,c,d,e\n1.5,2,3,1,4\n-1,0,7,0,3\n").unwrap();
    for (options, names) in [
        (&[][..], ["numbers_0", "numbers_1", "numbers_2", "codes_0", "codes_1"]),
        (&["--sample", sample.to_str().unwrap()], ["a", "codes", "c", "d", "e"]),
    ] {
        let served = folder.path().join(names[0]);
        new(&model, &served, options);
        let manifest = manifest(&served);
        let features = tables(&manifest, "feature");
        let found: Vec<&str> = features.iter().map(|table| text(table, "name")).collect();
        assert_eq!(found, names);
        let place = |table: &&toml::Table| {
            (text(table, "input").to_owned(), table["column"].as_integer().unwrap())
        };
        let places: Vec<(String, i64)> = features.iter().map(place).collect();
        let expected = [("numbers", 0), ("numbers", 1), ("numbers", 2), ("codes", 0), ("codes", 1)];
        assert_eq!(places, expected.map(|(input, column)| (input.to_owned(), column)));
        let row: Map<String, Json> = names
            .iter()
            .zip([1, 2, 3, 1, 3])
            .map(|(name, it)| (name.to_string(), it.into()))
            .collect();
        assert_eq!(predict(&served, &Json::from(row).to_string())[0]["y"], 31321.0);
        if options.is_empty() {
            // What is looked up in a table of five has a position below five.
            let bounds = |table: &toml::Table| {
                (table["minimum"].as_integer(), table["maximum"].as_integer())
            };
            assert_eq!([bounds(features[3]), bounds(features[4])], [(Some(0), Some(4)); 2]);
        }
    }
}

/// A support vector machine with two classes says the second where its first score is larger, and
/// with more it lets them vote, whatever their probabilities or scores. Of a linear model with two
/// classes there may be one score.
#[test]
fn a_class_is_the_one_that_the_model_says() {
    for (name, votes, numbers) in [
        ("svc_two_classes", false, &["/scores/yes", "/scores/no"][..]),
        ("svc_votes", true, &["/probabilities/0", "/probabilities/1", "/probabilities/2"]),
        (
            "svc_votes_texts",
            true,
            &["/probabilities/high", "/probabilities/low", "/probabilities/middle"],
        ),
        ("svc_three_classes", true, &["/scores/high", "/scores/low", "/scores/middle"]),
        ("ridge_two_classes", false, &["/scores"]),
    ] {
        let report = root().join("tests/reports").join(name);
        let read = |file: &str| -> Vec<Json> {
            serde_json::from_str(&fs::read_to_string(report.join(file)).unwrap()).unwrap()
        };
        let folder = TempDir::new().unwrap();
        let said = new(&report.join("model.onnx"), folder.path(), &[]);
        let manifest = manifest(folder.path());
        let endpoints = tables(&manifest, "endpoint");
        let paths: Vec<&str> = endpoints.iter().map(|it| text(it, "path")).collect();
        let others: Vec<&str> = paths.iter().copied().filter(|it| *it != "/classes").collect();
        assert!(others == numbers && paths.len() == numbers.len() + 1, "{name}: {paths:?}");
        let rows: Vec<String> = read("rows.json").iter().map(Json::to_string).collect();
        let answers = predict(folder.path(), &rows.join("\n"));
        assert_eq!(answers.len(), rows.len());
        for (answer, label) in answers.iter().zip(read("labels.json")) {
            let label = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
            assert_eq!(answer["class"], *label, "{name}: {answer}");
        }
        assert_eq!(said.contains("the model's class, which is not always"), votes, "{name}");
    }
}

/// What gives no number is served all the same, and said: the first request would fail.
#[test]
fn a_model_without_numbers_for_the_examples_is_named() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model.onnx");
    fs::write(&model, onnx::logarithm()).unwrap();
    let sample = folder.path().join("sample.csv");
    let says = |csv: Option<&str>, name: &str| {
        let served = folder.path().join(name);
        let paths = [&model, &served, &sample].map(|it| it.to_str().unwrap());
        let mut arguments = vec!["new", paths[0], "-o", paths[1]];
        if let Some(csv) = csv {
            fs::write(&sample, csv).unwrap();
            arguments.extend(["--sample", paths[2]]);
        }
        let output = run(&arguments, b"");
        assert!(output.status.success() && served.join("manifest.toml").exists());
        stderr(&output)
    };
    let start = "warning: the model gives no number for the examples of the manifest, and a request \
                 with them fails: ";
    let said = says(None, "alone");
    assert!(said.starts_with(&format!("{start}\"y\" is -inf")), "{said}");
    assert!(said.contains("--sample FILE.csv"), "{said}");
    let said = says(Some("x\n-2.5\n"), "negative");
    assert!(said.starts_with(&format!("{start}\"y\" is NaN")), "{said}");
    assert_eq!(says(Some("x\n2.5\n"), "positive"), "");
}

/// A sample has the vectors that `foretold predict` takes: columns of elements, or of arrays.
#[test]
fn a_sample_says_bounds_and_examples_of_vectors() {
    let report = root().join("tests/reports/vector");
    let folder = TempDir::new().unwrap();
    let sample = folder.path().join("sample.csv");
    for (i, csv) in [
        "num[2],cat,num[0],num[1]\n3.5,a,1,-2\n0,b,0.25,4\n",
        "cat,num\na,\"[1,-2, 3.5]\"\nb,\"[0.25,4,0]\"\n",
        "num[0];num[1];num[2];cat\n1;-2;3.5;a\n0.25;4;0;b\n",
    ]
    .iter()
    .enumerate()
    {
        fs::write(&sample, csv).unwrap();
        let served = folder.path().join(i.to_string());
        let said =
            new(&report.join("model.onnx"), &served, &["--sample", sample.to_str().unwrap()]);
        assert!(said.contains("2 features (1 vector, 1 category)"), "{said}");
        let manifest = manifest(&served);
        let vector = tables(&manifest, "feature").into_iter().find(|it| text(it, "name") == "num");
        let vector = vector.unwrap();
        assert_eq!((text(vector, "type"), text(vector, "elements")), ("vector", "number"));
        assert_eq!(vector["length"].as_integer(), Some(3));
        assert_eq!(
            (vector["minimum"].as_integer(), vector["maximum"].as_integer()),
            (Some(-2), Some(4))
        );
        assert_eq!(vector["step"].as_float(), Some(0.01));
        let example = serde_json::to_value(&vector["example"]).unwrap();
        assert_eq!(example, serde_json::json!([1, -2, 3.5]));
        let scored = printed(
            &["predict", served.to_str().unwrap(), sample.to_str().unwrap(), "--format", "jsonl"],
            b"",
        );
        assert_eq!(
            scored.lines().filter(|line| line.contains("\"value\":")).count(),
            2,
            "{scored}"
        );
    }
    fs::write(&sample, "cat,num\na,\"[1,2,3]\"\nb,\"[1,2]\"\n").unwrap();
    let sample = ["--sample", sample.to_str().unwrap()];
    let error = refused(&report.join("model.onnx"), &folder.path().join("m"), &sample);
    let expected = "line 3: num: expected an array of 3 numbers, as above it, got \"[1,2]\"";
    assert!(error.contains(expected), "{error}");
}

/// A label alone is a number, if it is one that has a float of 32 bits.
#[test]
fn a_model_that_gives_integers_alone_is_served() {
    let folder = TempDir::new().unwrap();
    let (model, served) = (folder.path().join("model.onnx"), folder.path().join("served"));
    fs::write(&model, onnx::whole_part()).unwrap();
    new(&model, &served, &[]);
    for (x, expected) in [("3.75", 3.0), ("-16777216", -16_777_216.0)] {
        assert_eq!(predict(&served, &format!("{{\"x\": {x}}}"))[0]["label"], expected);
    }
    let arguments = ["predict", served.to_str().unwrap()];
    let error = failure(&arguments, b"{\"x\": 16777218}");
    assert!(error.contains("1 of 1 rows were refused"), "{error}");
}
