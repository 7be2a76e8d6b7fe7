//! The OpenAPI 3.1 document of a service, made from its manifest. Its examples are real: the model
//! is run on the manifest's example for them.

mod components;
mod paths;
mod schemas;

use serde_json::{Value as Json, json};

use crate::Model;
use crate::http::problem::Problem;
use crate::http::request;
use crate::model::answer::{self, Answer};
use crate::model::feature::{self, Feature, Field};
use crate::model::manifest::{Endpoint, Manifest};
use crate::service::Service;
use crate::settings::Settings;

const JSON: &str = "application/json";

/// The tags that operations are grouped by.
const PREDICTIONS_TAG: &str = "predictions";
const V2_TAG: &str = "open inference protocol";
const SERVICE_TAG: &str = "service";

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
            { "name": PREDICTIONS_TAG, "description": "Predictions as JSON objects." },
            {
                "name": V2_TAG,
                "description": "Version 2 of the protocol of KServe and Triton, for their clients.",
            },
            { "name": SERVICE_TAG, "description": "The state of the service, and this document." },
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
    let fields = feature::fields(&manifest.features);
    Json::Object(fields.map(|field| (field.name.to_owned(), example(&field))).collect())
}

/// The example of a member.
fn example(field: &Field<'_>) -> Json {
    let json = |feature: &Feature| {
        serde_json::from_str(&feature.display(feature.example)).expect("a value is shown as JSON")
    };
    match field.is_vector() {
        true => field.features.iter().map(json).collect(),
        false => json(field.feature()),
    }
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
