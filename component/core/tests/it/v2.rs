//! The Open Inference Protocol, version 2.

use foretold_core::http::{Headers, Request, Response};
use foretold_core::model::manifest::Manifest;
use serde_json::{Value, json};

use crate::SAMPLE;
use crate::world::{World, body, header};

const INFER: &str = "/v2/models/credit/infer";

fn inputs() -> Value {
    json!([
        { "name": "installment_rate_in_percentage_of_disposable_income", "shape": [2, 1], "datatype": "FP32", "data": [1.0700000524520874, 4] },
        { "name": "age_in_years", "shape": [2], "datatype": "INT64", "data": [30, 22] },
        { "name": "foreign_worker", "shape": [2, 1], "datatype": "BYTES", "data": [["yes"], ["yes"]] },
        { "name": "present_employment_since", "shape": [2, 1], "datatype": "BYTES", "data": ["unemployed", "unemployed"] },
        { "name": "personal_status_and_sex", "shape": [2, 1], "datatype": "BYTES", "data": ["male: single", "male: single"] },
    ])
}

fn infer(world: &World, request: &Value) -> (Response, Value) {
    let response = world.send("POST", INFER, None, &request.to_string());
    let document = serde_json::from_slice(&response.body).unwrap();
    (response, document)
}

#[test]
fn tensors_are_answered_with_tensors() {
    let world = World::default();
    let request = json!({ "id": "7", "inputs": inputs(), "parameters": { "other": 1 }, "x": null });
    let (response, answer) = infer(&world, &request);
    assert_eq!(response.status, 200, "{answer}");
    assert_eq!((&answer["id"], &answer["model_name"]), (&json!("7"), &json!("credit")));
    assert_eq!(
        answer["outputs"],
        json!([
            { "name": "decision", "datatype": "BYTES", "shape": [2, 1], "data": ["ACCEPT", "ACCEPT"] },
            { "name": "probability", "datatype": "FP32", "shape": [2, 1], "data": [0.3, 0.22] },
            { "name": "risk_category", "datatype": "BYTES", "shape": [2, 1], "data": ["MEDIUM", "MEDIUM"] },
        ])
    );
    assert_eq!(
        header(&response, "cache-status"),
        Some("foretold; fwd=miss; stored; detail=\"0 hits, 2 misses, 0 refused\"")
    );
    assert_eq!((response.report.endpoint, response.report.misses), (Some(4), 2));
    let version = answer["model_version"].as_str().unwrap();
    let versioned = format!("/v2/models/credit/versions/{version}/infer");
    let again = world.send("POST", &versioned, None, &request.to_string());
    assert_eq!(again.body, response.body);
    assert_eq!(again.report.hits, 2);
    assert_eq!(world.send("POST", "/v2/models/credit/versions/1/infer", None, "").status, 404);
}

#[test]
fn rows_share_the_cache_with_the_other_endpoints() {
    let world = World::default();
    world.post("/decisions");
    // Clients write 32-bit floats as the 64-bit ones beside them.
    world.send("POST", "/decisions", None, &SAMPLE.replace("0.25", "1.07"));
    let (response, _) = infer(&world, &json!({ "inputs": inputs() }));
    assert_eq!((response.report.hits, response.report.misses), (1, 1));
    let other = SAMPLE.replace("0.25", "4").replace("30", "22");
    assert_eq!(world.send("POST", "/probabilities", None, &other).report.hits, 1);
}

#[test]
fn outputs_are_those_that_are_asked_for() {
    let world = World::default();
    let outputs = json!([{ "name": "risk_category" }, { "name": "decision", "parameters": null }]);
    let (_, answer) = infer(&world, &json!({ "inputs": inputs(), "outputs": outputs, "id": null }));
    let names: Vec<&Value> =
        answer["outputs"].as_array().unwrap().iter().map(|o| &o["name"]).collect();
    assert_eq!(names, ["risk_category", "decision"]);
    assert_eq!(answer.get("id"), None);
}

