//! `LpNormalization`: elements divided by their norm along an axis, zeros where that is zero.

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{View, ViewMut};

#[derive(Debug)]
struct LpNormalization {
    /// Size of the axis, and distance between its elements.
    size: usize,
    stride: usize,
    /// Whether the norm is the root of the sum of squares, rather than the sum of magnitudes.
    euclidean: bool,
}

pub(crate) fn lp_normalization(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let axis = axis(node.int("axis")?.unwrap_or(-1), input.fact.shape.len())?;
    let euclidean = match node.int("p")?.unwrap_or(2) {
        1 => false,
        2 => true,
        p => return Err(format!("the attribute 'p' is {p}, expected 1 or 2")),
    };
    let shape = &input.fact.shape;
    let (size, stride) = (shape[axis], shape[axis + 1..].iter().product());
    Ok(Built::map(LpNormalization { size, stride, euclidean }, input.fact.clone()))
}

impl LpNormalization {
    fn of<T: Float>(&self, x: &[T], y: &mut [T]) {
        let (block, zero) = (self.size * self.stride, T::default());
        if block == 0 {
            return;
        }
        for first in (0..x.len()).filter(|i| i % block < self.stride) {
            let positions = (0..self.size).map(|i| first + i * self.stride);
            let elements = positions.clone().map(|at| x[at]);
            let norm = if self.euclidean {
                elements.fold(zero, |sum, x| sum + x * x).sqrt()
            } else {
                elements.fold(zero, |sum, x| sum + x.abs())
            };
            for at in positions {
                y[at] = if norm == zero { zero } else { x[at] / norm };
            }
        }
    }
}

impl Kernel for LpNormalization {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
