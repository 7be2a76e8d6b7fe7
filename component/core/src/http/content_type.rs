//! What a body is by its own account: the header `Content-Type`.

/// Whether it is `application/json` or `application/…+json`, whatever its parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let Some((kind, subtype)) = media_type(content_type).split_once('/') else { return false };
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

/// Whether it is `application/octet-stream`, as the Open Inference Protocol has its binary tensors.
pub(crate) fn is_bytes(content_type: &str) -> bool {
    media_type(content_type).eq_ignore_ascii_case("application/octet-stream")
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
