//! The body of a request: JSON in, a validated row out.
//!
//! Every field is looked at before anything is refused, so that a client learns of all its
//! mistakes at once.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::http::excerpt::{self, shorten};
use crate::http::field_errors::FieldErrors;
use crate::http::problem::{FieldError, Problem};
use crate::json::Text;
use crate::model::feature::read::{self, ValueError};
use crate::model::feature::{Feature, Value};

/// Rows that one request may have; more would keep others waiting.
pub const MAX_ROWS: usize = 10_000;

/// Rows whose mistakes are explained; of more it is only said that they have some. It bounds the
/// answer to a short hostile body.
const MAX_EXPLAINED_ROWS: usize = 100;

/// What a body asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// An object: one row.
    One(Vec<Value>),
    /// An array of objects: a row each, or what is wrong with it.
    Many(Vec<Result<Vec<Value>, Problem>>),
}

/// The row or rows that a request's body describes.
///
/// # Errors
/// If it is neither an object nor an array, or an object with mistakes. Mistakes in a row of an
/// array are in its place.
pub fn rows(body: &[u8], features: &[Feature]) -> Result<Rows, Problem> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return parse(body, features).map(Rows::One);
    }
    let text = utf8(body)?;
    let rows: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| malformed(&error, None))?;
    if rows.len() > MAX_ROWS {
        let detail = format!(
            "the array has {} rows; expected at most {MAX_ROWS}: send them in several requests",
            rows.len()
        );
        let expected = format!("an array of at most {MAX_ROWS} rows");
        return Err(Problem::InvalidRequest { errors: vec![FieldError::body(expected, detail)] });
    }
    let mut wrong = 0;
    let rows = rows.into_iter().map(|row| {
        parse(row.get().as_bytes(), features).map_err(|problem| {
            wrong += 1;
            if wrong > MAX_EXPLAINED_ROWS { Problem::InvalidRow } else { problem }
        })
    });
    Ok(Rows::Many(rows.collect()))
}

pub(crate) fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| Problem::MalformedJson {
        detail: format!("the body is not UTF-8 from byte {} on", error.valid_up_to()),
    })
}

/// The row that a request's body describes: one value per feature, in the features' order.
///
/// # Errors
/// [`Problem::MalformedJson`] with the position, or [`Problem::InvalidRequest`] with every field
/// that is wrong.
pub fn parse(body: &[u8], features: &[Feature]) -> Result<Vec<Value>, Problem> {
    let text = utf8(body)?;
    let mut reader = Reader {
        features,
        found: vec![None; features.len()],
        errors: FieldErrors::default(),
        current: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_any(&mut reader).and_then(|()| json.end());
    match read {
        Ok(()) => reader.row(),
        Err(error) if error.is_data() => Err(not_an_object(text)),
        Err(error) => Err(malformed(&error, reader.current)),
    }
}

pub(crate) fn malformed(error: &serde_json::Error, field: Option<String>) -> Problem {
    let place = field.map_or(String::new(), |field| format!(" in the value of {field:?}"));
    Problem::MalformedJson { detail: format!("the body is not JSON: {error}{place}") }
}

fn not_an_object(text: &str) -> Problem {
    let shown = shorten(text.trim());
    let expected = "an object with a member per feature";
    let detail = format!("expected {expected}, got {shown}");
    Problem::InvalidRequest { errors: vec![FieldError::body(expected, detail).found(shown)] }
}

/// Collects the members of the object, and what is wrong with them.
struct Reader<'f, 'de> {
    features: &'f [Feature],
    found: Vec<Option<&'de RawValue>>,
    errors: FieldErrors,
    /// The member that is being read, for a syntax error in its value.
    current: Option<String>,
}

impl<'de> Visitor<'de> for &mut Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut expected_next = 0;
        while let Some(Text(name)) = members.next_key()? {
            // Clients nearly always send the fields in the documented order.
            let in_order = self.features.get(expected_next).is_some_and(|next| next.name == name);
            let position = match in_order {
                true => Some(expected_next),
                false => self.features.iter().position(|feature| feature.name == name),
            };
            let raw: &'de RawValue = members.next_value().inspect_err(|_| {
                self.current = Some(shorten(&name).into_owned());
            })?;
            match position {
                None => self.errors.add(|| unknown(self.features, &name, raw)),
                Some(position) if self.found[position].is_some() => {
                    self.errors.add(|| duplicate(&name, raw));
                }
                Some(position) => {
                    self.found[position] = Some(raw);
                    expected_next = position + 1;
                }
            }
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    fn row(mut self) -> Result<Vec<Value>, Problem> {
        let mut row = Vec::with_capacity(self.features.len());
        for (feature, raw) in self.features.iter().zip(std::mem::take(&mut self.found)) {
            let value = match raw {
                Some(raw) => read::value(feature, raw.get())
                    .map_err(|error| invalid(feature, raw.get(), error)),
                None if feature.optional => Ok(Value::Missing),
                None => Err(missing(feature)),
            };
            match value {
                Ok(value) => row.push(value),
                Err(error) => self.errors.add(|| error),
            }
        }
        self.errors.refuse().map(|()| row)
    }
}

fn unknown(features: &[Feature], name: &str, raw: &RawValue) -> FieldError {
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let (name, names) = (shorten(name), names.join(", "));
    let detail = format!("{name:?} is not a field; the fields are {names}");
    FieldError::field(name, format!("one of the fields {names}"), detail)
        .found(excerpt::of_json(raw.get()))
}

fn duplicate(name: &str, raw: &RawValue) -> FieldError {
    let detail = format!("{name} is there more than once; send one value");
    FieldError::field(name, "one value", detail).found(excerpt::of_json(raw.get()))
}

fn missing(feature: &Feature) -> FieldError {
    let Feature { name, domain, .. } = feature;
    FieldError::field(name, domain.to_string(), format!("{name} is missing: expected {domain}"))
}

/// What is wrong with a value that is not one of its feature's.
pub(crate) fn invalid(
    feature: &Feature,
    json: &str,
    ValueError { expected }: ValueError,
) -> FieldError {
    let detail = format!("{}: expected {expected}, got {}", feature.name, shorten(json));
    FieldError::field(&feature.name, expected, detail).found(excerpt::of_json(json))
}
