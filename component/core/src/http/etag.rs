//! Entity tags: strong, and the same wherever and whenever the same bytes are answered.

use data_encoding::BASE64URL_NOPAD;

use crate::http::{Request, Response};

/// The `ETag` of a body: a digest of its bytes, so that hosts and restarts agree on it.
pub fn of(body: &[u8]) -> String {
    let digest = blake3::hash(body);
    format!("\"{}\"", BASE64URL_NOPAD.encode(&digest.as_bytes()[..12]))
}

/// Whether an `If-None-Match` header names a tag (RFC 9110, section 13.1.2: weak comparison).
pub fn matches(if_none_match: &str, etag: &str) -> bool {
    let mut tags = if_none_match.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Makes a 304 of a response whose tag the client has, where the method is safe: a POST never gets
/// one.
pub(crate) fn leave_out_unchanged(request: &Request<'_>, response: &mut Response) {
    let Some(tags) = request.headers.if_none_match else { return };
    let is_safe = matches!(request.method, "GET" | "HEAD" | "QUERY");
    let etag = response.headers.iter().find(|header| header.name == "etag");
    if is_safe && response.status == 200 && etag.is_some_and(|etag| matches(tags, &etag.value)) {
        response.status = 304;
        response.body.clear();
        response.headers.retain(|header| header.name != "content-encoding");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_have_the_same_tag_for_ever() {
        assert_eq!(of(br#"{"decision":"ACCEPT"}"#), "\"kW6e6b4IEODCNF53\"");
    }

    #[test]
    fn a_list_matches_where_one_of_it_does() {
        for header in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*", " \"b\" ,W/\"a\""] {
            assert!(matches(header, "\"a\""), "{header}");
        }
        for header in ["", "\"b\"", "a", "\"a"] {
            assert!(!matches(header, "\"a\""), "{header}");
        }
    }
}
