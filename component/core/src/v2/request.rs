//! An infer request: tensors in, rows out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::http::Request;
use crate::http::accept;
use crate::http::excerpt::{self, shorten};
use crate::http::field_errors::{FieldErrors, MAX_ERRORS};
use crate::http::problem::{FieldError, Problem};
use crate::http::request::{self, MAX_ROWS, malformed, utf8};
use crate::model::feature::read;
use crate::model::feature::{Domain, Feature, Value};
use crate::model::manifest::Manifest;
use crate::v2::tensor;

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct InferRequest {
    /// To be echoed.
    pub(crate) id: Option<String>,
    /// What is answered, in this order.
    pub(crate) outputs: Vec<Output>,
    /// The rows.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// One output that is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Output {
    /// Position of the endpoint whose field it is.
    pub(crate) endpoint: usize,
    /// Whether it is sent as bytes behind the JSON.
    pub(crate) is_binary: bool,
}

type Parameters = BTreeMap<String, Json>;

/// The JSON of a request; members that are not here are ignored, since clients send some.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(borrow)]
    inputs: Vec<Object<Tensor<'a>>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<Object<Requested<'a>>>>,
}

#[derive(Deserialize)]
struct Tensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    shape: &'a RawValue,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Requested<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

/// An object of JSON. Without it an array of the members' values would be taken for one.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl InferRequest {
    /// Reads a request. `body` is its body, decompressed.
    ///
    /// # Errors
    /// With all that is wrong. One wrong value refuses the whole request: the protocol has no place
    /// for an error beside predictions.
    pub(crate) fn parse(
        request: &Request<'_>,
        body: &[u8],
        manifest: &Manifest,
    ) -> Result<InferRequest, Problem> {
        let (json, binary) = split(request, body)?;
        let text = utf8(json)?;
        let Object(head): Object<Head<'_>> = serde_json::from_str(text).map_err(|error| {
            if !error.is_data() {
                return malformed(&error, None);
            }
            // The message may hold a text of any length.
            let error = error.to_string();
            let detail = format!("the request is none of the protocol's: {}", shorten(&error));
            let expected = "inputs, each with name, shape, datatype and data";
            Problem::InvalidRequest { errors: vec![FieldError::body(expected, detail)] }
        })?;
        let mut errors = FieldErrors::default();
        let mut outputs = outputs(&head, manifest, &mut errors);
        // Who takes JSON only gets JSON.
        if accept::best(request.headers.accept, &["application/octet-stream"]).is_none() {
            outputs.iter_mut().for_each(|output| output.is_binary = false);
        }
        let rows = rows(&head, binary, &manifest.features, &mut errors);
        errors.refuse()?;
        Ok(InferRequest { id: head.id, outputs, rows })
    }
}

/// The JSON, and the bytes behind it.
fn split<'b>(request: &Request<'_>, body: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), Problem> {
    let Some(length) = request.headers.inference_header_content_length else {
        return Ok((body, &[]));
    };
    let split = length.trim().parse().ok().and_then(|length| body.split_at_checked(length));
    split.ok_or_else(|| Problem::MalformedBody {
        detail: format!(
            "Inference-Header-Content-Length is {:?}, and the body has {} bytes",
            shorten(length),
            body.len()
        ),
    })
}

fn flag(parameters: Option<&Parameters>, name: &str) -> Option<bool> {
    parameters?.get(name)?.as_bool()
}

