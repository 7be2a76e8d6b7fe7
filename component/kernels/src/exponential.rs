//! Exponentials of float32, and what classifiers and networks make of them, for four numbers at once.
//!
//! Each is the one of `libm`, made in float64 by the same operations in the same order, and rounded
//! to float32: so it has the same bits. (Its algorithm is FreeBSD's `e_exp.c`.) What is made of
//! exponentials in float64 has a relative error of less than 2^-42 before it is rounded.

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

/// Replaces each number by its hyperbolic tangent.
#[inline(never)]
pub fn tanh(numbers: &mut [f32]) {
    each_of_doubles(numbers, tanh_of_doubles);
}

/// Replaces each number by its error function.
#[inline(never)]
pub fn erf(numbers: &mut [f32]) {
    /// erf(x) / x in powers of the square of x, of numbers below 1.
    const SMALL: [f64; 10] = [
        1.128_379_167_095_494,
        -0.376_126_389_028_086_15,
        0.112_837_916_585_487_13,
        -0.026_866_169_050_599_326,
        0.005_223_967_193_543_9,
        -0.000_854_793_373_651_963_3,
        0.000_120_462_612_697_797_97,
        -1.479_503_140_066_204_5e-5,
        1.530_637_316_364_108_4e-6,
        -1.046_911_033_215_120_8e-7,
    ];
    each_of_doubles(numbers, |x| {
        let (one, sign) = (f64x2::splat(1.0), f64x2::splat(-0.0));
        let large = (one - complement(x.abs())) | (x & sign);
        x.abs().simd_lt(one).bitselect(x * polynomial(&SMALL, x * x), large)
    });
}

/// Replaces each number x by x · (1 + erf(x / √2)) / 2.
#[inline(never)]
pub fn gelu(numbers: &mut [f32]) {
    each_of_doubles(numbers, |x| {
        let half = f64x2::splat(0.5);
        let tail = half * complement(x.abs() * f64x2::splat(std::f64::consts::FRAC_1_SQRT_2));
        x * x.simd_gt(f64x2::default()).bitselect(f64x2::splat(1.0) - tail, tail)
    });
}

/// Replaces each number x by x / (1 + e^-(slope · x)).
#[inline(never)]
pub fn swish(numbers: &mut [f32], slope: f32) {
    let slope = f64x2::splat(slope.into());
    each_of_doubles(numbers, |x| x * logistic_of_doubles(slope * x));
}

/// Replaces each number x by x · tanh(ln(1 + e^x)).
#[inline(never)]
pub fn mish(numbers: &mut [f32]) {
    /// From here on the tangent is 1.
    const LARGE: f64 = 20.0;
    each_of_doubles(numbers, |x| {
        let large = f64x2::splat(LARGE);
        let e = bounded_exp(x.simd_gt(large).bitselect(large, x));
        let n = e * (e + f64x2::splat(2.0));
        let tangent = n / (n + f64x2::splat(2.0));
        x * (x.simd_gt(f64x2::splat((-LARGEST).into())) & tangent)
    });
}

/// Replaces each number x by x · (1 + tanh(u)) / 2, where u = √(2 / π) · (x + 0.044715 · x³).
#[inline(never)]
pub fn gelu_by_tanh(numbers: &mut [f32]) {
    /// 2 √(2 / π)
    const FACTOR: f64 = 1.595_769_121_605_731;
    each_of_doubles(numbers, |x| {
        let u = x + f64x2::splat(0.044_715) * x * x * x;
        x * logistic_of_doubles(f64x2::splat(FACTOR) * u)
    });
}

/// Replaces each number x by slope · x, or from 0 down by slope · size · (e^(x / divisor) - 1).
#[inline(never)]
pub fn exponential_linear(numbers: &mut [f32], size: f32, divisor: f32, slope: f32) {
    let [size, divisor, slope] = [size, divisor, slope].map(|it| f64x2::splat(it.into()));
    each_of_doubles(numbers, |x| {
        let below = size * expm1_of_doubles(x / divisor);
        slope * x.simd_gt(f64x2::default()).bitselect(x, below)
    });
}

#[inline(always)]
fn each_of_doubles(numbers: &mut [f32], function: impl Fn(f64x2) -> f64x2) {
    each(numbers, |x| rounded(widened(x).map(&function)));
}

