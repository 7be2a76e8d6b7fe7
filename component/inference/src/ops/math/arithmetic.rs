//! Arithmetic on the elements of one, two or more tensors, stretched to one shape.
//!
//! All of it follows IEEE 754, so that NaN stays NaN, as in onnxruntime; integers wrap around.

use foretold_kernels::elements::{self, Operation as Basic};

use crate::math::Float;
use crate::node::{Node, Operand};
use crate::ops::array::cast::truncated;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::broadcast::{Stretch, Stretched, broadcast, each};
use crate::ops::math::unary::{Function, unary};
use crate::tensor::{Fact, View, ViewMut, elements};

/// A function of two numbers.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Basic(Basic),
    /// With the sign of the divisor; of integers only.
    Mod,
    /// With the sign of the dividend.
    Remainder,
}

impl Operation {
    fn floats<T: Float>(self, a: T, b: T) -> T {
        match self {
            Operation::Basic(Basic::Add) => a + b,
            Operation::Basic(Basic::Sub) => a - b,
            Operation::Basic(Basic::Mul) => a * b,
            Operation::Basic(Basic::Div) => a / b,
            Operation::Basic(Basic::Max) if a.is_nan() || a > b => a,
            Operation::Basic(Basic::Min) if a.is_nan() || a < b => a,
            Operation::Basic(Basic::Max | Basic::Min) => b,
            Operation::Mod | Operation::Remainder => {
                T::from_f64(libm::fmod(a.to_f64(), b.to_f64()))
            }
        }
    }
}

macro_rules! integers {
    ($operation:expr, $a:expr, $b:expr) => {
        match $operation {
            Operation::Basic(Basic::Add) => $a.wrapping_add($b),
            Operation::Basic(Basic::Sub) => $a.wrapping_sub($b),
            Operation::Basic(Basic::Mul) => $a.wrapping_mul($b),
            // By constants other than 0 only.
            Operation::Basic(Basic::Div) => $a.wrapping_div($b),
            Operation::Basic(Basic::Max) => $a.max($b),
            Operation::Basic(Basic::Min) => $a.min($b),
            Operation::Remainder => $a.wrapping_rem($b),
            Operation::Mod => {
                let rest = $a.wrapping_rem($b);
                // Its sign is that of the divisor.
                if rest != 0 && (rest < 0) != ($b < 0) { rest.wrapping_add($b) } else { rest }
            }
        }
    };
}

/// An operation over all inputs, from left to right.
#[derive(Debug)]
struct Fold {
    operation: Operation,
    operands: Vec<Stretched>,
    /// How many elements a row of the output has.
    size: usize,
}

/// The shape that inputs are stretched to, and how each is.
pub(crate) fn stretched(
    node: &Node<'_>,
    operands: &[Operand<'_>],
) -> Result<(Vec<usize>, Vec<Stretched>), String> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| &*operand.fact.shape).collect();
    let (shape, stretches) = broadcast(&shapes)?;
    node.note_stretched(operands, &shape);
    let stretched = stretches
        .into_iter()
        .zip(shapes)
        .map(|(stretch, shape)| Ok::<_, String>(Stretched { stretch, length: elements(shape)? }));
    Ok((shape, stretched.collect::<Result<_, _>>()?))
}

fn fold(node: &Node<'_>, operation: Operation) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].numeric()?;
    let uses = (0..operands.len()).collect();
    let (shape, operands) = stretched(node, &operands)?;
    let fold = Fold { operation, operands, size: elements(&shape)? };
    Ok(Built::kernel(fold, uses, vec![Fact::new(element, shape)]))
}

