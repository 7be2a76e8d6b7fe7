//! `Hardmax`: 1 for the first of the largest elements along an axis, 0 for all others.

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::ops::math::lines::Lines;
use crate::tensor::{View, ViewMut};

#[derive(Debug)]
struct Hardmax {
    lines: Lines,
}

pub(crate) fn hardmax(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let shape = &input.fact.shape;
    // Before operator set 13, the axis starts the part of the shape that is taken together.
    let lines = if node.opset < 13 {
        let axis = axis(node.int("axis")?.unwrap_or(1), shape.len())?;
        Lines { size: shape[axis..].iter().product(), stride: 1 }
    } else {
        Lines::along(axis(node.int("axis")?.unwrap_or(-1), shape.len())?, shape)
    };
    Ok(Built::map(Hardmax { lines }, input.fact.clone()))
}

impl Hardmax {
    fn of<T: Float>(&self, x: &[T], y: &mut [T]) {
        for first in self.lines.starts(x.len()) {
            let positions = self.lines.positions(first);
            let largest = positions.reduce(|best, at| if x[at] > x[best] { at } else { best });
            if let Some(largest) = largest {
                y[largest] = T::one();
            }
        }
    }
}

impl Kernel for Hardmax {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        if inputs[0].has_nan() {
            return Err("NaN among numbers of which the largest counts".into());
        }
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
