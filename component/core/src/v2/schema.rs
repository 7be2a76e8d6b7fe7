//! The schemas of what the protocol's clients send and get, for the OpenAPI document.

use serde_json::{Map, Value as Json, json};

use crate::http::request::MAX_ROWS;
use crate::model::feature;
use crate::model::manifest::Manifest;

/// The schemas by name.
pub(crate) fn schemas(manifest: &Manifest) -> Map<String, Json> {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean", "const": true });
    let shape = || json!({ "type": "array", "items": { "type": "integer" } });
    let parameters = || {
        json!({
            "type": ["object", "null"],
            "description": "Those that are not known here are ignored.",
        })
    };
    let inputs: Vec<&str> = feature::fields(&manifest.features).map(|field| field.name).collect();
    let outputs: Vec<&str> = manifest.endpoints.iter().map(|endpoint| &*endpoint.field).collect();
    let tensor = || {
        json!({
            "type": "object",
            "properties": { "name": text(), "datatype": text(), "shape": shape() },
            "required": ["name", "datatype", "shape"],
        })
    };
    let mut output = tensor();
    output["properties"]["name"] = json!({ "type": "string", "enum": outputs });
    output["properties"]["data"] =
        json!({ "type": "array", "items": { "type": ["number", "string"] } });
    output["properties"]["parameters"] = parameters();
    let has_vectors = manifest.features.iter().any(|feature| feature.element.is_some());
    let max_dimension = manifest.features.len().max(MAX_ROWS);
    let sent = |shape: &str, min_dimensions: u32, data: &str| {
        let mut sent = tensor();
        sent["properties"]["shape"] = json!({
            "type": "array",
            "description": shape,
            "items": { "type": "integer", "minimum": 1, "maximum": max_dimension },
            "minItems": min_dimensions,
            "maxItems": 2,
        });
        sent["properties"]["data"] = json!({ "type": "array", "description": data, "items": {} });
        sent["properties"]["parameters"] = parameters();
        sent
    };
    let (shape, data) = match has_vectors {
        true => (
            "[n] or [n,1], of a vector [n,length]; n is the same for all inputs.",
            "Values row by row.",
        ),
        false => ("[n] or [n,1]; n is the same for all inputs.", "A value per row."),
    };
    let mut input = sent(shape, 1, data);
    input["properties"]["name"] = json!({ "type": "string", "enum": inputs });
    let mut matrix = sent("[n,m]: a row of m features per prediction.", 2, "Values row by row.");
    matrix["description"] = "All features as columns, or those of an input of the model's.".into();
    let schemas = json!({
        "V2Server": {
            "type": "object",
            "properties": { "name": text(), "version": text(), "extensions": { "type": "array", "items": text() } },
            "required": ["name", "version", "extensions"],
        },
        "V2Live": { "type": "object", "properties": { "live": flag() }, "required": ["live"] },
        "V2Ready": { "type": "object", "properties": { "ready": flag() }, "required": ["ready"] },
        "V2ModelReady": {
            "type": "object",
            "properties": { "name": text(), "ready": flag() },
            "required": ["name", "ready"],
        },
        "V2Model": {
            "type": "object",
            "properties": {
                "name": text(),
                "versions": { "type": "array", "items": text() },
                "platform": text(),
                "inputs": { "type": "array", "items": tensor() },
                "outputs": { "type": "array", "items": tensor() },
            },
            "required": ["name", "versions", "platform", "inputs", "outputs"],
        },
        "V2ModelConfig": {
            "type": "object",
            "properties": {
                "name": text(),
                "platform": text(),
                "backend": text(),
                "version_policy": { "type": "object" },
                "max_batch_size": { "type": "integer" },
                "input": { "type": "array", "items": { "type": "object" } },
                "output": { "type": "array", "items": { "type": "object" } },
            },
            "required": ["name", "platform", "backend", "max_batch_size", "input", "output"],
        },
        "V2Index": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": { "name": text(), "version": text(), "state": text(), "reason": text() },
                "required": ["name", "version", "state", "reason"],
            },
        },
        "V2InferRequest": {
            "type": "object",
            "properties": {
                "id": { "type": ["string", "null"], "description": "Comes back with the answer." },
                "parameters": parameters(),
                "inputs": { "type": "array", "items": { "anyOf": [input, matrix] } },
                "outputs": {
                    "type": ["array", "null"],
                    "description": "The answers that are wanted; all where there are none.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string", "enum": outputs },
                            "parameters": parameters(),
                        },
                        "required": ["name"],
                    },
                },
            },
            "required": ["inputs"],
        },
        "V2InferResponse": {
            "type": "object",
            "properties": {
                "model_name": text(),
                "model_version": text(),
                "id": text(),
                "outputs": { "type": "array", "items": output },
            },
            "required": ["model_name", "model_version", "outputs"],
        },
    });
    let Json::Object(schemas) = schemas else { unreachable!("it is an object") };
    schemas
}
