//! The mistakes of a request, so many that the answer stays short.

use crate::http::excerpt::shorten;
use crate::http::problem::{FieldError, Problem};

/// Mistakes that are described; more are counted. It bounds the answer to a short hostile body.
pub(crate) const MAX_ERRORS: usize = 20;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    described: Vec<FieldError>,
    /// How many more there are.
    more: usize,
}

impl FieldErrors {
    /// Adds a mistake, which is made only where it is described.
    pub(crate) fn add(&mut self, error: impl FnOnce() -> FieldError) {
        if self.described.len() < MAX_ERRORS {
            self.described.push(error());
        } else {
            self.more += 1;
        }
    }

    /// Adds a mistake at a pointer (RFC 6901) into the body; long names and values are cut.
    pub(crate) fn add_at(
        &mut self,
        pointer: String,
        field: &str,
        value: Option<&str>,
        expected: &str,
        detail: String,
    ) {
        self.add(|| {
            let error = FieldError::field(shorten(field), expected, detail).at(pointer);
            match value {
                Some(value) => error.found(shorten(value)),
                None => error,
            }
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.described.is_empty()
    }

    /// Refuses the request where there are mistakes.
    ///
    /// # Errors
    /// With those that are described, and how many more there are.
    pub(crate) fn refuse(mut self) -> Result<(), Problem> {
        if self.more > 0 {
            let detail = format!("and {} more mistakes", self.more);
            self.described.push(FieldError::body("a correct request", detail));
        }
        match self.described.is_empty() {
            true => Ok(()),
            false => Err(Problem::InvalidRequest { errors: self.described }),
        }
    }
}
