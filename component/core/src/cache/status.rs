//! What the cache did for a response, as the `Cache-Status` header of RFC 9211 says it.

use std::fmt;

/// What the cache did for one prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// It derives from an entry.
    Hit {
        /// Seconds since it was written and seconds that it will still be served, where the entry
        /// says; the latter are below 0 where an expired one is served because the model failed.
        time: Option<(u32, i64)>,
    },
    /// The model was run.
    Miss {
        /// Why.
        miss: Miss,
        /// Whether the store confirmed the new entry, where it was asked to keep it.
        stored: Option<bool>,
    },
}

/// Why there was no entry to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The store has none.
    Absent,
    /// It is older than its time to live.
    Expired,
    /// It is older than the client wants.
    TooOld,
    /// It is about to expire, and this request was drawn to compute it anew.
    EarlyRefresh,
    /// It does not decode, or fails its check.
    Corrupt,
    /// The store did not answer.
    StoreUnavailable,
    /// The store was not asked: the client or the host wanted it so.
    Bypassed,
}

impl Miss {
    /// The value of `fwd`.
    fn forward(self) -> &'static str {
        match self {
            Miss::Absent | Miss::Corrupt | Miss::StoreUnavailable => "miss",
            Miss::Expired | Miss::TooOld | Miss::EarlyRefresh => "stale",
            Miss::Bypassed => "bypass",
        }
    }

    fn detail(self) -> Option<&'static str> {
        match self {
            Miss::Corrupt => Some("corrupt-entry"),
            Miss::EarlyRefresh => Some("early-refresh"),
            Miss::StoreUnavailable => Some("store-unavailable"),
            Miss::TooOld => Some("max-age"),
            Miss::Absent | Miss::Bypassed | Miss::Expired => None,
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheStatus::Hit { time: None } => f.write_str("foretold; hit"),
            CacheStatus::Hit { time: Some((_, ttl_seconds)) } => {
                write!(f, "foretold; hit; ttl={ttl_seconds}")?;
                if *ttl_seconds < 0 { f.write_str("; detail=model-failed") } else { Ok(()) }
            }
            CacheStatus::Miss { miss, stored } => {
                write!(f, "foretold; fwd={}", miss.forward())?;
                if *stored == Some(true) {
                    f.write_str("; stored")?;
                }
                let not_stored = (*stored == Some(false)).then_some("not-stored");
                match miss.detail().or(not_stored) {
                    Some(detail) => write!(f, "; detail={detail}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What the cache did for the rows of an array, in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    hits: usize,
    misses: usize,
    refused: usize,
    /// Computed rows whose entry the store did not confirm.
    not_stored: usize,
    /// The reason that says most: the highest among misses.
    forward: Option<&'static str>,
    /// Age of the oldest entry, and what the first to expire has left.
    age_seconds: Option<u32>,
    ttl_seconds: Option<i64>,
    /// Whether there is an entry whose age nobody knows.
    of_unknown_age: bool,
}

impl Summary {
    /// Adds one row; `None` where it was refused.
    pub fn add(&mut self, status: Option<CacheStatus>) {
        match status {
            None => self.refused += 1,
            Some(CacheStatus::Hit { time }) => {
                self.hits += 1;
                self.of_unknown_age |= time.is_none();
                if let Some((age_seconds, ttl_seconds)) = time {
                    self.age_seconds = self.age_seconds.max(Some(age_seconds));
                    self.ttl_seconds =
                        Some(self.ttl_seconds.map_or(ttl_seconds, |ttl| ttl.min(ttl_seconds)));
                }
            }
            Some(CacheStatus::Miss { miss, stored }) => {
                self.misses += 1;
                self.not_stored += usize::from(stored != Some(true));
                self.forward = match (self.forward, miss.forward()) {
                    (Some("miss"), _) => Some("miss"),
                    (_, forward) => Some(forward),
                };
            }
        }
    }
}

impl Summary {
    /// The age of the answer: of its oldest part, where any came from the cache.
    pub fn age_seconds(&self) -> Option<u32> {
        self.age_seconds
    }

    /// How long another cache may keep the answer, counted from its age 0, if at all. A prediction
    /// that was computed now is good for `fresh_seconds`.
    pub fn max_age_seconds(&self, fresh_seconds: u32) -> Option<u32> {
        let computed = (self.misses > 0).then_some(i64::from(fresh_seconds));
        let left_seconds = self.ttl_seconds.into_iter().chain(computed).min()?;
        let left_seconds = u32::try_from(left_seconds).ok()?;
        (self.refused == 0 && !self.of_unknown_age)
            .then(|| self.age_seconds.unwrap_or(0).saturating_add(left_seconds))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foretold")?;
        match (self.forward, self.ttl_seconds) {
            (Some(forward), _) => {
                write!(f, "; fwd={forward}")?;
                if self.not_stored == 0 {
                    f.write_str("; stored")?;
                }
            }
            (None, Some(ttl_seconds)) => write!(f, "; hit; ttl={ttl_seconds}")?,
            (None, None) if self.hits > 0 => f.write_str("; hit")?,
            (None, None) => {}
        }
        let Summary { hits, misses, refused, .. } = self;
        write!(f, "; detail=\"{hits} hits, {misses} misses, {refused} refused\"")
    }
}
