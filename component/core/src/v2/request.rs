//! An infer request: tensors in, rows out.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::http::Request;
use crate::http::accept;
use crate::http::excerpt::{self, shorten, visible};
use crate::http::field_errors::{FieldErrors, MAX_ERRORS};
use crate::http::problem::{FieldError, Problem};
use crate::http::request::{self, MAX_ROWS, malformed};
use crate::json::{List, UpTo};
use crate::model::feature::read;
use crate::model::feature::{self, Domain, Feature, Value};
use crate::model::manifest::Manifest;
use crate::v2::columns;
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

/// Inputs that a request may have, and outputs that it may ask for. More are counted only.
const MAX_TENSORS: usize = 10_000;
/// Elements that a tensor may have: each takes some dozen bytes while it is read.
const MAX_ELEMENTS: usize = 1 << 18;

type Tensors<T> = List<Object<T>, MAX_TENSORS>;

/// The JSON of a request; members that are not here are ignored while they are read, since clients
/// send some.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    parameters: Option<Object<Parameters<'a>>>,
    #[serde(borrow)]
    inputs: Tensors<Tensor<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Tensors<Requested<'a>>>,
}

/// The parameters that count, of a request, an input or an output.
#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    binary_data_output: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    binary_data_size: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    binary_data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    classification: Option<&'a RawValue>,
}

/// A member that is there, even where it is null.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

#[derive(Deserialize)]
struct Tensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    shape: &'a RawValue,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Option<Object<Parameters<'a>>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Requested<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Option<Object<Parameters<'a>>>,
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
        let text = request::text(json)?;
        let fixed;
        let read = match serde_json::from_str(text) {
            Err(error) if !error.is_data() => match tensor::without_bare_nan(text) {
                Some(text) => {
                    fixed = text;
                    serde_json::from_str(&fixed)
                }
                None => Err(error),
            },
            read => read,
        };
        let Object(head): Object<Head<'_>> = read.map_err(|error: serde_json::Error| {
            if !error.is_data() {
                return malformed(&error, None);
            }
            // The message may hold a text of any length.
            let error = error.to_string();
            let detail = format!("the request does not follow the protocol: {}", shorten(&error));
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

/// What a parameter says, where it is there.
fn parameter<'a>(
    parameters: Option<&Object<Parameters<'a>>>,
    member: impl Fn(&Parameters<'a>) -> Option<&'a RawValue>,
) -> Option<&'a str> {
    parameters.and_then(|Object(parameters)| member(parameters)).map(RawValue::get)
}

fn flag(text: Option<&str>) -> Option<bool> {
    text?.parse().ok()
}

/// The outputs that are asked for; all where none is named.
fn outputs(head: &Head<'_>, manifest: &Manifest, errors: &mut FieldErrors) -> Vec<Output> {
    let all_binary = flag(parameter(head.parameters.as_ref(), |it| it.binary_data_output));
    let all_binary = all_binary.unwrap_or(false);

    let requested = head.outputs.as_ref().map_or(&[][..], |outputs| &outputs.items);
    if requested.is_empty() {
        let endpoints = 0..manifest.endpoints.len();
        return endpoints.map(|endpoint| Output { endpoint, is_binary: all_binary }).collect();
    }
    let mut outputs = Vec::new();
    for (i, Object(Requested { name, parameters })) in requested.iter().enumerate() {
        let parameters = parameters.as_ref();
        if parameter(parameters, |it| it.classification).is_some() {
            errors.add(|| {
                let detail = format!(
                    "{}: classification is not supported; leave it out",
                    visible(&shorten(name))
                );
                let pointer = format!("/outputs/{i}/parameters/classification");
                mistake(pointer, name, None, "an output without classification", detail)
            });
        }
        let is_binary = flag(parameter(parameters, |it| it.binary_data)).unwrap_or(all_binary);
        let pointer = || format!("/outputs/{i}/name");
        match manifest.endpoints.iter().position(|endpoint| endpoint.field == *name) {
            Some(endpoint) if outputs.iter().any(|other: &Output| other.endpoint == endpoint) => {
                errors.add(|| {
                    let detail = format!("the output {name} is asked for more than once");
                    mistake(pointer(), name, Some(name), "another output", detail)
                });
            }
            Some(endpoint) => outputs.push(Output { endpoint, is_binary }),
            None => errors.add(|| {
                let names = excerpt::names(manifest.endpoints.iter().map(|e| &e.field));
                let detail =
                    format!("there is no output {:?}; the outputs are {names}", shorten(name));
                mistake(pointer(), name, Some(name), &format!("one of {names}"), detail)
            }),
        }
    }
    outputs
}

/// A mistake at a pointer (RFC 6901) into the body; long names and values are cut.
fn mistake(
    pointer: String,
    field: &str,
    value: Option<&str>,
    expected: &str,
    detail: String,
) -> FieldError {
    let error = FieldError::field(shorten(field), expected, detail).at(pointer);
    match value {
        Some(value) => error.found(shorten(value)),
        None => error,
    }
}

