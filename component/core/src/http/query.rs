//! The query of a URL: parameters that a resource knows.

use std::borrow::Cow;

use crate::http::excerpt::{self, shorten};
use crate::http::field_errors::FieldErrors;
use crate::http::paths;
use crate::http::problem::{FieldError, Problem};
use crate::model::manifest::Manifest;

/// The endpoints that `/predictions` is asked for: their positions, in the manifest's order.
///
/// # Errors
/// If a name is not one of the endpoints' fields, or another parameter is there.
pub(crate) fn included(target: &str, manifest: &Manifest) -> Result<Vec<usize>, Problem> {
    let fields: Vec<&str> = manifest.endpoints.iter().map(|e| e.field.as_str()).collect();
    let (mut included, mut errors) = (vec![false; fields.len()], FieldErrors::default());
    let mut is_given = false;
    for (name, value) in parameters(target) {
        if name != "include" {
            errors.add(|| unknown(&name, &value, "the only parameter is include"));
            continue;
        }
        is_given = true;
        for field in value.split(',').map(str::trim) {
            match fields.iter().position(|known| *known == field) {
                Some(position) => included[position] = true,
                None => errors.add(|| not_included(field, &fields)),
            }
        }
    }
    errors.refuse()?;
    Ok((0..fields.len()).filter(|i| !is_given || included[*i]).collect())
}

/// Refuses all parameters.
///
/// # Errors
/// If there are some.
pub(crate) fn none(target: &str) -> Result<(), Problem> {
    let mut errors = FieldErrors::default();
    for (name, value) in parameters(target) {
        errors.add(|| {
            let known = format!("there are no parameters here; {} has include", paths::PREDICTIONS);
            unknown(&name, &value, &known)
        });
    }
    errors.refuse()
}

fn not_included(field: &str, fields: &[&str]) -> FieldError {
    let (shown, names) = (shorten(field), excerpt::names(fields));
    let expected = format!("some of {names}, with commas between them");
    let detail = format!("include: there is no {shown:?}; the names are {names}");
    FieldError::parameter("include", expected, detail).found(shown)
}

fn unknown(name: &str, value: &str, known: &str) -> FieldError {
    let name = shorten(name);
    let detail = format!("{name:?} is not a parameter; {known}");
    FieldError::parameter(name, "a parameter that is known here", detail).found(shorten(value))
}

/// Names and values, decoded.
fn parameters(target: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Text with `%2C` and `+` resolved; what is no such sequence stays as it is.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                &tail[2..]
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        for (target, expected) in [
            ("/x", vec![]),
            ("/x?", vec![]),
            ("/x?a=b&c", vec![("a", "b"), ("c", "")]),
            ("/x?a=b%2Cc+d%", vec![("a", "b,c d%")]),
            ("/x?%61=%C3%BC%zz", vec![("a", "ü%zz")]),
            ("/x?a=1=2?3", vec![("a", "1=2?3")]),
        ] {
            let found: Vec<_> = parameters(target).collect();
            let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(found, expected, "{target}");
        }
    }
}
