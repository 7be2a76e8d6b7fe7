//! Exponentials of float32, and what classifiers make of them, for four numbers at once.
//!
//! Each is the one of `libm`, made in float64 by the same operations in the same order, and rounded
//! to float32: so it has the same bits. (Its algorithm is FreeBSD's `e_exp.c`.)

use wide::{f32x4, f64x2};

/// Numbers in a vector.
const LANES: usize = 4;

/// Of a larger number float32 has infinity, of its opposite 0.
const LARGEST: f32 = 708.0;

/// Replaces each number by e to its power.
#[inline(never)]
pub fn exp(numbers: &mut [f32]) {
    each(numbers, exp_of);
}

/// Replaces each number x by 1 / (1 + e^-x).
#[inline(never)]
pub fn logistic(numbers: &mut [f32]) {
    each(numbers, |x| logistics(x)[1]);
}

/// Replaces each pair, of which the first number is x, by the logistics of -x and of x.
#[inline(never)]
pub fn logistic_pairs(pairs: &mut [[f32; 2]]) {
    let several = |pairs: &mut [[f32; 2]; LANES]| {
        let [below, above] = logistics(f32x4::from(pairs.map(|[x, _]| x))).map(f32x4::to_array);
        for (pair, (below, above)) in pairs.iter_mut().zip(below.into_iter().zip(above)) {
            *pair = [below, above];
        }
    };
    let (vectors, rest) = pairs.as_chunks_mut();
    vectors.iter_mut().for_each(several);
    if !rest.is_empty() {
        let mut last = [[0.0; 2]; LANES];
        last.iter_mut().zip(&*rest).for_each(|(place, pair)| *place = *pair);
        several(&mut last);
        rest.iter_mut().zip(last).for_each(|(pair, found)| *pair = found);
    }
}

#[inline(always)]
fn each(numbers: &mut [f32], function: impl Fn(f32x4) -> f32x4) {
    let (vectors, rest) = numbers.as_chunks_mut::<LANES>();
    for numbers in vectors {
        *numbers = function(f32x4::from(*numbers)).to_array();
    }
    if !rest.is_empty() {
        let mut last = [0.0; LANES];
        last.iter_mut().zip(&*rest).for_each(|(place, &x)| *place = x);
        let found = function(f32x4::from(last)).to_array();
        rest.iter_mut().zip(found).for_each(|(place, found)| *place = found);
    }
}

/// The logistics of -x and of x, from the side on which e^… is at most 1.
///
/// The order of the operations is onnxruntime's: for negative x it rounds 1 - logistic(-x).
#[inline(always)]
fn logistics(x: f32x4) -> [f32x4; 2] {
    let (zero, one) = (f32x4::default(), f32x4::splat(1.0));
    let upper = one / (one + exp_of(-x.abs()));
    let lower = one - upper;
    [x.simd_gt(zero).bitselect(lower, upper), x.simd_lt(zero).bitselect(lower, upper)]
}

#[inline(always)]
fn exp_of(x: f32x4) -> f32x4 {
    let (largest, smallest) = (f32x4::splat(LARGEST), f32x4::splat(-LARGEST));
    let x = x.simd_gt(largest).bitselect(largest, x);
    let x = x.simd_lt(smallest).bitselect(smallest, x);
    rounded(widened(x).map(exp_of_doubles))
}

/// Of numbers of which it is neither infinite nor subnormal, or NaN.
#[inline(always)]
fn exp_of_doubles(x: f64x2) -> f64x2 {
    const LN2_HI: f64 = 6.931_471_803_691_238e-1;
    const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const P1: f64 = 1.666_666_666_666_660_2e-1;
    const P2: f64 = -2.777_777_777_701_559_3e-3;
    const P3: f64 = 6.613_756_321_437_934e-5;
    const P4: f64 = -1.653_390_220_546_525_2e-6;
    const P5: f64 = 4.138_136_797_057_238_5e-8;
    /// The smallest numbers whose upper halves are above those of ln 2 / 2, and of 2^-28.
    const HALF_LN2: f64 = f64::from_bits(0x3fd6_2e43_0000_0000);
    const TINY: f64 = f64::from_bits(0x3e30_0001_0000_0000);
    /// Added to an integer it has that one's bits below, with the bias of an exponent.
    const TO_EXPONENT: f64 = (1_u64 << 52) as f64 + 1023.0;

    let of = f64x2::splat;
    let (one, sign) = (of(1.0), of(-0.0));
    let size = x.abs();
    // x = k ln 2 + r
    let k = (of(std::f64::consts::LOG2_E) * x + (of(0.5) | (x & sign))).trunc();
    let k = size.simd_ge(of(HALF_LN2)) & k;
    let (hi, lo) = (x - k * of(LN2_HI), k * of(LN2_LO));
    let r = hi - lo;
    let square = r * r;
    let c = r - square
        * (of(P1) + square * (of(P2) + square * (of(P3) + square * (of(P4) + square * of(P5)))));
    let y = one + (r * c / (of(2.0) - c) - lo + hi);
    let y = size.simd_lt(of(TINY)).bitselect(one + x, y);
    let exponent = (k + of(TO_EXPONENT)).to_array().map(|it| f64::from_bits(it.to_bits() << 52));
    y * f64x2::from(exponent)
}

