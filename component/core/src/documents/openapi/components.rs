//! The components of the OpenAPI document: responses, parameters and headers; the schemas are made
//! beside.

use serde_json::{Map, Value as Json, json};

use crate::documents::openapi::{Document, JSON};
use crate::http::problem::table::{STATUSES, Status};

const PROBLEM: &str = "application/problem+json";

impl Document<'_> {
    /// What operations refer to.
    pub(super) fn components(&self) -> Json {
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
                allowed.only_if_cached(),
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
}
