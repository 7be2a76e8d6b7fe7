//! Functions of one float, element by element.
//!
//! They come from [`math`], so that the bits are the same on all processors, and NaN stays NaN.

use crate::math::{self, Float};
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::tensor::{View, ViewMut};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Abs,
    Neg,
    Reciprocal,
    Sqrt,
    Exp,
    Log,
    Erf,
    Relu,
    /// With the slope below 0.
    LeakyRelu(f32),
    /// With the size of what it tends to below 0.
    Elu(f32),
    Sigmoid,
    Tanh,
    Softplus,
}

impl Function {
    fn of<T: Float>(self, x: T) -> T {
        let zero = T::default();
        match self {
            Function::Abs => x.abs(),
            Function::Neg => -x,
            Function::Reciprocal => T::one() / x,
            Function::Sqrt => x.sqrt(),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Erf => x.map(libm::erf),
            Function::Tanh => x.map(libm::tanh),
            Function::Sigmoid => math::logistic(x),
            Function::Relu if x < zero => zero,
            Function::LeakyRelu(slope) if x < zero => T::from_f64(slope.into()) * x,
            Function::Elu(size) if x < zero => T::from_f64(size.into()) * (x.exp() - T::one()),
            Function::Relu | Function::LeakyRelu(_) | Function::Elu(_) => x,
            // From the side on which e^… does not overflow.
            Function::Softplus if x > zero => x + (-x).map(|x| libm::log1p(libm::exp(x))),
            Function::Softplus => x.map(|x| libm::log1p(libm::exp(x))),
        }
    }
}

#[derive(Debug)]
struct Unary(Function);

pub(crate) fn unary(node: &Node<'_>, function: Function) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    Ok(Built::map(Unary(function), input.fact.clone()))
}

impl Kernel for Unary {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.of(x));
            }
            (View::F64(x), ViewMut::F64(y)) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.of(x));
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
