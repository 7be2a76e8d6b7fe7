//! What messages show of a request: never all of a long text.

use std::borrow::Cow;

use crate::json::Text;

/// Values longer than this are cut in messages.
const MAX_SHOWN_BYTES: usize = 100;

/// A JSON string as it is, anything else as its JSON text; cut where it is long.
pub(crate) fn of_json(json: &str) -> Cow<'_, str> {
    match serde_json::from_str(json) {
        Ok(Text(text)) => Cow::Owned(shorten(&text).into_owned()),
        Err(_) => shorten(json),
    }
}

/// A text, cut where it is long.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SHOWN_BYTES {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MAX_SHOWN_BYTES)]))
}
