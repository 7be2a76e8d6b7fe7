//! What stores know of a component's keys: the model, and the rest.

use foretold_core::cache::key::{self, Parsed};
pub(super) use foretold_core::cache::key::{PREFIX, is_model_id};

/// A key as a component gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// `foretold:MODEL:REST`.
    Model { model: &'a str, rest: &'a str },
    /// Any other, of which nothing is known.
    Plain(&'a str),
}

impl<'a> Key<'a> {
    pub(crate) fn parse(key: &'a str) -> Key<'a> {
        match key::parse(key) {
            Some(Parsed::Model { model, rest }) => Key::Model { model, rest },
            Some(Parsed::Python { .. }) | None => Key::Plain(key),
        }
    }

    /// The model's id; empty where the key names none.
    pub(super) fn model(self) -> &'a str {
        match self {
            Key::Model { model, .. } => model,
            Key::Plain(_) => "",
        }
    }

    /// The text of a model's key.
    pub(super) fn join(model: &str, rest: &str) -> String {
        key::join(model, rest)
    }
}

pub(super) fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
