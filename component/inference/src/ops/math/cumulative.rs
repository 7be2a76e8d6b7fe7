//! `CumSum` and `CumProd`: for each element the sum or product of those up to it along an axis.

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::lines::Lines;
use crate::tensor::{View, ViewMut};

#[derive(Debug)]
struct Cumulative {
    lines: Lines,
    is_product: bool,
    /// Whether the element itself is left out.
    exclusive: bool,
    /// Whether it goes from the end to the start.
    reverse: bool,
}

pub(crate) fn cum_sum(node: &Node<'_>) -> Result<Built, String> {
    build(node, false)
}

pub(crate) fn cum_prod(node: &Node<'_>) -> Result<Built, String> {
    build(node, true)
}

fn build(node: &Node<'_>, is_product: bool) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let along = match node.constant_integers(1)?.as_deref() {
        Some([along]) => axis(*along, input.fact.shape.len())?,
        other => return Err(format!("the axis {other:?}, expected one")),
    };
    let kernel = Cumulative {
        lines: Lines::along(along, &input.fact.shape),
        is_product,
        exclusive: node.int("exclusive")?.unwrap_or(0) != 0,
        reverse: node.int("reverse")?.unwrap_or(0) != 0,
    };
    Ok(Built::map(kernel, input.fact.clone()))
}

impl Cumulative {
    fn of<T: Copy>(&self, x: &[T], y: &mut [T], start: T, join: impl Fn(T, T) -> T) {
        for first in self.lines.starts(x.len()) {
            let mut so_far = start;
            let mut visit = |at: usize| {
                let joined = join(so_far, x[at]);
                y[at] = if self.exclusive { so_far } else { joined };
                so_far = joined;
            };
            match self.reverse {
                true => self.lines.positions(first).rev().for_each(&mut visit),
                false => self.lines.positions(first).for_each(&mut visit),
            }
        }
    }

    fn floats<T: Float>(&self, x: &[T], y: &mut [T]) {
        match self.is_product {
            true => self.of(x, y, T::one(), |a, b| a * b),
            false => self.of(x, y, T::default(), |a, b| a + b),
        }
    }
}

impl Kernel for Cumulative {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.floats(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.floats(x, y),
            (View::I32(x), ViewMut::I32(y)) if self.is_product => {
                self.of(x, y, 1, i32::wrapping_mul)
            }
            (View::I64(x), ViewMut::I64(y)) if self.is_product => {
                self.of(x, y, 1, i64::wrapping_mul)
            }
            (View::I32(x), ViewMut::I32(y)) => self.of(x, y, 0, i32::wrapping_add),
            (View::I64(x), ViewMut::I64(y)) => self.of(x, y, 0, i64::wrapping_add),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
