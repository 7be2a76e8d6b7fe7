//! Texts of others, for the log and the terminal.

use std::borrow::Cow;

/// A text as it is shown: without what a terminal would obey or what cannot be seen, so that it stays in
/// its line, and not longer than so many characters.
pub(crate) fn shown(text: &str, max_chars: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(max_chars).map_or(text.len(), |(end, _)| end);
    let (start, more) = (&text[..end], text.len() - end);
    if more == 0 && !start.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in start.chars() {
        match is_hidden(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    if more > 0 {
        shown.push_str(&format!("… and {more} more bytes"));
    }
    Cow::Owned(shown)
}

/// Those that change the order of what follows are not control characters by name.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_has_an_end() {
        for (text, expected) in [
            ("credit", "credit"),
            ("a\nWARN b", "a\\nWARN b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{202e}b\u{200b}\0", "a\\u{202e}b\\u{200b}\\u{0}"),
            ("größe", "größe"),
            ("größer", "größ… and 2 more bytes"),
            ("{\"a\": 'b'}", "{\"a\": 'b'}"),
            ("", ""),
        ] {
            let max_chars = if text.ends_with('r') { 4 } else { 100 };
            assert_eq!(shown(text, max_chars), expected);
        }
    }
}
