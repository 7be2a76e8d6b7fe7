//! Tensors as bytes: little endian, and texts with their length in four bytes before them.

use std::borrow::Cow;

use half::{bf16, f16};

use crate::model::answer::Answer;
use crate::model::feature::{Domain, Feature};

/// How the protocol's JSON has what is not a number.
const NAN_TEXT: &str = "\"NaN\"";

/// The datatypes that carry values of a domain. In a matrix truth values are numbers beside others.
pub(super) fn datatypes(domain: &Domain, is_in_matrix: bool) -> &'static [&'static str] {
    const ALL: [&str; 13] = [
        "BOOL", "FP64", "FP32", "FP16", "BF16", "INT64", "INT32", "INT16", "INT8", "UINT64",
        "UINT32", "UINT16", "UINT8",
    ];
    match domain {
        Domain::Number { .. } | Domain::Integer { .. } => &ALL[1..],
        Domain::Boolean if is_in_matrix => &ALL,
        Domain::Boolean => &ALL[..1],
        Domain::Category { .. } => &["BYTES"],
    }
}

/// The elements of a tensor as JSON texts, row by row; there is a domain for each column.
///
/// A number is its shortest decimal text: 0.1 as 32-bit float means 0.1. A 16-bit float has too few
/// digits for that, and is taken as the number that it is.
///
/// # Errors
/// If the bytes are not as many as the elements need, or texts are not UTF-8.
pub(super) fn texts(
    domains: &[&Domain],
    datatype: &str,
    bytes: &[u8],
    count: usize,
) -> Result<Vec<String>, String> {
    let mut columns = domains.iter().cycle();
    let mut next = || *columns.next().expect("a tensor has a column");
    macro_rules! numbers {
        ($type:ty) => {
            elements(bytes, count, |bytes| {
                let text = <$type>::from_le_bytes(bytes).to_string();
                as_domain(next(), text.into()).into_owned()
            })
        };
    }
    match datatype {
        "FP64" => elements(bytes, count, |bytes| float(f64::from_le_bytes(bytes), next())),
        "FP32" => elements(bytes, count, |bytes| single(f32::from_le_bytes(bytes), next())),
        "FP16" => {
            elements(bytes, count, |bytes| single(f16::from_le_bytes(bytes).to_f32(), next()))
        }
        "BF16" => {
            elements(bytes, count, |bytes| single(bf16::from_le_bytes(bytes).to_f32(), next()))
        }
        "INT64" => numbers!(i64),
        "INT32" => numbers!(i32),
        "INT16" => numbers!(i16),
        "INT8" => numbers!(i8),
        "UINT64" => numbers!(u64),
        "UINT32" => numbers!(u32),
        "UINT16" => numbers!(u16),
        "UINT8" => numbers!(u8),
        "BOOL" => elements(bytes, count, |[byte]| (byte != 0).to_string()),
        _ => strings(bytes, count),
    }
}

/// A float as JSON text. The shortest text of a large one has zeros for digits that it does have, so
/// an integer is written in full.
fn float(number: f64, domain: &Domain) -> String {
    let is_integer = matches!(domain, Domain::Integer { .. });
    match is_integer && number.fract() == 0.0 && number.abs() < 2f64.powi(64) {
        true => (number as i128).to_string(),
        false => as_domain(domain, number.to_string().into()).into_owned(),
    }
}

fn single(number: f32, domain: &Domain) -> String {
    match domain {
        Domain::Integer { .. } => float(number.into(), domain),
        _ => as_domain(domain, number.to_string().into()).into_owned(),
    }
}

/// A number for a truth value, as that.
fn as_domain<'a>(domain: &Domain, text: Cow<'a, str>) -> Cow<'a, str> {
    match (domain, text.parse::<f64>()) {
        (Domain::Boolean, Ok(0.0)) => "false".into(),
        (Domain::Boolean, Ok(1.0)) => "true".into(),
        _ => text,
    }
}

