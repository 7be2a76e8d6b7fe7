//! `ai.onnx.ml.DictVectorizer` and `CastMap`: a map as a tensor of one row.
//!
//! The keys of a map are the names of the features that it is made of, so they are known before the
//! request, and where each value goes is, too.

use crate::node::Node;
use crate::ops::array::cast::cast_element;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Element, Fact, Keys, View, ViewMut, elements, same_type};

/// Puts values at positions, and zeros or empty strings everywhere else.
#[derive(Debug)]
struct DictVectorizer {
    /// For each value where it goes.
    positions: Vec<usize>,
}

pub(crate) fn dict_vectorizer(node: &Node<'_>) -> Result<Built, String> {
    let (keys, values) = map(node)?;
    let vocabulary = match (node.strings("string_vocabulary")?, node.ints("int64_vocabulary")?) {
        (texts, []) => Keys::Text(texts),
        (texts, integers) if texts.is_empty() => Keys::Integer(integers.to_vec()),
        _ => return Err("two vocabularies, expected one".into()),
    };
    let (positions, width) = match (keys, &vocabulary) {
        (Keys::Text(keys), Keys::Text(known)) => (find(keys, known)?, known.len()),
        (Keys::Integer(keys), Keys::Integer(known)) => (find(keys, known)?, known.len()),
        _ => return Err("a vocabulary of another type than the keys".into()),
    };
    elements(&[1, width])?;
    Ok(Built::map(DictVectorizer { positions }, Fact::new(values.element, [1, width])))
}

/// The map that is the first input: its keys and the type of its values.
fn map<'a>(node: &Node<'a>) -> Result<(&'a Keys, &'a Fact), String> {
    let input = node.input(0)?;
    let keys = input.keys.ok_or("an input that is a tensor, expected a map")?;
    Ok((keys, input.fact))
}

/// Where in the vocabulary each key is. A key that it does not have would count for nothing.
fn find<T: PartialEq + std::fmt::Debug>(keys: &[T], known: &[T]) -> Result<Vec<usize>, String> {
    let position = |key: &T| known.iter().position(|it| it == key);
    keys.iter()
        .map(|key| position(key).ok_or_else(|| format!("the key {key:?}, which it does not know")))
        .collect()
}

impl Kernel for DictVectorizer {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        same_type!(inputs[0], &mut outputs[0], |values, row| {
            for (value, &position) in values.iter().zip(&self.positions) {
                row[position].clone_from(value);
            }
        });
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}

/// The values in the order of their keys, or each at the position that its key says.
#[derive(Debug)]
struct CastMap {
    /// For each value where it goes; `None` beyond the end.
    positions: Vec<Option<usize>>,
}

pub(crate) fn cast_map(node: &Node<'_>) -> Result<Built, String> {
    let (keys, values) = map(node)?;
    let Keys::Integer(keys) = keys else {
        return Err("keys that are strings, expected integers".into());
    };
    let to = match node.string("cast_to")?.unwrap_or("TO_FLOAT") {
        "TO_FLOAT" => Element::F32,
        "TO_STRING" => Element::Text,
        "TO_INT64" => Element::I64,
        other => return Err(format!("the attribute 'cast_to' is '{other}'")),
    };
    let (from, form) = (values.element, node.string("map_form")?.unwrap_or("DENSE"));
    let longest = node.int("max_map")?.unwrap_or(1);
    let (positions, width) = match form {
        "DENSE" => {
            let rank = |key: &i64| Some(keys.iter().filter(|other| *other < key).count());
            (keys.iter().map(rank).collect(), keys.len())
        }
        "SPARSE" => {
            let width = usize::try_from(longest).map_err(|_| format!("max_map of {longest}"))?;
            if let Some(key) = keys.iter().find(|&&key| key < 0) {
                return Err(format!("the key {key}, expected none below 0"));
            }
            let position = |&key: &i64| usize::try_from(key).ok().filter(|&key| key < width);
            (keys.iter().map(position).collect(), width)
        }
        other => return Err(format!("the attribute 'map_form' is '{other}'")),
    };
    if !matches!(from, Element::F32 | Element::Text) || (from, to) == (Element::F32, Element::Text)
    {
        // What C++ makes of a float as a string has six decimals, whatever it is.
        return Err(format!("a map to {from} to be cast to {to}"));
    }
    elements(&[1, width])?;
    Ok(Built::map(CastMap { positions }, Fact::new(to, [1, width])))
}

impl Kernel for CastMap {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for (i, position) in self.positions.iter().enumerate() {
            if let &Some(position) = position {
                cast_element(&inputs[0], i, &mut outputs[0], position)?;
            }
        }
        Ok(())
    }
}
