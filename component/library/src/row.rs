//! From typed fields to a validated row, by the same rules and with the same messages as JSON.

use std::fmt::Write;

use foretold_core::http::problem::Problem;
use foretold_core::http::request;
use foretold_core::model::feature::{Domain, Feature, Field, Value};

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
            wit::Value::Number(number) => write!(json, "{name}:{}", shortest(*number)),
            wit::Value::Integer(integer) => write!(json, "{name}:{integer}"),
            wit::Value::Boolean(boolean) => write!(json, "{name}:{boolean}"),
            wit::Value::Text(text) => {
                write!(json, "{name}:{}", serde_json::Value::from(text.as_str()))
            }
            wit::Value::Vector(elements) => {
                let elements: Vec<String> = elements.iter().copied().map(element).collect();
                write!(json, "{name}:[{}]", elements.join(","))
            }
        };
        written.expect("memory can be written to");
    }
    json.push('}');
    request::parse(json.as_bytes(), features)
}

/// A number with the digits that the program may have meant: messages say 17, and not 17.0.
fn shortest(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// An element of a vector as JSON, where an infinite one is a text, which is refused.
fn element(number: f64) -> String {
    match number {
        _ if number.is_nan() => "null".to_owned(),
        _ if number.is_infinite() => format!("\"{number}\""),
        _ => shortest(number),
    }
}

/// The example of a field as the program would give it.
pub(crate) fn example(field: &Field<'_>) -> wit::Value {
    if !field.is_vector() {
        return value(field.feature(), field.feature().example);
    }
    let elements = field.features.iter().map(|feature| match feature.example {
        Value::Number(number) => number,
        Value::Integer(integer) => integer as f64,
        _ => f64::NAN,
    });
    wit::Value::Vector(elements.collect())
}

fn value(feature: &Feature, value: Value) -> wit::Value {
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
