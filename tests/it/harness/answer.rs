//! What a client sees of a response.

use std::time::Duration;

/// A response, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The problem document that an answer of this status has.
    pub(crate) fn problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], status, "{self:?}");
        document
    }

    /// Whether the answer came from the cache, with the time that it is still served.
    pub(crate) fn is_hit(&self) -> bool {
        self.header("cache-status").starts_with("foretold; hit; ttl=")
    }
}

/// Whether a `Cache-Status` says that the answer came from the cache: entries of a Python service
/// have no time.
pub(crate) fn says_hit(cache_status: &str) -> bool {
    cache_status.starts_with("foretold; hit")
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .max_idle_connections_per_host(64)
        .build()
        .into()
}

pub(crate) fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let (head, mut body) = response.expect("the server answers").into_parts();
    let body = body.read_to_string().expect("a body of text");
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}
