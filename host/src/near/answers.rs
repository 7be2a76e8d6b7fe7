//! The tier of answers: a request that is byte for byte one that was answered gets the same answer
//! without the component, which has said that it may, and until when.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::clock::unix_seconds;
use crate::guest::contract::{Report, Reuse};
use crate::near::cache::NearCache;
use crate::store::Inventory;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Those that belong to one answer only.
const ONCE: [HeaderName; 3] = [header::AGE, CACHE_STATUS, HeaderName::from_static("server-timing")];
/// Longest body of a request that is kept: to compare longer ones costs more than it saves.
const MAX_BODY_BYTES: usize = 64 << 10;
/// What a header takes besides its text.
const HEADER_BYTES: usize = 160;
/// What stands for the length of a header that is not there.
const ABSENT: u32 = u32::MAX;

/// The answers to requests, over one store.
#[derive(Clone)]
pub(crate) struct Answers {
    cache: Arc<NearCache>,
    store: Arc<dyn Inventory>,
}

/// All of a request that its answer depends on, and the store's epoch when it came.
pub(crate) struct Question {
    bytes: Vec<u8>,
    epoch: u64,
}

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

impl Answers {
    /// Answers in a cache, over a store.
    pub(crate) fn new(cache: Arc<NearCache>, store: Arc<dyn Inventory>) -> Answers {
        Answers { cache, store }
    }

    /// What is kept, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// What a request asks: its method, its target, the values of those headers that the component
    /// reads, in their order, and its body. None where it is too long, or nothing may be given
    /// again at present.
    pub(crate) fn question<'h>(
        &self,
        method: &str,
        target: &str,
        headers: impl Iterator<Item = Option<&'h str>>,
        body: &[u8],
    ) -> Option<Question> {
        if body.len() > MAX_BODY_BYTES {
            return None;
        }
        let epoch = self.store.epoch()?;
        let mut bytes = Vec::with_capacity(128 + target.len() + body.len());
        let mut add = |part: Option<&[u8]>| {
            // A head is shorter than 4 GiB, and so is such a body.
            let length = part.map_or(ABSENT, |part| part.len() as u32);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part.unwrap_or_default());
        };
        add(Some(method.as_bytes()));
        add(Some(target.as_bytes()));
        headers.for_each(|value| add(value.map(str::as_bytes)));
        add(Some(body));
        Some(Question { bytes, epoch })
    }

    /// The answer that was given before, as it is now, and what it counts as.
    pub(crate) fn find(&self, question: &Question) -> Option<(Response<Full<Bytes>>, Report)> {
        let answer = self.cache.answer(&question.bytes)?;
        Some((answer.again(question.epoch, now_seconds())?, answer.report))
    }

    /// Keeps an answer that the component allows to be given again.
    pub(crate) fn keep(
        &self,
        question: Question,
        response: &Response<Full<Bytes>>,
        report: &Report,
        reuse: Reuse,
    ) {
        let mut headers = response.headers().clone();
        ONCE.iter().for_each(|name| drop(headers.remove(name)));
        // What it did, without what it took.
        let report = Report { lookup_ns: None, model_ns: None, ..*report };
        let (status, body) = (response.status(), response.body().clone());
        let (since, epoch) = (now_seconds(), question.epoch);
        let answer = Answer { status, headers, body, report, reuse, since, epoch };
        self.cache.keep_answer(question.bytes, answer);
    }
}

impl Answer {
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
    fn again(&self, epoch: u64, now: u32) -> Option<Response<Full<Bytes>>> {
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

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answers of {} bytes", self.bytes())
    }
}

/// The second in which it is, as components read it.
fn now_seconds() -> u32 {
    u32::try_from(unix_seconds()).unwrap_or(u32::MAX)
}
