//! Arithmetic on the elements of one, two or more tensors, stretched to one shape.
//!
//! All of it follows IEEE 754, so that NaN stays NaN, as in onnxruntime; integers wrap around.

use crate::math::Float;
use crate::node::{Node, Operand};
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::ops::math::broadcast::{Stretch, broadcast, each};
use crate::ops::math::unary::{Function, unary};
use crate::tensor::{Fact, View, ViewMut};

/// A function of two numbers.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

impl Operation {
    fn floats<T: Float>(self, a: T, b: T) -> T {
        match self {
            Operation::Add => a + b,
            Operation::Sub => a - b,
            Operation::Mul => a * b,
            Operation::Div => a / b,
            Operation::Max if a.is_nan() || a > b => a,
            Operation::Min if a.is_nan() || a < b => a,
            Operation::Max | Operation::Min => b,
        }
    }
}

macro_rules! integers {
    ($operation:expr, $a:expr, $b:expr) => {
        match $operation {
            Operation::Add => $a.wrapping_add($b),
            Operation::Sub => $a.wrapping_sub($b),
            Operation::Mul => $a.wrapping_mul($b),
            // By constants other than 0 only.
            Operation::Div => $a.wrapping_div($b),
            Operation::Max => $a.max($b),
            Operation::Min => $a.min($b),
        }
    };
}

/// An operation over all inputs, from left to right.
#[derive(Debug)]
struct Fold {
    operation: Operation,
    /// How each input is stretched.
    stretches: Vec<Stretch>,
}

/// The shape that inputs are stretched to, and how each is.
pub(crate) fn stretched(
    node: &Node<'_>,
    operands: &[Operand<'_>],
) -> Result<(Vec<usize>, Vec<Stretch>), String> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| &*operand.fact.shape).collect();
    let (shape, stretches) = broadcast(&shapes)?;
    node.note_stretched(operands, &shape);
    Ok((shape, stretches))
}

fn fold(node: &Node<'_>, operation: Operation) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].numeric()?;
    let (shape, stretches) = stretched(node, &operands)?;
    let uses = (0..operands.len()).collect();
    Ok(Built::kernel(Fold { operation, stretches }, uses, vec![Fact::new(element, shape)]))
}

impl Kernel for Fold {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        macro_rules! fold {
            ($type:ident, $y:expr, |$a:ident, $b:ident| $result:expr) => {
                for (position, (input, stretch)) in inputs.iter().zip(&self.stretches).enumerate() {
                    let View::$type(x) = input else {
                        unreachable!("element types are fixed when a graph is loaded")
                    };
                    for (place, y) in $y.iter_mut().enumerate() {
                        let ($a, $b) = (*y, x[stretch.at(place)]);
                        *y = if position == 0 { $b } else { $result };
                    }
                }
            };
        }
        let operation = self.operation;
        match &mut outputs[0] {
            ViewMut::F32(y) => fold!(F32, y, |a, b| operation.floats(a, b)),
            ViewMut::F64(y) => fold!(F64, y, |a, b| operation.floats(a, b)),
            ViewMut::I32(y) => fold!(I32, y, |a, b| integers!(operation, a, b)),
            ViewMut::I64(y) => fold!(I64, y, |a, b| integers!(operation, a, b)),
            ViewMut::Bool(_) | ViewMut::Text(_) => {
                unreachable!("operators on numbers refuse others when they are built")
            }
        }
        Ok(())
    }
}

pub(crate) fn add(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    fold(node, Operation::Add)
}

pub(crate) fn sub(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    fold(node, Operation::Sub)
}

pub(crate) fn mul(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    fold(node, Operation::Mul)
}

pub(crate) fn div(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let divisor = node.input(1)?;
    if !divisor.fact.element.is_float() {
        let view = divisor.constant.map(View::of).transpose().map_err(|e| e.to_string())?;
        let safe =
            view.is_some_and(|it| (0..it.len()).all(|i| it.integer(i).is_some_and(|x| x != 0)));
        if !safe {
            return Err(
                "a division of integers, expected constants other than 0 to divide by".into()
            );
        }
    }
    fold(node, Operation::Div)
}

pub(crate) fn sum(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Add)
}

pub(crate) fn max(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Max)
}

pub(crate) fn min(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Min)
}

/// Floats to powers that may have a type of their own.
#[derive(Debug)]
struct Pow {
    base: Stretch,
    exponent: Stretch,
}

pub(crate) fn pow(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (base, exponent) = (node.input(0)?, node.input(1)?);
    let element = base.float()?;
    exponent.numeric()?;
    let (shape, stretches) = stretched(node, &[base, exponent])?;
    let [base, exponent] = each(stretches);
    Ok(Built::kernel(Pow { base, exponent }, vec![0, 1], vec![Fact::new(element, shape)]))
}

impl Kernel for Pow {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let power = |place: usize| {
            let base = inputs[0].number(self.base.at(place));
            libm::pow(base, inputs[1].number(self.exponent.at(place)))
        };
        match &mut outputs[0] {
            ViewMut::F64(y) => y.iter_mut().enumerate().for_each(|(i, y)| *y = power(i)),
            y => y.singles().iter_mut().enumerate().for_each(|(i, y)| *y = power(i) as f32),
        }
        Ok(())
    }
}

pub(crate) fn abs(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Abs)
}

pub(crate) fn neg(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Neg)
}

pub(crate) fn reciprocal(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Reciprocal)
}

pub(crate) fn sqrt(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Sqrt)
}

pub(crate) fn exp(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Exp)
}

pub(crate) fn log(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Log)
}

pub(crate) fn erf(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Erf)
}
