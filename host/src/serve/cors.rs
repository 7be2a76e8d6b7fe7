//! What web pages of other origins need to read a refusal of the host. The component says it of its
//! own answers.

use hyper::header::{self, HeaderMap, HeaderValue};

/// Headers that pages may read of a refusal.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");

/// Adds to an answer what lets the page at the request's origin read it, if the operator allows
/// that origin (the Fetch standard).
pub(crate) fn allow(origins: &[String], request: &HeaderMap, response: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        HeaderValue::from_static("*")
    } else {
        response.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = request.get(header::ORIGIN) else { return };
        let known = |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        if !origins.iter().any(known) {
            return;
        }
        origin.clone()
    };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &[&str], origin: Option<&'static str>) -> HeaderMap {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let mut request = HeaderMap::new();
        if let Some(origin) = origin {
            request.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        let mut response = HeaderMap::new();
        allow(&origins, &request, &mut response);
        response
    }

    #[test]
    fn an_allowed_origin_may_read_and_no_other() {
        let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        let ours = ["https://a.example", "http://localhost:3000"];
        for origin in ["https://a.example", "HTTPS://A.example", "http://localhost:3000"] {
            let headers = allowed(&ours, Some(origin));
            assert_eq!(headers[&name], origin);
            assert_eq!(headers["vary"], "origin");
        }
        for origin in [Some("https://b.example"), Some("null"), None] {
            let headers = allowed(&ours, origin);
            assert!(!headers.contains_key(&name), "{origin:?}");
            assert_eq!(headers["vary"], "origin");
        }
        assert_eq!(allowed(&["*"], None)[&name], "*");
        assert!(allowed(&[], Some("https://a.example")).is_empty());
    }
}
