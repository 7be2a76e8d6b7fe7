//! What a cell of a CSV file means.

use foretold_core::model::feature::Domain;

/// How programs write a number that is missing: pandas, R, numpy and SQL.
const MISSING_NUMBERS: [&str; 7] = ["nan", "na", "n/a", "<na>", "null", "none", "#n/a"];

/// A cell as JSON. What is not of the feature's type becomes a string, which is refused with a
/// message that names what is expected.
pub(crate) fn value(domain: &Domain, cell: &str) -> String {
    let text = || serde_json::Value::from(cell).to_string();
    match domain {
        // Where it is a category, it is one that can be left empty.
        Domain::Category { categories } if cell.is_empty() => {
            let is_known = categories.iter().any(String::is_empty);
            if is_known { text() } else { "null".to_owned() }
        }
        Domain::Category { .. } => text(),
        Domain::Boolean => match boolean(cell) {
            _ if cell.is_empty() => "null".to_owned(),
            Some(boolean) => boolean.to_string(),
            None => text(),
        },
        Domain::Number { .. } | Domain::Integer { .. } => match number(cell) {
            _ if is_missing_number(cell) => "null".to_owned(),
            Some(number) => number.to_owned(),
            None => text(),
        },
    }
}

/// A cell with a vector, which is a JSON array, as JSON.
pub(crate) fn vector(cell: &str) -> String {
    let cell = cell.trim();
    match serde_json::from_str::<serde_json::Value>(cell) {
        _ if is_missing_number(cell) => "null".to_owned(),
        // As it is, with all digits.
        Ok(serde_json::Value::Array(_)) => cell.to_owned(),
        _ => serde_json::Value::from(cell).to_string(),
    }
}

/// Whether a cell says that there is no number.
pub(crate) fn is_missing_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty() || MISSING_NUMBERS.iter().any(|missing| cell.eq_ignore_ascii_case(missing))
}

/// The text of a number, without the spaces around it.
pub(crate) fn number(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    serde_json::from_str::<serde_json::Number>(cell).is_ok().then_some(cell)
}

/// A truth value, as Python or JSON writes it.
pub(crate) fn boolean(cell: &str) -> Option<bool> {
    let is = |text: &str| cell.eq_ignore_ascii_case(text);
    if is("true") {
        return Some(true);
    }
    is("false").then_some(false)
}
