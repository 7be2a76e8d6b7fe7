//! The Open Inference Protocol, version 2 (KServe, Triton): what its clients send and expect.
//!
//! A feature is an input of that name with a value per row, or a vector's elements; a field of an
//! endpoint is an output.
//! The values go through the same reader as those of JSON requests, so the rules, the messages and
//! the keys are the same, and rows share the cache with the other endpoints.

mod columns;
mod request;
mod schema;
mod tensor;

use serde_json::{Value as Json, json};

use crate::http::Header;
use crate::http::request::MAX_ROWS;
use crate::model::answer::{Answer, write_json};
use crate::model::feature::{self, Domain, Feature};
use crate::model::manifest::{Endpoint, Manifest};

pub(crate) use request::{InferRequest, Output};
pub(crate) use schema::schemas;

/// What it has beyond the protocol: tensors that are not JSON, and what a model is set to.
const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "model_configuration"];
/// `<project>_<format>`, as the protocol wants it.
const PLATFORM: &str = "foretold_onnx";

/// What the server is.
pub(crate) fn server() -> Json {
    let version = env!("CARGO_PKG_VERSION");
    json!({ "name": "foretold", "version": version, "extensions": EXTENSIONS })
}

/// What the model takes and gives.
pub(crate) fn model(manifest: &Manifest, version: &str) -> Json {
    let inputs: Vec<Json> = feature::fields(&manifest.features)
        .map(|field| {
            tensor_of(field.name, datatype_of(&field.feature().domain), field.features.len())
        })
        .collect();
    let outputs: Vec<Json> = manifest
        .endpoints
        .iter()
        .map(|endpoint| tensor_of(&endpoint.field, datatype_of_answer(endpoint), 1))
        .collect();
    json!({
        "name": manifest.name,
        "versions": [version],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    })
}

/// What the model is set to, as Triton says it: clients that send batches ask for it first.
pub(crate) fn config(manifest: &Manifest, version: &str) -> Json {
    let tensor = |name: &str, datatype: &str, width: usize| {
        // A text is called otherwise here.
        let data_type = if datatype == "BYTES" { "STRING" } else { datatype };
        json!({ "name": name, "data_type": format!("TYPE_{data_type}"), "dims": [width] })
    };
    let inputs = feature::fields(&manifest.features).map(|field| {
        let Feature { domain, optional, .. } = field.feature();
        let mut input = tensor(field.name, datatype_of(domain), field.features.len());
        input["optional"] = (*optional).into();
        input
    });
    let outputs = manifest
        .endpoints
        .iter()
        .map(|endpoint| tensor(&endpoint.field, datatype_of_answer(endpoint), 1));
    json!({
        "name": manifest.name,
        "platform": PLATFORM,
        "backend": "foretold",
        "version_policy": { "specific": { "versions": [version] } },
        "max_batch_size": MAX_ROWS,
        "input": inputs.collect::<Vec<Json>>(),
        "output": outputs.collect::<Vec<Json>>(),
    })
}

/// The models that there are: one.
pub(crate) fn index(manifest: &Manifest, version: &str) -> Json {
    json!([{ "name": manifest.name, "version": version, "state": "READY", "reason": "" }])
}

fn tensor_of(name: &str, datatype: &str, width: usize) -> Json {
    json!({ "name": name, "datatype": datatype, "shape": [-1, width] })
}

/// The datatype that carries all values of a domain; others are understood too.
pub(crate) fn datatype_of(domain: &Domain) -> &'static str {
    match domain {
        Domain::Number { .. } => "FP64",
        Domain::Integer { .. } => "INT64",
        Domain::Boolean => "BOOL",
        Domain::Category { .. } => "BYTES",
    }
}

fn datatype_of_answer(endpoint: &Endpoint) -> &'static str {
    if endpoint.rule.is_number() { "FP32" } else { "BYTES" }
}

/// The body of a response, and the headers that say what it is. `rows` has the answers of all
/// outputs for each row.
pub(crate) fn response(
    manifest: &Manifest,
    version: &str,
    request: &InferRequest,
    rows: &[Vec<Answer<'_>>],
) -> (Vec<u8>, Vec<Header>) {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(b"{\"model_name\":");
    write_json(&mut body, &manifest.name);
    body.extend_from_slice(b",\"model_version\":");
    write_json(&mut body, version);
    if let Some(id) = &request.id {
        body.extend_from_slice(b",\"id\":");
        write_json(&mut body, id);
    }
    body.extend_from_slice(b",\"outputs\":[");
    let mut binary = Vec::new();
    for (i, Output { endpoint, is_binary }) in request.outputs.iter().enumerate() {
        let endpoint = &manifest.endpoints[*endpoint];
        if i > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"name\":");
        write_json(&mut body, &endpoint.field);
        body.extend_from_slice(b",\"datatype\":");
        write_json(&mut body, datatype_of_answer(endpoint));
        body.extend_from_slice(format!(",\"shape\":[{},1],", rows.len()).as_bytes());
        let answers = rows.iter().map(|row| row[i]);
        if *is_binary {
            let start = binary.len();
            answers.for_each(|answer| tensor::write(answer, &mut binary));
            let size = binary.len() - start;
            body.extend_from_slice(
                format!("\"parameters\":{{\"binary_data_size\":{size}}}}}").as_bytes(),
            );
        } else {
            body.extend_from_slice(b"\"data\":[");
            for (row, answer) in answers.enumerate() {
                if row > 0 {
                    body.push(b',');
                }
                answer.write_value(&mut body);
            }
            body.extend_from_slice(b"]}");
        }
    }
    body.extend_from_slice(b"]}");
    if binary.is_empty() {
        return (body, vec![Header::new("content-type", "application/json")]);
    }
    let length = body.len().to_string();
    body.extend(binary);
    let headers = vec![
        Header::new("content-type", "application/octet-stream"),
        Header::new("inference-header-content-length", length),
    ];
    (body, headers)
}
