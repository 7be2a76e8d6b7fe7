//! Activations of neural networks, and `Clip`.

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::ops::math::unary::{Function, unary};
use crate::tensor::{View, ViewMut};

pub(crate) fn relu(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Relu)
}

pub(crate) fn leaky_relu(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::LeakyRelu(node.float("alpha")?.unwrap_or(0.01)))
}

pub(crate) fn elu(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Elu(node.float("alpha")?.unwrap_or(1.0)))
}

pub(crate) fn sigmoid(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Sigmoid)
}

pub(crate) fn tanh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Tanh)
}

pub(crate) fn softplus(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Softplus)
}

/// As in onnxruntime, a bound that is left out is the largest finite number, a bound that is NaN
/// counts for nothing, and where the lower one is above the upper one, the upper one counts.
#[derive(Debug)]
struct Clip {
    minimum: Option<f64>,
    maximum: Option<f64>,
}

/// The bounds are inputs since operator set 11, attributes before.
pub(crate) fn clip(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let bound = |position: usize, name: &str| {
        let Some(operand) = node.optional_input(position) else {
            return Ok(node.float(name)?.map(f64::from));
        };
        let constant = operand.constant.filter(|it| it.len() == 1);
        let constant = constant.ok_or_else(|| format!("input {position} is not one constant"))?;
        operand.float()?;
        Ok::<_, String>(Some(View::of(constant).map_err(|e| e.to_string())?.number(0)))
    };
    let clip = Clip { minimum: bound(1, "min")?, maximum: bound(2, "max")? };
    Ok(Built::map(clip, input.fact.clone()))
}

impl Clip {
    fn of<T: Float>(&self, x: &[T], y: &mut [T]) {
        let minimum = self.minimum.map_or(-T::MAX, T::from_f64);
        let maximum = self.maximum.map_or(T::MAX, T::from_f64);
        for (y, &x) in y.iter_mut().zip(x) {
            let raised = if x < minimum { minimum } else { x };
            *y = if raised > maximum { maximum } else { raised };
        }
    }
}

impl Kernel for Clip {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