/// The rows: one per row of the inputs.
fn rows(
    head: &Head<'_>,
    binary: &[u8],
    features: &[Feature],
    errors: &mut FieldErrors,
) -> Vec<Vec<Value>> {
    let mut values: Vec<Option<Vec<Value>>> = features.iter().map(|_| None).collect();
    let mut is_given = vec![false; features.len()];
    let (mut rest, mut count) = (binary, None);
    let List { items: inputs, count: found } = &head.inputs;
    if *found > features.len() + MAX_ERRORS || *found > inputs.len() {
        errors.add(|| {
            let expected = format!("{} inputs", feature::fields(features).count());
            let detail = format!("there are {found} inputs; expected {expected}");
            mistake("/inputs".to_owned(), "", None, &expected, detail)
        });
        return Vec::new();
    }
    for (i, Object(input)) in inputs.iter().enumerate() {
        let at = |member: &str| format!("/inputs/{i}/{member}");
        let name = &*input.name;
        // First, so that the bytes of the next input are found whatever is wrong with this one.
        let bytes = match take(input, &mut rest) {
            Ok(bytes) => bytes,
            Err(detail) => {
                errors.add(|| {
                    let pointer = at("parameters/binary_data_size");
                    let detail = format!("{}: {detail}", visible(&shorten(name)));
                    mistake(pointer, name, None, "the tensor's size in bytes", detail)
                });
                return Vec::new();
            }
        };
        let shape = serde_json::from_str::<List<u64, 3>>(input.shape.get());
        let shape = shape.map_or_else(|_| Vec::new(), |shape| shape.items);
        let columns =
            columns::of(name, &shape, features, inputs.iter().map(|input| &*input.0.name));
        if columns.is_empty() {
            errors.add(|| {
                let names = excerpt::names(feature::fields(features).map(|field| field.name));
                let detail =
                    format!("there is no input {:?}; the inputs are {names}", shorten(name));
                mistake(at("name"), name, Some(name), &format!("one of {names}"), detail)
            });
            continue;
        }
        if let Some(&twice) = columns.iter().find(|&&position| is_given[position]) {
            errors.add(|| {
                let feature = features[twice].field();
                let detail = format!("{feature} is there more than once; send one tensor");
                mistake(at("name"), name, Some(name), "one tensor", detail)
            });
            continue;
        }
        columns.iter().for_each(|&position| is_given[position] = true);
        let columns: Vec<(usize, &Feature)> =
            columns.into_iter().map(|position| (position, &features[position])).collect();
        let width = columns.len();
        let length = match shape[..] {
            [length] if width == 1 => length,
            [length, columns] if columns == width as u64 => length,
            _ => 0,
        };
        let max_rows = MAX_ROWS.min(MAX_ELEMENTS / width);
        if !(1..=max_rows as u64).contains(&length) {
            errors.add(|| {
                let shapes =
                    if width == 1 { "[n] or [n,1]".to_owned() } else { format!("[n,{width}]") };
                let expected = format!("{shapes} with n from 1 to {max_rows}");
                let names = excerpt::names(columns.iter().map(|(_, feature)| &feature.name));
                let columns =
                    if width == 1 { String::new() } else { format!(", with the columns {names}") };
                let shape = input.shape.get();
                let (name, shown) = (visible(&shorten(name)).into_owned(), shorten(shape));
                let shown = visible(&shown);
                let detail = format!("{name}: expected the shape {expected}{columns}, got {shown}");
                mistake(at("shape"), &name, Some(shape), &expected, detail)
            });
            continue;
        }
        let length = length as usize;
        let first = *count.get_or_insert(length);
        if first != length {
            errors.add(|| {
                let name = visible(&shorten(name)).into_owned();
                let detail = format!("{name} has {length} rows, and the inputs before it {first}");
                let (shape, expected) = (length.to_string(), format!("{first} rows"));
                mistake(at("shape"), &name, Some(&shape), &expected, detail)
            });
            continue;
        }
        let known = |feature: &Feature| tensor::datatypes(&feature.domain, width > 1);
        let is_unknown =
            |(_, feature): &&(usize, &Feature)| !known(feature).contains(&&*input.datatype);
        if let Some((_, feature)) = columns.iter().find(is_unknown) {
            errors.add(|| {
                let (found, known) = (shorten(&input.datatype), known(feature).join(", "));
                let name = &feature.name;
                let detail = format!("{name}: the datatype is {found:?}; expected one of {known}");
                let expected = format!("one of {known}");
                mistake(at("datatype"), name, Some(&input.datatype), &expected, detail)
            });
            continue;
        }
        let domains: Vec<&Domain> = columns.iter().map(|(_, feature)| &feature.domain).collect();
        let texts = match texts(&domains, input, bytes, length * width) {
            Ok(texts) => texts,
            Err(detail) => {
                errors.add(|| {
                    let name = visible(&shorten(name)).into_owned();
                    let (expected, detail) =
                        (format!("{} elements", length * width), format!("{name}: {detail}"));
                    mistake(at("data"), &name, None, &expected, detail)
                });
                continue;
            }
        };
        columns
            .iter()
            .for_each(|(position, _)| values[*position] = Some(Vec::with_capacity(length)));
        for (element, text) in texts.into_iter().enumerate() {
            let (row, (position, feature)) = (element / width, columns[element % width]);
            let text = tensor::missing_for_nan(text, feature);
            match read::value(feature, &text) {
                Ok(value) => values[position].iter_mut().for_each(|column| column.push(value)),
                Err(error) => errors.add(|| {
                    let error = request::invalid(feature, &text, error);
                    let detail = format!("row {row}: {}", error.detail);
                    FieldError { detail, ..error }.at(format!("/inputs/{i}/data/{element}"))
                }),
            }
        }
    }
    if !rest.is_empty() {
        errors.add(|| {
            let detail = format!("{} bytes are left behind the last tensor", rest.len());
            mistake("/inputs".to_owned(), "", None, "as many bytes as the inputs say", detail)
        });
    }
    let count = count.unwrap_or(0);
    for field in feature::fields(features) {
        let columns = &mut values[field.first..field.first + field.features.len()];
        if field.feature().optional {
            columns.iter_mut().for_each(|column| {
                column.get_or_insert_with(|| vec![Value::Missing; count]);
            });
        } else if !is_given[field.first] {
            errors.add(|| {
                let (name, expected) = (field.name, field.to_string());
                let detail = format!("the input {name} is missing: expected {expected}");
                mistake("/inputs".to_owned(), name, None, &expected, detail)
            });
        }
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let columns: Vec<Vec<Value>> = values.into_iter().flatten().collect();
    (0..count).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
}

/// The bytes of an input that is binary, taken from those that are left.
fn take<'b>(input: &Tensor<'_>, rest: &mut &'b [u8]) -> Result<Option<&'b [u8]>, String> {
    let size = parameter(input.parameters.as_ref(), |it| it.binary_data_size);
    let Some(size) = size else { return Ok(None) };
    let left = rest.len();
    let split = size.parse().ok().and_then(|size| rest.split_at_checked(size));
    let (bytes, after) = split.ok_or_else(|| {
        format!("binary_data_size is {}, and {left} bytes are left", visible(&shorten(size)))
    })?;
    *rest = after;
    Ok(Some(bytes))
}

/// The elements as JSON texts, row by row; there is a domain for each column.
fn texts<'a>(
    domains: &[&Domain],
    input: &Tensor<'a>,
    bytes: Option<&[u8]>,
    count: usize,
) -> Result<Vec<Cow<'a, str>>, String> {
    let texts: Vec<Cow<'a, str>> = match (bytes, input.data) {
        (Some(_), Some(_)) => return Err("it has data and binary_data_size; send one".to_owned()),
        (None, None) => return Err("it has neither data nor binary_data_size".to_owned()),
        (Some(bytes), None) => {
            let texts = tensor::texts(domains, &input.datatype, bytes, count)?;
            return Ok(texts.into_iter().map(Cow::Owned).collect());
        }
        (None, Some(data)) => {
            let mut texts = Vec::with_capacity(count);
            let mut add = |json: &'a RawValue| {
                let domain = domains[texts.len() % domains.len()];
                texts.push(tensor::narrowed(domain, &input.datatype, json.get().into()));
                texts.len()
            };
            // Lists in it may be empty.
            let (items, mut found) = list(data, count.max(MAX_ROWS))?;
            let wrong = |found: usize| format!("expected {count} elements in data, got {found}");
            if found > items.len() {
                return Err(wrong(found));
            }
            let mut added = 0;
            for element in items {
                // The protocol allows nested lists.
                if element.get().starts_with('[') {
                    // More than one too many need not be kept.
                    let (items, nested) = list(element, (count + 1).saturating_sub(added))?;
                    found = found + nested - 1;
                    for element in items {
                        added = add(element);
                    }
                } else {
                    added = add(element);
                }
            }
            if added != count || found != count {
                return Err(wrong(found));
            }
            texts
        }
    };
    Ok(texts)
}

/// The first of a list's elements, and how many it has.
fn list(json: &RawValue, max_items: usize) -> Result<(Vec<&RawValue>, usize), String> {
    let mut reader = serde_json::Deserializer::from_str(json.get());
    UpTo::new(max_items)
        .deserialize(&mut reader)
        .map_err(|_| format!("data is {}; expected a list", visible(&shorten(json.get()))))
}
