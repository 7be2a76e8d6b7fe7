//! What a Python service keeps in Redis: keys by `repr`, values by `str`.
//!
//! It is for sharing a Redis with the FastAPI service that Foretold replaces, while both run. A key
//! is what pydantic's `repr` gives for the request, byte for byte; a value is the answer's text.
//! There is no time in it and no check, so that only the store's own expiry ends it.
//!
//! Limits: `-0.0` is `0.0` here, numbers are those after rounding to the manifest's steps, and
//! which letters Python escapes depends on its version's Unicode tables, for unassigned ones.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::model::answer::Answer;
use crate::model::feature::{self, Domain, Feature, Value};
use crate::model::manifest::Endpoint;

/// `repr` of a pydantic model with these fields, e.g. `DecisionRequest(age=30, name='x')`.
pub fn repr(class: &str, features: &[Feature], row: &[Value]) -> String {
    let mut text = format!("{class}(");
    for (i, field) in feature::fields(features).enumerate() {
        text.push_str(if i == 0 { "" } else { ", " });
        text.push_str(field.name);
        text.push('=');
        let values = field.features.iter().zip(&row[field.first..]);
        let values = values.map(|(feature, value)| repr_of(feature, *value));
        let values = values.collect::<Vec<_>>().join(", ");
        match field.is_vector() {
            true => text.extend(["[", &values, "]"]),
            false => text.push_str(&values),
        }
    }
    text.push(')');
    text
}

/// `repr` of a value.
fn repr_of(feature: &Feature, value: Value) -> String {
    match (value, &feature.domain) {
        (Value::Missing, _) => "None".to_owned(),
        (Value::Number(number), _) => float(number),
        (Value::Integer(integer), _) => integer.to_string(),
        (Value::Boolean(boolean), _) => (if boolean { "True" } else { "False" }).to_owned(),
        (Value::Category(index), Domain::Category { categories }) => string(&categories[index]),
        (Value::Category(_), _) => {
            unreachable!("a category value of a feature without categories")
        }
    }
}

/// The value for an answer: the label, or `str` of the number.
pub fn value(answer: Answer<'_>) -> Vec<u8> {
    match answer {
        Answer::Label(label) => label.as_bytes().to_vec(),
        // Python widens the model's 32-bit float before it writes it.
        Answer::Number(number) => float(number.into()).into_bytes(),
    }
}

/// The answer in a value, or `None` where it is none that this endpoint gives.
pub fn answer<'a>(endpoint: &'a Endpoint, value: &[u8]) -> Option<Answer<'a>> {
    let text = std::str::from_utf8(value).ok()?;
    if endpoint.rule.is_number() {
        let number = text.parse::<f64>().ok()? as f32;
        return number.is_finite().then_some(Answer::Number(number));
    }
    endpoint.rule.labels().into_iter().find(|label| *label == text).map(Answer::Label)
}

/// `repr` of a finite float: the shortest digits that read back, with an exponent below 1e-4 and
/// from 1e16 up.
fn float(number: f64) -> String {
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').expect("it was formatted with an exponent");
    let exponent: i32 = exponent.parse().expect("it was formatted as an integer");
    if (-4..16).contains(&exponent) {
        let text = number.to_string();
        if text.contains('.') { text } else { format!("{text}.0") }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// `repr` of a string.
fn string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut repr = String::with_capacity(text.len() + 2);
    repr.push(quote);
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '\\' => repr.push_str("\\\\"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            _ if c == quote => repr.extend(['\\', c]),
            _ if is_printable(c) => repr.push(c),
            _ if code < 0x100 => repr.push_str(&format!("\\x{code:02x}")),
            _ if code < 0x1_0000 => repr.push_str(&format!("\\u{code:04x}")),
            _ => repr.push_str(&format!("\\U{code:08x}")),
        }
    }
    repr.push(quote);
    repr
}

/// `str.isprintable`.
fn is_printable(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
        Unassigned,
    };
    let category = c.general_category();
    let hidden = matches!(category, Control | Format | LineSeparator | ParagraphSeparator)
        || matches!(category, PrivateUse | SpaceSeparator | Surrogate | Unassigned);
    c == ' ' || !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 prints for `repr(x)`.
    #[test]
    fn floats_are_written_as_python_does() {
        for (number, expected) in [
            (0.25, "0.25"),
            (30.0, "30.0"),
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (123_456_789_012_345.68, "123456789012345.69"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (12_345_678_901_234_568.0, "1.2345678901234568e+16"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    /// What Python 3.11 prints for `repr(x)`.
    #[test]
    fn strings_are_written_as_python_does() {
        for (text, expected) in [
            ("male: single", "'male: single'"),
            ("it's", "\"it's\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("it's \"both\"", "'it\\'s \"both\"'"),
            ("back\\slash", "'back\\\\slash'"),
            ("a\tb\nc\rd", "'a\\tb\\nc\\rd'"),
            ("\u{0}\u{1f}\u{7f}\u{a0}\u{ad}", "'\\x00\\x1f\\x7f\\xa0\\xad'"),
            ("Grüße, 漢字, 🙂", "'Grüße, 漢字, 🙂'"),
            ("e\u{301}", "'e\u{301}'"),
            ("\u{2028}\u{200b}\u{3000}\u{e000}", "'\\u2028\\u200b\\u3000\\ue000'"),
            ("\u{1f1e6}\u{e0001}\u{10ffff}", "'\u{1f1e6}\\U000e0001\\U0010ffff'"),
        ] {
            assert_eq!(string(text), expected);
        }
    }
}
