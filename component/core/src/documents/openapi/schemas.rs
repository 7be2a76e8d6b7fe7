//! The schemas of the OpenAPI document.

use serde_json::{Map, Value as Json, json};

use crate::documents::openapi::{Document, example, schema};
use crate::http::request::MAX_ROWS;
use crate::model::feature::{self, Domain, Feature, Field};
use crate::model::manifest::{Endpoint, Manifest};
use crate::v2;

impl Document<'_> {
    /// All schemas by name.
    pub(super) fn schemas(&self) -> Json {
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
        schemas.extend(v2::schemas(manifest));
        Json::Object(schemas)
    }

    fn row_schema(&self) -> Json {
        let features = &self.manifest.features;
        let properties: Map<String, Json> = feature::fields(features)
            .map(|field| (field.name.to_owned(), field_schema(&field)))
            .collect();
        let required: Vec<&str> = feature::fields(features)
            .filter(|field| !field.feature().optional)
            .map(|field| field.name)
            .collect();
        json!({
            "type": "object",
            "description": "What the model is asked about. The order of the members makes no \
                difference.",
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
}

fn array_schema(name: &str) -> Json {
    json!({
        "type": "array",
        "description": "An answer for each row, or what is wrong with it.",
        "items": { "oneOf": [schema(name), schema("Problem")] },
        "maxItems": MAX_ROWS,
    })
}

fn field_schema(field: &Field<'_>) -> Json {
    let feature = field.feature();
    let mut schema = value_schema(feature);
    if field.is_vector() {
        let length = field.features.len();
        let kind = if feature.optional { json!(["array", "null"]) } else { json!("array") };
        schema = json!({ "type": kind, "items": schema, "minItems": length, "maxItems": length });
    }
    let unit = feature.unit.as_ref().map(|unit| format!(" Unit: {unit}."));
    let step = match &feature.domain {
        Domain::Number { step: Some(step), round, .. } => {
            let rounded = if *round { "; others are moved to the nearest" } else { "" };
            format!(" In steps of {}{rounded}.", step.size())
        }
        _ => String::new(),
    };
    let missing = match (feature.optional, field.is_vector()) {
        (false, _) => "",
        (true, false) => " May be left out or null.",
        (true, true) => " May be left out or null, and so may elements be null.",
    };
    let description = format!("{}{}{step}{missing}", feature.description, unit.unwrap_or_default());
    schema["description"] = description.trim().into();
    schema["examples"] = json!([example(field)]);
    if let Some(unit) = &feature.unit {
        schema["x-unit"] = unit.clone().into();
    }
    schema
}

/// The schema of one value of a feature.
fn value_schema(feature: &Feature) -> Json {
    let kind = |name: &str| match feature.optional {
        true => json!([name, "null"]),
        false => json!(name),
    };
    match &feature.domain {
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
    }
}

fn problem_schema(is_v2: bool) -> Json {
    let mut schema = json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "description": "Which kind of problem; stable.",
            },
            "title": { "type": "string", "description": "The kind in words." },
            "status": {
                "type": "integer",
                "minimum": 400,
                "maximum": 599,
                "description": "The status code.",
            },
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
        schema["properties"]["error"] = json!({
            "type": "string",
            "description": "The same as detail, as the protocol has it.",
        });
        schema["required"] = json!(["type", "title", "status", "detail", "error"]);
    }
    schema
}

fn field_error_schema() -> Json {
    json!({
        "type": "object",
        "description": "One mistake.",
        "properties": {
            "field": {
                "type": "string",
                "description": "The member or parameter; empty where all of a row or body is \
                    meant.",
            },
            "pointer": { "type": "string", "description": "Where it is in the body (RFC 6901)." },
            "parameter": {
                "type": "string",
                "description": "The query parameter, where it is one.",
            },
            "value": {
                "type": ["string", "null"],
                "description": "What was found, as text; long ones are cut.",
            },
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
                "status": {
                    "type": "string",
                    "enum": ["ready", "degraded"],
                    "description": "degraded: the store is away, and every prediction is computed.",
                },
                "model": { "type": "string", "const": manifest.name },
                "store": { "type": "string", "enum": ["available", "unavailable"] },
            }),
            &["status", "model", "store"],
        ),
    });
    let Json::Object(schemas) = schemas else { unreachable!("it is an object") };
    schemas
}
