//! The tier of answers: a request that is byte for byte one that was answered gets the same answer
//! without the component, which has said that it may, and until when.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

use crate::clock::unix_seconds;
use crate::guest::contract::{Report, Reuse};
use crate::near::answer::Answer;
use crate::near::cache::NearCache;
use crate::store::Inventory;

/// Longest body of a request that is kept: to compare longer ones costs more than it saves.
const MAX_BODY_BYTES: usize = 64 << 10;
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
    /// Whether it was asked before, not long ago.
    comes_again: bool,
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
        Some(Question { bytes, epoch, comes_again: false })
    }

    /// The answer that was given before, as it is now, and what it counts as.
    pub(crate) fn find(&self, question: &mut Question) -> Option<(Response<Full<Bytes>>, Report)> {
        let Some(answer) = self.cache.answer(&question.bytes) else {
            question.comes_again = self.cache.comes_again(&question.bytes);
            return None;
        };
        // What is over is replaced.
        question.comes_again = true;
        Some((answer.again(question.epoch, unix_seconds())?, answer.report()))
    }

    /// Keeps an answer that the component allows to be given again, if it is asked for again.
    pub(crate) fn keep(
        &self,
        question: Question,
        response: &Response<Full<Bytes>>,
        report: &Report,
        reuse: Reuse,
    ) {
        if !question.comes_again {
            return;
        }
        let answer = Answer::new(response, report, reuse, unix_seconds(), question.epoch);
        self.cache.keep_answer(question.bytes, answer);
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answers of {} bytes", self.bytes())
    }
}