fn elements<const SIZE: usize>(
    bytes: &[u8],
    count: usize,
    mut text: impl FnMut([u8; SIZE]) -> String,
) -> Result<Vec<String>, String> {
    let (chunks, rest) = bytes.as_chunks::<SIZE>();
    if chunks.len() != count || !rest.is_empty() {
        let expected = count * SIZE;
        return Err(format!("expected {expected} bytes for {count} elements, got {}", bytes.len()));
    }
    Ok(chunks.iter().map(|chunk| text(*chunk)).collect())
}

fn strings(bytes: &[u8], count: usize) -> Result<Vec<String>, String> {
    let mut rest = bytes;
    let mut texts = Vec::new();
    while texts.len() < count
        && let Some((length, tail)) = rest.split_first_chunk::<4>()
    {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((text, tail)) = tail.split_at_checked(length) else {
            return Err(format!("element {} ends beyond the tensor's bytes", texts.len()));
        };
        let text = std::str::from_utf8(text)
            .map_err(|_| format!("element {} is not UTF-8", texts.len()))?;
        texts.push(serde_json::Value::from(text).to_string());
        rest = tail;
    }
    if texts.len() < count {
        return Err(format!("expected {count} elements, got {}", texts.len()));
    }
    if !rest.is_empty() {
        return Err(format!("expected {count} elements, got {} bytes more", rest.len()));
    }
    Ok(texts)
}

/// Appends an answer as an element of FP32 or BYTES.
pub(super) fn write(answer: Answer<'_>, bytes: &mut Vec<u8>) {
    match answer {
        Answer::Number(number) => bytes.extend_from_slice(&number.to_le_bytes()),
        Answer::Label(label) => {
            let length = u32::try_from(label.len()).expect("labels are short");
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(label.as_bytes());
        }
    }
}

/// A number of a JSON request as one of its datatype: clients write a 32-bit float with the digits
/// of the 64-bit one beside it.
pub(super) fn narrowed<'a>(domain: &Domain, datatype: &str, text: Cow<'a, str>) -> Cow<'a, str> {
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = text.parse::<f32>().ok().filter(|number| is_number && number.is_finite());
    match (number, datatype) {
        (Some(number), "FP32") => single(number, domain).into(),
        (Some(number), "FP16") => single(f16::from_f32(number).to_f32(), domain).into(),
        (Some(number), "BF16") => single(bf16::from_f32(number).to_f32(), domain).into(),
        _ if datatype == "BOOL" => text,
        _ => as_domain(domain, text),
    }
}

/// A number that JSON does not know, as what stands for a missing one. In the protocol's JSON it is a
/// text.
pub(super) fn missing_for_nan<'a>(text: Cow<'a, str>, feature: &Feature) -> Cow<'a, str> {
    let is_nan =
        text == "NaN" || text == NAN_TEXT && !matches!(feature.domain, Domain::Category { .. });
    if feature.optional && is_nan { "null".into() } else { text }
}

/// JSON in which NaN stands as Python writes it, with texts instead, if that is so: Triton takes it.
pub(super) fn without_bare_nan(json: &str) -> Option<String> {
    let mut is_text = false;
    let (mut rest, mut fixed) = (json, String::new());
    while let Some(at) = rest.find(['"', '\\', 'N']) {
        let (before, found) = rest.split_at(at);
        fixed.push_str(before);
        let taken = match found.as_bytes() {
            [b'\\', ..] => {
                found.chars().next().map_or(0, char::len_utf8)
                    + found[1..].chars().next().map_or(0, char::len_utf8)
            }
            [b'"', ..] => {
                is_text = !is_text;
                1
            }
            [b'N', b'a', b'N', ..] if !is_text => {
                fixed.push_str(NAN_TEXT);
                rest = &found[3..];
                continue;
            }
            _ => 1,
        };
        fixed.push_str(&found[..taken]);
        rest = &found[taken..];
    }
    let is_fixed = fixed.len() + rest.len() > json.len();
    fixed.push_str(rest);
    is_fixed.then_some(fixed)
}