impl Fold {
    /// Of float32, where most are: by loops that are compiled for speed, if they are stretched by
    /// repetition alone.
    fn singles(&self, inputs: &[View<'_>], y: &mut [f32]) {
        for (position, (input, operand)) in inputs.iter().zip(&self.operands).enumerate() {
            let View::F32(x) = input else {
                unreachable!("element types are fixed when a graph is loaded")
            };
            let is_repeated = matches!(operand.stretch, Stretch::Same) || x.len() == 1;
            match self.operation {
                _ if y.is_empty() => {}
                Operation::Basic(_) if is_repeated && position == 0 => elements::repeat(x, y),
                Operation::Basic(basic) if is_repeated => elements::combine(basic, y, x),
                _ => self.each(operand, x, y, |x, y| {
                    *y = if position == 0 { x } else { self.operation.floats(*y, x) };
                }),
            }
        }
    }

    /// Calls a function with each element of an input and the place that it is stretched to.
    fn each<T: Copy>(
        &self,
        operand: &Stretched,
        x: &[T],
        y: &mut [T],
        mut function: impl FnMut(T, &mut T),
    ) {
        for (row, y) in y.chunks_exact_mut(self.size.max(1)).enumerate() {
            let x = operand.of_row(x, row);
            y.iter_mut().enumerate().for_each(|(place, y)| function(x[operand.at(place)], y));
        }
    }
}

impl Kernel for Fold {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        macro_rules! fold {
            ($type:ident, $y:expr, |$a:ident, $b:ident| $result:expr) => {
                for (position, (input, operand)) in inputs.iter().zip(&self.operands).enumerate() {
                    let View::$type(x) = input else {
                        unreachable!("element types are fixed when a graph is loaded")
                    };
                    self.each(operand, x, $y, |$b, y| {
                        let $a = *y;
                        *y = if position == 0 { $b } else { $result };
                    });
                }
            };
        }
        let operation = self.operation;
        match &mut outputs[0] {
            ViewMut::F32(y) => self.singles(inputs, y),
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
    fold(node, Operation::Basic(Basic::Add))
}

pub(crate) fn sub(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    fold(node, Operation::Basic(Basic::Sub))
}

pub(crate) fn mul(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    fold(node, Operation::Basic(Basic::Mul))
}

pub(crate) fn div(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    refuse_zero(node)?;
    fold(node, Operation::Basic(Basic::Div))
}

/// Refuses integers to divide by that could be 0.
fn refuse_zero(node: &Node<'_>) -> Result<(), String> {
    let divisor = node.input(1)?;
    if divisor.fact.element.is_float() {
        return Ok(());
    }
    let view = divisor.constant.map(View::of).transpose().map_err(|e| e.to_string())?;
    let safe = view.is_some_and(|it| (0..it.len()).all(|i| it.integer(i).is_some_and(|x| x != 0)));
    match safe {
        true => Ok(()),
        false => Err("a division of integers, expected constants other than 0 to divide by".into()),
    }
}

pub(crate) fn modulo(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    refuse_zero(node)?;
    let is_float = node.input(0)?.fact.element.is_float();
    match node.int("fmod")?.unwrap_or(0) {
        0 if is_float => Err("floats without the attribute 'fmod', which they need".into()),
        0 => fold(node, Operation::Mod),
        _ => fold(node, Operation::Remainder),
    }
}

/// The sum of all inputs, divided by their number.
#[derive(Debug)]
struct Mean {
    sum: Fold,
    count: usize,
}

pub(crate) fn mean(node: &Node<'_>) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    let (shape, operands) = stretched(node, &operands)?;
    let count = operands.len();
    let size = elements(&shape)?;
    let sum = Fold { operation: Operation::Basic(Basic::Add), operands, size };
    let mean = Mean { sum, count };
    Ok(Built::kernel(mean, (0..count).collect(), vec![Fact::new(element, shape)]))
}

impl Kernel for Mean {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        self.sum.run(inputs, outputs)?;
        match &mut outputs[0] {
            ViewMut::F32(y) => y.iter_mut().for_each(|y| *y /= self.count as f32),
            ViewMut::F64(y) => y.iter_mut().for_each(|y| *y /= self.count as f64),
            _ => unreachable!("operators on floats refuse others when they are built"),
        }
        Ok(())
    }
}

pub(crate) fn sum(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Basic(Basic::Add))
}

pub(crate) fn max(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Basic(Basic::Max))
}

pub(crate) fn min(node: &Node<'_>) -> Result<Built, String> {
    fold(node, Operation::Basic(Basic::Min))
}

/// Numbers to powers that may have a type of their own; integers through float64, as in onnxruntime.
#[derive(Debug)]
struct Pow {
    base: Stretched,
    exponent: Stretched,
    size: usize,
}

pub(crate) fn pow(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (base, exponent) = (node.input(0)?, node.input(1)?);
    let element = base.numeric()?;
    exponent.numeric()?;
    let (shape, operands) = stretched(node, &[base, exponent])?;
    let [base, exponent] = each(operands);
    let size = elements(&shape)?;
    Ok(Built::kernel(Pow { base, exponent, size }, vec![0, 1], vec![Fact::new(element, shape)]))
}

impl Kernel for Pow {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let power = |i: usize| {
            let (row, place) = (i / self.size, i % self.size);
            let number = |x: &View<'_>, operand: &Stretched| {
                x.number(operand.first(x.len(), row) + operand.at(place))
            };
            let base = number(&inputs[0], &self.base);
            match number(&inputs[1], &self.exponent) {
                2.0 => base * base,
                exponent => libm::pow(base, exponent),
            }
        };
        match &mut outputs[0] {
            ViewMut::F64(y) => y.iter_mut().enumerate().for_each(|(i, y)| *y = power(i)),
            ViewMut::I32(y) => {
                let power = |i| i32::try_from(truncated(power(i))).unwrap_or(i32::MIN);
                y.iter_mut().enumerate().for_each(|(i, y)| *y = power(i));
            }
            ViewMut::I64(y) => {
                y.iter_mut().enumerate().for_each(|(i, y)| *y = truncated(power(i)));
            }
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

pub(crate) fn ceil(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Ceil)
}

pub(crate) fn floor(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Floor)
}

pub(crate) fn round(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Round)
}

pub(crate) fn sign(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Sign)
}

pub(crate) fn sin(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::sin))
}

pub(crate) fn cos(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::cos))
}

pub(crate) fn tan(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::tan))
}

pub(crate) fn asin(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::asin))
}

pub(crate) fn acos(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::acos))
}

pub(crate) fn atan(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::atan))
}

pub(crate) fn sinh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::sinh))
}

pub(crate) fn cosh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::cosh))
}

pub(crate) fn asinh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::asinh))
}

pub(crate) fn acosh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::acosh))
}

pub(crate) fn atanh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Libm(libm::atanh))
}
