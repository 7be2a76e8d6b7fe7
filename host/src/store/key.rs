//! What stores know of a component's keys: the model, and the rest.

/// Characters of a model id: 11 bytes in base64url.
const MODEL_CHARACTERS: usize = 15;
/// What every structured key begins with.
pub(super) const OURS: &str = "foretold:";

/// A key as a component gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// `foretold:MODEL:REST`.
    Model { model: &'a str, rest: &'a str },
    /// Any other, of which nothing is known.
    Plain(&'a str),
}

impl<'a> Key<'a> {
    pub(super) fn parse(key: &'a str) -> Key<'a> {
        let parts = key.strip_prefix(OURS).and_then(|key| key.split_once(':'));
        match parts {
            Some((model, rest)) if is_model_id(model) && !rest.is_empty() => {
                Key::Model { model, rest }
            }
            _ => Key::Plain(key),
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
        format!("{OURS}{model}:{rest}")
    }
}

/// Whether a text has the form of a model's id.
pub(super) fn is_model_id(text: &str) -> bool {
    text.len() == MODEL_CHARACTERS && is_base64url(text)
}

pub(super) fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
