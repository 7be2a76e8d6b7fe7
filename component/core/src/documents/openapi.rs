//! The OpenAPI 3.1 document of a service, made from its manifest. Its examples are real: the model
//! is run on the manifest's example for them.

use serde_json::{Map, Value as Json, json};

use crate::Model;
use crate::http::paths;
use crate::http::problem::Problem;
use crate::http::problem::table::{STATUSES, Status};
use crate::http::request;
use crate::http::request::MAX_ROWS;
use crate::model::answer::{self, Answer};
use crate::model::feature::{Domain, Feature, Value};
use crate::model::manifest::{Endpoint, Manifest};
use crate::service::Service;
use crate::settings::{KeyFormat, Settings};
use crate::v2;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// The document.
pub(crate) fn document(service: &Service, model: &impl Model, settings: &Settings) -> Json {
    let manifest = service.manifest();
    let document = Document {
        service,
        manifest,
        settings,
        row: example_row(manifest),
        outputs: example_outputs(service, model),
    };
    json!({
        "openapi": "3.1.1",
        "info": document.info(),
        "servers": [{ "url": ".", "description": "This service" }],
        "security": [],
        "tags": [
            { "name": "predictions", "description": "Predictions as JSON objects." },
            {
                "name": "open inference protocol",
                "description": "Version 2 of the protocol of KServe and Triton, for their clients.",
            },
            { "name": "service", "description": "The state of the service, and this document." },
        ],
        "paths": document.paths(),
        "components": document.components(),
    })
}

struct Document<'a> {
    service: &'a Service,
    manifest: &'a Manifest,
    settings: &'a Settings,
    /// The manifest's example.
    row: Json,
    /// What the model says of it, if it can be run.
    outputs: Option<Vec<f32>>,
}

fn example_row(manifest: &Manifest) -> Json {
    let members = manifest.features.iter().map(|f| (f.name.clone(), json_value(f, f.example)));
    Json::Object(members.collect())
}

fn json_value(feature: &Feature, value: Value) -> Json {
    serde_json::from_str(&feature.display(value)).expect("a value is shown as JSON")
}

fn example_outputs(service: &Service, model: &impl Model) -> Option<Vec<f32>> {
    let manifest = service.manifest();
    let outputs = model.predict(&manifest.example()).ok()?;
    (outputs.len() == manifest.outputs.len() && outputs.iter().all(|o| o.is_finite()))
        .then_some(outputs)
}

