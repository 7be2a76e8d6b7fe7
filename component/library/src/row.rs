//! From typed fields to a validated row, by the same rules and with the same messages as JSON.

use std::fmt::Write;

use foretold_core::http::problem::Problem;
use foretold_core::http::request;
use foretold_core::model::feature::{Domain, Feature, Value};

use crate::bindings::exports::foretold::component::predictor as wit;

/// The row that some fields describe.
///
/// # Errors
/// With every field that is wrong.
pub(crate) fn row(fields: &[wit::Field], features: &[Feature]) -> Result<Vec<Value>, Problem> {
    let mut json = String::with_capacity(256);
    json.push('{');
    let given = fields.iter().filter(|field| !matches!(field.value, wit::Value::Missing));
    for (i, wit::Field { name, value }) in given.enumerate() {
        json.push_str(if i == 0 { "" } else { "," });
        let name = serde_json::Value::from(name.as_str());
        let written = match value {
            wit::Value::Missing => unreachable!("it was left out"),
            // JSON has no such number. A list is no value of any feature, so it is refused by name.
            wit::Value::Number(number) if !number.is_finite() => {
                write!(json, "{name}:[\"{number}\"]")
            }
            // So that messages say 17, as the program may have meant it, and not 17.0.
            wit::Value::Number(number) => {
                let text = format!("{number:?}");
                write!(json, "{name}:{}", text.strip_suffix(".0").unwrap_or(&text))
            }
            wit::Value::Integer(integer) => write!(json, "{name}:{integer}"),
            wit::Value::Boolean(boolean) => write!(json, "{name}:{boolean}"),
            wit::Value::Text(text) => {
                write!(json, "{name}:{}", serde_json::Value::from(text.as_str()))
            }
        };
        written.expect("memory can be written to");
    }
    json.push('}');
    request::parse(json.as_bytes(), features)
}

/// A value as the program gives it.
pub(crate) fn value(feature: &Feature, value: Value) -> wit::Value {
    match (value, &feature.domain) {
        (Value::Category(index), Domain::Category { categories }) => {
            wit::Value::Text(categories[index].clone())
        }
        (Value::Missing | Value::Category(_), _) => wit::Value::Missing,
        (Value::Number(number), _) => wit::Value::Number(number),
        (Value::Integer(integer), _) => wit::Value::Integer(integer),
        (Value::Boolean(boolean), _) => wit::Value::Boolean(boolean),
    }
}