#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn widened(x: f32x4) -> [f64x2; 2] {
    use std::arch::wasm32::{f64x2_promote_low_f32x4 as promote, i64x2_shuffle, v128};
    // SAFETY: vectors of 16 bytes, of which each has all bits.
    unsafe {
        let x = std::mem::transmute::<f32x4, v128>(x);
        [promote(x), promote(i64x2_shuffle::<1, 1>(x, x))]
            .map(|half| std::mem::transmute::<v128, f64x2>(half))
    }
}

#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn rounded(halves: [f64x2; 2]) -> f32x4 {
    use std::arch::wasm32::{f32x4_demote_f64x2_zero as demote, i64x2_shuffle, v128};
    // SAFETY: as above.
    unsafe {
        let [low, high] = halves.map(|half| demote(std::mem::transmute::<f64x2, v128>(half)));
        std::mem::transmute::<v128, f32x4>(i64x2_shuffle::<0, 2>(low, high))
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn widened(x: f32x4) -> [f64x2; 2] {
    let [a, b, c, d] = x.to_array().map(f64::from);
    [f64x2::from([a, b]), f64x2::from([c, d])]
}

#[cfg(not(target_arch = "wasm32"))]
fn rounded(halves: [f64x2; 2]) -> f32x4 {
    let [[a, b], [c, d]] = halves.map(f64x2::to_array);
    f32x4::from([a, b, c, d].map(|it| it as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plainly(x: f32) -> f32 {
        libm::exp(x.into()) as f32
    }

    fn is_same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    }

    /// Floats of all sizes, and those beside what decides.
    fn numbers() -> Vec<f32> {
        let sides = [0.0, f32::INFINITY, f32::NAN, LARGEST, 0.5 * 2_f32.ln(), 1.5 * 2_f32.ln()];
        let near = sides.into_iter().flat_map(|it| (0..9).map(move |i| it.to_bits() + i - 4));
        let sides = near.filter(|bits| *bits < 1 << 31).flat_map(|bits| [bits, bits | 1 << 31]);
        let all = (0..u32::MAX).step_by(9973).map(f32::from_bits);
        let moderate = (-2000..2000).map(|i| i as f32 / 37.0);
        all.chain(sides.map(f32::from_bits)).chain(moderate).collect()
    }

    #[test]
    fn exponentials_have_the_bits_of_libm() {
        let x = numbers();
        let mut found = x.clone();
        exp(&mut found);
        for (&x, found) in x.iter().zip(found) {
            assert!(is_same(found, plainly(x)), "{x:e}: {found:e}, {:e}", plainly(x));
        }
        for count in 0..9 {
            let mut few = x[..count].to_vec();
            exp(&mut few);
            assert!(few.iter().zip(&x).all(|(&found, &x)| is_same(found, plainly(x))));
        }
    }

    #[test]
    fn logistics_are_made_from_the_side_that_does_not_overflow() {
        let one = |x: f32| {
            let upper = 1.0 / (1.0 + plainly(-x.abs()));
            if x < 0.0 { 1.0 - upper } else { upper }
        };
        for length in [0, 1, 2, 3, 4, 5, 11, usize::MAX] {
            let mut x = numbers();
            x.truncate(length);
            let mut found = x.clone();
            logistic(&mut found);
            let mut pairs: Vec<[f32; 2]> = x.iter().map(|&x| [x, 7.0]).collect();
            logistic_pairs(&mut pairs);
            for ((&x, found), [below, above]) in x.iter().zip(found).zip(pairs) {
                assert!(is_same(found, one(x)), "{x:e}: {found:e}, {:e}", one(x));
                assert!(is_same(below, one(-x)) && is_same(above, one(x)), "{x:e}");
            }
        }
    }
}