impl Document<'_> {
    fn info(&self) -> Json {
        let Manifest { name, license, contact, .. } = self.manifest;
        // A version of the model's id would be none to tools that make packages.
        let mut info = json!({
            "title": name,
            "version": env!("CARGO_PKG_VERSION"),
            "summary": format!("Cached predictions of the model {name}"),
            "description": self.introduction(),
            "x-model-id": self.service.version(),
        });
        if let Some(contact) = contact {
            info["contact"] = json!({ "url": contact });
        }
        if let Some(license) = license {
            info["license"] = json!({ "name": license, "identifier": license });
        }
        info
    }

    fn introduction(&self) -> String {
        let query = match self.settings.allowed.query {
            true => {
                "\n\nThe method QUERY (RFC 10008), which OpenAPI 3.1 cannot express, does what POST \
                 does wherever tags say predictions. It needs a content type; its answers have \
                 `Cache-Control: max-age` and an `ETag` that `If-None-Match` may name, so that any \
                 HTTP cache can keep them."
            }
            false => "",
        };
        let visible = match self.settings.allowed.cache_status {
            true => " `Cache-Status` says whether an answer came from the cache.",
            false => "",
        };
        let text = format!(
            "{}\n\nAnswers are cached: the same request is computed once and then served for up to \
             {} s.{visible}{query}",
            self.manifest.description,
            self.settings.longest_seconds(self.manifest)
        );
        text.trim_start().to_owned()
    }

    fn paths(&self) -> Json {
        let mut items = Map::new();
        for (position, endpoint) in self.manifest.endpoints.iter().enumerate() {
            items.insert(endpoint.path.clone(), json!({ "post": self.endpoint(position) }));
        }
        items.insert(paths::PREDICTIONS.to_owned(), json!({ "post": self.predictions() }));
        let model = paths::v2_model(&self.manifest.name);
        let versioned = paths::v2_version(&self.manifest.name, self.service.version());
        let service = "open inference protocol";
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
                    "406": problem_response(tag == "open inference protocol", "NotAcceptable"),
                },
            } })
        };
        let metadata = v2::model(self.manifest, self.service.version());
        let ready = json!({ "name": self.manifest.name, "ready": true });
        let documents = [
            (
                paths::V2.to_owned(),
                get("v2_server", service, "What the server is", "V2Server", v2::server()),
            ),
            (
                paths::V2_LIVE.to_owned(),
                get(
                    "v2_live",
                    service,
                    "Whether the server is alive",
                    "V2Live",
                    json!({ "live": true }),
                ),
            ),
            (
                paths::V2_READY.to_owned(),
                get(
                    "v2_ready",
                    service,
                    "Whether the server can predict",
                    "V2Ready",
                    json!({ "ready": true }),
                ),
            ),
            (
                model.clone(),
                get(
                    "v2_model",
                    service,
                    "What the model takes and gives",
                    "V2Model",
                    metadata.clone(),
                ),
            ),
            (
                model.clone() + paths::READY,
                get(
                    "v2_model_ready",
                    service,
                    "Whether the model can predict",
                    "V2ModelReady",
                    ready.clone(),
                ),
            ),
            (model.clone() + paths::INFER, json!({ "post": self.infer("v2_infer") })),
            (
                versioned.clone(),
                get("v2_version", service, "The same by version", "V2Model", metadata),
            ),
            (
                versioned.clone() + paths::READY,
                get("v2_version_ready", service, "The same by version", "V2ModelReady", ready),
            ),
            (versioned + paths::INFER, json!({ "post": self.infer("v2_version_infer") })),
            (
                paths::HEALTHZ.to_owned(),
                get(
                    "healthz",
                    "service",
                    "Whether the process is alive",
                    "Alive",
                    json!({ "status": "alive" }),
                ),
            ),
            (
                paths::READYZ.to_owned(),
                get(
                    "readyz",
                    "service",
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
            "tags": ["service"],
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
            "tags": ["predictions"],
            "summary": format!("Predict {summary}"),
            "description": description.trim(),
            "parameters": self.parameters(parameters),
            "requestBody": {
                "required": true,
                "description": "One row, or an array of rows. A body has a limit, 4 MiB unless the operator sets another.",
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
        let inputs: Vec<Json> = self
            .manifest
            .features
            .iter()
            .map(|feature| {
                json!({
                    "name": feature.name,
                    "datatype": v2::datatype_of(&feature.domain),
                    "shape": [1, 1],
                    "data": [json_value(feature, feature.example)],
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
            "tags": ["open inference protocol"],
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

    fn components(&self) -> Json {
        let mut responses = Map::new();
        for Status { name, when, .. } in STATUSES {
            for (prefix, media_type, schema) in
                [("", PROBLEM, "Problem"), ("V2", JSON, "V2Problem")]
            {
                responses.insert(
                    format!("{prefix}{name}"),
                    json!({
                        "description": when,
                        "content": { media_type: {
                            "schema": { "$ref": format!("#/components/schemas/{schema}") },
                        } },
                    }),
                );
            }
        }
        json!({
            "schemas": self.schemas(),
            "responses": responses,
            "parameters": { "CacheControl": self.cache_control() },
            "headers": self.headers(),
        })
    }

    fn cache_control(&self) -> Json {
        let allowed = self.settings.allowed;
        let directives = [
            (allowed.no_cache, "`no-cache`: compute anew, and store"),
            (allowed.no_store, "`no-store`: compute, and store nothing"),
            (allowed.max_age, "`max-age=60`: take an answer that is at most so many seconds old"),
            (
                allowed.only_if_cached,
                "`only-if-cached`: compute nothing; 504 where nothing is there",
            ),
        ];
        let directives: Vec<&str> =
            directives.iter().filter(|(is, _)| *is).map(|(_, text)| *text).collect();
        json!({
            "name": "Cache-Control",
            "in": "header",
            "required": false,
            "description": format!(
                "What the request asks of the cache (RFC 9111): {}. Without it a cached answer is \
                 taken where there is one. Others are ignored.",
                directives.join("; ")
            ),
            "schema": { "type": "string" },
        })
    }

    fn headers(&self) -> Json {
        let header = |description: &str, schema: Json, example: Json| {
            json!({
                "description": description,
                "schema": schema,
                "examples": { "usual": { "summary": "As usual", "value": example } },
            })
        };
        let text = || json!({ "type": "string" });
        json!({
            "CacheStatus": header(
                "What the cache did (RFC 9211). `foretold; hit; ttl=3540`: from the cache, good for \
                 so many seconds more. `foretold; fwd=miss; stored`: computed and stored. \
                 `fwd=stale`: what was there was too old. `fwd=bypass`: the cache was not asked. \
                 For several rows a `detail` counts them.",
                text(),
                json!("foretold; hit; ttl=3540"),
            ),
            "Age": header(
                "Seconds since the answer was computed; there on a hit.",
                json!({ "type": "integer", "minimum": 0 }),
                json!(60),
            ),
            "ServerTiming": header(
                "Milliseconds that the look-up in the cache and the model took.",
                text(),
                json!("lookup;dur=0.020, model;dur=0.110"),
            ),
            "CacheControl": header(
                "Whether other caches may keep the answer: to a POST never.",
                text(),
                json!("no-store"),
            ),
            "ETag": header(
                "A digest of the answer, the same on every host.",
                text(),
                json!("\"kW6e6b4IEODCNF53\""),
            ),
        })
    }

    fn schemas(&self) -> Json {
        let manifest = self.manifest;
        let mut schemas = Map::new();
        let row = self.row_schema();
        schemas.insert("Row".to_owned(), row);
        schemas.insert(
            "RowArray".to_owned(),
            json!({
                "type": "array",
                "description": "A prediction for each.",
                "items": schema("Row"),
                "maxItems": MAX_ROWS,
            }),
        );
        for (position, endpoint) in manifest.endpoints.iter().enumerate() {
            let name = self.schema_name(position);
            let one = self.answer_schema(std::slice::from_ref(endpoint), true);
            schemas.insert(format!("{name}Array"), array_schema(&name));
            schemas.insert(name, one);
        }
        schemas.insert("Prediction".to_owned(), self.answer_schema(&manifest.endpoints, false));
        schemas.insert("PredictionArray".to_owned(), array_schema("Prediction"));
        schemas.insert("Problem".to_owned(), problem_schema(false));
        schemas.insert("V2Problem".to_owned(), problem_schema(true));
        schemas.insert("FieldError".to_owned(), field_error_schema());
        schemas.extend(status_schemas(manifest));
        schemas.extend(v2_schemas(manifest));
        Json::Object(schemas)
    }

    fn row_schema(&self) -> Json {
        let features = &self.manifest.features;
        let properties: Map<String, Json> = features
            .iter()
            .map(|feature| (feature.name.clone(), feature_schema(feature)))
            .collect();
        let required: Vec<&str> =
            features.iter().filter(|feature| !feature.optional).map(|f| &*f.name).collect();
        json!({
            "type": "object",
            "description": "What the model is asked about. The order of the members makes no difference.",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
            "examples": [self.row],
        })
    }

    fn answer_schema(&self, endpoints: &[Endpoint], is_whole: bool) -> Json {
        let properties: Map<String, Json> = endpoints
            .iter()
            .map(|endpoint| {
                let mut schema = match endpoint.rule.is_number() {
                    true => json!({ "type": "number" }),
                    false => json!({ "type": "string", "enum": endpoint.rule.labels() }),
                };
                if !endpoint.description.is_empty() {
                    schema["description"] = endpoint.description.clone().into();
                }
                (endpoint.field.clone(), schema)
            })
            .collect();
        let mut schema = json!({
            "type": "object",
            "description": "The answer for a row.",
            "properties": properties,
            "additionalProperties": false,
        });
        if is_whole {
            schema["required"] = endpoints.iter().map(|e| Json::from(&*e.field)).collect();
        }
        schema
    }

    fn schema_name(&self, position: usize) -> String {
        self.distinct(position, schema_name)
    }

    /// A name that is made of an endpoint, and a number where an earlier one has it already.
    fn distinct(&self, position: usize, name: impl Fn(&Endpoint) -> String) -> String {
        let endpoints = &self.manifest.endpoints;
        let own = name(&endpoints[position]);
        match endpoints[..position].iter().filter(|earlier| name(earlier) == own).count() {
            0 => own,
            earlier => format!("{own}{}", earlier + 1),
        }
    }

    /// What the endpoints really say of the example.
    fn answer(&self, endpoints: &[usize]) -> Option<Json> {
        let outputs = self.outputs.as_ref()?;
        let endpoints = endpoints.iter().map(|endpoint| &self.manifest.endpoints[*endpoint]);
        let mut body = Vec::new();
        let precision = self.settings.keys.precision();
        answer::write(endpoints.map(|e| (e, Answer::new(e, outputs, precision))), &mut body);
        Some(serde_json::from_slice(&body).expect("an answer is JSON"))
    }

    /// What a row without any member is answered with.
    fn row_problem(&self) -> Json {
        let problem = request::parse(b"{}", &self.manifest.features).err();
        problem.map_or(Json::Null, |problem: Problem| problem.document(Some(1)))
    }
}

fn problem_response(is_v2: bool, name: &str) -> Json {
    let prefix = if is_v2 { "V2" } else { "" };
    json!({ "$ref": format!("#/components/responses/{prefix}{name}") })
}

fn schema(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// `/risk_categories` answers a `RiskCategoriesAnswer`.
fn schema_name(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::new();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name + "Answer"
}

fn array_schema(name: &str) -> Json {
    json!({
        "type": "array",
        "description": "An answer for each row, or what is wrong with it.",
        "items": { "oneOf": [schema(name), schema("Problem")] },
        "maxItems": MAX_ROWS,
    })
}

fn feature_schema(feature: &Feature) -> Json {
    let kind = |name: &str| match feature.optional {
        true => json!([name, "null"]),
        false => json!(name),
    };
    let mut schema = match &feature.domain {
        Domain::Number { minimum, maximum, step, round } => {
            let mut schema = json!({ "type": kind("number") });
            let largest = f64::from(f32::MAX);
            schema["minimum"] = minimum.unwrap_or(-largest).into();
            schema["maximum"] = maximum.unwrap_or(largest).into();
            if let (Some(step), Some(minimum), false) = (step, minimum, round) {
                schema["x-step"] = step.size().into();
                // Validators compute in floats: to them 0.29 is no multiple of 0.01. And a grid
                // that does not go through 0 has no word in JSON Schema.
                let is_exact = (step.size() * 1024.0).fract() == 0.0;
                if is_exact && (minimum / step.size()).fract() == 0.0 {
                    schema["multipleOf"] = step.size().into();
                }
            }
            schema
        }
        Domain::Integer { minimum, maximum } => {
            json!({ "type": kind("integer"), "minimum": minimum, "maximum": maximum })
        }
        Domain::Boolean => json!({ "type": kind("boolean") }),
        Domain::Category { categories } => json!({ "type": "string", "enum": categories }),
    };
    let unit = feature.unit.as_ref().map(|unit| format!(" Unit: {unit}."));
    let step = match &feature.domain {
        Domain::Number { step: Some(step), round, .. } => {
            let rounded = if *round { "; others are moved to the nearest" } else { "" };
            format!(" In steps of {}{rounded}.", step.size())
        }
        _ => String::new(),
    };
    let missing = if feature.optional { " May be left out or null." } else { "" };
    let description = format!("{}{}{step}{missing}", feature.description, unit.unwrap_or_default());
    schema["description"] = description.trim().into();
    schema["examples"] = json!([json_value(feature, feature.example)]);
    if let Some(unit) = &feature.unit {
        schema["x-unit"] = unit.clone().into();
    }
    schema
}

fn problem_schema(is_v2: bool) -> Json {
    let mut schema = json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "Which kind of problem; stable." },
            "title": { "type": "string", "description": "The kind in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The status code." },
            "detail": { "type": "string", "description": "What is wrong and what to do." },
            "errors": {
                "type": "array",
                "description": "Each mistake.",
                "items": schema("FieldError"),
            },
            "endpoints": {
                "type": "array",
                "description": "The paths there are, where one was not found.",
                "items": { "type": "string" },
            },
        },
        "required": ["type", "title", "status", "detail"],
    });
    if is_v2 {
        schema["properties"]["error"] = json!({ "type": "string", "description": "The same as detail, as the protocol has it." });
        schema["required"] = json!(["type", "title", "status", "detail", "error"]);
    }
    schema
}

fn field_error_schema() -> Json {
    json!({
        "type": "object",
        "description": "One mistake.",
        "properties": {
            "field": { "type": "string", "description": "The member or parameter; empty where all of a row or body is meant." },
            "pointer": { "type": "string", "description": "Where it is in the body (RFC 6901)." },
            "parameter": { "type": "string", "description": "The query parameter, where it is one." },
            "value": { "type": ["string", "null"], "description": "What was found, as text; long ones are cut." },
            "expected": { "type": "string", "description": "What is expected." },
            "detail": { "type": "string", "description": "The whole sentence." },
        },
        "required": ["field", "value", "expected", "detail"],
    })
}

fn status_schemas(manifest: &Manifest) -> Map<String, Json> {
    let object = |properties: Json, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    let schemas = json!({
        "Alive": object(json!({ "status": { "type": "string", "const": "alive" } }), &["status"]),
        "Ready": object(
            json!({
                "status": { "type": "string", "enum": ["ready", "degraded"], "description": "degraded: the store is away, and every prediction is computed." },
                "model": { "type": "string", "const": manifest.name },
                "store": { "type": "string", "enum": ["available", "unavailable"] },
            }),
            &["status", "model", "store"],
        ),
    });
    let Json::Object(schemas) = schemas else { unreachable!("it is an object") };
    schemas
}

fn v2_schemas(manifest: &Manifest) -> Map<String, Json> {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean", "const": true });
    let shape = || json!({ "type": "array", "items": { "type": "integer" } });
    let parameters = || json!({ "type": ["object", "null"], "description": "Those that are not known here are ignored." });
    let inputs: Vec<&str> = manifest.features.iter().map(|feature| &*feature.name).collect();
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
    let mut input = tensor();
    input["properties"]["name"] = json!({ "type": "string", "enum": inputs });
    input["properties"]["shape"] = json!({
        "type": "array",
        "description": "[n] or [n,1]; n is the same for all inputs.",
        "items": { "type": "integer", "minimum": 1, "maximum": MAX_ROWS },
        "minItems": 1,
        "maxItems": 2,
    });
    input["properties"]["data"] =
        json!({ "type": "array", "description": "A value per row.", "items": {} });
    input["properties"]["parameters"] = parameters();
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
        "V2InferRequest": {
            "type": "object",
            "properties": {
                "id": { "type": ["string", "null"], "description": "Comes back with the answer." },
                "parameters": parameters(),
                "inputs": { "type": "array", "items": input },
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