#[test]
fn tensors_may_be_bytes_both_ways() {
    let world = World::default();
    let mut bytes = Vec::new();
    let mut inputs = inputs();
    let texts = |texts: [&str; 2]| {
        let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        texts.map(text).concat()
    };
    let data = [
        [0.25f32, 4.0].map(f32::to_le_bytes).concat(),
        [30i64, 22].map(i64::to_le_bytes).concat(),
        texts(["yes", "yes"]),
        texts(["unemployed", "unemployed"]),
        texts(["male: single", "male: single"]),
    ];
    for (input, data) in inputs.as_array_mut().unwrap().iter_mut().zip(data) {
        let input = input.as_object_mut().unwrap();
        input.remove("data");
        input.insert("parameters".to_owned(), json!({ "binary_data_size": data.len() }));
        bytes.extend(data);
    }
    let outputs = json!([
        { "name": "probability", "parameters": { "binary_data": true } },
        { "name": "risk_category", "parameters": { "binary_data": true } },
        { "name": "decision" },
    ]);
    let json = json!({ "inputs": inputs, "outputs": outputs }).to_string();
    let length = json.len().to_string();
    let body = [json.as_bytes(), &bytes].concat();
    let headers = Headers {
        content_type: Some("application/octet-stream"),
        inference_header_content_length: Some(&length),
        ..Headers::default()
    };
    let request =
        Request { method: "POST", target: INFER, headers, body: &body, bypass_store: false };
    let response = world.answer(&request);
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    assert_eq!(header(&response, "content-type"), Some("application/octet-stream"));
    let split = header(&response, "inference-header-content-length").unwrap().parse().unwrap();
    let (json, binary) = response.body.split_at(split);
    let answer: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(answer["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(answer["outputs"][2]["data"], json!(["ACCEPT", "ACCEPT"]));
    let expected =
        [[0.3f32, 0.22].map(f32::to_le_bytes).concat(), texts(["MEDIUM", "MEDIUM"])].concat();
    assert_eq!(binary, expected);
    let plain = Headers { accept: Some("application/json"), ..headers };
    let plain = world.answer(&Request { headers: plain, ..request });
    assert_eq!(header(&plain, "content-type"), Some("application/json"));
    // One byte too few, one too many, a wrong split.
    for body in [&body[..body.len() - 1], &[&body[..], b"x"].concat()] {
        assert_eq!(world.answer(&Request { body, ..request }).status, 422);
    }
    let headers = Headers { inference_header_content_length: Some("99999"), ..headers };
    assert_eq!(world.answer(&Request { headers, ..request }).status, 400);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let world = World::default();
    let changed = |pointer: &str, value: Value| {
        let mut inputs = inputs();
        *inputs.pointer_mut(pointer).unwrap() = value;
        json!({ "inputs": inputs })
    };
    for (request, pointer, detail) in [
        (
            changed("/1/data/1", json!(17)),
            "/inputs/1/data/1",
            "row 1: age_in_years: expected an integer from 18 to 127, got 17",
        ),
        (
            changed("/2/data/0/0", json!("maybe")),
            "/inputs/2/data/0",
            "row 0: foreign_worker: expected one of",
        ),
        (
            changed("/1/name", json!("age")),
            "/inputs/1/name",
            "there is no input \"age\"; the inputs are installment",
        ),
        (
            changed("/1/datatype", json!("BYTES")),
            "/inputs/1/datatype",
            "age_in_years: the datatype is \"BYTES\"; expected one of FP64",
        ),
        (
            changed("/1/shape", json!([1, 2])),
            "/inputs/1/shape",
            "age_in_years: expected the shape [n] or [n,1]",
        ),
        (
            changed("/1/shape", json!([3])),
            "/inputs/1/shape",
            "age_in_years has 3 rows, and the inputs before it 2",
        ),
        (
            changed("/1/data", json!([30])),
            "/inputs/1/data",
            "age_in_years: expected 2 elements in data, got 1",
        ),
        (
            changed("/1/data", json!("x")),
            "/inputs/1/data",
            "age_in_years: data is \"x\"; expected a list",
        ),
        (
            changed("/1/name", json!("foreign_worker")),
            "/inputs/2/name",
            "foreign_worker is there more than once",
        ),
        (
            json!({ "inputs": [] }),
            "/inputs",
            "the input installment_rate_in_percentage_of_disposable_income is missing",
        ),
        (
            json!({ "inputs": inputs(), "outputs": [{ "name": "x" }] }),
            "/outputs/0/name",
            "there is no output \"x\"; the outputs are decision, probability, risk_category",
        ),
        (
            json!({ "inputs": inputs(), "outputs": [{ "name": "decision" }, { "name": "decision" }] }),
            "/outputs/1/name",
            "the output decision is asked for more than once",
        ),
        (json!({}), "", "the request does not follow the protocol: missing field `inputs`"),
        (
            json!([null, null, inputs(), null]),
            "",
            "the request does not follow the protocol: invalid type: sequence, expected an object",
        ),
        (
            changed("/1", json!(["age_in_years", [2], "INT64", null, [30, 22]])),
            "",
            "the request does not follow the protocol: invalid type: sequence, expected an object",
        ),
        (
            changed("/1/shape", json!([-1])),
            "/inputs/1/shape",
            "age_in_years: expected the shape [n] or [n,1] with n from 1 to 10000, got [-1]",
        ),
    ] {
        let (response, problem) = infer(&world, &request);
        assert_eq!(response.status, 422, "{request}");
        assert_eq!(problem["error"], problem["detail"]);
        let errors = problem["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["pointer"] == pointer);
        let found = found.unwrap_or_else(|| panic!("{pointer}: {problem}"));
        assert!(found["detail"].as_str().unwrap().starts_with(detail), "{found}");
    }
    assert_eq!(world.store.gets.get(), 0);
    let broken = world.send("POST", INFER, None, "{\"inputs\": [");
    assert_eq!((broken.status, header(&broken, "content-type")), (400, Some("application/json")));
    assert!(body(&broken).contains("\"error\":\"the body is not JSON"));
}

#[test]
fn a_byte_order_mark_before_the_json_counts_for_nothing() {
    let world = World::default();
    let request = json!({ "inputs": inputs() }).to_string();
    let marked = world.send("POST", INFER, None, &format!("\u{feff}{request}"));
    assert_eq!(marked.status, 200);
    assert_eq!(marked.body, world.send("POST", INFER, None, &request).body);
}

#[test]
fn parameters_count_whatever_stands_around_them() {
    let world = World::default();
    let outputs =
        json!([{ "name": "decision", "parameters": { "x": [{}], "classification": null } }]);
    let (_, problem) = infer(&world, &json!({ "inputs": inputs(), "outputs": outputs }));
    assert_eq!(problem["errors"][0]["pointer"], "/outputs/0/parameters/classification");
    let parameters = json!({ "a": { "b": [] }, "binary_data_output": true, "c": null });
    let request = json!({ "inputs": inputs(), "parameters": parameters }).to_string();
    let response = world.send("POST", INFER, None, &request);
    assert_eq!(header(&response, "content-type"), Some("application/octet-stream"));
    let mut sized = inputs();
    sized[0]["parameters"] = json!({ "binary_data_size": null });
    let (_, problem) = infer(&world, &json!({ "inputs": sized }));
    assert_eq!(problem["errors"][0]["pointer"], "/inputs/0/parameters/binary_data_size");
}

#[test]
fn nested_lists_of_elements_are_counted_as_one() {
    let world = World::default();
    let with_ages = |data: Value| {
        let mut inputs = inputs();
        inputs[1]["data"] = data;
        infer(&world, &json!({ "inputs": inputs }))
    };
    for data in [json!([[30, 22]]), json!([[], [30], 22, []]), json!([[30], [22]])] {
        assert_eq!(with_ages(data).0.status, 200);
    }
    let mut empty = vec![json!([]); 10_000];
    empty.extend([json!(30), json!(22)]);
    for (data, got) in [
        (json!([[], []]), "got 0"),
        (json!([[30, 22], [23]]), "got 3"),
        (json!(vec![json!([30, 22, 23]); 4]), "got 12"),
        (json!(empty), "got 10002"),
    ] {
        let (response, problem) = with_ages(data);
        let detail = problem["detail"].as_str().unwrap();
        assert!(response.status == 422 && detail.contains(got), "{detail}");
    }
}

#[test]
fn the_metadata_is_what_infer_takes() {
    let world = World::default();
    let response = world.send("GET", "/v2/models/credit", None, "");
    let model: Value = serde_json::from_slice(&response.body).unwrap();
    let input = json!({ "name": "age_in_years", "datatype": "INT64", "shape": [-1, 1] });
    assert_eq!(model["inputs"][1], input);
    let output = json!({ "name": "probability", "datatype": "FP32", "shape": [-1, 1] });
    assert_eq!(model["outputs"][1], output);
    let version = model["versions"][0].as_str().unwrap();
    let path = format!("/v2/models/credit/versions/{version}");
    assert_eq!(world.send("GET", &path, None, "").body, response.body);
    for path in ["/v2/models/other", "/v2/models/credit/versions/1", "/v2/models/credits", "/v2/x"]
    {
        let missing = world.send("GET", path, None, "");
        assert_eq!(missing.status, 404, "{path}");
        assert!(body(&missing).contains("\"error\""), "{path}");
    }
}

#[test]
fn an_answer_to_a_hostile_request_is_short() {
    let world = World::default();
    let long = "\u{7f}".repeat(100_000);
    let input = json!({ "name": "x", "shape": [1], "datatype": "INT64", "data": [1] });
    for request in [
        json!({ "inputs": long }),
        json!({ "inputs": [{ "name": long, "shape": long, "datatype": long, "parameters": long }] }),
        json!({ "inputs": [{ "name": long, "shape": [1], "datatype": long, "data": long }] }),
        json!({ "inputs": vec![input; 1000] }),
        json!({ "inputs": inputs(), "outputs": vec![json!({ "name": long }); 100] }),
    ] {
        let (response, _) = infer(&world, &request);
        assert_eq!(response.status, 422);
        assert!(response.body.len() < 100_000, "{}", response.body.len());
    }
}

#[test]
fn integers_that_come_as_floats_are_exact() {
    let text = include_str!("../../../../models/credit/manifest.toml");
    let text = text.replace("maximum = 127", "maximum = 2147483647");
    let manifest = Manifest::parse(&text).unwrap();
    let world = World { manifest, ..World::default() };
    let age = |datatype: &str, age: &str| {
        let mut inputs = inputs();
        inputs[1]["datatype"] = datatype.into();
        let text =
            json!({ "inputs": inputs }).to_string().replace("[30,22]", &format!("[{age},22]"));
        world.send("POST", INFER, None, &text)
    };
    assert_eq!(age("INT64", "123456792").report.misses, 2);
    assert_eq!(age("FP32", "123456792.0").report.hits, 2);
    assert_eq!(age("FP64", "123456792").report.hits, 2);
    assert_eq!(age("FP32", "2147483648").status, 422);
}

/// Five features that fit into one tensor of numbers.
fn matrix_world(places: [&str; 5]) -> World {
    let features = [
        ("a", "type = \"number\"\nexample = 1"),
        ("age", "type = \"integer\"\nminimum = 0\nmaximum = 1000\nexample = 30"),
        ("c", "type = \"boolean\"\nexample = true"),
        ("d", "type = \"number\"\noptional = true\nexample = 1"),
        ("e", "type = \"number\"\nexample = 1"),
    ];
    let features = features.iter().zip(places).map(|((name, domain), place)| {
        format!("[[feature]]\nname = \"{name}\"\n{domain}\n{place}\n")
    });
    let text = format!(
        "[model]\nname = \"m\"\nfile = \"model.onnx\"\n[cache]\nttl_seconds = 60\n{}
        [[output]]\nname = \"o\"\ntensor = \"o\"\n
        [[endpoint]]\npath = \"/os\"\nfield = \"o\"\noutput = \"o\"\n",
        features.collect::<String>()
    );
    World { manifest: Manifest::parse(&text).unwrap(), ..World::default() }
}

fn infer_m(world: &World, request: &str) -> (u16, Value) {
    let response = world.send("POST", "/v2/models/m/infer", None, request);
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

#[test]
fn a_tensor_of_another_name_has_all_features_as_columns() {
    let world = matrix_world([""; 5]);
    let rows = r#"{"a": 1.5, "age": 30, "c": true, "d": null, "e": -2}"#;
    assert_eq!(world.send("POST", "/os", None, rows).status, 200);
    let mut hits = 0;
    for (datatype, data) in [
        ("FP32", "[1.5, 30.0, 1.0, NaN, -2, 2, 22, 0, 4, 5]"),
        ("FP64", "[[1.5, 30, 1, \"NaN\", -2], [2, 22, 0, 4, 5]]"),
        ("FP16", "[[1.5, 30.0, 1.0, null, -2.0], [2.0, 22.0, 0.0, 4.0, 5.0]]"),
    ] {
        let request = format!(
            r#"{{"inputs": [{{"name": "input-0", "shape": [2, 5], "datatype": "{datatype}", "data": {data}}}]}}"#
        );
        let response = world.send("POST", "/v2/models/m/infer", None, &request);
        assert_eq!(response.status, 200, "{}", body(&response));
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(answer["outputs"][0]["data"], json!([0.3, 0.22]));
        hits += response.report.hits;
    }
    // The row that was asked for as an object, and all after the first request.
    assert_eq!(hits, 5);
    // Beside an input per feature, the matrix has the others.
    let request = r#"{"inputs": [{"name": "age", "shape": [1], "datatype": "INT64", "data": [30]},
        {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1.5, 1, null, -2]}]}"#;
    assert_eq!(infer_m(&world, request).1["outputs"][0]["data"], json!([0.3]));
}

#[test]
fn bytes_of_a_matrix_are_read_column_by_column() {
    let world = matrix_world([""; 5]);
    let expected = world.send("POST", "/os", None, r#"{"a": 1.5, "age": 30, "c": true, "e": -2}"#);
    assert_eq!(expected.status, 200);
    let row = [1.5, 30.0, 1.0, f32::NAN, -2.0];
    let bits = row.map(f32::to_bits);
    let halves: [u16; 5] = [0x3e00, 0x4f80, 0x3c00, 0x7e00, 0xc000];
    for (datatype, data) in [
        ("FP32", bits.map(u32::to_le_bytes).concat()),
        ("FP64", row.map(|number| f64::from(number).to_le_bytes()).concat()),
        ("BF16", bits.map(|bits| ((bits >> 16) as u16).to_le_bytes()).concat()),
        ("FP16", halves.map(u16::to_le_bytes).concat()),
    ] {
        let parameters = json!({ "binary_data_size": data.len() });
        let input =
            json!({ "name": "x", "shape": [1, 5], "datatype": datatype, "parameters": parameters });
        let json = json!({ "inputs": [input] }).to_string();
        let length = json.len().to_string();
        let headers =
            Headers { inference_header_content_length: Some(&length), ..Headers::default() };
        let body = [json.as_bytes(), &data].concat();
        let target = "/v2/models/m/infer";
        let request = Request { method: "POST", target, headers, body: &body, bypass_store: false };
        let response = world.answer(&request);
        assert_eq!((response.status, response.report.hits), (200, 1), "{datatype}");
    }
}

#[test]
fn a_tensor_named_like_an_input_of_the_model_has_that_ones_columns() {
    let place = |column: usize| format!("input = \"numbers\"\ncolumn = {column}");
    let (second, first) = (place(1), place(0));
    let world = matrix_world([&second, "", "", "", &first]);
    let inputs = |name: &str| {
        json!({ "inputs": [
            { "name": name, "shape": [1, 2], "datatype": "FP64", "data": [5, 1.5] },
            { "name": "age", "shape": [1], "datatype": "INT32", "data": [30] },
            { "name": "c", "shape": [1], "datatype": "BOOL", "data": [true] },
        ] })
    };
    let (status, answer) = infer_m(&world, &inputs("numbers").to_string());
    assert_eq!((status, &answer["outputs"][0]["data"]), (200, &json!([0.3])), "{answer}");
    let row = r#"{"a": 1.5, "age": 30, "c": true, "e": 5}"#;
    assert_eq!(world.send("POST", "/os", None, row).report.hits, 1);
    let (status, _) = infer_m(&world, &inputs("others").to_string());
    assert_eq!(status, 422);
}

#[test]
fn mistakes_in_a_matrix_are_named_with_their_feature() {
    let world = matrix_world([""; 5]);
    let input = |change: &str, value: Value| {
        let mut input = json!({ "name": "x", "shape": [2, 5], "datatype": "FP32",
            "data": [1.5, 30, 1, 1, -2, 2, 22, 0, 4, 5] });
        *input.pointer_mut(change).unwrap() = value;
        json!({ "inputs": [input] })
    };
    for (request, pointer, detail) in [
        (
            input("/shape", json!([2, 4])),
            "/inputs/0/shape",
            "x: expected the shape [n,5] with n from 1 to 10000, with the columns a, age, c, d, e, got [2,4]",
        ),
        (input("/shape", json!([2])), "/inputs/0/name", "there is no input \"x\""),
        (input("/shape", json!([10])), "/inputs/0/name", "there is no input \"x\""),
        (
            input("/datatype", json!("BYTES")),
            "/inputs/0/datatype",
            "a: the datatype is \"BYTES\"; expected one of FP64",
        ),
        (
            input("/data/6", json!(22.5)),
            "/inputs/0/data/6",
            "row 1: age: expected an integer from 0 to 1000, got 22.5",
        ),
        (input("/data/7", json!(2)), "/inputs/0/data/7", "row 1: c: expected true or false, got 2"),
        (input("/data/9", json!(null)), "/inputs/0/data/9", "row 1: e: expected a number"),
        (input("/data", json!([1, 2])), "/inputs/0/data", "x: expected 10 elements in data, got 2"),
    ] {
        let (status, problem) = infer_m(&world, &request.to_string());
        assert_eq!(status, 422, "{request}");
        let errors = problem["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["pointer"] == pointer);
        let found = found.unwrap_or_else(|| panic!("{pointer}: {problem}"));
        assert!(found["detail"].as_str().unwrap().starts_with(detail), "{found}");
    }
    // NaN stands for a missing number only where it is no part of a text.
    let (status, problem) = infer_m(&world, r#"{"inputs": [{"name": "Na\"N NaN", "x": NaN, }"#);
    assert_eq!(status, 400, "{problem}");
    let (_, problem) = infer_m(
        &world,
        r#"{"id": NaN, "inputs": [{"name": "q\"NaN", "shape": [1], "datatype": "FP32", "data": [NaN]}]}"#,
    );
    assert!(problem["detail"].as_str().unwrap().contains("q\\\"NaN"), "{problem}");
}

#[test]
fn what_the_model_is_set_to_is_said_as_triton_says_it() {
    let world = World::default();
    let get = |path: &str| -> Value {
        serde_json::from_slice(&world.send("GET", path, None, "").body).unwrap()
    };
    let config = get("/v2/models/credit/config");
    let age = json!({ "name": "age_in_years", "data_type": "TYPE_INT64", "dims": [1], "optional": false });
    assert_eq!((&config["input"][1], &config["max_batch_size"]), (&age, &json!(10_000)));
    let decision = json!({ "name": "decision", "data_type": "TYPE_STRING", "dims": [1] });
    assert_eq!(config["output"][0], decision);
    let version = get("/v2/models/credit")["versions"][0].clone();
    let index = world.send("POST", "/v2/repository/index", None, "{\"ready\":true}");
    let index: Value = serde_json::from_slice(&index.body).unwrap();
    assert_eq!(
        index,
        json!([{ "name": "credit", "version": version, "state": "READY", "reason": "" }])
    );
}
