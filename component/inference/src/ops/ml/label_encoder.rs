//! `ai.onnx.ml.LabelEncoder` and `CategoryMapper`: a value for each of a list of keys, and one for all
//! others.

use std::cmp::Ordering;

use tract_hir::internal::*;

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, KnownTexts, Missing, Rows};
use crate::tensor::{Element, Fact, View, ViewMut, same_type};

#[derive(Debug)]
struct LabelEncoder {
    keys: Tensor,
    /// Positions of the keys, in the order of the keys.
    order: Vec<usize>,
    values: Tensor,
    /// The value for all other inputs, alone.
    other: Tensor,
    /// Whether NaN can be a key, as it can since version 4 of the operator.
    nan_is_key: bool,
}

pub(crate) fn label_encoder(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    // Exports have defaults of all types, of which one is used.
    node.ignore(&["default_float", "default_int64", "default_string", "default_tensor"]);
    let (keys, values, other) = if node.has_attribute("classes_strings") {
        by_position(node, fact.element)?
    } else {
        by_key(node)?
    };
    if keys.datum_type() != fact.element.datum() {
        return Err(format!(
            "an input of type {}, its keys are {:?}",
            fact.element,
            keys.datum_type()
        ));
    }
    if keys.len() != values.len() || other.len() == 0 || other.datum_type() != values.datum_type() {
        return Err(format!("{} keys for {} values", keys.len(), values.len()));
    }
    let output = [Element::F32, Element::F64, Element::I32, Element::I64, Element::Text]
        .into_iter()
        .find(|element| element.datum() == values.datum_type())
        .ok_or_else(|| format!("values of type {:?}", values.datum_type()))?;
    let order = order(&keys)?;
    let output = Fact::new(output, fact.shape.clone());
    let nan_is_key = node.ml_opset >= 4;
    Ok(Built::map(LabelEncoder { keys, order, values, other, nan_is_key }, output))
}

/// `ai.onnx.ml.CategoryMapper`: integers for strings, or strings for integers, in pairs. Of equal
/// ones the last counts.
pub(crate) fn category_mapper(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    node.ignore(&["default_int64", "default_string"]);
    let mut texts = node.strings("cats_strings")?;
    let mut integers = node.ints("cats_int64s")?.to_vec();
    if texts.len() != integers.len() {
        return Err(format!("{} strings for {} integers", texts.len(), integers.len()));
    }
    texts.reverse();
    integers.reverse();
    let (texts, integers) = (tensor1(&texts), tensor1(&integers));
    let (keys, values, other, output) = match fact.element {
        Element::Text => {
            let other = node.int("default_int64")?.unwrap_or(-1);
            (texts, integers, tensor1(&[other]), Element::I64)
        }
        Element::I64 => {
            let other = node.string("default_string")?.unwrap_or("_Unused");
            (integers, texts, tensor1(&[other.to_owned()]), Element::Text)
        }
        element => return Err(format!("an input of type {element}, expected string or int64")),
    };
    let order = order(&keys)?;
    let encoder = LabelEncoder { keys, order, values, other, nan_is_key: false };
    Ok(Built::map(encoder, Fact::new(output, fact.shape.clone())))
}

/// Positions of keys in the order of the keys; of equal ones that of the first.
fn order(keys: &Tensor) -> Result<Vec<usize>, String> {
    let view = View::of(keys).map_err(|e| e.to_string())?;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| compare(&view, a, &view, b).then(a.cmp(&b)));
    order.dedup_by(|b, a| compare(&view, *a, &view, *b).is_eq());
    Ok(order)
}

/// Version 1 of the operator: strings and their positions.
fn by_position(node: &Node<'_>, input: Element) -> Result<(Tensor, Tensor, Tensor), String> {
    let classes = tensor1(&node.strings("classes_strings")?);
    let positions = tensor1(&(0..classes.len() as i64).collect::<Vec<_>>());
    Ok(if input == Element::Text {
        (classes, positions, tensor1(&[node.int("default_int64")?.unwrap_or(-1)]))
    } else {
        let other = node.string("default_string")?.unwrap_or("_Unused");
        (positions, classes, tensor1(&[other.to_string()]))
    })
}

/// Version 2 and later.
fn by_key(node: &Node<'_>) -> Result<(Tensor, Tensor, Tensor), String> {
    let list = |prefix: &str| {
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        Ok::<_, String>(if let Some(tensor) = node.tensor(&name("tensor"))? {
            tensor
        } else if node.has_attribute(&name("strings")) {
            tensor1(&node.strings(&name("strings"))?)
        } else if node.has_attribute(&name("int64s")) {
            tensor1(node.ints(&name("int64s"))?)
        } else {
            tensor1(node.floats(&name("floats"))?)
        })
    };
    let (keys, values) = (list("keys")?, list("values")?);
    let other = match (node.tensor("default_tensor")?, values.datum_type()) {
        (Some(other), _) => other,
        (None, DatumType::String) => {
            tensor1(&[node.string("default_string")?.unwrap_or("_Unused").to_string()])
        }
        (None, DatumType::I64) => tensor1(&[node.int("default_int64")?.unwrap_or(-1)]),
        (None, DatumType::F64) => tensor1(&[-0.0_f64]),
        (None, _) => tensor1(&[node.float("default_float")?.unwrap_or(-0.0)]),
    };
    Ok((keys, values, other))
}

/// Orders elements of one type; all NaN are one key, as are both zeros.
fn compare(left: &View<'_>, a: usize, right: &View<'_>, b: usize) -> Ordering {
    match (left, right) {
        (View::Text(left), View::Text(right)) => left[a].cmp(&right[b]),
        (View::I64(left), View::I64(right)) => left[a].cmp(&right[b]),
        (left, right) => {
            let (x, y) = (left.number(a), right.number(b));
            x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
        }
    }
}

impl Kernel for LabelEncoder {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn known_texts(&self) -> Option<KnownTexts<'_>> {
        let View::Text(keys) = View::of(&self.keys).ok()? else { return None };
        let texts = keys.iter().map(String::as_str).collect();
        Some(KnownTexts { texts, refuses_others: false })
    }

    fn missing(&self) -> Missing {
        // With NaN among its keys it is told what a missing value is.
        let keys = View::of(&self.keys);
        let has_nan = keys.is_ok_and(|keys| match keys {
            View::F32(keys) => keys.iter().any(|key| key.is_nan()),
            View::F64(keys) => keys.iter().any(|key| key.is_nan()),
            _ => false,
        });
        if has_nan && self.nan_is_key { Missing::Decides } else { Missing::Encodes }
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let view = |tensor| View::of(tensor).map_err(|e| e.to_string());
        let (keys, values, other) = (view(&self.keys)?, view(&self.values)?, view(&self.other)?);
        for i in 0..inputs[0].len() {
            let found = self.order.binary_search_by(|&key| compare(&keys, key, &inputs[0], i));
            let nan = match inputs[0] {
                View::F32(source) => source[i].is_nan(),
                View::F64(source) => source[i].is_nan(),
                _ => false,
            };
            let (from, at) = match found {
                Ok(at) if self.nan_is_key || !nan => (values, self.order[at]),
                _ => (other, 0),
            };
            same_type!(from, &mut outputs[0], |values, target| target[i].clone_from(&values[at]));
        }
        Ok(())
    }
}
