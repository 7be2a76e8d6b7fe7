//! An answer that may be given again, and what of it depends on the second.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::guest::contract::{Report, Reuse};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Those that belong to one answer only.
const ONCE: [HeaderName; 3] = [header::AGE, CACHE_STATUS, HeaderName::from_static("server-timing")];
/// What a header takes besides its text.
const HEADER_BYTES: usize = 192;

/// An answer that may be given again.
pub(super) struct Answer {
    status: StatusCode,
    /// Without those that belong to one answer only.
    headers: HeaderMap,
    body: Full<Bytes>,
    report: Report,
    reuse: Reuse,
    /// The second in which it was given first.
    since: u32,
    epoch: u64,
}

impl Answer {
    /// An answer that was given in a second and an epoch.
    pub(super) fn new(
        response: &Response<Full<Bytes>>,
        report: &Report,
        reuse: Reuse,
        since: u32,
        epoch: u64,
    ) -> Answer {
        let mut headers = response.headers().clone();
        ONCE.iter().for_each(|name| drop(headers.remove(name)));
        // What it did, without what it took.
        let report = Report { lookup_ns: None, model_ns: None, ..*report };
        let (status, body) = (response.status(), response.body().clone());
        Answer { status, headers, body, report, reuse, since, epoch }
    }

    /// What it counts as when it is given again.
    pub(super) fn report(&self) -> Report {
        self.report
    }

    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
        let status = self.reuse.cache_status.as_ref();
        let status = status.map_or(0, |(before, behind)| before.len() + behind.len());
        size_of::<Answer>()
            + headers.sum::<usize>()
            + status
            + self.body.size_hint().lower() as usize
    }

    /// The answer in an epoch and a second, unless it is over. A clock that was set back makes it
    /// so, too.
    pub(super) fn again(&self, epoch: u64, now: u32) -> Option<Response<Full<Bytes>>> {
        let Reuse { written_at, expires_at, until, cache_status } = &self.reuse;
        if self.epoch != epoch || !(self.since..*until).contains(&now) {
            return None;
        }
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        if let Some((before, behind)) = cache_status {
            let left = expires_at.saturating_sub(now);
            let text = Bytes::from(format!("{before}{left}{behind}"));
            let headers = response.headers_mut();
            headers.insert(CACHE_STATUS, HeaderValue::from_maybe_shared(text).ok()?);
            headers.insert(header::AGE, now.saturating_sub(*written_at).into());
        }
        Some(response)
    }
}
