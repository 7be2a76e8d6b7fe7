//! `TopK`: the largest or smallest elements along an axis, and where they are.
//!
//! Of equal ones the first counts first. NaN has no place among them, and what onnxruntime makes of
//! it depends on where it stands, so it is an error.

use std::cmp::Ordering;

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::lines::Lines;
use crate::tensor::{Element, Fact, View, ViewMut};

/// So many are held in order while the others are looked at.
const FEW: usize = 16;

#[derive(Debug)]
struct TopK {
    lines: Lines,
    count: usize,
    largest: bool,
}

pub(crate) fn top_k(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    // Without it, their order is not defined; that of the sorted ones is one of them.
    node.ignore(&["sorted", "k"]);
    let shape = &input.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(-1), shape.len())?;
    let count = match node.constant_integers(1)?.as_deref() {
        Some([count]) => *count,
        Some(counts) => return Err(format!("{} numbers of elements, expected one", counts.len())),
        None => node.int("k")?.ok_or("it does not say how many elements")?,
    };
    let (found, all) = (count, shape[along]);
    let count = usize::try_from(found).ok().filter(|&count| count <= all);
    let count = count.ok_or_else(|| format!("the first {found} of {all} elements"))?;
    let mut top = shape.clone();
    top[along] = count;
    let largest = node.int("largest")?.unwrap_or(1) != 0;
    let kernel = TopK { lines: Lines::along(along, shape), count, largest };
    let outputs = vec![Fact::new(input.fact.element, top.clone()), Fact::new(Element::I64, top)];
    Ok(Built::kernel(kernel, vec![0], outputs))
}

impl TopK {
    fn of<T: Copy + PartialOrd>(&self, x: &[T], values: &mut [T], indices: &mut [i64]) {
        let mut order: Vec<usize> = Vec::with_capacity(self.lines.size);
        let top = Lines { size: self.count, ..self.lines };
        let blocks = self.lines.starts(x.len()).zip(top.starts(values.len()));
        for (first, target) in blocks {
            let at = |i: usize| x[first + i * self.lines.stride];
            order.clear();
            if self.count <= FEW {
                let is_before = |a: T, b: T| if self.largest { a > b } else { a < b };
                for i in 0..self.lines.size {
                    if order.len() == self.count {
                        // Of equal ones the first is there already.
                        match order.last() {
                            Some(&last) if is_before(at(i), at(last)) => order.pop(),
                            _ => continue,
                        };
                    }
                    let place = order.iter().rposition(|&other| !is_before(at(i), at(other)));
                    order.insert(place.map_or(0, |place| place + 1), i);
                }
            } else {
                let compare = |a: usize, b: usize| {
                    let order = at(a).partial_cmp(&at(b)).unwrap_or(Ordering::Equal);
                    if self.largest { order.reverse() } else { order }
                };
                order.extend(0..self.lines.size);
                select(&mut order, self.count, &compare);
            }
            for (&i, to) in order.iter().zip(top.positions(target)) {
                values[to] = at(i);
                indices[to] = i as i64;
            }
        }
    }
}

/// Leaves the first so many of some positions, in order; of equal ones the first comes first.
///
/// Not generic, so that sorting is compiled once.
fn select(order: &mut Vec<usize>, count: usize, compare: &dyn Fn(usize, usize) -> Ordering) {
    let compare = |&a: &usize, &b: &usize| compare(a, b).then(a.cmp(&b));
    if count > 0 && count < order.len() {
        order.select_nth_unstable_by(count - 1, compare);
    }
    order.truncate(count);
    order.sort_unstable_by(compare);
}

impl Kernel for TopK {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        if inputs[0].has_nan() {
            return Err("NaN among numbers of which the largest or smallest count".into());
        }
        let [values, ViewMut::I64(indices)] = outputs else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        match (inputs[0], values) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y, indices),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y, indices),
            (View::I32(x), ViewMut::I32(y)) => self.of(x, y, indices),
            (View::I64(x), ViewMut::I64(y)) => self.of(x, y, indices),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
