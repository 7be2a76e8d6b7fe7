//! `Einsum`: sums of products, written with a letter for each dimension.

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::tensor::{Fact, View, ViewMut, elements};

/// The most products that one Einsum may need for a row.
const MAX_PRODUCTS: usize = 1 << 24;

#[derive(Debug)]
struct Einsum {
    /// Sizes of the dimensions: first those of the output, then those that are summed over.
    sizes: Vec<usize>,
    /// For each operand how far its elements are apart along each of them.
    strides: Vec<Vec<usize>>,
    /// How many products are added up for each element of the output.
    terms: usize,
}

pub(crate) fn einsum(node: &Node<'_>) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    let equation = node.string("equation")?.ok_or("it has no attribute 'equation'")?;
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&*equation, None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return Err(format!("'{equation}' for {} inputs", operands.len()));
    }
    let mut labels = Vec::new();
    let mut sizes: Vec<(char, usize)> = Vec::new();
    // The dimensions of an ellipsis are digits, counted from the last one.
    let mut widest = 0;
    for (term, operand) in terms.iter().zip(&operands) {
        let shape = &operand.fact.shape;
        let named = term.replace("...", "").chars().count();
        let open = shape.len().checked_sub(named).filter(|&it| it == 0 || term.contains("..."));
        let open = open.ok_or_else(|| format!("'{term}' for an input of shape {shape:?}"))?;
        if open > 9 {
            return Err(format!("an ellipsis of {open} dimensions"));
        }
        widest = widest.max(open);
        let own: Vec<char> = term.replace("...", &digits(open)).chars().collect();
        for (&label, &size) in own.iter().zip(shape) {
            if !label.is_ascii_alphanumeric() {
                return Err(format!("'{equation}', expected letters"));
            }
            let at = sizes.iter().position(|(known, _)| *known == label).unwrap_or_else(|| {
                sizes.push((label, size));
                sizes.len() - 1
            });
            let known = &mut sizes[at].1;
            if *known == 1 {
                *known = size;
            } else if size != *known && size != 1 {
                return Err(format!("'{label}' in '{equation}' is both {known} and {size}"));
            }
        }
        labels.push(own);
    }
    sizes.sort_unstable();
    let size_of = |label: char| sizes.iter().find(|(known, _)| *known == label).map(|it| it.1);
    let output: Vec<char> = match right {
        Some(right) => right.replace("...", &digits(widest)).chars().collect(),
        None => {
            let count = |label| labels.iter().flatten().filter(|it| **it == label).count();
            let named = sizes.iter().map(|(label, _)| *label);
            let once = named.filter(|&it| it.is_ascii_alphabetic() && count(it) == 1);
            digits(widest).chars().chain(once).collect()
        }
    };
    let is_new =
        |(i, label): (usize, &char)| size_of(*label).is_none() || output[..i].contains(label);
    if output.iter().enumerate().any(is_new) {
        return Err(format!("'{equation}', whose output has a letter twice or a new one"));
    }
    let summed = sizes.iter().map(|(label, _)| *label).filter(|label| !output.contains(label));
    let order: Vec<char> = output.iter().copied().chain(summed).collect();
    let all: Vec<usize> = order.iter().filter_map(|&label| size_of(label)).collect();
    let shape = all[..output.len()].to_vec();
    elements(&shape)?;
    if all.iter().try_fold(1_usize, |a, &b| a.checked_mul(b)).is_none_or(|it| it > MAX_PRODUCTS) {
        return Err(format!("'{equation}' over {all:?}, expected at most {MAX_PRODUCTS} products"));
    }
    let strides = labels.iter().zip(&operands).map(|(own, operand)| {
        let mut strides = vec![0; order.len()];
        let mut stride = 1;
        for (label, &size) in own.iter().zip(&operand.fact.shape).rev() {
            // A letter twice in one operand walks along its diagonal.
            if let Some(at) = order.iter().position(|it| it == label).filter(|_| size > 1) {
                strides[at] += stride;
            }
            stride *= size;
        }
        strides
    });
    let strides = strides.collect();
    let terms = all[output.len()..].iter().product();
    let uses = (0..operands.len()).collect();
    let kernel = Einsum { sizes: all, strides, terms };
    Ok(Built::kernel(kernel, uses, vec![Fact::new(element, shape)]))
}

/// As many digits as an ellipsis has dimensions, the last one 0.
fn digits(count: usize) -> String {
    (0..count).rev().map(|digit| char::from(b'0' + digit as u8)).collect()
}

impl Einsum {
    fn of<T: Float>(&self, inputs: &[&[T]], y: &mut [T]) {
        let at = |operand: usize, place: usize| {
            let (mut place, mut at) = (place, 0);
            for (size, stride) in self.sizes.iter().zip(&self.strides[operand]).rev() {
                at += place % size * stride;
                place /= size;
            }
            at
        };
        for (target, y) in y.iter_mut().enumerate() {
            let mut sum = T::default();
            for place in target * self.terms..(target + 1) * self.terms {
                let mut product = T::one();
                for (operand, x) in inputs.iter().enumerate() {
                    product = product * x[at(operand, place)];
                }
                sum += product;
            }
            *y = sum;
        }
    }
}

impl Kernel for Einsum {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        macro_rules! of {
            ($type:ident, $y:expr) => {{
                let slices = inputs.iter().map(|view| match view {
                    View::$type(x) => *x,
                    _ => unreachable!("element types are fixed when a graph is loaded"),
                });
                self.of(&slices.collect::<Vec<_>>(), $y);
            }};
        }
        match &mut outputs[0] {
            ViewMut::F32(y) => of!(F32, y),
            ViewMut::F64(y) => of!(F64, y),
            _ => unreachable!("operators on floats refuse others when they are built"),
        }
        Ok(())
    }
}
