//! Texts of others, for the log.

/// A text as the log shows it: in one line, without what a terminal would obey, and not longer than
/// so many characters.
pub(crate) fn shown(text: &str, max_chars: usize) -> String {
    let end = text.char_indices().nth(max_chars).map_or(text.len(), |(end, _)| end);
    let escaped = text[..end].escape_debug();
    match text.len() - end {
        0 => escaped.to_string(),
        more => format!("{escaped}… and {more} more bytes"),
    }
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
            ("größer", "größ… and 2 more bytes"),
            ("", ""),
        ] {
            let max_chars = if text.starts_with('g') { 4 } else { 100 };
            assert_eq!(shown(text, max_chars), expected);
        }
    }
}
