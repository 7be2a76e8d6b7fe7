//! What a request asks of the cache: the request directives of RFC 9111, section 5.2.1.

use crate::settings::Allowed;

/// The directives of a request that apply, which are those that the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Compute anew, and store the result.
    pub no_cache: bool,
    /// Compute anew, and store nothing.
    pub no_store: bool,
    /// Answer only from the cache, or else with 504.
    pub only_if_cached: bool,
    /// Take no entry that is older than so many seconds.
    pub max_age: Option<u32>,
}

impl CacheControl {
    /// Reads the header. Directives that are unknown or make no sense are ignored, as the RFC asks.
    pub fn parse(header: &str, allowed: Allowed) -> CacheControl {
        let mut control = CacheControl::default();
        for directive in header.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            let is = |expected: &str| name.eq_ignore_ascii_case(expected);
            if is("no-cache") {
                control.no_cache |= allowed.no_cache;
            } else if is("no-store") {
                control.no_store |= allowed.no_store;
            } else if is("only-if-cached") {
                control.only_if_cached |= allowed.only_if_cached();
            } else if is("max-age") && allowed.max_age {
                let seconds = seconds(value);
                control.max_age = control.max_age.into_iter().chain(seconds).min();
            }
        }
        control
    }

    /// Whether the store is asked at all.
    pub fn looks_up(&self) -> bool {
        !self.no_cache && !self.no_store
    }
}

/// A number of seconds; more than fit are as good as for ever.
fn seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> CacheControl {
        CacheControl::parse(header, Allowed::ALL)
    }

    #[test]
    fn directives_are_read_whatever_their_case_and_spacing() {
        let all = CacheControl {
            no_cache: true,
            no_store: true,
            only_if_cached: true,
            max_age: Some(60),
        };
        assert_eq!(parse("No-Cache ,no-store,, ONLY-IF-CACHED, max-age = \"60\""), all);
        assert_eq!(parse("max-age=90, max-age=60").max_age, Some(60));
        assert_eq!(parse("max-age=99999999999999999999").max_age, Some(u32::MAX));
    }

    #[test]
    fn what_is_unknown_or_wrong_is_ignored() {
        for header in ["", "max-age", "max-age=-1", "max-age=1.5", "max-age=x", "min-fresh=3", "no"]
        {
            assert_eq!(parse(header), CacheControl::default(), "{header}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_ignored() {
        let header = "no-cache, no-store, only-if-cached, max-age=0";
        assert_eq!(CacheControl::parse(header, Allowed::NONE), CacheControl::default());
    }
}