/// 1 - erf(x), of numbers that are not negative; from 30 on 0.
///
/// e^(-x²) / (1 + 2 x) times a function that hardly changes, in powers of (x - 3.75) / (x + 3.75):
/// see Shepherd and Laframboise, Mathematics of Computation 36, 1981.
#[inline(always)]
fn complement(x: f64x2) -> f64x2 {
    const MIDDLE: f64 = 3.75;
    const LARGE: f64 = 30.0;
    const FACTORS: [f64; 19] = [
        1.237_512_630_837_827_5,
        -0.140_240_598_584_855_27,
        0.003_585_415_486_888_656,
        0.082_276_738_448_480_73,
        -0.108_803_930_227_438_95,
        0.092_304_321_900_651_46,
        -0.058_693_397_071_740_99,
        0.028_362_271_401_009_196,
        -0.009_746_591_834_542_082,
        0.001_755_652_584_564_937_6,
        0.000_293_767_773_683_095_25,
        -0.000_290_224_735_576_312,
        5.150_773_832_575_522e-5,
        2.249_952_684_824_12e-5,
        -1.121_751_233_897_391_4e-5,
        -1.089_866_191_750_351e-6,
        1.529_291_110_757_549e-6,
        1.287_279_611_913_254_9e-8,
        -1.309_340_831_150_903_5e-7,
    ];
    let of = f64x2::splat;
    let is_large = x.simd_ge(of(LARGE));
    let x = is_large.bitselect(of(LARGE), x);
    let (numerator, denominator) = exp_parts(-(x * x));
    let factor = polynomial(&FACTORS, (x - of(MIDDLE)) / (x + of(MIDDLE)));
    let found = numerator * factor / (denominator * (of(1.0) + of(2.0) * x));
    is_large.bitselect(of(0.0), found)
}

/// The sum of the factors times the powers of x, from the first of which on.
#[inline(always)]
fn polynomial<const COUNT: usize>(factors: &[f64; COUNT], x: f64x2) -> f64x2 {
    let factors = factors.iter().rev().copied().map(f64x2::splat);
    factors.fold(f64x2::default(), |sum, factor| sum * x + factor)
}

/// 1 / (1 + e^-x), from -708 down 0.
#[inline(always)]
fn logistic_of_doubles(x: f64x2) -> f64x2 {
    let (numerator, denominator) = exp_parts(-x);
    let found = denominator / (denominator + numerator);
    x.simd_gt(f64x2::splat((-LARGEST).into())) & found
}

#[inline(always)]
pub(crate) fn tanh_of_doubles(x: f64x2) -> f64x2 {
    /// Below it a series has fewer errors than a difference of two that are alike.
    const SMALL: f64 = 0.0625;
    const SERIES: [f64; 5] = [1.0, -1.0 / 3.0, 2.0 / 15.0, -17.0 / 315.0, 62.0 / 2835.0];
    let (sign, size) = (f64x2::splat(-0.0), x.abs());
    let (numerator, denominator) = exp_parts(f64x2::splat(-2.0) * size);
    let large = (denominator - numerator) / (denominator + numerator);
    let small = x * polynomial(&SERIES, x * x);
    size.simd_lt(f64x2::splat(SMALL)).bitselect(small, large | (x & sign))
}

/// e^x - 1, of 708 at most.
#[inline(always)]
fn expm1_of_doubles(x: f64x2) -> f64x2 {
    /// Below it a series has fewer errors than a difference of two that are alike.
    const SMALL: f64 = 0.0625;
    const SERIES: [f64; 8] = [
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5040.0,
        1.0 / 40320.0,
    ];
    let (numerator, denominator) = exp_parts(x);
    let large = (numerator - denominator) / denominator;
    x.abs().simd_lt(f64x2::splat(SMALL)).bitselect(x * polynomial(&SERIES, x), large)
}

/// e^x of any number, 708 at most and -708 at least.
#[inline(always)]
pub(crate) fn bounded_exp(x: f64x2) -> f64x2 {
    exp_of_doubles(bounded(x))
}

#[inline(always)]
fn bounded(x: f64x2) -> f64x2 {
    let (largest, smallest) = (f64x2::splat(LARGEST.into()), f64x2::splat((-LARGEST).into()));
    let x = x.simd_gt(largest).bitselect(largest, x);
    x.simd_lt(smallest).bitselect(smallest, x)
}

