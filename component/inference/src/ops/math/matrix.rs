//! `MatMul` and `Gemm`.
//!
//! Own, because tract picks its kernels by processor, and they differ in the last bits. Here each
//! sum is made in the order of the file, so an answer has the same bits everywhere.

use foretold_kernels::elements::{self, Operation};
use foretold_kernels::product;
use tract_hir::internal::Tensor;

use crate::math::Float;
use crate::node::{Node, Operand};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::broadcast::{Stretch, broadcast, each};
use crate::tensor::{Fact, View, ViewMut, elements};

/// float32 or float64, with the loops that there are for it.
trait Factor: Float {
    /// The product of rows with weights.
    fn of_rows(x: &[Self], inner: usize, weights: &[Self], columns: usize, y: &mut [Self]);

    /// Adds numbers, of which there are some, repeated.
    fn add_repeated(y: &mut [Self], c: &[Self]);
}

impl Factor for f32 {
    fn of_rows(x: &[f32], inner: usize, weights: &[f32], columns: usize, y: &mut [f32]) {
        product::of_f32(x, inner, weights, columns, y, columns);
    }

    fn add_repeated(y: &mut [f32], c: &[f32]) {
        elements::combine(Operation::Add, y, c);
    }
}

impl Factor for f64 {
    fn of_rows(x: &[f64], inner: usize, weights: &[f64], columns: usize, y: &mut [f64]) {
        product::of_f64(x, inner, weights, columns, y, columns);
    }

    fn add_repeated(y: &mut [f64], c: &[f64]) {
        y.iter_mut().zip(c.iter().cycle()).for_each(|(y, c)| *y += c);
    }
}

/// alpha · A · B + beta · C, for each of several A and B.
#[derive(Debug)]
struct Product {
    rows: usize,
    inner: usize,
    columns: usize,
    a_is_transposed: bool,
    b_is_transposed: bool,
    /// B with its rows one after the other, if it does not depend on the request.
    weights: Option<Tensor>,
    /// Which A and which B belong to each product.
    a: Stretch,
    b: Stretch,
    products: usize,
    alpha: f32,
    beta: f32,
    c: Option<Stretch>,
    /// Whether C does not depend on the request, or is not there.
    c_is_constant: bool,
}

pub(crate) fn mat_mul(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (_, element) = node.uniform_inputs()?;
    // A vector is a matrix of one row on the left, of one column on the right.
    let (left, right) = (&a.fact.shape[..], &b.fact.shape[..]);
    let (left_outer, [rows, inner]) = match left {
        [outer @ .., rows, inner] => (outer, [*rows, *inner]),
        [inner] => (&[][..], [1, *inner]),
        [] => return Err(mismatch(a, b)),
    };
    let (right_outer, [right_inner, columns]) = match right {
        [outer @ .., inner, columns] => (outer, [*inner, *columns]),
        [inner] => (&[][..], [*inner, 1]),
        [] => return Err(mismatch(a, b)),
    };
    if !element.is_float() || inner != right_inner {
        return Err(mismatch(a, b));
    }
    let (outer, stretches) = broadcast(&[left_outer, right_outer])?;
    let [a_stretch, b_stretch] = each(stretches);
    let row: &[usize] = if left.len() > 1 { &[rows] } else { &[] };
    let column: &[usize] = if right.len() > 1 { &[columns] } else { &[] };
    let shape = [&outer, row, column].concat();
    elements(&shape)?;
    let product = Product {
        rows,
        inner,
        columns,
        a_is_transposed: false,
        b_is_transposed: false,
        weights: weights(b, false)?,
        a: a_stretch,
        b: b_stretch,
        products: elements(&outer)?,
        alpha: 1.0,
        beta: 1.0,
        c: None,
        c_is_constant: true,
    };
    Ok(product.built(Fact::new(element, shape)))
}

fn mismatch(a: Operand<'_>, b: Operand<'_>) -> String {
    format!(
        "inputs of {} {:?} and {:?}, expected floats that fit",
        a.fact.element, a.fact.shape, b.fact.shape
    )
}

pub(crate) fn gemm(node: &Node<'_>) -> Result<Built, String> {
    let (a, b, c) = (node.input(0)?, node.input(1)?, node.optional_input(2));
    let element = a.float()?;
    let transposed = |name| Ok::<_, String>(node.int(name)?.unwrap_or(0) != 0);
    let (a_is_transposed, b_is_transposed) = (transposed("transA")?, transposed("transB")?);
    let (&[a0, a1], &[b0, b1]) = (&a.fact.shape[..], &b.fact.shape[..]) else {
        return Err(mismatch(a, b));
    };
    let (rows, inner) = if a_is_transposed { (a1, a0) } else { (a0, a1) };
    let (right_inner, columns) = if b_is_transposed { (b1, b0) } else { (b0, b1) };
    let same_type = [Some(b), c].into_iter().flatten().all(|it| it.fact.element == element);
    if inner != right_inner || !same_type {
        return Err(mismatch(a, b));
    }
    let shape = vec![rows, columns];
    elements(&shape)?;
    let c_is_constant = c.is_none_or(|c| c.constant.is_some());
    // C must not stretch the product.
    let c = match c {
        None => None,
        Some(c) => match broadcast(&[&shape, &c.fact.shape]) {
            Ok((stretched, mut stretches)) if stretched == shape => stretches.pop(),
            _ => return Err(mismatch(a, b)),
        },
    };
    let product = Product {
        rows,
        inner,
        columns,
        a_is_transposed,
        b_is_transposed,
        weights: weights(b, b_is_transposed)?,
        a: Stretch::One,
        b: Stretch::One,
        products: 1,
        alpha: node.float("alpha")?.unwrap_or(1.0),
        beta: node.float("beta")?.unwrap_or(1.0),
        c,
        c_is_constant,
    };
    Ok(product.built(Fact::new(element, shape)))
}

