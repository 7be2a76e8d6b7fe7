//! The body of a request: JSON in, a validated row out.
//!
//! Every field is looked at before anything is refused, so that a client learns of all its
//! mistakes at once.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::http::excerpt::{self, shorten, visible};
use crate::http::field_errors::{FieldErrors, MAX_ERROR_BYTES};
use crate::http::problem::Place;
use crate::http::problem::{FieldError, Problem};
use crate::json::{List, Text, UpTo};
use crate::model::feature::read::{self, ValueError};
use crate::model::feature::{self, Feature, Field, Value};

/// Rows that one request may have; more would keep others waiting.
pub const MAX_ROWS: usize = 10_000;

/// Rows whose mistakes are explained; of more it is only said that they have some. It bounds the
/// answer to a short hostile body.
const MAX_EXPLAINED_ROWS: usize = 100;

/// Bytes of the document of a row whose mistakes are not explained.
const UNEXPLAINED_ROW_BYTES: usize = 119;

/// Bytes that all problem documents in an array may take, and how many times the body's where that is
/// more. Rows of more than a few bytes each stay below that, even where all are wrong.
const MAX_ARRAY_ERROR_BYTES: usize = 256 << 10;
const MAX_AMPLIFICATION: usize = 16;

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
/// If it is neither an object nor an array, or an object with mistakes, or an array whose mistakes
/// would take much more room than itself. Other mistakes in a row of an array are in its place.
pub fn rows(body: &[u8], features: &[Feature]) -> Result<Rows, Problem> {
    let text = text(body)?;
    if !text.trim_ascii_start().starts_with('[') {
        return row(text, features, MAX_ERROR_BYTES).map(Rows::One);
    }
    let List { items, count }: List<&RawValue, MAX_ROWS> =
        serde_json::from_str(text).map_err(|error| malformed(&error, None))?;
    if count > MAX_ROWS {
        let detail = format!(
            "the array has {count} rows; expected at most {MAX_ROWS}: send them in several requests"
        );
        return Err(invalid_array(format!("an array of at most {MAX_ROWS} rows"), detail));
    }
    let (mut explained, mut unexplained, mut bytes_left) = (0, 0, MAX_ERROR_BYTES);
    let mut rows = Vec::with_capacity(count);
    for (i, item) in items.into_iter().enumerate() {
        let may_take = if explained < MAX_EXPLAINED_ROWS { bytes_left } else { 0 };
        let row = row(item.get(), features, may_take);
        match &row {
            Ok(_) => {}
            Err(Problem::InvalidRow) => unexplained += 1,
            Err(problem) => {
                explained += 1;
                let bytes = problem.document(Some(i)).to_string().len();
                bytes_left = bytes_left.saturating_sub(bytes);
            }
        }
        rows.push(row);
    }
    let error_bytes = MAX_ERROR_BYTES - bytes_left + unexplained * UNEXPLAINED_ROW_BYTES;
    if error_bytes > MAX_ARRAY_ERROR_BYTES.max(MAX_AMPLIFICATION * body.len()) {
        let wrong = explained + unexplained;
        let detail = format!(
            "{wrong} of {count} rows have mistakes, too many for rows as short as these; send \
             some of them alone to see what is wrong"
        );
        return Err(invalid_array("an array of rows".to_owned(), detail));
    }
    Ok(Rows::Many(rows))
}

fn invalid_array(expected: String, detail: String) -> Problem {
    Problem::InvalidRequest { errors: vec![FieldError::body(expected, detail)] }
}

/// The text of a body. A byte order mark in front of it counts for nothing.
pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let refuse = |detail| Err(Problem::MalformedJson { detail });
    if let Some(encoding) = other_encoding(body) {
        return refuse(format!("the body is {encoding}; send JSON as UTF-8"));
    }
    let text = body.strip_prefix(MARK).unwrap_or(body);
    std::str::from_utf8(text).or_else(|error| {
        let at = body.len() - text.len() + error.valid_up_to();
        refuse(format!("the body is not UTF-8 from byte {at} on"))
    })
}

/// The encoding of a text that is not UTF-8, by its mark or by the zeros around its first character,
/// which JSON has from ASCII (RFC 4627, section 3).
fn other_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// The row that a request's body describes: one value per feature, in the features' order.
///
/// # Errors
/// [`Problem::MalformedJson`] with the position, or [`Problem::InvalidRequest`] with every field
/// that is wrong.
pub fn parse(body: &[u8], features: &[Feature]) -> Result<Vec<Value>, Problem> {
    row(text(body)?, features, MAX_ERROR_BYTES)
}

