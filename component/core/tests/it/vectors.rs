//! Features that are vectors: one array in JSON, one tensor in V2, as many columns of the model.

use foretold_core::http::problem::{FieldError, Problem};
use foretold_core::http::request;
use foretold_core::model::feature::{Place, Value, fields};
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::{KeyFormat, Settings};
use serde_json::{Value as Json, json};

use crate::world::{World, body, header};

const TEXT: &str = r#"[model]
name = "m"
file = "model.onnx"
[cache]
ttl_seconds = 60
[[feature]]
name = "a"
type = "number"
example = 1.5
[[feature]]
name = "age"
type = "integer"
minimum = 0
maximum = 100
example = 30
[[feature]]
name = "lags"
type = "vector"
length = 3
minimum = 0
maximum = 1
step = 0.25
optional = true
unit = "EUR"
description = "The last hours."
example = [0, 0.25, nan]
[[output]]
name = "o"
tensor = "o"
[[endpoint]]
path = "/os"
field = "o"
output = "o"
python_class = "Request"
"#;

fn manifest(from: &str, to: &str) -> Result<Manifest, String> {
    assert!(TEXT.contains(from), "{from}");
    Manifest::parse(&TEXT.replace(from, to)).map_err(|errors| errors.to_string())
}

fn world() -> World {
    World { manifest: manifest("", "").unwrap(), ..World::default() }
}

