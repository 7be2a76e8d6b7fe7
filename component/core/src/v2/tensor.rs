//! Tensors as bytes: little endian, and texts with their length in four bytes before them.

use std::borrow::Cow;

use crate::model::answer::Answer;
use crate::model::feature::Domain;

/// The datatypes that carry values of a domain.
pub(super) fn datatypes(domain: &Domain) -> &'static [&'static str] {
    match domain {
        Domain::Number { .. } | Domain::Integer { .. } => &[
            "FP64", "FP32", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16",
            "UINT8",
        ],
        Domain::Boolean => &["BOOL"],
        Domain::Category { .. } => &["BYTES"],
    }
}

/// The elements of a tensor as JSON texts.
///
/// A number is its shortest decimal text: 0.1 as 32-bit float means 0.1.
///
/// # Errors
/// If the bytes are not as many as the elements need, or texts are not UTF-8.
pub(super) fn texts(
    domain: &Domain,
    datatype: &str,
    bytes: &[u8],
    count: usize,
) -> Result<Vec<String>, String> {
    let is_integer = matches!(domain, Domain::Integer { .. });
    macro_rules! numbers {
        ($type:ty) => {
            elements(bytes, count, |bytes| <$type>::from_le_bytes(bytes).to_string())
        };
    }
    match datatype {
        "FP64" => elements(bytes, count, |bytes| float(f64::from_le_bytes(bytes), is_integer)),
        "FP32" if is_integer => {
            elements(bytes, count, |bytes| float(f32::from_le_bytes(bytes).into(), true))
        }
        "FP32" => numbers!(f32),
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
fn float(number: f64, is_integer: bool) -> String {
    match is_integer && number.fract() == 0.0 && number.abs() < 2f64.powi(64) {
        true => (number as i128).to_string(),
        false => number.to_string(),
    }
}

fn elements<const SIZE: usize>(
    bytes: &[u8],
    count: usize,
    text: impl Fn([u8; SIZE]) -> String,
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
    match text.parse::<f32>() {
        Ok(number) if datatype == "FP32" && is_number && number.is_finite() => match domain {
            Domain::Integer { .. } => float(number.into(), true).into(),
            _ => number.to_string().into(),
        },
        _ => text,
    }
}

/// A number that JSON does not know, as what stands for a missing one.
pub(super) fn missing_for_nan(text: Cow<'_, str>, is_optional: bool) -> Cow<'_, str> {
    if is_optional && text == "NaN" { "null".into() } else { text }
}
