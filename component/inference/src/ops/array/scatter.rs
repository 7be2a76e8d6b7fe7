//! `ScatterElements` and `ScatterND`: a tensor with other elements where an index tensor says so.

use std::ops::{Add, Mul};

use crate::node::{Node, axis};
use crate::ops::array::gather_elements::{Tuples, integers, line_starts, position};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Element, View, ViewMut, elements, same_type};

/// What is made of the element that was there and the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

/// Which elements an update replaces.
#[derive(Debug)]
enum Places {
    /// One for each place of the index tensor, along an axis: where its line begins.
    Elements { starts: Vec<u32>, size: usize, stride: usize },
    /// A slice for each tuple.
    Slices { tuples: Tuples, count: usize },
}

#[derive(Debug)]
struct Scatter {
    places: Places,
    reduction: Reduction,
}

pub(crate) fn scatter_elements(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(3)?;
    let (data, index, updates) = (node.input(0)?, node.input(1)?, node.input(2)?);
    integers(index)?;
    let shape = &data.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    let starts = line_starts(shape, &index.fact.shape, along)?;
    if updates.fact.shape != index.fact.shape {
        return Err(format!(
            "updates of shape {:?} for indices of {:?}",
            updates.fact.shape, index.fact.shape
        ));
    }
    let stride = shape[along + 1..].iter().product();
    build(node, Places::Elements { starts, size: shape[along], stride })
}

pub(crate) fn scatter_nd(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(3)?;
    let (data, index, updates) = (node.input(0)?, node.input(1)?, node.input(2)?);
    integers(index)?;
    let (shape, indices) = (&data.fact.shape, &index.fact.shape);
    let mismatch = || format!("indices of shape {indices:?} for an input of {shape:?}");
    let (&width, outer) = indices.split_last().ok_or_else(mismatch)?;
    if width > shape.len() {
        return Err(mismatch());
    }
    let (inner, rest) = shape.split_at(width);
    if updates.fact.shape != [outer, rest].concat() {
        return Err(format!("updates of shape {:?}: {}", updates.fact.shape, mismatch()));
    }
    let tuples = Tuples { sizes: inner.to_vec(), slice: rest.iter().product() };
    build(node, Places::Slices { tuples, count: elements(outer)? })
}

fn build(node: &Node<'_>, places: Places) -> Result<Built, String> {
    let (data, updates) = (node.input(0)?, node.input(2)?);
    let element = data.fact.element;
    let reduction = match node.string("reduction")?.unwrap_or("none") {
        "none" => Reduction::None,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => return Err(format!("the attribute 'reduction' is '{other}'")),
    };
    let is_number = !matches!(element, Element::Bool | Element::Text);
    if updates.fact.element != element || !(is_number || reduction == Reduction::None) {
        return Err(format!("updates of type {} for {element}", updates.fact.element));
    }
    let kernel = Scatter { places, reduction };
    Ok(Built::kernel(kernel, vec![0, 1, 2], vec![data.fact.clone()]))
}

impl Scatter {
    /// Joins an update and the element that is there.
    fn put(&self, source: View<'_>, from: usize, target: &mut ViewMut<'_>, to: usize) {
        macro_rules! join {
            ($x:expr, $y:expr, $add:expr, $mul:expr) => {{
                let (x, y) = ($x[from], &mut $y[to]);
                *y = match self.reduction {
                    Reduction::Add => $add(*y, x),
                    Reduction::Mul => $mul(*y, x),
                    Reduction::Max if x <= *y => *y,
                    Reduction::Min if x >= *y => *y,
                    Reduction::None | Reduction::Max | Reduction::Min => x,
                };
            }};
        }
        match (source, target) {
            (View::F32(x), ViewMut::F32(y)) => join!(x, y, f32::add, f32::mul),
            (View::F64(x), ViewMut::F64(y)) => join!(x, y, f64::add, f64::mul),
            (View::I32(x), ViewMut::I32(y)) => join!(x, y, i32::wrapping_add, i32::wrapping_mul),
            (View::I64(x), ViewMut::I64(y)) => join!(x, y, i64::wrapping_add, i64::wrapping_mul),
            (source, target) => same_type!(source, target, |x, y| y[to].clone_from(&x[from])),
        }
    }
}

impl Kernel for Scatter {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [data, index, updates] = inputs else { return Err("an input is missing".into()) };
        let joins_by_size = matches!(self.reduction, Reduction::Max | Reduction::Min);
        if joins_by_size && (data.has_nan() || updates.has_nan()) {
            return Err("NaN among numbers of which the largest or smallest counts".into());
        }
        let target = &mut outputs[0];
        same_type!(*data, &mut *target, |x, y| y.clone_from_slice(x));
        match &self.places {
            Places::Elements { starts, size, stride } => {
                for (i, &start) in starts.iter().enumerate() {
                    let to = start as usize + position(index, i, *size)? * stride;
                    self.put(*updates, i, target, to);
                }
            }
            Places::Slices { tuples, count } => {
                for tuple in 0..*count {
                    let start = tuples.start(index, tuple)?;
                    for i in 0..tuples.slice {
                        self.put(*updates, tuple * tuples.slice + i, target, start + i);
                    }
                }
            }
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}
