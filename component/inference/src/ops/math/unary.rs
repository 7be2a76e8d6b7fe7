//! Functions of one number, element by element.
//!
//! Those of floats come from [`math`], so that the bits are the same on all processors, and NaN stays
//! NaN, but for those that are zero unless a number is beyond a bound.

use foretold_kernels::{elements, exponential};

use crate::math::{self, Float};
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{Element, View, ViewMut};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Abs,
    Neg,
    Sign,
    Reciprocal,
    Sqrt,
    Exp,
    Log,
    Erf,
    Ceil,
    Floor,
    /// To the nearest integer, halves to the even one.
    Round,
    /// One of `libm`, of a float64.
    Libm(fn(f64) -> f64),
    Relu,
    /// With the slope below 0.
    LeakyRelu(f32),
    /// With the size of what it tends to below 0.
    Elu(f32),
    /// With the size of what it tends to below 0, and the slope.
    Selu(f32, f32),
    /// With the size of what it tends to below 0.
    Celu(f32),
    /// With the largest number that becomes 0.
    ThresholdedRelu(f32),
    /// With the bound, and what is taken off beyond it.
    Shrink(f32, f32),
    Sigmoid,
    /// With slope and offset.
    HardSigmoid(f32, f32),
    HardSwish,
    /// With the slope in the exponent.
    Swish(f32),
    Mish,
    /// With or without tanh for the error function.
    Gelu(bool),
    Tanh,
    Softplus,
    Softsign,
}

impl Function {
    fn of<T: Float>(self, x: T) -> T {
        let (zero, one) = (T::default(), T::one());
        match self {
            Function::Abs => x.abs(),
            Function::Neg => -x,
            Function::Sign if x > zero => one,
            Function::Sign if x < zero => -one,
            // Zero without its sign, and NaN.
            Function::Sign => x + zero,
            Function::Reciprocal => one / x,
            Function::Sqrt => x.sqrt(),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Erf => x.map(libm::erf),
            Function::Ceil => x.map(libm::ceil),
            Function::Floor => x.map(libm::floor),
            Function::Round => x.map(libm::rint),
            Function::Libm(function) => x.map(function),
            Function::Tanh => x.map(libm::tanh),
            Function::Sigmoid => math::logistic(x),
            Function::Relu if x < zero => zero,
            Function::LeakyRelu(slope) if x < zero => T::from_f64(slope.into()) * x,
            Function::Elu(size) if x < zero => T::from_f64(size.into()) * (x.exp() - one),
            Function::Relu | Function::LeakyRelu(_) | Function::Elu(_) => x,
            Function::Selu(size, slope) => {
                let (size, slope) = (f64::from(size), f64::from(slope));
                x.map(|x| slope * if x > 0.0 { x } else { size * libm::expm1(x) })
            }
            Function::Celu(size) => {
                let size = f64::from(size);
                x.map(|x| if x > 0.0 { x } else { size * libm::expm1(x / size) })
            }
            Function::ThresholdedRelu(bound) => {
                if x > T::from_f64(bound.into()) {
                    x
                } else {
                    zero
                }
            }
            Function::Shrink(bound, off) => {
                let (bound, off) = (T::from_f64(bound.into()), T::from_f64(off.into()));
                match x {
                    x if x < -bound => x + off,
                    x if x > bound => x - off,
                    _ => zero,
                }
            }
            Function::HardSigmoid(slope, offset) => clipped(x, slope, offset),
            Function::HardSwish => x * clipped(x, 1.0 / 6.0, 0.5),
            Function::Swish(slope) => x.map(|x| x * math::logistic(f64::from(slope) * x)),
            Function::Mish => x.map(|x| x * libm::tanh(softplus(x))),
            Function::Gelu(false) => {
                x.map(|x| 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)))
            }
            Function::Gelu(true) => x.map(|x| {
                let inner = x + 0.044715 * x * x * x;
                0.5 * x * (1.0 + libm::tanh((2.0 / std::f64::consts::PI).sqrt() * inner))
            }),
            Function::Softsign => x / (one + x.abs()),
            // From the side on which e^… does not overflow.
            Function::Softplus if x > zero => x + (-x).map(|x| libm::log1p(libm::exp(x))),
            Function::Softplus => x.map(|x| libm::log1p(libm::exp(x))),
        }
    }

    /// Those that there are for integers, which wrap around.
    fn of_integer(self, x: i64) -> i64 {
        match self {
            Function::Abs => x.wrapping_abs(),
            Function::Neg => x.wrapping_neg(),
            Function::Sign => x.signum(),
            _ => x.max(0),
        }
    }
}

/// slope · x + offset between 0 and 1.
fn clipped<T: Float>(x: T, slope: f32, offset: f32) -> T {
    let line = T::from_f64(slope.into()) * x + T::from_f64(offset.into());
    match line {
        line if line < T::default() => T::default(),
        line if line > T::one() => T::one(),
        line => line,
    }
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + libm::log1p(libm::exp(-x)) } else { libm::log1p(libm::exp(x)) }
}

#[derive(Debug)]
struct Unary(Function);

pub(crate) fn unary(node: &Node<'_>, function: Function) -> Result<Built, String> {
    let input = node.input(0)?;
    let of_integers =
        matches!(function, Function::Abs | Function::Neg | Function::Sign | Function::Relu);
    if !(of_integers && matches!(input.fact.element, Element::I32 | Element::I64)) {
        input.float()?;
    }
    Ok(Built::map(Unary(function), input.fact.clone()))
}

impl Kernel for Unary {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => {
                if let Function::Relu = self.0 {
                    elements::relu(x, y);
                    return Ok(());
                }
                y.copy_from_slice(x);
                match self.0 {
                    Function::Exp => exponential::exp(y),
                    Function::Sigmoid => exponential::logistic(y),
                    Function::Tanh => exponential::tanh(y),
                    Function::Swish(slope) => exponential::swish(y, slope),
                    Function::Mish => exponential::mish(y),
                    Function::Erf => exponential::erf(y),
                    Function::Gelu(false) => exponential::gelu(y),
                    Function::Gelu(true) => exponential::gelu_by_tanh(y),
                    Function::Elu(size) => exponential::exponential_linear(y, size, 1.0, 1.0),
                    Function::Celu(size) => exponential::exponential_linear(y, size, size, 1.0),
                    Function::Selu(size, slope) => {
                        exponential::exponential_linear(y, size, 1.0, slope);
                    }
                    _ => y.iter_mut().for_each(|y| *y = self.0.of(*y)),
                }
            }
            (View::F64(x), ViewMut::F64(y)) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.of(x));
            }
            (View::I32(x), ViewMut::I32(y)) => {
                // What is beyond int32 keeps its lower bits, as where it wraps around.
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.of_integer(x.into()) as i32);
            }
            (View::I64(x), ViewMut::I64(y)) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.of_integer(x));
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