/// The outputs that are asked for; all where none is named.
fn outputs(head: &Head<'_>, manifest: &Manifest, errors: &mut FieldErrors) -> Vec<Output> {
    let all_binary = flag(head.parameters.as_ref(), "binary_data_output").unwrap_or(false);

    let requested = head.outputs.as_deref().unwrap_or_default();
    if requested.is_empty() {
        let endpoints = 0..manifest.endpoints.len();
        return endpoints.map(|endpoint| Output { endpoint, is_binary: all_binary }).collect();
    }
    let mut outputs = Vec::new();
    for (i, Object(Requested { name, parameters })) in requested.iter().enumerate() {
        let parameters = parameters.as_ref();
        if parameters.is_some_and(|parameters| parameters.contains_key("classification")) {
            let detail =
                format!("{}: classification is not supported; leave it out", shorten(name));
            let pointer = format!("/outputs/{i}/parameters/classification");
            errors.add_at(pointer, name, None, "an output without classification", detail);
        }
        let is_binary = flag(parameters, "binary_data").unwrap_or(all_binary);
        match manifest.endpoints.iter().position(|endpoint| endpoint.field == *name) {
            Some(endpoint) if outputs.iter().any(|other: &Output| other.endpoint == endpoint) => {
                let detail = format!("the output {name} is asked for more than once");
                errors.add_at(
                    format!("/outputs/{i}/name"),
                    name,
                    Some(name),
                    "another output",
                    detail,
                );
            }
            Some(endpoint) => outputs.push(Output { endpoint, is_binary }),
            None => {
                let names: Vec<&str> = manifest.endpoints.iter().map(|e| &*e.field).collect();
                let names = names.join(", ");
                let detail =
                    format!("there is no output {:?}; the outputs are {names}", shorten(name));
                let expected = format!("one of {names}");
                errors.add_at(format!("/outputs/{i}/name"), name, Some(name), &expected, detail);
            }
        }
    }
    outputs
}

