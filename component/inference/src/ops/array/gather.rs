//! `Gather`: the slices of a tensor along an axis that an index tensor names.
//!
//! Own, because tract's panics on an index that is out of range.

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Element, Fact, View, ViewMut, elements, same_type};

#[derive(Debug)]
struct Gather {
    /// Product of the dimensions before the axis, its size, and the product of those after it.
    before: usize,
    size: usize,
    after: usize,
}

pub(crate) fn gather(node: &Node<'_>) -> Result<Built, String> {
    let axis = axis(node.int("axis")?.unwrap_or(0), node.input(0)?.fact.shape.len())?;
    along(node, axis, &node.input(1)?.fact.shape)
}

/// Gathers along an axis; the index tensor counts as one of shape `indices`.
pub(crate) fn along(node: &Node<'_>, axis: usize, indices: &[usize]) -> Result<Built, String> {
    let (data, index) = (node.input(0)?, node.input(1)?);
    let shape = &data.fact.shape;
    let operator = Gather {
        before: shape[..axis].iter().product(),
        size: shape[axis],
        after: shape[axis + 1..].iter().product(),
    };
    if let Some(constant) = index.constant {
        let view = View::of(constant).map_err(|e| e.to_string())?;
        (0..view.len())
            .filter_map(|i| view.integer(i))
            .try_for_each(|i| operator.position(i).map(drop))?;
    }
    let gathered = [&shape[..axis], indices, &shape[axis + 1..]].concat();
    elements(&gathered)?;
    let output = Fact::new(data.fact.element, gathered);
    match index.fact.element {
        Element::I32 | Element::I64 => Ok(Built::kernel(operator, vec![0, 1], vec![output])),
        element => Err(format!("indices of type {element}, expected integers")),
    }
}

impl Gather {
    fn position(&self, index: i64) -> Result<usize, String> {
        let wrapped = if index < 0 { index.saturating_add(self.size as i64) } else { index };
        let at = usize::try_from(wrapped).ok().filter(|&at| at < self.size);
        at.ok_or_else(|| format!("index {index} of {} elements", self.size))
    }
}

impl Kernel for Gather {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let mut to = 0;
        for before in 0..self.before {
            for i in 0..inputs[1].len() {
                let at = self.position(inputs[1].integer(i).unwrap_or(i64::MAX))?;
                let from = (before * self.size + at) * self.after;
                same_type!(inputs[0], &mut outputs[0], |source, target| target
                    [to..to + self.after]
                    .clone_from_slice(&source[from..from + self.after]));
                to += self.after;
            }
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }

    fn known_positions(&self) -> Option<usize> {
        Some(self.size)
    }
}
