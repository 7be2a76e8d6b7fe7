//! `Gather`: the slices of a tensor along an axis that an index tensor names.
//!
//! Own, because tract's panics on an index that is out of range.

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::ops::math::broadcast::Stretched;
use crate::tensor::{Element, Fact, View, ViewMut, elements, same_type};

#[derive(Debug)]
struct Gather {
    /// Product of the dimensions before the axis, its size, and the product of those after it.
    before: usize,
    size: usize,
    after: usize,
    /// How many indices a row has.
    indices: usize,
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
        indices: elements(indices)?,
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

    fn positions<T: Copy + Into<i64>>(&self, indices: &[T]) -> Result<Vec<usize>, String> {
        indices.iter().map(|&index| self.position(index.into())).collect()
    }

    fn of<T: Clone>(&self, source: &[T], positions: &[usize], target: &mut [T]) {
        let data = Stretched::same(self.before * self.size * self.after);
        let indices = Stretched::same(self.indices);
        let rows = target.chunks_exact_mut((self.before * self.indices * self.after).max(1));
        if (self.before, self.after) == (1, 1) {
            // Columns, as most are.
            for (row, target) in rows.enumerate() {
                let positions = indices.of_row(positions, row);
                let source = data.of_row(source, row);
                target.iter_mut().zip(positions).for_each(|(y, &at)| y.clone_from(&source[at]));
            }
            return;
        }
        for (row, target) in rows.enumerate() {
            let source = data.of_row(source, row).chunks_exact((self.size * self.after).max(1));
            let target = target.chunks_exact_mut((self.indices * self.after).max(1));
            let positions = indices.of_row(positions, row);
            for (source, target) in source.zip(target) {
                for (target, &at) in target.chunks_exact_mut(self.after.max(1)).zip(positions) {
                    // Not as slices: most are of a few elements.
                    let source = &source[at * self.after..][..self.after];
                    target.iter_mut().zip(source).for_each(|(y, x)| y.clone_from(x));
                }
            }
        }
    }
}

impl Kernel for Gather {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        // Of a constant there is one list for all rows.
        let positions: Vec<usize> = match inputs[1] {
            View::I32(indices) => self.positions(indices)?,
            View::I64(indices) => self.positions(indices)?,
            _ => unreachable!("element types are fixed when a graph is loaded"),
        };
        same_type!(inputs[0], &mut outputs[0], |source, target| {
            self.of(source, &positions, target);
        });
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }

    fn known_positions(&self) -> Option<usize> {
        Some(self.size)
    }
}
