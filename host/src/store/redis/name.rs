//! Names in Redis: `PREFIXforetold:MODEL[.TAG]:REST`.
//!
//! REST is the entry's own in the layout `string`, where it begins with a small letter, and names
//! a hash in the others, where it begins with a capital one: `H` in `hash`, `P` or `D` in `packed`.

use crate::store::key::{PREFIX, is_base64url, is_model_id};

/// Characters of a generation's tag.
pub(super) const TAG_CHARACTERS: usize = 6;

/// The hash that holds the generations' tags.
pub(super) fn generations(prefix: &str) -> String {
    format!("{prefix}{PREFIX}generations")
}

/// What the names of a model's entries begin with.
pub(super) fn stem(prefix: &str, model: &str, tag: &str) -> String {
    let dot = if tag.is_empty() { "" } else { "." };
    format!("{prefix}{PREFIX}{model}{dot}{tag}")
}

/// What stands there while a host computes the value of a key: not the name of an entry.
pub(super) fn lease(prefix: &str, key: &str) -> String {
    format!("{prefix}{PREFIX}lease:{key}")
}

/// A name that is ours, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) model: &'a str,
    /// Empty before the first purge.
    pub(super) tag: &'a str,
    pub(super) rest: &'a str,
}

impl<'a> Name<'a> {
    pub(super) fn parse(prefix: &str, name: &'a [u8]) -> Option<Name<'a>> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(prefix)?.strip_prefix(PREFIX)?;
        let (stem, rest) = name.split_once(':')?;
        let (model, tag) = match stem.split_once('.') {
            Some((model, tag)) if is_tag(tag) => (model, tag),
            Some(_) => return None,
            None => (stem, ""),
        };
        is_model_id(model).then_some(Name { model, tag, rest })
    }
}

pub(super) fn is_tag(text: &str) -> bool {
    text.len() == TAG_CHARACTERS && is_base64url(text)
}

/// A pattern of SCAN for the names that begin with a text.
pub(super) fn pattern(beginning: &str) -> String {
    let mut pattern = String::with_capacity(beginning.len() + 1);
    for character in beginning.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

/// A name that is ours, and that nothing is ever under: to ask the server with.
pub(super) fn probe(prefix: &str, letter: char) -> String {
    format!("{prefix}{PREFIX}probe-{letter}")
}
