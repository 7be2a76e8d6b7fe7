//! `GatherElements` and `GatherND`: elements or slices that an index tensor names.

use crate::node::{Node, Operand, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Element, Fact, View, ViewMut, elements, same_type};

/// The element at each place of the index tensor, along one axis.
#[derive(Debug)]
struct GatherElements {
    /// Where in the data each place's line along the axis begins.
    starts: Vec<u32>,
    size: usize,
    stride: usize,
}

pub(crate) fn gather_elements(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (data, index) = (node.input(0)?, node.input(1)?);
    let shape = &data.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    let starts = line_starts(shape, &index.fact.shape, along)?;
    let stride = shape[along + 1..].iter().product();
    let kernel = GatherElements { starts, size: shape[along], stride };
    integers(index)?;
    check(index, |index, i| position(index, i, shape[along]).map(drop))?;
    let output = Fact::new(data.fact.element, index.fact.shape.clone());
    Ok(Built::kernel(kernel, vec![0, 1], vec![output]))
}

/// For each place of an index tensor, where in the data its line along an axis begins.
pub(crate) fn line_starts(
    shape: &[usize],
    index: &[usize],
    along: usize,
) -> Result<Vec<u32>, String> {
    let fits = |(i, (&own, &size)): (usize, (&usize, &usize))| i == along || own <= size;
    if index.len() != shape.len() || !index.iter().zip(shape).enumerate().all(fits) {
        return Err(format!("indices of shape {index:?} for an input of {shape:?}"));
    }
    let mut starts = vec![0_u32; elements(index)?];
    let (mut stride, mut place) = (1, 1);
    for (i, (&size, &own)) in shape.iter().zip(index).enumerate().rev() {
        if i != along {
            for (position, start) in starts.iter_mut().enumerate() {
                *start += (position / place % own * stride) as u32;
            }
        }
        stride *= size;
        place *= own;
    }
    Ok(starts)
}

pub(crate) fn integers(index: Operand<'_>) -> Result<(), String> {
    match index.fact.element {
        Element::I32 | Element::I64 => Ok(()),
        element => Err(format!("indices of type {element}, expected integers")),
    }
}

/// Checks each of the indices that do not depend on the request.
fn check(
    index: Operand<'_>,
    check: impl Fn(&View<'_>, usize) -> Result<(), String>,
) -> Result<(), String> {
    let Some(constant) = index.constant else { return Ok(()) };
    let view = View::of(constant).map_err(|e| e.to_string())?;
    (0..view.len()).try_for_each(|i| check(&view, i))
}

/// An index into so many elements, counted from the end where it is negative.
pub(crate) fn position(index: &View<'_>, i: usize, size: usize) -> Result<usize, String> {
    let found = index.integer(i).unwrap_or(i64::MAX);
    let wrapped = if found < 0 { found.saturating_add(size as i64) } else { found };
    let at = usize::try_from(wrapped).ok().filter(|&at| at < size);
    at.ok_or_else(|| format!("index {found} of {size} elements"))
}

impl Kernel for GatherElements {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for (i, &start) in self.starts.iter().enumerate() {
            let at = start as usize + position(&inputs[1], i, self.size)? * self.stride;
            same_type!(inputs[0], &mut outputs[0], |x, y| y[i].clone_from(&x[at]));
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}

/// The slice at each tuple of indices, which the last dimension of the index tensor has.
#[derive(Debug)]
struct GatherNd {
    tuples: Tuples,
    /// Tuples for each of the batches.
    per_batch: usize,
}

/// How tuples of indices lead to slices.
#[derive(Debug)]
pub(crate) struct Tuples {
    /// Sizes that the numbers of a tuple are below.
    pub(crate) sizes: Vec<usize>,
    /// Elements of a slice.
    pub(crate) slice: usize,
}

impl Tuples {
    /// Where the slice of the tuple begins.
    pub(crate) fn start(&self, index: &View<'_>, tuple: usize) -> Result<usize, String> {
        let mut at = 0;
        for (i, &size) in self.sizes.iter().enumerate() {
            at = at * size + position(index, tuple * self.sizes.len() + i, size)?;
        }
        Ok(at * self.slice)
    }
}

pub(crate) fn gather_nd(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (data, index) = (node.input(0)?, node.input(1)?);
    integers(index)?;
    let (shape, indices) = (&data.fact.shape, &index.fact.shape);
    let batches = usize::try_from(node.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let mismatch = || format!("indices of shape {indices:?} for an input of {shape:?}");
    let (&width, outer) = indices.split_last().ok_or_else(mismatch)?;
    if batches > outer.len()
        || batches + width > shape.len()
        || outer[..batches] != shape[..batches]
    {
        return Err(mismatch());
    }
    let (inner, rest) = shape[batches..].split_at(width);
    let tuples = Tuples { sizes: inner.to_vec(), slice: rest.iter().product() };
    let gathered = [outer, rest].concat();
    elements(&gathered)?;
    let per_batch = outer[batches..].iter().product();
    let output = Fact::new(data.fact.element, gathered);
    Ok(Built::kernel(GatherNd { tuples, per_batch }, vec![0, 1], vec![output]))
}

impl Kernel for GatherNd {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let slice = self.tuples.slice;
        let batch = self.tuples.sizes.iter().product::<usize>() * slice;
        for tuple in 0..outputs[0].len().checked_div(slice).unwrap_or(0) {
            let start = tuple / self.per_batch * batch + self.tuples.start(&inputs[1], tuple)?;
            let to = tuple * slice;
            same_type!(inputs[0], &mut outputs[0], |x, y| y[to..to + slice]
                .clone_from_slice(&x[start..start + slice]));
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}
