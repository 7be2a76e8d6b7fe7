//! `GlobalAveragePool` and `GlobalMaxPool`: one number for each channel.

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::tensor::{Fact, View, ViewMut};

#[derive(Debug)]
struct GlobalPool {
    size: usize,
    is_max: bool,
}

pub(crate) fn global_average_pool(node: &Node<'_>) -> Result<Built, String> {
    build(node, false)
}

pub(crate) fn global_max_pool(node: &Node<'_>) -> Result<Built, String> {
    build(node, true)
}

fn build(node: &Node<'_>, is_max: bool) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let shape = &input.fact.shape;
    let size: usize = shape.iter().skip(2).product();
    if shape.len() < 3 || size == 0 {
        return Err(format!("an input of shape {shape:?}, expected at least three dimensions"));
    }
    let mut pooled = shape.clone();
    pooled[2..].fill(1);
    Ok(Built::map(GlobalPool { size, is_max }, Fact::new(input.fact.element, pooled)))
}

impl GlobalPool {
    fn of<T: Float>(&self, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x.chunks_exact(self.size)) {
            *y = match self.is_max {
                true => x.iter().fold(x[0], |best, &x| if x > best { x } else { best }),
                false => {
                    let sum = x.iter().fold(T::default(), |sum, &x| sum + x);
                    sum / T::from_f64(self.size as f64)
                }
            };
        }
    }
}

impl Kernel for GlobalPool {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        if self.is_max && inputs[0].has_nan() {
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
