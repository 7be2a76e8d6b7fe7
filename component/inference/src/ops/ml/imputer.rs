//! `ai.onnx.ml.Imputer`: one value, often NaN, replaced by another, per column.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::tensor::{Element, View, ViewMut};

/// The value to be replaced, and what takes its place in each column.
#[derive(Debug)]
enum Imputer {
    Float(f32, Vec<f32>),
    Integer(i64, Vec<i64>),
}

pub(crate) fn imputer(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    let (_, width) = input.fact.matrix()?;
    let (floats, integers) =
        (node.floats("imputed_value_floats")?, node.ints("imputed_value_int64s")?);
    node.ignore(&["replaced_value_float", "replaced_value_int64"]);
    let operator = match input.fact.element {
        Element::F32 => Imputer::Float(
            node.float("replaced_value_float")?.unwrap_or(0.0),
            per_column(floats, width)?,
        ),
        Element::I64 => Imputer::Integer(
            node.int("replaced_value_int64")?.unwrap_or(0),
            per_column(integers, width)?,
        ),
        element => return Err(format!("an input of type {element}, expected float32 or int64")),
    };
    Ok(Built::map(operator, input.fact.clone()))
}

/// A value for each column, of a list of one for each or of one for all.
///
/// onnxruntime takes the first one of a list of any other length; there, columns and list are not
/// of the same model.
fn per_column<T: Copy>(values: &[T], width: usize) -> Result<Vec<T>, String> {
    match values {
        [] => Err("it has no values to put in, of the type of its input".into()),
        [value] => Ok(vec![*value; width]),
        values if values.len() == width => Ok(values.to_vec()),
        values => Err(format!("{} values to put in for an input of {width} columns", values.len())),
    }
}

impl Kernel for Imputer {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (self, inputs[0], &mut outputs[0]) {
            (Imputer::Float(replaced, by), View::F32(source), ViewMut::F32(target)) => {
                for ((y, &x), &value) in target.iter_mut().zip(source).zip(by.iter().cycle()) {
                    let missing = x == *replaced || (x.is_nan() && replaced.is_nan());
                    *y = if missing { value } else { x };
                }
            }
            (Imputer::Integer(replaced, by), View::I64(source), ViewMut::I64(target)) => {
                for ((y, &x), &value) in target.iter_mut().zip(source).zip(by.iter().cycle()) {
                    *y = if x == *replaced { value } else { x };
                }
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
