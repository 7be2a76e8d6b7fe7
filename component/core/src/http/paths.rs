//! The paths of a service, apart from those that its manifest gives to endpoints. Nothing else in
//! Foretold spells them.

use std::borrow::Cow;

/// What there is: for browsers a page.
pub const INDEX: &str = "/";
/// The answers of all endpoints in one.
pub const PREDICTIONS: &str = "/predictions";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// Whether the process is alive.
pub const HEALTHZ: &str = "/healthz";
/// Whether it can predict.
pub const READYZ: &str = "/readyz";
/// The interactive documentation; its files are below.
pub const DOCS: &str = "/docs";
/// The Open Inference Protocol; the rest of it is below.
pub const V2: &str = "/v2";
/// Whether the server is alive, in that protocol.
pub const V2_LIVE: &str = "/v2/health/live";
/// Whether the server can predict, in that protocol.
pub const V2_READY: &str = "/v2/health/ready";
/// The models that there are, as Triton has it.
pub(crate) const V2_INDEX: &str = "/v2/repository/index";

/// Below the path of a model: whether it can predict.
pub(crate) const READY: &str = "/ready";
/// Below the path of a model: what it is set to.
pub(crate) const CONFIG: &str = "/config";
/// Below the path of a model: its predictions.
pub(crate) const INFER: &str = "/infer";

/// Paths that a manifest cannot use for an endpoint, nor any below them.
pub(crate) const RESERVED: [&str; 6] = [PREDICTIONS, OPENAPI, HEALTHZ, READYZ, DOCS, V2];

/// Below the path of a model: what it has predicted, which only hosts know.
const STATISTICS: &str = "/stats";
/// The same of all models.
const ALL_STATISTICS: &str = "/v2/models/stats";
const MODELS: &str = "/v2/models/";
const VERSIONS: &str = "/versions/";

/// The path of a request's target, which may have a query, too.
pub(crate) fn of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// A path whose escapes are resolved where they mean the same as what they stand for: those of letters,
/// digits and `-._~` (RFC 3986, section 6.2.2.2). `%2F` is no slash.
pub(crate) fn resolved(path: &str) -> Cow<'_, str> {
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    if first.len() == path.len() {
        return path.into();
    }
    let mut resolved = first.to_owned();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                resolved.push(char::from(byte));
                resolved.push_str(&piece[2..]);
            }
            _ => {
                resolved.push('%');
                resolved.push_str(piece);
            }
        }
    }
    resolved.into()
}

/// What is below a path, from its slash on; empty for the path itself.
pub(crate) fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The reserved path that a path is, or is below of.
pub(crate) fn reserved(path: &str) -> Option<&'static str> {
    RESERVED.into_iter().find(|reserved| below(path, reserved).is_some())
}

/// Whether a target is one of the Open Inference Protocol, whose clients read errors their own way.
pub(crate) fn is_v2(target: &str) -> bool {
    below(&resolved(of(target)), V2).is_some()
}

/// Whether a target is the statistics of a model in the Open Inference Protocol, or those of all.
pub fn is_v2_statistics(target: &str, name: &str, version: &str) -> bool {
    let path = resolved(of(target));
    path == ALL_STATISTICS || below_model(&path, name, version) == Some(STATISTICS)
}

/// The path of a model in the Open Inference Protocol.
pub(crate) fn v2_model(name: &str) -> String {
    format!("{MODELS}{name}")
}

/// The path of a version of a model in the Open Inference Protocol.
pub(crate) fn v2_version(name: &str, version: &str) -> String {
    format!("{MODELS}{name}{VERSIONS}{version}")
}

/// What follows the path of a model, with or without its version: nothing, [`READY`], [`CONFIG`],
/// [`INFER`], or what is not there.
pub(crate) fn below_model<'p>(path: &'p str, name: &str, version: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(MODELS)?.strip_prefix(name)?;
    match rest.strip_prefix(VERSIONS) {
        Some(versioned) => versioned.strip_prefix(version),
        None => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_of_the_model_of_its_version_or_of_all() {
        for (target, expected) in [
            ("/v2/models/credit/stats", true),
            ("/v2/models/credit/versions/1a/stats?x", true),
            ("/v2/models/%63redit/stats", true),
            ("/v2/models/stats", true),
            ("/v2/models/credit/versions/2/stats", false),
            ("/v2/models/other/stats", false),
            ("/v2/models/credit/stats/", false),
            ("/v2/models/credit", false),
        ] {
            assert_eq!(is_v2_statistics(target, "credit", "1a"), expected, "{target}");
        }
    }

    #[test]
    fn escapes_are_resolved_once_and_where_they_mean_the_same() {
        for (path, expected) in [
            ("/decisions", "/decisions"),
            ("/%64ecision%73", "/decisions"),
            ("/%2e%2E/%7e%5F%2d", "/../~_-"),
            ("/a%2Fb%2fc", "/a%2Fb%2fc"),
            ("/%2564%3f%20%00%c3%bc", "/%2564%3f%20%00%c3%bc"),
            ("/%zz%+5%6%", "/%zz%+5%6%"),
            ("/%6é", "/%6é"),
        ] {
            assert_eq!(resolved(path), expected, "{path}");
        }
    }
}