fn post(world: &World, lags: &str) -> Json {
    let response = world.send("POST", "/os", None, &format!(r#"{{"a":1,"age":30{lags}}}"#));
    let status = header(&response, "cache-status").unwrap_or("refused").to_owned();
    json!([status.trim_start_matches("foretold; "), body(&response)])
}

fn errors(lags: &str) -> Vec<FieldError> {
    let text = format!(r#"{{"a":1,"age":30,"lags":{lags}}}"#);
    match request::parse(text.as_bytes(), &manifest("", "").unwrap().features) {
        Err(Problem::InvalidRequest { errors }) => errors,
        other => panic!("{lags}: {other:?}"),
    }
}

#[test]
fn a_vector_is_as_many_features_as_it_has_elements() {
    let features = manifest("", "").unwrap().features;
    let names: Vec<&str> = features.iter().map(|feature| &*feature.name).collect();
    assert_eq!(names, ["a", "age", "lags[0]", "lags[1]", "lags[2]"]);
    let members: Vec<(&str, usize, usize)> =
        fields(&features).map(|field| (field.name, field.first, field.features.len())).collect();
    assert_eq!(members, [("a", 0, 1), ("age", 1, 1), ("lags", 2, 3)]);
    let examples: Vec<Value> = features[2..].iter().map(|feature| feature.example).collect();
    assert_eq!(examples, [Value::Number(0.0), Value::Number(0.25), Value::Missing]);
    let same = manifest("[0, 0.25, nan]", "0.5").unwrap().features;
    assert!(same[2..].iter().all(|feature| feature.example == Value::Number(0.5)));
}

#[test]
fn elements_have_the_columns_after_each_other() {
    let places = |place: &str, after: &str| -> Vec<Place> {
        let text = TEXT
            .replace("type = \"vector\"", &format!("type = \"vector\"\n{place}"))
            .replace("[[output]]", &format!("[[feature]]\nname = \"b\"\ntype = \"boolean\"\nexample = true\n{after}\n[[output]]"));
        let features = Manifest::parse(&text).unwrap().features;
        features.into_iter().filter_map(|feature| feature.place).collect()
    };
    let columns = |places: Vec<Place>| -> Vec<usize> {
        places.into_iter().map(|place| place.column).collect()
    };
    assert_eq!(columns(places("input = \"x\"", "input = \"x\"")), [0, 1, 2, 3]);
    let second = "input = \"x\"\ncolumn = 1";
    assert_eq!(columns(places(second, "input = \"x\"\ncolumn = 0")), [1, 2, 3, 0]);
    assert_eq!(columns(places(second, "input = \"y\"")), [1, 2, 3, 0]);
}

#[test]
fn mistakes_in_the_manifest_are_named() {
    for (from, to, expected) in [
        ("length = 3", "", "feature \"lags\" has no length; add it"),
        ("length = 3", "length = 0", "length must be from 1 to 16384"),
        ("length = 3", "length = 20000", "length must be from 1 to 16384"),
        ("length = 3", "length = 2", "the example has 3 elements; expected 2"),
        ("[0, 0.25, nan]", "[0, 2, nan]", "the example must be a number from 0 to 1 in steps"),
        ("[0, 0.25, nan]", "[0, \"x\", nan]", "the example must be a number from 0 to 1 in steps"),
        ("[0, 0.25, nan]", "[0, [1], nan]", "example must be a number or an array of numbers"),
        ("[0, 0.25, nan]", "inf", "the example must be a number from 0 to 1 in steps"),
        ("example = 1.5", "example = inf", "the example must be a number within the range"),
        ("example = 1.5", "example = nan", "the example must be a number within the range"),
        ("example = 1.5", "example = [1.5]", "example must be a string, a number or a boolean"),
        ("length = 3", "length = 3\nelements = \"boolean\"", "is not one of number, integer"),
        ("length = 3", "length = 3\nelements = \"integer\"", "step is for elements that are num"),
        ("length = 3", "length = 3\ncategories = [\"x\"]", "\"categories\" is not known here"),
        ("name = \"a\"", "name = \"a\"\nlength = 3", "\"length\" is not known here"),
        ("name = \"a\"", "name = \"lags[1]\"", "\"lags[1]\" is the name of another feature"),
    ] {
        let message = manifest(from, to).unwrap_err();
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn a_vector_is_an_array_and_rows_of_it_are_kept() {
    let world = world();
    let hit = json!(["hit; ttl=60", "{\"o\":0.3}"]);
    assert_eq!(post(&world, ",\"lags\":[0,0.5,1]")[0], "fwd=miss; stored");
    assert_eq!(post(&world, ",\"lags\":[0.0, 5e-1, 1.0]"), hit);
    assert_eq!(post(&world, ",\"lags\":[0,0.5,0.75]")[0], "fwd=miss; stored");
    assert_eq!(post(&world, ",\"lags\":[0.5,0,1]")[0], "fwd=miss; stored");
    // Elements may be missing, and all of them.
    assert_eq!(post(&world, ",\"lags\":[null,0.5,1]")[0], "fwd=miss; stored");
    assert_eq!(post(&world, ",\"lags\":[null,null,null]")[0], "fwd=miss; stored");
    assert_eq!(post(&world, ""), hit);
    assert_eq!(post(&world, ",\"lags\":null"), hit);
}

#[test]
fn each_mistake_names_the_element() {
    let expected = "an array of 3 elements, each a number from 0 to 1 in steps of 0.25 or null";
    for (lags, value, detail) in [
        ("1", "1", format!("lags: expected {expected}, got 1")),
        ("[]", "[]", format!("lags: expected {expected}, got 0 elements")),
        ("[1, 1]", "[1, 1]", format!("lags: expected {expected}, got 2 elements")),
        ("[0,0,0,0]", "[0,0,0,0]", format!("lags: expected {expected}, got 4 elements")),
        ("{\"x\":1}", "{\"x\":1}", format!("lags: expected {expected}, got {{\"x\":1}}")),
    ] {
        let found = errors(lags);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&*found[0].field, found[0].value.as_deref()), ("lags", Some(value)));
        assert_eq!((&found[0].expected, &found[0].detail), (&expected.to_owned(), &detail));
    }
    let found = errors("[0, 7, [1]]");
    let expected = "a number from 0 to 1 in steps of 0.25 or null";
    let details: Vec<&str> = found.iter().map(|error| &*error.detail).collect();
    let right = [
        format!("lags[1]: expected {expected}, got 7"),
        format!("lags[2]: expected {expected}, got [1]"),
    ];
    assert_eq!(details, right);
    assert!(found.iter().all(|error| error.field == "lags"));
    // The pointer leads into the row of an array.
    let array = r#"[{"a":1,"age":30},{"a":1,"age":30,"lags":[0,0,9]}]"#;
    let answer: Json =
        serde_json::from_slice(&world().send("POST", "/os", None, array).body).unwrap();
    assert_eq!(answer[1]["errors"][0]["pointer"], "/1/lags/2");
    // However long it is, its mistakes are counted and its answer is short.
    let long = format!("[{}]", vec!["9"; 100_000].join(","));
    assert!(errors(&long)[0].detail.ends_with("got 100000 elements"));
    let required = manifest("optional = true\n", "").unwrap_err();
    assert!(required.contains("the example must be"), "{required}");
    let text = TEXT.replace("optional = true\n", "").replace("nan]", "1]");
    let features = Manifest::parse(&text).unwrap().features;
    let missing = request::parse(b"{\"a\":1,\"age\":30}", &features).unwrap_err();
    assert!(format!("{missing:?}").contains("lags is missing: expected an array of 3 elements"));
}

#[test]
fn keys_that_are_read_by_people_have_it_as_an_array() {
    for (keys, expected) in [
        (KeyFormat::Readable, r#"{"a":1.0,"age":30,"lags":[0.0,null,1.0]}"#),
        (KeyFormat::Repr, "Request(a=1.0, age=30, lags=[0.0, None, 1.0])"),
    ] {
        let settings = Settings { keys, ..Settings::default() };
        let world = World { settings, ..world() };
        post(&world, ",\"lags\":[0,null,1]");
        let entries = world.store.entries.borrow();
        let key = entries.keys().next().unwrap();
        assert!(key.ends_with(expected), "{key}");
    }
}

#[test]
fn it_is_one_tensor() {
    let world = world();
    assert_eq!(post(&world, ",\"lags\":[0,0.5,null]")[0], "fwd=miss; stored");
    let ask = |inputs: &str| {
        let text = format!("{{\"inputs\":[{inputs}]}}");
        let response = world.send("POST", "/v2/models/m/infer", None, &text);
        let answer: Json = serde_json::from_slice(&response.body).unwrap();
        (response.status, response.report.hits, answer)
    };
    let scalars = r#"{"name":"a","shape":[1],"datatype":"FP64","data":[1]},
        {"name":"age","shape":[1,1],"datatype":"INT32","data":[30]}"#;
    let lags = |shape: &str, data: &str| {
        ask(&format!(
            "{scalars},{{\"name\":\"lags\",\"shape\":{shape},\"datatype\":\"FP32\",\"data\":{data}}}"
        ))
    };
    for data in ["[0,0.5,NaN]", "[[0,0.5,\"NaN\"]]", "[0,0.5,null]"] {
        let (status, hits, answer) = lags("[1,3]", data);
        assert_eq!((status, hits), (200, 1), "{answer}");
    }
    // As a matrix of all columns, and left out.
    let (status, hits, answer) =
        ask(r#"{"name":"x","shape":[1,5],"datatype":"FP64","data":[1,30,0,0.5,NaN]}"#);
    assert_eq!((status, hits), (200, 1), "{answer}");
    assert_eq!(ask(scalars).0, 200);
    for (shape, data, expected) in [
        ("[3]", "[0,0,0]", "lags: expected the shape [n,3]"),
        ("[1,2]", "[0,0]", "lags: expected the shape [n,3]"),
        ("[1,3]", "[0,0,7]", "row 0: lags[2]: expected a number from 0 to 1"),
        ("[1,3]", "[0,0]", "lags: expected 3 elements in data, got 2"),
    ] {
        let (status, _, answer) = lags(shape, data);
        let detail = answer["errors"][0]["detail"].as_str().unwrap();
        assert!(status == 422 && detail.starts_with(expected), "{detail}");
    }
    let alone = r#"{"name":"lags[0]","shape":[1],"datatype":"FP32","data":[0]}"#;
    let (_, _, answer) = ask(&format!("{scalars},{alone}"));
    let detail = answer["errors"][0]["detail"].as_str().unwrap();
    assert_eq!(detail, "there is no input \"lags[0]\"; the inputs are a, age, lags");
    let (_, _, answer) = ask("");
    let names = answer["errors"].as_array().unwrap().iter().map(|error| &error["field"]);
    assert_eq!(names.collect::<Vec<_>>(), ["a", "age"]);
}

#[test]
fn documents_say_what_it_is() {
    let world = world();
    let get = |path: &str| -> Json {
        serde_json::from_slice(&world.send("GET", path, None, "").body).unwrap()
    };
    let metadata = get("/v2/models/m");
    assert_eq!(
        metadata["inputs"][2],
        json!({"name": "lags", "datatype": "FP64", "shape": [-1, 3]})
    );
    assert_eq!(get("/v2/models/m/config")["input"][2]["dims"], json!([3]));
    let document = get("/openapi.json");
    let row = &document["components"]["schemas"]["Row"];
    assert_eq!(row["required"], json!(["a", "age"]));
    assert_eq!(
        row["properties"]["lags"],
        json!({
            "type": ["array", "null"],
            "items": {
                "type": ["number", "null"], "minimum": 0.0, "maximum": 1.0, "x-step": 0.25,
                "multipleOf": 0.25,
            },
            "minItems": 3,
            "maxItems": 3,
            "description": "The last hours. Unit: EUR. In steps of 0.25. May be left out or null, \
                and so may elements be null.",
            "examples": [[0, 0.25, null]],
            "x-unit": "EUR",
        })
    );
    assert_eq!(row["examples"], json!([{"a": 1.5, "age": 30, "lags": [0, 0.25, null]}]));
    let infer = &document["paths"]["/v2/models/m/infer"]["post"]["requestBody"]["content"];
    let example = &infer["application/json"]["examples"]["one"]["value"];
    assert_eq!(example["inputs"][2]["shape"], json!([1, 3]));
    assert_eq!(example["inputs"][2]["data"], json!([0, 0.25, null]));
    // The example of the document is answered.
    let answered = world.send("POST", "/v2/models/m/infer", None, &example.to_string());
    assert_eq!(answered.status, 200, "{}", body(&answered));
}
