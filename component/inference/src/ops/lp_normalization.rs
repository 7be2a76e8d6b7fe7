//! `LpNormalization`: elements divided by their norm along an axis, zeros where that is zero.

use super::{Built, Kernel};
use crate::node::{Node, axis};
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

impl Kernel for LpNormalization {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let source = &inputs[0];
        let block = self.size * self.stride;
        if block == 0 {
            return Ok(());
        }
        let firsts = (0..source.len()).filter(|i| i % block < self.stride);
        for first in firsts {
            let positions = (0..self.size).map(|i| first + i * self.stride);
            let numbers = positions.clone().map(|at| source.number(at));
            let norm = if self.euclidean {
                numbers.fold(0.0, |sum, x| sum + x * x).sqrt()
            } else {
                numbers.fold(0.0, |sum, x| sum + x.abs())
            };
            for at in positions {
                let value = if norm == 0.0 { 0.0 } else { source.number(at) / norm };
                match &mut outputs[0] {
                    ViewMut::F64(target) => target[at] = value,
                    target => target.singles()[at] = value as f32,
                }
            }
        }
        Ok(())
    }
}
