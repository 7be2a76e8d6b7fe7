//! Activations of neural networks, and `Clip`.

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::arithmetic::stretched;
use crate::ops::math::broadcast::{Stretched, each};
use crate::ops::math::unary::{Function, unary};
use crate::tensor::{View, ViewMut, elements};

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

pub(crate) fn selu(node: &Node<'_>) -> Result<Built, String> {
    let (size, slope) = (node.float("alpha")?, node.float("gamma")?);
    unary(node, Function::Selu(size.unwrap_or(1.673_263_2), slope.unwrap_or(1.050_701)))
}

pub(crate) fn celu(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Celu(node.float("alpha")?.unwrap_or(1.0)))
}

pub(crate) fn thresholded_relu(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::ThresholdedRelu(node.float("alpha")?.unwrap_or(1.0)))
}

pub(crate) fn shrink(node: &Node<'_>) -> Result<Built, String> {
    let (bound, off) = (node.float("lambd")?.unwrap_or(0.5), node.float("bias")?.unwrap_or(0.0));
    unary(node, Function::Shrink(bound, off))
}

pub(crate) fn hard_sigmoid(node: &Node<'_>) -> Result<Built, String> {
    let (slope, offset) = (node.float("alpha")?, node.float("beta")?);
    unary(node, Function::HardSigmoid(slope.unwrap_or(0.2), offset.unwrap_or(0.5)))
}

pub(crate) fn hard_swish(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::HardSwish)
}

pub(crate) fn swish(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Swish(node.float("alpha")?.unwrap_or(1.0)))
}

pub(crate) fn mish(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Mish)
}

pub(crate) fn gelu(node: &Node<'_>) -> Result<Built, String> {
    match node.string("approximate")?.unwrap_or("none") {
        "none" => unary(node, Function::Gelu(false)),
        "tanh" => unary(node, Function::Gelu(true)),
        other => Err(format!("the attribute 'approximate' is '{other}', expected none or tanh")),
    }
}

pub(crate) fn softsign(node: &Node<'_>) -> Result<Built, String> {
    unary(node, Function::Softsign)
}

/// The number itself, or its product with a slope where it is below 0.
#[derive(Debug)]
struct PRelu {
    slope: Stretched,
    size: usize,
}

pub(crate) fn p_relu(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (operands, _) = node.uniform_inputs()?;
    operands[0].numeric()?;
    let (shape, stretches) = stretched(node, &operands)?;
    let [_, slope] = each(stretches);
    if shape != operands[0].fact.shape {
        return Err(format!(
            "slopes of shape {:?} for an input of {:?}",
            operands[1].fact.shape, operands[0].fact.shape
        ));
    }
    let size = elements(&shape)?;
    Ok(Built::kernel(PRelu { slope, size }, vec![0, 1], vec![operands[0].fact.clone()]))
}

impl Kernel for PRelu {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        macro_rules! each {
            ($type:ident, $y:expr, |$x:ident, $slope:ident| $product:expr) => {{
                let [View::$type(x), View::$type(slopes)] = inputs else {
                    unreachable!("element types are fixed when a graph is loaded")
                };
                let rows = $y.chunks_exact_mut(self.size.max(1));
                for (row, (y, x)) in rows.zip(x.chunks_exact(self.size.max(1))).enumerate() {
                    let slopes = self.slope.of_row(slopes, row);
                    for (place, y) in y.iter_mut().enumerate() {
                        let ($x, $slope) = (x[place], slopes[self.slope.at(place)]);
                        *y = if $x < Default::default() { $product } else { $x };
                    }
                }
            }};
        }
        match &mut outputs[0] {
            ViewMut::F32(y) => each!(F32, y, |x, slope| x * slope),
            ViewMut::F64(y) => each!(F64, y, |x, slope| x * slope),
            ViewMut::I32(y) => each!(I32, y, |x, slope| x.wrapping_mul(slope)),
            ViewMut::I64(y) => each!(I64, y, |x, slope| x.wrapping_mul(slope)),
            _ => unreachable!("operators on numbers refuse others when they are built"),
        }
        Ok(())
    }
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
    if !input.numeric()?.is_float() {
        return clip_integers(node);
    }
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

/// [`Clip`] of integers, whose bounds are inputs.
#[derive(Debug)]
struct ClipIntegers {
    minimum: i64,
    maximum: i64,
}

fn clip_integers(node: &Node<'_>) -> Result<Built, String> {
    let bound = |position: usize| match node.constant_integers(position)?.as_deref() {
        None => Ok(None),
        Some([bound]) => Ok(Some(*bound)),
        Some(bounds) => Err(format!("input {position} is of {} bounds", bounds.len())),
    };
    let (minimum, maximum) = (bound(1)?.unwrap_or(i64::MIN), bound(2)?.unwrap_or(i64::MAX));
    Ok(Built::map(ClipIntegers { minimum, maximum }, node.input(0)?.fact.clone()))
}

impl Kernel for ClipIntegers {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let clip = |x: i64| x.max(self.minimum).min(self.maximum);
        match (inputs[0], &mut outputs[0]) {
            (View::I32(x), ViewMut::I32(y)) => {
                // Both bounds and the number are of int32, or the number counts.
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = clip(x.into()) as i32);
            }
            (View::I64(x), ViewMut::I64(y)) => {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = clip(x));
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
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
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
