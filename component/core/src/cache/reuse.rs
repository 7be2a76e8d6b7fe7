//! How an answer may be given again to the same request by who keeps it in front of the component:
//! the near cache of a host.

/// Until when an answer may be given again, and what changes in it meanwhile. Times are seconds
/// since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// What its age and its end depend on.
    pub span: Span,
    /// What `Cache-Status` has before and behind the seconds that are left, where clients may see
    /// it.
    pub cache_status: Option<(String, String)>,
}

/// When the entries behind an answer were written, and when they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the oldest was written: the answer's age counts from here.
    pub written_at: u32,
    /// When the first of them ends: what `ttl` counts down to.
    pub expires_at: u32,
    /// The answer may be given again before this second.
    pub until: u32,
}

impl Reuse {
    /// For an answer whose `Cache-Status` is this, where clients may see it.
    pub fn new(span: Span, cache_status: Option<&str>) -> Option<Reuse> {
        let Some(text) = cache_status else { return Some(Reuse { span, cache_status: None }) };
        let (before, rest) = text.split_once("ttl=")?;
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        Some(Reuse { span, cache_status: Some((format!("{before}ttl="), behind.to_owned())) })
    }
}
