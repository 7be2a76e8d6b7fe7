//! The mistakes of a request, so many that the answer stays short.

use crate::http::problem::{FieldError, Problem};

/// Mistakes that are described; more are counted. It bounds the answer to a short hostile body.
pub(crate) const MAX_ERRORS: usize = 20;

/// Bytes of a response that describe mistakes, but for the last of them; more are counted.
pub(crate) const MAX_ERROR_BYTES: usize = 128 << 10;

/// The mistakes found so far.
#[derive(Debug)]
pub(crate) struct FieldErrors {
    described: Vec<FieldError>,
    /// Those that further descriptions may take.
    bytes_left: usize,
    /// How many more there are.
    more: usize,
}

impl Default for FieldErrors {
    fn default() -> FieldErrors {
        FieldErrors::within(MAX_ERROR_BYTES)
    }
}

impl FieldErrors {
    /// None so far. Where no bytes are left for descriptions, mistakes are counted only.
    pub(crate) fn within(bytes_left: usize) -> FieldErrors {
        FieldErrors { described: Vec::new(), bytes_left, more: 0 }
    }

    /// Adds a mistake, which is made only where it is described.
    pub(crate) fn add(&mut self, error: impl FnOnce() -> FieldError) {
        if self.described.len() < MAX_ERRORS && self.bytes_left > 0 {
            let error = error();
            self.bytes_left = self.bytes_left.saturating_sub(error.bytes());
            self.described.push(error);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.described.is_empty() && self.more == 0
    }

    /// Refuses the request where there are mistakes.
    ///
    /// # Errors
    /// With those that are described, and how many more there are.
    pub(crate) fn refuse(mut self) -> Result<(), Problem> {
        if self.is_empty() {
            return Ok(());
        }
        if self.described.is_empty() {
            return Err(Problem::InvalidRow);
        }
        if self.more > 0 {
            let detail = format!("and {} more mistakes", self.more);
            self.described.push(FieldError::body("a correct request", detail));
        }
        Err(Problem::InvalidRequest { errors: self.described })
    }
}