/// The rows: one per element of the inputs.
fn rows(
    head: &Head<'_>,
    binary: &[u8],
    features: &[Feature],
    errors: &mut FieldErrors,
) -> Vec<Vec<Value>> {
    let mut columns: Vec<Option<Vec<Value>>> = features.iter().map(|_| None).collect();
    let (mut rest, mut count) = (binary, None);
    if head.inputs.len() > features.len() + MAX_ERRORS {
        let (found, expected) = (head.inputs.len(), format!("{} inputs", features.len()));
        let detail = format!("there are {found} inputs; expected {expected}");
        errors.add_at("/inputs".to_owned(), "", None, &expected, detail);
        return Vec::new();
    }
    for (i, Object(input)) in head.inputs.iter().enumerate() {
        let at = |member: &str| format!("/inputs/{i}/{member}");
        let name = &*input.name;
        // First, so that the bytes of the next input are found whatever is wrong with this one.
        let bytes = match take(input, &mut rest) {
            Ok(bytes) => bytes,
            Err(detail) => {
                let pointer = at("parameters/binary_data_size");
                let detail = format!("{}: {detail}", shorten(name));
                errors.add_at(pointer, name, None, "the tensor's size in bytes", detail);
                return Vec::new();
            }
        };
        let Some(position) = features.iter().position(|feature| feature.name == name) else {
            let names: Vec<&str> = features.iter().map(|feature| &*feature.name).collect();
            let names = names.join(", ");
            let detail = format!("there is no input {:?}; the inputs are {names}", shorten(name));
            errors.add_at(at("name"), name, Some(name), &format!("one of {names}"), detail);
            continue;
        };
        if head.inputs[..i].iter().any(|Object(earlier)| earlier.name == name) {
            let detail = format!("{name} is there more than once; send one tensor");
            errors.add_at(at("name"), name, Some(name), "one tensor", detail);
            continue;
        }
        let shape = serde_json::from_str::<Vec<u64>>(input.shape.get()).unwrap_or_default();
        let length = match shape[..] {
            [length] | [length, 1] if (1..=MAX_ROWS as u64).contains(&length) => length as usize,
            _ => {
                let expected = format!("[n] or [n,1] with n from 1 to {MAX_ROWS}");
                let shape = input.shape.get();
                let detail =
                    format!("{name}: expected the shape {expected}, got {}", shorten(shape));
                errors.add_at(at("shape"), name, Some(shape), &expected, detail);
                continue;
            }
        };
        if *count.get_or_insert(length) != length {
            let first = count.unwrap_or_default();
            let detail = format!("{name} has {length} rows, and the inputs before it {first}");
            let (shape, expected) = (length.to_string(), format!("{first} rows"));
            errors.add_at(at("shape"), name, Some(&shape), &expected, detail);
            continue;
        }
        let feature = &features[position];
        let known = tensor::datatypes(&feature.domain);
        if !known.contains(&&*input.datatype) {
            let (found, known) = (shorten(&input.datatype), known.join(", "));
            let detail = format!("{name}: the datatype is {found:?}; expected one of {known}");
            let expected = format!("one of {known}");
            errors.add_at(at("datatype"), name, Some(&input.datatype), &expected, detail);
            continue;
        }
        let texts = match texts(&feature.domain, input, bytes, length) {
            Ok(texts) => texts,
            Err(detail) => {
                let expected = format!("{length} elements");
                errors.add_at(at("data"), name, None, &expected, format!("{name}: {detail}"));
                continue;
            }
        };
        let mut column = Vec::with_capacity(length);
        for (row, text) in texts.into_iter().enumerate() {
            let text = tensor::missing_for_nan(text, feature.optional);
            match read::value(feature, &text) {
                Ok(value) => column.push(value),
                Err(error) => {
                    let pointer = format!("/inputs/{i}/data/{row}");
                    let error = request::invalid(feature, &text, error);
                    let detail = format!("row {row}: {}", error.detail);
                    let shown = excerpt::of_json(&text);
                    errors.add_at(pointer, name, Some(&shown), &error.expected, detail);
                }
            }
        }
        columns[position] = Some(column);
    }
    if !rest.is_empty() {
        let detail = format!("{} bytes are left behind the last tensor", rest.len());
        errors.add_at("/inputs".to_owned(), "", None, "as many bytes as the inputs say", detail);
    }
    let count = count.unwrap_or(0);
    for (column, feature) in columns.iter_mut().zip(features) {
        match column {
            None if feature.optional => *column = Some(vec![Value::Missing; count]),
            None if head.inputs.iter().all(|Object(input)| input.name != feature.name) => {
                let name = &feature.name;
                let expected = feature.domain.to_string();
                let detail = format!("the input {name} is missing: expected {expected}");
                errors.add_at("/inputs".to_owned(), name, None, &expected, detail);
            }
            _ => {}
        }
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let columns: Vec<Vec<Value>> = columns.into_iter().flatten().collect();
    (0..count).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
}

/// The bytes of an input that is binary, taken from those that are left.
fn take<'b>(input: &Tensor<'_>, rest: &mut &'b [u8]) -> Result<Option<&'b [u8]>, String> {
    let size = input.parameters.as_ref().and_then(|parameters| parameters.get("binary_data_size"));
    let Some(size) = size else { return Ok(None) };
    let left = rest.len();
    let split = size.as_u64().and_then(|size| rest.split_at_checked(usize::try_from(size).ok()?));
    let (bytes, after) = split.ok_or_else(|| {
        let size = size.to_string();
        format!("binary_data_size is {}, and {left} bytes are left", shorten(&size))
    })?;
    *rest = after;
    Ok(Some(bytes))
}

/// The elements as JSON texts.
fn texts<'a>(
    domain: &Domain,
    input: &Tensor<'a>,
    bytes: Option<&[u8]>,
    count: usize,
) -> Result<Vec<Cow<'a, str>>, String> {
    let texts: Vec<Cow<'a, str>> = match (bytes, input.data) {
        (Some(_), Some(_)) => return Err("it has data and binary_data_size; send one".to_owned()),
        (None, None) => return Err("it has neither data nor binary_data_size".to_owned()),
        (Some(bytes), None) => {
            let texts = tensor::texts(domain, &input.datatype, bytes, count)?;
            return Ok(texts.into_iter().map(Cow::Owned).collect());
        }
        (None, Some(data)) => {
            let text =
                |json: &'a RawValue| tensor::narrowed(domain, &input.datatype, json.get().into());
            let mut texts = Vec::with_capacity(count);
            for element in list(data)? {
                // The protocol allows nested lists.
                match element.get().starts_with('[') {
                    true => texts.extend(list(element)?.into_iter().map(text)),
                    false => texts.push(text(element)),
                }
            }
            texts
        }
    };
    match texts.len() == count {
        true => Ok(texts),
        false => Err(format!("expected {count} elements in data, got {}", texts.len())),
    }
}

fn list(json: &RawValue) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(json.get())
        .map_err(|_| format!("data is {}; expected a list", shorten(json.get())))
}
