//! `Softmax` and `LogSoftmax`.

use crate::math::{self, Float};
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{View, ViewMut};

#[derive(Debug)]
struct Softmax {
    /// Elements that are taken together, and the distance between them.
    size: usize,
    stride: usize,
    logarithm: bool,
}

pub(crate) fn softmax(node: &Node<'_>) -> Result<Built, String> {
    build(node, false)
}

pub(crate) fn log_softmax(node: &Node<'_>) -> Result<Built, String> {
    build(node, true)
}

fn build(node: &Node<'_>, logarithm: bool) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let shape = &input.fact.shape;
    // Before operator set 13, the axis starts the part of the shape that is taken together.
    let (size, stride) = if node.opset < 13 {
        let axis = axis(node.int("axis")?.unwrap_or(1), shape.len())?;
        (shape[axis..].iter().product(), 1)
    } else {
        let axis = axis(node.int("axis")?.unwrap_or(-1), shape.len())?;
        (shape[axis], shape[axis + 1..].iter().product())
    };
    Ok(Built::map(Softmax { size, stride, logarithm }, input.fact.clone()))
}

impl Softmax {
    /// A smaller sum than `smallest_sum`, or NaN, counts as that.
    fn of<T: Float>(&self, x: &[T], y: &mut [T], smallest_sum: Option<T>) {
        let block = self.size * self.stride;
        if block == 0 {
            return;
        }
        if !self.logarithm && self.stride == 1 {
            for (x, y) in x.chunks_exact(block).zip(y.chunks_exact_mut(block)) {
                let largest = x.iter().copied().reduce(larger).unwrap_or_default();
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - largest);
            }
            T::exp_all(y);
            return y.chunks_exact_mut(block).for_each(math::divide_by_sum);
        }
        for first in (0..x.len()).filter(|i| i % block < self.stride) {
            let positions = (0..self.size).map(|i| first + i * self.stride);
            let largest = positions.clone().map(|at| x[at]).reduce(larger);
            let Some(largest) = largest else { continue };
            let mut sum = T::default();
            for at in positions.clone() {
                y[at] = (x[at] - largest).exp();
                sum += y[at];
            }
            let sum =
                smallest_sum.filter(|&smallest| sum <= smallest || sum.is_nan()).unwrap_or(sum);
            let logarithm = sum.ln();
            for at in positions {
                y[at] = if self.logarithm { x[at] - largest - logarithm } else { y[at] / sum };
            }
        }
    }
}

/// The first number, unless the second one is larger.
fn larger<T: Float>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

impl Kernel for Softmax {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y, None),
            // onnxruntime's other kernel. What it makes of NaN depends on where it stands.
            (View::F64(_), _) if self.logarithm && inputs[0].has_nan() => {
                return Err("NaN in a LogSoftmax of float64".into());
            }
            (View::F64(x), ViewMut::F64(y)) => {
                self.of(x, y, self.logarithm.then_some(1e-20));
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
