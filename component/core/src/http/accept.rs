//! What a client takes: the headers `Accept` and `Accept-Encoding` (RFC 9110, section 12.5).

/// The one of some media types that a client likes best; the first of those it likes the same.
/// `None` where it takes none of them.
pub(crate) fn best<'t>(accept: Option<&str>, types: &[&'t str]) -> Option<&'t str> {
    let Some(accept) = accept else { return types.first().copied() };
    let mut best: Option<(f32, &str)> = None;
    for media_type in types {
        let quality = quality(accept, media_type);
        if quality > best.map_or(0.0, |(quality, _)| quality) {
            best = Some((quality, media_type));
        }
    }
    best.map(|(_, media_type)| media_type)
}

/// Whether a client takes gzip.
pub(crate) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    let Some(accept_encoding) = accept_encoding else { return false };
    let of = |name: &str| {
        let mut ranges = ranges(accept_encoding);
        ranges.find(|(range, _)| range.eq_ignore_ascii_case(name)).map(|(_, quality)| quality)
    };
    of("gzip").or_else(|| of("x-gzip")).or_else(|| of("*")).is_some_and(|quality| quality > 0.0)
}

/// How much a client likes a media type: the most specific range that it names decides.
fn quality(accept: &str, media_type: &str) -> f32 {
    let kind = media_type.split('/').next().unwrap_or_default();
    let mut found = (0, 0.0);
    for (range, quality) in ranges(accept) {
        let precision = match range.split_once('/') {
            _ if range.eq_ignore_ascii_case(media_type) => 3,
            Some((range, "*")) if range.eq_ignore_ascii_case(kind) => 2,
            // A bare star is not in the grammar; some clients send it.
            Some(("*", "*")) | None if range.starts_with('*') => 1,
            _ => continue,
        };
        if precision > found.0 {
            found = (precision, quality);
        }
    }
    found.1
}

/// The members of the header, each with its weight; other parameters are not looked at.
fn ranges(header: &str) -> impl Iterator<Item = (&str, f32)> {
    header.split(',').map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| {
            part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.parse().ok()
        });
        (range, weight.unwrap_or(1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_that_a_client_likes_best_is_chosen() {
        let types = ["application/json", "text/html"];
        for (accept, expected) in [
            ("", None),
            ("*/*", Some("application/json")),
            ("*", Some("application/json")),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some("text/html")),
            ("application/*", Some("application/json")),
            ("text/*;q=0.5, application/json;q=0.4", Some("text/html")),
            ("TEXT/HTML", Some("text/html")),
            ("application/json;q=0, */*", Some("text/html")),
            ("application/json; charset=utf-8", Some("application/json")),
            ("image/png", None),
            ("*/*;q=0", None),
        ] {
            assert_eq!(best(Some(accept), &types), expected, "{accept}");
        }
        assert_eq!(best(None, &types), Some("application/json"));
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("br", false),
        ] {
            assert_eq!(takes_gzip(Some(header)), expected, "{header}");
        }
        assert!(!takes_gzip(None));
    }
}
