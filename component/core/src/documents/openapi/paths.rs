//! The paths of the OpenAPI document, with their operations.

use serde_json::{Map, Value as Json, json};

use crate::documents::openapi::{
    Document, JSON, PREDICTIONS_TAG, SERVICE_TAG, V2_TAG, example, problem_response, schema,
};
use crate::http::paths;
use crate::http::problem::table::{STATUSES, Status};
use crate::http::request::MAX_ROWS;
use crate::model::answer::Answer;
use crate::model::feature;
use crate::model::manifest::Endpoint;
use crate::settings::KeyFormat;
use crate::v2;

impl Document<'_> {
    /// The paths, and what is sent and answered there.
    pub(super) fn paths(&self) -> Json {
        let mut items = Map::new();
        for (position, endpoint) in self.manifest.endpoints.iter().enumerate() {
            items.insert(endpoint.path.clone(), json!({ "post": self.endpoint(position) }));
        }
        items.insert(paths::PREDICTIONS.to_owned(), json!({ "post": self.predictions() }));
        let model = paths::v2_model(&self.manifest.name);
        let versioned = paths::v2_version(&self.manifest.name, self.service.version());
        let get = |id: &str, tag: &str, summary: &str, schema: &str, example: Json| {
            json!({ "get": {
                "operationId": id,
                "tags": [tag],
                "summary": summary,
                "description": format!("{summary}."),
                "responses": {
                    "200": {
                        "description": "The answer.",
                        "content": { JSON: {
                            "schema": { "$ref": format!("#/components/schemas/{schema}") },
                            "examples": { "answer": { "summary": "The answer", "value": example } },
                        } },
                    },
                    "406": problem_response(tag == V2_TAG, "NotAcceptable"),
                },
            } })
        };
        let index = get(
            "v2_index",
            V2_TAG,
            "The models that there are, as Triton says it",
            "V2Index",
            v2::index(self.manifest, self.service.version()),
        );
        let metadata = v2::model(self.manifest, self.service.version());
        let ready = json!({ "name": self.manifest.name, "ready": true });
        let documents = [
            (
                paths::V2.to_owned(),
                get("v2_server", V2_TAG, "What the server is", "V2Server", v2::server()),
            ),
            (
                paths::V2_LIVE.to_owned(),
                get(
                    "v2_live",
                    V2_TAG,
                    "Whether the server is alive",
                    "V2Live",
                    json!({ "live": true }),
                ),
            ),
            (
                paths::V2_READY.to_owned(),
                get(
                    "v2_ready",
                    V2_TAG,
                    "Whether the server can predict",
                    "V2Ready",
                    json!({ "ready": true }),
                ),
            ),
            (
                model.clone(),
                get(
                    "v2_model",
                    V2_TAG,
                    "What the model takes and gives",
                    "V2Model",
                    metadata.clone(),
                ),
            ),
            (
                model.clone() + paths::READY,
                get(
                    "v2_model_ready",
                    V2_TAG,
                    "Whether the model can predict",
                    "V2ModelReady",
                    ready.clone(),
                ),
            ),
            (
                model.clone() + paths::CONFIG,
                get(
                    "v2_model_config",
                    V2_TAG,
                    "What the model is set to, as Triton says it",
                    "V2ModelConfig",
                    v2::config(self.manifest, self.service.version()),
                ),
            ),
            (model.clone() + paths::INFER, json!({ "post": self.infer("v2_infer") })),
            (paths::V2_INDEX.to_owned(), json!({ "post": index["get"] })),
            (
                versioned.clone(),
                get("v2_version", V2_TAG, "The same by version", "V2Model", metadata),
            ),
            (
                versioned.clone() + paths::READY,
                get("v2_version_ready", V2_TAG, "The same by version", "V2ModelReady", ready),
            ),
            (versioned + paths::INFER, json!({ "post": self.infer("v2_version_infer") })),
            (
                paths::HEALTHZ.to_owned(),
                get(
                    "healthz",
                    SERVICE_TAG,
                    "Whether the process is alive",
                    "Alive",
                    json!({ "status": "alive" }),
                ),
            ),
            (
                paths::READYZ.to_owned(),
                get(
                    "readyz",
                    SERVICE_TAG,
                    "Whether the model is loaded and the store answers",
                    "Ready",
                    json!({ "status": "ready", "model": self.manifest.name, "store": "available" }),
                ),
            ),
        ];
        items.extend(documents);
        items.insert(
            paths::OPENAPI.to_owned(),
            json!({ "get": {
            "operationId": "openapi",
            "tags": [SERVICE_TAG],
            "summary": "This document",
            "description": "This document.",
            "responses": {
                "200": {
                    "description": "An OpenAPI document.",
                    "content": { JSON: { "schema": { "type": "object" } } },
                },
                "304": { "description": "It is still the one that `If-None-Match` names." },
                "406": problem_response(false, "NotAcceptable"),
            },
        } }),
        );
        Json::Object(items)
    }

    fn endpoint(&self, position: usize) -> Json {
        let endpoint = &self.manifest.endpoints[position];
        let name = self.schema_name(position);
        let id = |endpoint: &Endpoint| {
            format!("post{}", endpoint.path.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
        };
        let id = self.distinct(position, id);
        let description = format!(
            "{}\n\nSend an object for one prediction, or an array of up to {MAX_ROWS} for one each \
             in the same order; in the array of answers, a problem document stands in place of \
             each row that has a mistake. An answer is served from the cache for {} s.",
            endpoint.description,
            self.settings.ttl_seconds(self.manifest, Some(position))
        );
        self.operation(
            &id,
            &endpoint.field.replace('_', " "),
            &description,
            &name,
            &[position],
            &[],
        )
    }

    fn predictions(&self) -> Json {
        let all: Vec<usize> = (0..self.manifest.endpoints.len()).collect();
        let fields: Vec<&str> = self.manifest.endpoints.iter().map(|e| &*e.field).collect();
        let include = json!({
            "name": "include",
            "in": "query",
            "required": false,
            "style": "form",
            "explode": false,
            "description": format!(
                "The members of the answer, with commas between them: some of {}. Their order in \
                 the answer is that of this list, whatever the order here. Without the parameter \
                 all are there.",
                fields.join(", ")
            ),
            "schema": {
                "type": "array",
                "minItems": 1,
                "items": { "type": "string", "enum": fields },
            },
            "examples": {
                "all": { "summary": "All members", "value": fields },
                "one": { "summary": "One member", "value": [fields[0]] },
            },
        });
        let description = format!(
            "All that the model says of a row, as one object; `include` picks members. What is \
             sent and how it is cached is as for the single endpoints, which share the cached \
             prediction with this one; of different times to live the shortest counts.{}",
            if self.settings.keys == KeyFormat::Repr {
                " With this service's settings (`repr` keys), more than one member is always computed."
            } else {
                ""
            }
        );
        let summary = "all answers, or those that include names";
        self.operation("post_predictions", summary, &description, "Prediction", &all, &[include])
    }

    fn operation(
        &self,
        id: &str,
        summary: &str,
        description: &str,
        answer_schema: &str,
        endpoints: &[usize],
        parameters: &[Json],
    ) -> Json {
        let answer = self.answer(endpoints);
        let problem = self.row_problem();
        let many = format!("{answer_schema}Array");
        let mut examples = Map::new();
        if let Some(answer) = &answer {
            let one = json!({ "summary": "Of one row", "value": answer });
            let rows = json!({ "summary": "Of two rows", "value": [answer, answer] });
            let mixed =
                json!({ "summary": "Of two rows, one with a mistake", "value": [answer, problem] });
            examples.insert("one".to_owned(), one);
            examples.insert("array".to_owned(), rows);
            examples.insert("mistake".to_owned(), mixed);
        }

        json!({
            "operationId": id,
            "tags": [PREDICTIONS_TAG],
            "summary": format!("Predict {summary}"),
            "description": description.trim(),
            "parameters": self.parameters(parameters),
            "requestBody": {
                "required": true,
                "description": "One row, or an array of rows. A body has a limit, 4 MiB unless \
                    the operator sets another.",
                "content": { JSON: {
                    "schema": { "oneOf": [schema("Row"), schema("RowArray")] },
                    "examples": {
                        "one": { "summary": "One row", "value": self.row },
                        "array": { "summary": "Two rows", "value": [self.row, self.row] },
                    },
                } },
            },
            "responses": self.responses(
                json!({ JSON: {
                    "schema": { "oneOf": [schema(answer_schema), schema(&many)] },
                    "examples": examples,
                } }),
                false,
            ),
        })
    }

    fn infer(&self, id: &str) -> Json {
        let inputs: Vec<Json> = feature::fields(&self.manifest.features)
            .map(|field| {
                let example = example(&field);
                json!({
                    "name": field.name,
                    "datatype": v2::datatype_of(&field.feature().domain),
                    "shape": [1, field.features.len()],
                    "data": if field.is_vector() { example } else { json!([example]) },
                })
            })
            .collect();
        let precision = self.settings.keys.precision();
        let answer = self.outputs.as_ref().map(|outputs| {
            let endpoints = self.manifest.endpoints.iter().enumerate();
            let rows = vec![
                self.manifest
                    .endpoints
                    .iter()
                    .map(|e| Answer::new(e, outputs, precision))
                    .collect::<Vec<_>>(),
            ];
            let outputs =
                endpoints.map(|(endpoint, _)| v2::Output { endpoint, is_binary: false }).collect();
            let request = v2::InferRequest { id: Some("1".to_owned()), outputs, rows: Vec::new() };
            let (body, _) = v2::response(self.manifest, self.service.version(), &request, &rows);
            serde_json::from_slice::<Json>(&body).expect("it is JSON")
        });
        let mut examples = Map::new();
        if let Some(answer) = answer {
            examples.insert("one".to_owned(), json!({ "summary": "Of one row", "value": answer }));
        }
        json!({
            "operationId": id,
            "tags": [V2_TAG],
            "summary": "Predict with tensors",
            "description": format!(
                "A tensor per feature, with a value per row, up to {MAX_ROWS} rows; a tensor per \
                 answer comes back. Rows share the cache with the other endpoints. Optional \
                 features may be left out. For a number FP32, FP64 and all INT and UINT are taken; a 32-bit \
                 float is read as its shortest decimal text, so 0.1 means 0.1. One wrong value \
                 refuses the whole request, since the protocol has no place for an error beside \
                 answers. Tensors may be binary: with `Inference-Header-Content-Length` the bytes \
                 of the inputs that have `binary_data_size` follow the JSON."
            ),
            "parameters": self.parameters(&[]),
            "requestBody": {
                "required": true,
                "description": "The request; members that are not known here are ignored.",
                "content": { JSON: {
                    "schema": schema("V2InferRequest"),
                    "examples": { "one": {
                        "summary": "One row",
                        "value": { "id": "1", "inputs": inputs },
                    } },
                } },
            },
            "responses": self.responses(
                json!({
                    JSON: { "schema": schema("V2InferResponse"), "examples": examples },
                    "application/octet-stream": {
                        "schema": { "description": "JSON as above, and behind it the bytes of the \
                            outputs for which the request says `binary_data`." },
                    },
                }),
                true,
            ),
        })
    }

    /// The parameters of an operation: its own, and the headers that clients may use.
    fn parameters(&self, own: &[Json]) -> Json {
        let allowed = self.settings.allowed;
        let steers =
            allowed.no_cache || allowed.no_store || allowed.max_age || allowed.only_if_cached;
        let steers = steers.then(|| json!({ "$ref": "#/components/parameters/CacheControl" }));
        own.iter().cloned().chain(steers).collect()
    }

    fn responses(&self, content: Json, is_v2: bool) -> Json {
        let mut headers = Map::new();
        let names: &[(&str, &str)] = match self.settings.allowed.cache_status {
            true => &[
                ("Cache-Status", "CacheStatus"),
                ("Age", "Age"),
                ("Server-Timing", "ServerTiming"),
                ("Cache-Control", "CacheControl"),
                ("ETag", "ETag"),
            ],
            false => &[("Cache-Control", "CacheControl"), ("ETag", "ETag")],
        };
        for (name, reference) in names {
            let reference = format!("#/components/headers/{reference}");
            headers.insert((*name).to_owned(), json!({ "$ref": reference }));
        }
        let mut responses = Map::new();
        responses.insert(
            "200".to_owned(),
            json!({ "description": "The answer.", "headers": headers, "content": content }),
        );
        for Status { code, name, .. } in STATUSES {
            responses.insert(code.to_string(), problem_response(is_v2, name));
        }
        Json::Object(responses)
    }
}
