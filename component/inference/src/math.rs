//! Functions whose bits must not depend on the platform.
//!
//! `f32::exp` and its like call the C library, so a native build and a WebAssembly build can
//! differ in the last bit. Here each comes from `libm`, which is plain Rust, in float64: rounded to
//! float32 afterwards it is correct to within half a unit in the last place, give or take one case
//! in a billion. Additions, products, quotients and square roots of float32 come out the same
//! whether they are done in float32 or in float64 and then rounded, so operators may use either.

use libm::{exp, log};

/// e to the power of a float32.
pub(crate) fn exp_single(x: f32) -> f32 {
    exp(f64::from(x)) as f32
}

/// 1 / (1 + e^-x) in float32, from the side on which e^… is at most 1.
///
/// The order of the operations is onnxruntime's: for negative x it rounds 1 - logistic(-x).
pub(crate) fn logistic(x: f32) -> f32 {
    let upper = 1.0 / (1.0 + exp_single(-x.abs()));
    if x < 0.0 { 1.0 - upper } else { upper }
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

/// Replaces float32 scores by e^score / the sum of them all.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = exp_single(*score - largest);
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// [`softmax`] that leaves scores of zero out (the spec's `SOFTMAX_ZERO`).
pub(crate) fn softmax_zero(scores: &mut [f32]) {
    const ZERO: f32 = 1e-7;
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let scale = exp_single(-largest);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > ZERO {
            *score = exp_single(*score - largest);
            sum += *score;
        } else {
            *score *= scale;
        }
    }
    for score in scores {
        *score /= sum;
    }
}

/// `sum + x * y` for float32, rounded once, as processors with a fused multiply-add do it.
///
/// The product of two float32 is exact in float64. So the result has the same bits everywhere, and
/// is what onnxruntime's matrix kernels give where they add up in this order.
pub(crate) fn fused(x: f64, y: f32, sum: f32) -> f32 {
    (x * f64::from(y) + f64::from(sum)) as f32
}
