//! The text of keys, for all who write or read some: `foretold:MODEL:FORM…`, or what Python's `repr`
//! gives.

use std::ops::Range;

use data_encoding::BASE64URL_NOPAD;

/// What every key begins with, apart from those that a Python service shares.
pub const PREFIX: &str = "foretold:";

/// Bytes of a model id.
pub(crate) const MODEL_ID_BYTES: usize = 11;
/// Characters of a model id, in base64url.
const MODEL_ID_CHARACTERS: usize = (MODEL_ID_BYTES * 8).div_ceil(6);

/// What the text of a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'k> {
    /// A key of a model: `foretold:MODEL:REST`.
    Model {
        /// Has the form of a model id.
        model: &'k str,
        /// What tells the model's keys apart, not empty; [`Form::parse`] reads it.
        rest: &'k str,
    },
    /// A key that a Python service shares, which names no model: `CLASS(…)`.
    Python {
        /// Name of the class.
        class: &'k str,
    },
}

/// What follows the model in a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form<'k> {
    /// `p…`: a packed row.
    Packed(Vec<u8>),
    /// `d…`: a digest of a packed row, in base64url.
    Digest(&'k str),
    /// `k…`: a digest that was made with a secret, in base64url.
    KeyedDigest(&'k str),
    /// `r{…}`: a row as JSON.
    Readable(&'k str),
}

/// Takes a key apart; `None` where it is not one that Foretold makes.
pub fn parse(key: &str) -> Option<Parsed<'_>> {
    if let Some(rest) = key.strip_prefix(PREFIX) {
        let (model, rest) = rest.split_once(':')?;
        return (is_model_id(model) && !rest.is_empty()).then_some(Parsed::Model { model, rest });
    }
    let (class, _) = key.split_once('(')?;
    let legal = |c: char| c == '_' || c.is_ascii_alphanumeric();
    (!class.is_empty() && class.chars().all(legal)).then_some(Parsed::Python { class })
}

/// The key of a model with this rest; with an empty one, what all keys of the model begin with.
pub fn join(model: &str, rest: &str) -> String {
    format!("{PREFIX}{model}:{rest}")
}

/// All keys of a model, in a store that orders keys by their bytes.
pub fn range(model: &str) -> Range<String> {
    // The character after the colon.
    join(model, "")..format!("{PREFIX}{model};")
}

/// Whether a text has the form of a model id.
pub fn is_model_id(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == MODEL_ID_CHARACTERS && text.bytes().all(legal)
}

impl<'k> Form<'k> {
    /// Reads the rest of a key; `None` where it has none of these forms.
    pub fn parse(rest: &'k str) -> Option<Form<'k>> {
        let letter = rest.chars().next()?;
        let text = &rest[letter.len_utf8()..];
        Some(match letter {
            'p' => Form::Packed(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?),
            'd' => Form::Digest(text),
            'k' => Form::KeyedDigest(text),
            'r' => Form::Readable(text),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "oqOYiB-NH-T4wBA";

    #[test]
    fn keys_are_taken_apart() {
        let packed = format!("foretold:{MODEL}:pGRgA");
        assert_eq!(parse(&packed), Some(Parsed::Model { model: MODEL, rest: "pGRgA" }));
        assert_eq!(join(MODEL, "pGRgA"), packed);
        let python = parse("DecisionRequest(age=30, job='(none)')");
        assert_eq!(python, Some(Parsed::Python { class: "DecisionRequest" }));
        for other in
            ["", "foretold:", "foretold:x:pGRgA", "foretold:oqOYiB-NH-T4wBA:", "(x)", "a b(x)"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_rest_tells_the_form() {
        for (rest, expected) in [
            ("pGRgA", Some(Form::Packed(vec![25, 24, 0]))),
            ("d1LqK", Some(Form::Digest("1LqK"))),
            ("k63Jt", Some(Form::KeyedDigest("63Jt"))),
            ("r{}", Some(Form::Readable("{}"))),
            ("p!", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(Form::parse(rest), expected, "{rest}");
        }
    }

    #[test]
    fn a_models_keys_are_in_its_range_and_no_others() {
        let range = range(MODEL);
        assert!(range.contains(&join(MODEL, "pGRgA")) && range.contains(&join(MODEL, "r{é}")));
        assert!(!range.contains(&join("oqOYiB-NH-T4wBB", "p")));
        assert!(!range.contains(&join("oqOYiB-NH-T4wB-", "p")));
    }
}
