//! Reads a value from its JSON text. Numbers are read from the text: `30`, `30.0` and `3e1` are one
//! value.

use std::fmt;

use crate::json::Text;
use crate::model::feature::{Domain, Feature, Value};

/// A text that is not one of a feature's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueError<'f> {
    feature: &'f Feature,
}

/// What is expected instead, e.g. `an integer from 18 to 127 or null`.
impl fmt::Display for ValueError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let null = if self.feature.optional { " or null" } else { "" };
        write!(f, "{}{null}", self.feature.domain)
    }
}

impl std::error::Error for ValueError<'_> {}

/// The value of a feature from its JSON text.
///
/// # Errors
/// If it is not one of the feature's values.
pub fn value<'f>(feature: &'f Feature, json: &str) -> Result<Value, ValueError<'f>> {
    match (&feature.domain, json.as_bytes()) {
        (_, b"null") if feature.optional => Some(Value::Missing),
        (Domain::Number { .. }, [b'-' | b'0'..=b'9', ..]) => number(&feature.domain, json),
        (Domain::Integer { minimum, maximum }, [b'-' | b'0'..=b'9', ..]) => integer(json)
            .filter(|integer| (*minimum..=*maximum).contains(integer))
            .map(Value::Integer),
        (Domain::Boolean, b"true") => Some(Value::Boolean(true)),
        (Domain::Boolean, b"false") => Some(Value::Boolean(false)),
        (Domain::Category { categories }, [b'"', ..]) => serde_json::from_str(json)
            .ok()
            .and_then(|Text(text)| categories.iter().position(|category| *category == text))
            .map(Value::Category),
        _ => None,
    }
    .ok_or(ValueError { feature })
}

fn number(domain: &Domain, json: &str) -> Option<Value> {
    let Domain::Number { minimum, maximum, step, round } = domain else { return None };
    // Models compute in 32-bit floats, where a larger number is infinite. Adding zero turns -0
    // into 0.
    let mut number =
        json.parse::<f64>().ok().filter(|number| number.abs() <= f64::from(f32::MAX))? + 0.0;
    let bounds = [*minimum, *maximum].map(|bound| bound.unwrap_or(0.0).abs());
    let magnitude = bounds[0].max(bounds[1]).max(number.abs());
    if let Some(minimum) = *minimum
        && number < minimum
    {
        number = Some(minimum).filter(|_| is_noise(number, minimum, magnitude))?;
    }
    if let Some(maximum) = *maximum
        && number > maximum
    {
        number = Some(maximum).filter(|_| is_noise(number, maximum, magnitude))?;
    }
    let Some(step) = step else { return Some(Value::Number(number)) };
    let nearest = step.value(step.nearest(number))?;
    let is_on_grid = is_noise(number, nearest, magnitude.min(step.size() / 16.0 / NOISE));
    (*round || is_on_grid).then_some(Value::Number(nearest))
}

/// Four units in the last place of a 64-bit float: what a few additions are off by.
const NOISE: f64 = 4.0 * f64::EPSILON;

/// Whether a number differs from what is meant by no more than the noise of floats: of 64 bits,
/// where a client computed 0.1 + 0.2 or 0.3 - 0.2 - 0.1 with numbers of this magnitude, or of 32
/// bits, where it has 0.3 as 0.30000001192092896.
fn is_noise(number: f64, meant: f64, magnitude: f64) -> bool {
    (number - meant).abs() <= NOISE * magnitude || number == f64::from(meant as f32)
}

/// An integer in any notation: with a fraction or an exponent below 2^53, where floats are exact.
fn integer(json: &str) -> Option<i64> {
    json.parse().ok().or_else(|| {
        let number: f64 = json.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < (1u64 << 53) as f64).then_some(number as i64)
    })
}
