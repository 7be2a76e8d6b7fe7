//! What messages show of a request and of a manifest: never all of a long text or list, and nothing
//! that cannot be seen.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::json::Text;

/// Values longer than this are cut in messages.
const MAX_SHOWN_BYTES: usize = 100;
/// Names that a message lists.
const MAX_SHOWN_NAMES: usize = 30;

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

/// A text with escapes, as JSON has them, in place of what is not seen in it: what is invisible, what
/// is a space but not the usual one, and marks that join the letter before, so that `é` in one
/// character and in two do not look the same.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(2 * text.len());
    for c in text.chars() {
        match is_unseen(c) {
            false => shown.push(c),
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(shown)
}

fn is_unseen(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, SpaceSeparator};
    match c {
        // Line breaks stand between the members of a value, too.
        ' '..='~' | '\n' | '\r' | '\t' => false,
        // Marks of which there are letters, of Latin and its like, Hangul and Kana.
        '\u{300}'..='\u{36f}' | '\u{1100}'..='\u{11ff}' | '\u{3099}' | '\u{309a}' => true,
        // Blanks that count as letters, and selectors of variants.
        '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' => true,
        _ => matches!(
            c.general_category(),
            Control | Format | LineSeparator | ParagraphSeparator | SpaceSeparator
        ),
    }
}

/// The first names of a list, and how many more there are.
pub(crate) fn names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let mut shown = String::new();
    for (i, name) in names.by_ref().take(MAX_SHOWN_NAMES).enumerate() {
        shown.push_str(if i == 0 { "" } else { ", " });
        shown.push_str(&visible(name.as_ref()));
    }
    match names.count() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_escaped_and_all_else_is_not() {
        for (text, expected) in [
            ("a\tb", "a\tb"),
            ("café, ₂ µm, 漢字, 한국어, हिन्दी", "café, ₂ µm, 漢字, 한국어, हिन्दी"),
            ("cafe\u{301}", "cafe\\u0301"),
            ("a\u{a0}b\u{200b}", "a\\u00a0b\\u200b"),
            ("\u{feff}\u{7f}\u{1112}\u{fe0f}", "\\ufeff\\u007f\\u1112\\ufe0f"),
            ("\u{e0061}", "\\udb40\\udc61"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let all: Vec<String> = (0..300).map(|i| format!("f{i}")).collect();
        assert_eq!(names(&all[..3]), "f0, f1, f2");
        assert_eq!(names(&all[..30]), all[..30].join(", "));
        assert_eq!(names(&all), format!("{} and 270 more", all[..30].join(", ")));
    }
}
