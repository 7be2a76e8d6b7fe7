//! Functions whose bits must not depend on the platform.
//!
//! `f32::exp` and its like call the C library, so a native build and a WebAssembly build can
//! differ in the last bit. Here each comes from `libm`, which is plain Rust, in float64: rounded to
//! float32 afterwards it is correct to within half a unit in the last place, give or take one case
//! in a billion. (tanh, erf and the activations made of them, which networks have by the thousand,
//! come from [`exponential`] where they are of float32: one case in a million.) Additions, products,
//! quotients and square roots of float32 come out the same whether they are done in float32 or in
//! float64 and then rounded, so operators may use either.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use foretold_kernels::exponential;
use foretold_kernels::nodes::{self, Node};
use libm::{exp, log};

/// float32 or float64, for operators that compute in the type of their input, as onnxruntime does.
pub(crate) trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Sub<Output = Self>
{
    const MAX: Self;

    /// Rounds once.
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;

    /// A function of float64, rounded to this type.
    fn map(self, function: impl Fn(f64) -> f64) -> Self {
        Self::from_f64(function(self.to_f64()))
    }

    fn one() -> Self {
        Self::from_f64(1.0)
    }

    /// `sum + self * y`; of float32 rounded once, as processors with a fused multiply-add do it.
    ///
    /// The product of two float32 is exact in float64.
    fn fused(self, y: Self, sum: Self) -> Self;

    /// The leaves that a row comes to, by the loop that there is for the type.
    fn leaves(
        nodes: &[Node<Self>],
        plain: bool,
        roots: &[u32],
        row: &[Self],
        leaves: &mut Vec<u32>,
    );

    fn is_nan(self) -> bool {
        self.to_f64().is_nan()
    }

    fn exp(self) -> Self {
        self.map(exp)
    }

    /// Replaces each number by its exponential, as [`Float::exp`] has it.
    fn exp_all(numbers: &mut [Self]) {
        numbers.iter_mut().for_each(|number| *number = number.exp());
    }

    /// Replaces each number by its [`logistic`].
    fn logistic_all(numbers: &mut [Self]) {
        numbers.iter_mut().for_each(|number| *number = logistic(*number));
    }

    fn ln(self) -> Self {
        self.map(log)
    }

    fn abs(self) -> Self {
        self.map(f64::abs)
    }

    fn sqrt(self) -> Self {
        self.map(f64::sqrt)
    }
}

impl Float for f32 {
    const MAX: f32 = f32::MAX;

    fn leaves(nodes: &[Node<f32>], plain: bool, roots: &[u32], row: &[f32], leaves: &mut Vec<u32>) {
        nodes::leaves_of_singles(nodes, plain, roots, row, leaves);
    }

    fn exp_all(numbers: &mut [f32]) {
        exponential::exp(numbers);
    }

    fn logistic_all(numbers: &mut [f32]) {
        exponential::logistic(numbers);
    }

    fn fused(self, y: f32, sum: f32) -> f32 {
        (f64::from(self) * f64::from(y) + f64::from(sum)) as f32
    }

    fn from_f64(value: f64) -> f32 {
        value as f32
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Float for f64 {
    const MAX: f64 = f64::MAX;

    fn leaves(nodes: &[Node<f64>], plain: bool, roots: &[u32], row: &[f64], leaves: &mut Vec<u32>) {
        nodes::leaves_of_doubles(nodes, plain, roots, row, leaves);
    }

    fn fused(self, y: f64, sum: f64) -> f64 {
        sum + self * y
    }

    fn from_f64(value: f64) -> f64 {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

/// 1 / (1 + e^-x), from the side on which e^… is at most 1.
///
/// The order of the operations is onnxruntime's: for negative x it rounds 1 - logistic(-x).
pub(crate) fn logistic<T: Float>(x: T) -> T {
    let upper = T::one() / (T::one() + (-x.abs()).exp());
    if x < T::default() { T::one() - upper } else { upper }
}

/// Quantile of the normal distribution, through Winitzki's approximation of the inverse of erf
/// (with a = 0.147), in float32 as onnxruntime has it.
pub(crate) fn probit(p: f32) -> f32 {
    const A: f32 = 0.147;
    let x = 2.0 * p - 1.0;
    let ln = log(f64::from((1.0 - x) * (1.0 + x))) as f32;
    let half = 2.0 / (std::f64::consts::PI as f32 * A) + 0.5 * ln;
    let inverse = (-half + (half * half - ln / A).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if x < 0.0 { -inverse } else { inverse }
}

/// Replaces the scores of rows of `width` by e^score / the sum of the row's.
pub(crate) fn softmax<T: Float>(scores: &mut [T], width: usize) {
    for row in scores.chunks_exact_mut(width) {
        let largest = largest(row);
        row.iter_mut().for_each(|score| *score = *score - largest);
    }
    T::exp_all(scores);
    scores.chunks_exact_mut(width).for_each(divide_by_sum);
}

/// Divides each number by the sum of them all, from +0 on.
pub(crate) fn divide_by_sum<T: Float>(numbers: &mut [T]) {
    let mut sum = T::default();
    numbers.iter().for_each(|&number| sum += number);
    numbers.iter_mut().for_each(|number| *number = *number / sum);
}

/// [`softmax`] of a row that leaves scores of zero out (the spec's `SOFTMAX_ZERO`).
pub(crate) fn softmax_zero<T: Float>(scores: &mut [T]) {
    const ZERO: f32 = 1e-7;
    let largest = largest(scores);
    let scale = (-largest).exp();
    let mut sum = T::default();
    for score in scores.iter_mut() {
        if score.abs() > T::from_f64(ZERO.into()) {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score = *score * scale;
        }
    }
    for score in scores {
        *score = *score / sum;
    }
}

/// The largest of some numbers, among which NaN counts for nothing.
fn largest<T: Float>(numbers: &[T]) -> T {
    numbers.iter().fold(-T::MAX, |largest, &it| if it > largest { it } else { largest })
}