/// The row that a text describes. Its mistakes may take so many bytes; where none are left, it is
/// only said that there are some.
fn row(text: &str, features: &[Feature], error_bytes: usize) -> Result<Vec<Value>, Problem> {
    let mut reader = Reader {
        features,
        found: vec![None; features.len()],
        errors: FieldErrors::within(error_bytes),
        current: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_any(&mut reader).and_then(|()| json.end());
    match read {
        Ok(()) => reader.row(),
        Err(error) if error.is_data() => {
            let mut errors = FieldErrors::within(error_bytes);
            errors.add(|| not_an_object(text));
            errors.refuse().map(|()| Vec::new())
        }
        Err(error) => Err(malformed(&error, reader.current)),
    }
}

pub(crate) fn malformed(error: &serde_json::Error, field: Option<String>) -> Problem {
    let place = field.map_or(String::new(), |field| format!(" in the value of {field:?}"));
    Problem::MalformedJson { detail: format!("the body is not JSON: {error}{place}") }
}

fn not_an_object(text: &str) -> FieldError {
    let shown = shorten(text.trim());
    let expected = "an object with a member per feature";
    let detail = format!("expected {expected}, got {}", visible(&shown));
    FieldError::body(expected, detail).found(shown)
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
            let next = self.features.get(expected_next).filter(|next| next.field() == name);
            let position = match next {
                Some(_) => Some(expected_next),
                None => feature::fields(self.features)
                    .find(|field| field.name == name)
                    .map(|field| field.first),
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
                    expected_next = position + self.features[position].field_len();
                }
            }
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    fn row(mut self) -> Result<Vec<Value>, Problem> {
        let mut row = Vec::with_capacity(self.features.len());
        let found = std::mem::take(&mut self.found);
        for field in feature::fields(self.features) {
            let feature = field.feature();
            match found[field.first].map(RawValue::get) {
                None if feature.optional => {
                    row.extend(field.features.iter().map(|_| Value::Missing))
                }
                None => self.errors.add(|| missing(&field)),
                Some(json) if field.is_vector() => self.vector(&field, json, &mut row),
                Some(json) => match read::value(feature, json) {
                    Ok(value) => row.push(value),
                    Err(error) => self.errors.add(|| invalid(feature, json, error)),
                },
            }
        }
        self.errors.refuse().map(|()| row)
    }

    /// Reads the elements of a vector into a row.
    fn vector(&mut self, field: &Field<'_>, json: &str, row: &mut Vec<Value>) {
        let Field { name, features, .. } = *field;
        if json == "null" && field.feature().optional {
            return row.extend(features.iter().map(|_| Value::Missing));
        }
        let mut reader = serde_json::Deserializer::from_str(json);
        let list: Option<(Vec<&RawValue>, usize)> =
            UpTo::new(features.len()).deserialize(&mut reader).ok();
        let Some((elements, _)) = list.as_ref().filter(|(_, count)| *count == features.len())
        else {
            return self.errors.add(|| {
                let shown = shorten(json);
                let found = match &list {
                    Some((_, count)) => format!("{count} elements"),
                    None => visible(&shown).into_owned(),
                };
                let detail = format!("{name}: expected {field}, got {found}");
                FieldError::field(name, field.to_string(), detail).found(excerpt::of_json(json))
            });
        };
        for (feature, element) in features.iter().zip(elements) {
            match read::value(feature, element.get()) {
                Ok(value) => row.push(value),
                Err(error) => self.errors.add(|| invalid(feature, element.get(), error)),
            }
        }
    }
}

fn unknown(features: &[Feature], name: &str, raw: &RawValue) -> FieldError {
    let names = excerpt::names(feature::fields(features).map(|field| field.name));
    let name = shorten(name);
    let detail = format!("{name:?} is not a field; the fields are {names}");
    FieldError::field(name, format!("one of the fields {names}"), detail)
        .found(excerpt::of_json(raw.get()))
}

fn duplicate(name: &str, raw: &RawValue) -> FieldError {
    let detail = format!("{name} is there more than once; send one value");
    FieldError::field(name, "one value", detail).found(excerpt::of_json(raw.get()))
}

fn missing(field: &Field<'_>) -> FieldError {
    let name = field.name;
    FieldError::field(name, field.to_string(), format!("{name} is missing: expected {field}"))
}

/// What is wrong with a value that is not one of its feature's.
pub(crate) fn invalid(feature: &Feature, json: &str, error: ValueError<'_>) -> FieldError {
    let shown = shorten(json);
    let detail = format!("{}: expected {error}, got {}", feature.name, visible(&shown));
    let place = feature.element.as_ref().map_or(Place::Field, |it| Place::Element(it.index));
    let mistake = FieldError::field(feature.field(), error.to_string(), detail);
    FieldError { place, ..mistake.found(excerpt::of_json(json)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexplained_row_takes_as_many_bytes_as_are_counted() {
        let document = Problem::InvalidRow.document(Some(7)).to_string() + ",";
        assert_eq!(document.len(), UNEXPLAINED_ROW_BYTES, "{document}");
    }
}