/// A constant B as the kernel reads it.
fn weights(b: Operand<'_>, is_transposed: bool) -> Result<Option<Tensor>, String> {
    let Some(constant) = b.constant else { return Ok(None) };
    if !is_transposed {
        return Ok(Some(constant.clone()));
    }
    constant.clone().permute_axes(&[1, 0]).map(Some).map_err(|e| e.to_string())
}

impl Product {
    fn built(self, output: Fact) -> Built {
        let b = if self.weights.is_some() { None } else { Some(1) };
        let c = self.c.as_ref().map(|_| 2);
        let uses = [Some(0), b, c].into_iter().flatten().collect();
        Built::kernel(self, uses, vec![output])
    }

    /// Whether it is rows, of which there may be any number, times weights.
    fn is_of_rows(&self) -> bool {
        self.weights.is_some()
            && !self.a_is_transposed
            && self.products == 1
            && self.inner > 0
            && self.columns > 0
            && self.c_is_constant
    }

    fn of<T: Factor>(&self, a: &[T], b: &[T], c: &[T], y: &mut [T]) {
        if self.is_of_rows() {
            T::of_rows(a, self.inner, b, self.columns, y);
        } else {
            self.multiply(a, b, y);
        }
        if self.alpha != 1.0 {
            y.iter_mut().for_each(|y| *y = T::from_f64(self.alpha.into()) * *y);
        }
        if let Some(stretch) = &self.c {
            let is_repeated = matches!(stretch, Stretch::Same) || c.len() == 1;
            if self.beta == 1.0 && is_repeated && !c.is_empty() {
                return T::add_repeated(y, c);
            }
            let beta = T::from_f64(self.beta.into());
            for y in y.chunks_exact_mut((self.rows * self.columns).max(1)) {
                for (place, y) in y.iter_mut().enumerate() {
                    let c = c[stretch.at(place)];
                    *y += if self.beta == 1.0 { c } else { beta * c };
                }
            }
        }
    }

    fn multiply<T: Float>(&self, a: &[T], b: &[T], y: &mut [T]) {
        let size = self.rows * self.columns;
        let is_plain = self.weights.is_some() || !self.b_is_transposed;
        for product in 0..self.products {
            let a = &a[self.a.at(product) * self.rows * self.inner..];
            let b = &b[self.b.at(product) * self.inner * self.columns..];
            for row in 0..self.rows {
                let sums = &mut y[product * size + row * self.columns..][..self.columns];
                for i in 0..self.inner {
                    let at = if self.a_is_transposed {
                        i * self.rows + row
                    } else {
                        row * self.inner + i
                    };
                    let x = a[at];
                    if is_plain {
                        let weights = &b[i * self.columns..][..self.columns];
                        sums.iter_mut()
                            .zip(weights)
                            .for_each(|(sum, &weight)| *sum = x.fused(weight, *sum));
                    } else {
                        let weights = b[i..].iter().step_by(self.inner);
                        sums.iter_mut()
                            .zip(weights)
                            .for_each(|(sum, &weight)| *sum = x.fused(weight, *sum));
                    }
                }
            }
        }
    }
}

impl Kernel for Product {
    fn rows(&self) -> Rows {
        if self.is_of_rows() { Rows::Any } else { Rows::One }
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let weights = self.weights.as_ref().map(View::of).transpose().map_err(|e| e.to_string())?;
        let (a, rest) = inputs.split_first().ok_or("an input is missing")?;
        let (b, rest) = match (weights, rest) {
            (Some(weights), rest) => (weights, rest),
            (None, [b, rest @ ..]) => (*b, rest),
            (None, []) => return Err("an input is missing".into()),
        };
        macro_rules! product {
            ($type:ident, $y:expr) => {
                match (a, b, rest.first()) {
                    (View::$type(a), View::$type(b), None) => self.of(a, b, &[], $y),
                    (View::$type(a), View::$type(b), Some(View::$type(c))) => self.of(a, b, c, $y),
                    _ => unreachable!("element types are fixed when a graph is loaded"),
                }
            };
        }
        match &mut outputs[0] {
            ViewMut::F32(y) => product!(F32, y),
            ViewMut::F64(y) => product!(F64, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
