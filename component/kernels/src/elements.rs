//! Functions of the elements of float32 tensors, of many rows at once.

use wide::f32x4;

/// Numbers in a vector.
const LANES: usize = 4;

/// Vectors in a turn of the loop.
const TURN: usize = 4;
/// Numbers of a row that are worth being repeated.
const FEW: usize = 15;

/// A function of two numbers.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Their sum.
    Add,
    /// Their difference.
    Sub,
    /// Their product.
    Mul,
    /// Their quotient.
    Div,
    /// The larger one; NaN if the first is.
    Max,
    /// The smaller one; NaN if the first is.
    Min,
}

/// Combines each element of `y` with that of `x`, which is repeated to its length.
///
/// # Panics
/// If `x` is empty.
#[inline(never)]
pub fn combine(operation: Operation, y: &mut [f32], x: &[f32]) {
    // Each has a loop of its own.
    match operation {
        Operation::Add => each(y, x, |a, b| a + b),
        Operation::Sub => each(y, x, |a, b| a - b),
        Operation::Mul => each(y, x, |a, b| a * b),
        Operation::Div => each(y, x, |a, b| a / b),
        Operation::Max => each(y, x, |a, b| (a.simd_gt(b) | a.is_nan()).select(a, b)),
        Operation::Min => each(y, x, |a, b| (a.simd_lt(b) | a.is_nan()).select(a, b)),
    }
}

/// Copies `x`, repeated to the length of `y`.
///
/// # Panics
/// If `x` is empty.
#[inline(never)]
pub fn repeat(x: &[f32], y: &mut [f32]) {
    each(y, x, |_, x| x);
}

/// Zero in the place of each number below it; NaN stays.
#[inline(never)]
pub fn relu(x: &[f32], y: &mut [f32]) {
    let zero = f32x4::default();
    zip(y, x, |_, x| x.simd_lt(zero).select(zero, x));
}

/// Whether both have the same truth values. WebAssembly's own comparison goes byte by byte.
#[inline(never)]
pub fn are_same(a: &[bool], b: &[bool]) -> bool {
    let ((a_turns, a_rest), (b_turns, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    // SAFETY: each is a byte.
    let bits = |truths: &[bool; 16]| unsafe { std::mem::transmute::<[bool; 16], u128>(*truths) };
    let mut pairs = a_turns.iter().zip(b_turns);
    a.len() == b.len() && a_rest == b_rest && pairs.all(|(a, b)| bits(a) == bits(b))
}

#[inline(always)]
fn each(y: &mut [f32], x: &[f32], function: impl Fn(f32x4, f32x4) -> f32x4) {
    if let &[x] = x {
        let (vectors, rest) = y.as_chunks_mut::<LANES>();
        for y in vectors {
            *y = function(f32x4::from(*y), f32x4::splat(x)).to_array();
        }
        return zip(rest, &[x; LANES][..rest.len()], function);
    }
    // Several times, so that they fill vectors.
    let mut several = [0.0; LANES * FEW];
    let x = if x.len() <= FEW && y.len() > LANES * FEW {
        let several = &mut several[..LANES * x.len()];
        several.chunks_exact_mut(x.len()).for_each(|several| several.copy_from_slice(x));
        several
    } else {
        x
    };
    for y in y.chunks_mut(x.len()) {
        let x = &x[..y.len()];
        zip(y, x, &function);
    }
}

/// Of as many numbers in both.
#[inline(always)]
fn zip(y: &mut [f32], x: &[f32], function: impl Fn(f32x4, f32x4) -> f32x4) {
    let (y_turns, y) = y.as_chunks_mut::<{ TURN * LANES }>();
    let (x_turns, x) = x.as_chunks::<{ TURN * LANES }>();
    for (y, x) in y_turns.iter_mut().zip(x_turns) {
        vectors::<TURN>(y, x, &function);
    }
    let (y_vectors, y) = y.as_chunks_mut::<LANES>();
    let (x_vectors, x) = x.as_chunks::<LANES>();
    for (y, x) in y_vectors.iter_mut().zip(x_vectors) {
        vectors::<1>(y, x, &function);
    }
    for (y, x) in y.iter_mut().zip(x) {
        [*y, ..] = function(f32x4::splat(*y), f32x4::splat(*x)).to_array();
    }
}

/// So many vectors.
#[inline(always)]
fn vectors<const COUNT: usize>(
    y: &mut [f32],
    x: &[f32],
    function: &impl Fn(f32x4, f32x4) -> f32x4,
) {
    let (y, x) = (y.as_chunks_mut::<LANES>().0, x.as_chunks::<LANES>().0);
    for i in 0..COUNT {
        y[i] = function(f32x4::from(y[i]), f32x4::from(x[i])).to_array();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [f32; 9] =
        [1.5, -2.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX, -1e-40, f32::NEG_INFINITY];

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| NUMBERS[(i * 7 + i / 9 + seed) % NUMBERS.len()]).collect()
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|it| if it.is_nan() { 1 } else { it.to_bits() }).collect()
    }

    #[test]
    fn elements_are_combined_one_by_one() {
        type Function = fn(f32, f32) -> f32;
        let operations: [(Operation, Function); 6] = [
            (Operation::Add, |a, b| a + b),
            (Operation::Sub, |a, b| a - b),
            (Operation::Mul, |a, b| a * b),
            (Operation::Div, |a, b| a / b),
            (Operation::Max, |a, b| if a.is_nan() || a > b { a } else { b }),
            (Operation::Min, |a, b| if a.is_nan() || a < b { a } else { b }),
        ];
        for length in [1, 2, 3, 4, 5, 8, 13, 32] {
            for rows in [0, 1, 2, 3, 33] {
                let (x, start) = (numbers(length, 1), numbers(rows * length, 0));
                for (operation, function) in operations {
                    let mut y = start.clone();
                    combine(operation, &mut y, &x);
                    let expected: Vec<f32> =
                        start.iter().zip(x.iter().cycle()).map(|(&a, &b)| function(a, b)).collect();
                    assert_eq!(bits(&y), bits(&expected), "{operation:?} of {rows} x {length}");
                }
                let mut y = start.clone();
                repeat(&x, &mut y);
                let expected: Vec<f32> = x.iter().copied().cycle().take(y.len()).collect();
                assert_eq!(bits(&y), bits(&expected));
            }
        }
    }

    #[test]
    fn truth_values_are_the_same_or_not() {
        for length in 0..50 {
            let truths: Vec<bool> = (0..length).map(|i| i % 3 == 0).collect();
            assert!(are_same(&truths, &truths.clone()));
            assert!(!are_same(&truths, &[&truths[..], &[true]].concat()));
            for at in 0..length {
                let mut other = truths.clone();
                other[at] = !other[at];
                assert!(!are_same(&truths, &other));
            }
        }
    }

    #[test]
    fn what_is_below_zero_becomes_zero() {
        let mut y = [7.0; 9];
        relu(&NUMBERS, &mut y);
        let expected = [1.5, 0.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX, 0.0, 0.0];
        assert_eq!(bits(&y), bits(&expected));
    }
}
