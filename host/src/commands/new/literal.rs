//! Values as TOML writes them, and names that a manifest takes.

/// A text in quotes.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A number that is finite: an integer where it is one.
pub(super) fn number(number: f64) -> String {
    match number.fract() == 0.0 && number.abs() < 1e15 {
        true => (number as i64).to_string(),
        false => format!("{number:?}"),
    }
}

/// A list of texts, in lines of a width that can be read.
pub(super) fn texts(texts: &[String]) -> String {
    const MAX_WIDTH: usize = 100;
    let texts: Vec<String> = texts.iter().map(|it| text(it)).collect();
    let line = format!("[{}]", texts.join(", "));
    if line.len() <= MAX_WIDTH {
        return line;
    }
    let mut lines = vec![String::from("  ")];
    for text in &texts {
        let last = lines.last_mut().filter(|line| line.len() + text.len() + 2 <= MAX_WIDTH);
        match last {
            Some(line) => line.push_str(&format!("{text}, ")),
            None => lines.push(format!("  {text}, ")),
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("[\n{}\n]", lines.join("\n"))
}

/// A text as part of a comment: on one line, and short.
pub(super) fn remark(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let one_line: String =
        text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(MAX_CHARS).collect();
    let more = if text.chars().count() > MAX_CHARS { "…" } else { "" };
    format!("{one_line:?}{more}")
}

/// A name as part of a path: letters, digits and `_ - .`; empty where nothing of it is.
pub(super) fn slug(name: &str) -> String {
    let legal = |it: char| it.is_ascii_alphanumeric() || "_-.".contains(it);
    let slug: String = name.chars().map(|it| if legal(it) { it } else { '_' }).collect();
    slug.trim_matches(['_', '.']).to_owned()
}

/// A name for a model: lower-case letters, digits and hyphens.
pub(super) fn model_name(name: &str) -> String {
    const MAX_LENGTH: usize = 64;
    let legal = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let name = name.to_lowercase();
    let name: String = name.chars().map(|it| if legal(it) { it } else { '-' }).collect();
    let name: String = name.trim_matches('-').chars().take(MAX_LENGTH).collect();
    if name.is_empty() { "model".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_what_was_written() {
        let texts = ["a", "\"q\\\"", "tab\tnew\nline\r", "\u{7f}\u{80}\0", "größe, …", ""];
        let long: Vec<String> = (0..40).map(|i| format!("category number {i}")).collect();
        for texts in texts.map(|text| vec![text.to_owned()]).into_iter().chain([long]) {
            let document = format!("x = {}", super::texts(&texts));
            let table: toml::Table = document.parse().unwrap();
            let read: Vec<&str> =
                table["x"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            assert_eq!(read, texts, "{document}");
        }
        for value in [0.0, -0.0, 1.0, -3.5, 1e15, 1e20, 1e300, 0.1 + 0.2, 1e-9, f64::from(f32::MAX)]
        {
            let document = format!("x = {}", number(value));
            let table: toml::Table = document.parse().unwrap();
            let read = &table["x"];
            let read = read.as_float().or_else(|| read.as_integer().map(|it| it as f64));
            assert_eq!(read, Some(value), "{document}");
        }
    }

    #[test]
    fn names_are_legal() {
        for (name, expected) in
            [("Churn 2024", "churn-2024"), ("..", "model"), ("modell_größe", "modell-gr--e")]
        {
            assert_eq!(model_name(name), expected);
        }
        for (name, expected) in
            [("Iris setosa", "Iris_setosa"), ("..", ""), ("a/b", "a_b"), ("_x.", "x")]
        {
            assert_eq!(slug(name), expected);
        }
    }
}