/// Two numbers whose quotient is [`bounded_exp`], so that what is made of it has one division.
#[inline(always)]
fn exp_parts(x: f64x2) -> (f64x2, f64x2) {
    let Reduced { power, r, c, .. } = reduced(bounded(x));
    let denominator = f64x2::splat(2.0) - c;
    ((denominator + r + r) * power, denominator)
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

/// A number as k ln 2 + r.
struct Reduced {
    /// 2^k
    power: f64x2,
    /// Whose difference is r.
    hi: f64x2,
    lo: f64x2,
    r: f64x2,
    /// e^r = (2 - c + 2 r) / (2 - c)
    c: f64x2,
}

/// Of numbers whose exponential is neither infinite nor subnormal, or NaN.
#[inline(always)]
fn reduced(x: f64x2) -> Reduced {
    const LN2_HI: f64 = 6.931_471_803_691_238e-1;
    const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
    const P1: f64 = 1.666_666_666_666_660_2e-1;
    const P2: f64 = -2.777_777_777_701_559_3e-3;
    const P3: f64 = 6.613_756_321_437_934e-5;
    const P4: f64 = -1.653_390_220_546_525_2e-6;
    const P5: f64 = 4.138_136_797_057_238_5e-8;
    /// The smallest number whose upper half is above that of ln 2 / 2.
    const HALF_LN2: f64 = f64::from_bits(0x3fd6_2e43_0000_0000);
    /// Added to an integer it has that one's bits below, with the bias of an exponent.
    const TO_EXPONENT: f64 = (1_u64 << 52) as f64 + 1023.0;

    let of = f64x2::splat;
    let sign = of(-0.0);
    let k = (of(std::f64::consts::LOG2_E) * x + (of(0.5) | (x & sign))).trunc();
    let k = x.abs().simd_ge(of(HALF_LN2)) & k;
    let (hi, lo) = (x - k * of(LN2_HI), k * of(LN2_LO));
    let r = hi - lo;
    let square = r * r;
    let c = r - square
        * (of(P1) + square * (of(P2) + square * (of(P3) + square * (of(P4) + square * of(P5)))));
    let exponent = (k + of(TO_EXPONENT)).to_array().map(|it| f64::from_bits(it.to_bits() << 52));
    Reduced { power: f64x2::from(exponent), hi, lo, r, c }
}

#[inline(always)]
fn exp_of_doubles(x: f64x2) -> f64x2 {
    /// The smallest number whose upper half is above that of 2^-28.
    const TINY: f64 = f64::from_bits(0x3e30_0001_0000_0000);
    let one = f64x2::splat(1.0);
    let Reduced { power, hi, lo, r, c } = reduced(x);
    let y = one + (r * c / (f64x2::splat(2.0) - c) - lo + hi);
    x.abs().simd_lt(f64x2::splat(TINY)).bitselect(one + x, y) * power
}

#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub(crate) fn widened(x: f32x4) -> [f64x2; 2] {
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
pub(crate) fn rounded(halves: [f64x2; 2]) -> f32x4 {
    use std::arch::wasm32::{f32x4_demote_f64x2_zero as demote, i64x2_shuffle, v128};
    // SAFETY: as above.
    unsafe {
        let [low, high] = halves.map(|half| demote(std::mem::transmute::<f64x2, v128>(half)));
        std::mem::transmute::<v128, f32x4>(i64x2_shuffle::<0, 2>(low, high))
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn widened(x: f32x4) -> [f64x2; 2] {
    let [a, b, c, d] = x.to_array().map(f64::from);
    [f64x2::from([a, b]), f64x2::from([c, d])]
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn rounded(halves: [f64x2; 2]) -> f32x4 {
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

    /// Compares a function with one of float64, whose numbers are rounded. Where that is near the
    /// middle between two of float32, either will do.
    fn compare(name: &str, function: impl Fn(&mut [f32]), exact: impl Fn(f64) -> f64) {
        let x = numbers();
        let mut found = x.clone();
        function(&mut found);
        let mut others = 0;
        for (&x, found) in x.iter().zip(found) {
            let expected = exact(x.into()) as f32;
            // Half of a subnormal number may be in the middle itself.
            if is_same(found, expected) || expected.is_subnormal() {
                continue;
            }
            others += 1;
            let distance = found.to_bits().abs_diff(expected.to_bits());
            assert!(distance == 1, "{name}({x:e}): {found:e}, {expected:e}");
        }
        assert!(others < 5, "{name}: {others} others of {}", x.len());
    }

    #[test]
    fn functions_of_exponentials_are_rounded_once() {
        compare("tanh", tanh, libm::tanh);
        let half = std::f64::consts::FRAC_2_PI.sqrt();
        compare("swish", |x| swish(x, 1.5), |x| x * (1.0 / (1.0 + libm::exp(-1.5 * x))));
        compare("gelu", gelu_by_tanh, |x| {
            let inner = half * (x + 0.044715 * x * x * x);
            // 1 + tanh(u), also where that is next to nothing.
            x * (1.0 / (1.0 + libm::exp(-2.0 * inner)))
        });
        let softplus = |x: f64| if x > 30.0 { x } else { libm::log1p(libm::exp(x)) };
        compare("erf", erf, libm::erf);
        compare("gelu by erf", gelu, |x| {
            x * (0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2))
        });
        compare("mish", mish, |x| x * libm::tanh(softplus(x)));
        // With a negative divisor it grows from 0 down.
        for (size, divisor, slope) in [(1.7_f32, 0.9_f32, 1.1_f32), (-1.5, -1.5, 1.0)] {
            let [s, d, l] = [size, divisor, slope].map(f64::from);
            compare(
                "elu",
                |x| exponential_linear(x, size, divisor, slope),
                |x| l * if x > 0.0 { x } else { s * libm::expm1(x / d) },
            );
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
