//! `OneHot`: one value at the position that an element names along a new axis, another beside it.

use crate::node::{Node, axis};
use crate::ops::array::cast::truncated;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Fact, View, ViewMut, elements, same_type};

#[derive(Debug)]
struct OneHot {
    depth: usize,
    /// Product of the dimensions after the new axis.
    after: usize,
}

pub(crate) fn one_hot(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(3)?;
    let (indices, depth, values) = (node.input(0)?, node.input(1)?, node.input(2)?);
    indices.numeric()?;
    let constant = depth.constant.filter(|it| it.len() == 1);
    let constant =
        constant.ok_or_else(|| node.needs_value(1, "a depth that is not one constant"))?;
    depth.numeric()?;
    let view = View::of(constant).map_err(|e| e.to_string())?;
    let found = view.integer(0).unwrap_or_else(|| truncated(view.number(0)));
    let depth = usize::try_from(found).ok().filter(|&depth| depth > 0);
    let depth = depth.ok_or_else(|| format!("a depth of {found}"))?;
    if values.fact.shape != [2] {
        return Err(format!("values of shape {:?}, expected two", values.fact.shape));
    }
    let shape = &indices.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(-1), shape.len() + 1)?;
    let hot = [&shape[..along], &[depth], &shape[along..]].concat();
    elements(&hot)?;
    let kernel = OneHot { depth, after: shape[along..].iter().product() };
    Ok(Built::kernel(kernel, vec![0, 2], vec![Fact::new(values.fact.element, hot)]))
}

impl Kernel for OneHot {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        same_type!(inputs[1], &mut outputs[0], |values, y| {
            y.iter_mut().for_each(|y| y.clone_from(&values[0]));
        });
        for i in 0..inputs[0].len() {
            let index = &inputs[0];
            let found = index.integer(i).unwrap_or_else(|| truncated(index.number(i)));
            let depth = self.depth as i64;
            // What is out of range is none of them.
            let at = if found < 0 { found.saturating_add(depth) } else { found };
            if (0..depth).contains(&at) {
                let place = i / self.after * self.depth + at as usize;
                let to = place * self.after + i % self.after;
                same_type!(inputs[1], &mut outputs[0], |values, y| y[to].clone_from(&values[1]));
            }
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Encodes
    }
}
