//! The product of rows with a matrix of weights.

use std::array;
use std::ops::Range;

use wide::{f32x4, f64x2};

use crate::elements::{self, Operation};

/// Numbers in a vector.
const LANES: usize = 4;
/// Rows whose sums are made at once.
const ROWS: usize = 4;
/// Vectors in a turn of the loop.
const UNROLLED: usize = 4;
/// Products that are added to a sum of their own, which then is added to the whole: a sum of hundreds
/// of float32 loses fewer digits so, and onnxruntime's does likewise.
const BLOCK: usize = 32;

/// `y[r][c] = Σ x[r][i] · weights[i][c]`, for as many rows as `x` has.
///
/// `x` has `inner` elements per row, `weights` `columns` per row and `inner` rows. Row `r` of the
/// result starts at `y[r * stride]`; what lies between two rows is left as it is. Each sum starts
/// with +0 and is made in the order of `i`. In the columns that fill vectors it is made in blocks of 32,
/// and each product and each sum is rounded; if it is not finite then, and in the columns that are
/// left, it is made in one go and rounded once per product, as processors with a fused multiply-add do
/// it. A product that is too large may so find its opposite, and of few columns onnxruntime makes the
/// same sums to the bit.
///
/// # Panics
/// If a slice is too short, `inner` is 0, or `stride` is less than `columns`.
#[inline(never)]
pub fn of_f32(
    x: &[f32],
    inner: usize,
    weights: &[f32],
    columns: usize,
    y: &mut [f32],
    stride: usize,
) {
    assert!(stride >= columns, "rows of the result that overlap");
    let whole = columns - columns % LANES;
    if whole > 0 {
        let mut sums = if inner > BLOCK { vec![0.0; ROWS * whole] } else { Vec::new() };
        let rows = x.len() / inner;
        let several = rows - rows % ROWS;
        for row in (0..several).step_by(ROWS) {
            let (x, y) = (&x[row * inner..], &mut y[row * stride..]);
            vectors::<ROWS>(x, inner, weights, columns, y, stride, &mut sums);
        }
        for row in several..rows {
            let (x, y) = (&x[row * inner..], &mut y[row * stride..]);
            vectors::<1>(x, inner, weights, columns, y, stride, &mut sums);
        }
    }
    singles(x, inner, weights, columns, whole, y, stride);
    for (x, y) in x.chunks_exact(inner).zip(y.chunks_mut(stride)) {
        if are_finite(&y[..whole]) {
            continue;
        }
        for (column, y) in y[..whole].iter_mut().enumerate() {
            if !y.is_finite() {
                single::<f32, 1>(x, inner, &weights[column..], columns, std::slice::from_mut(y), 1);
            }
        }
    }
}

/// [`of_f32`] in float64, where each product and each sum is rounded.
///
/// # Panics
/// As [`of_f32`].
#[inline(never)]
pub fn of_f64(
    x: &[f64],
    inner: usize,
    weights: &[f64],
    columns: usize,
    y: &mut [f64],
    stride: usize,
) {
    assert!(stride >= columns, "rows of the result that overlap");
    let whole = columns - columns % LANES;
    let rows = x.len() / inner;
    for column in (0..whole).step_by(LANES) {
        let weights = &weights[column..];
        let mut row = 0;
        while row < rows {
            let (x, y) = (&x[row * inner..], &mut y[row * stride + column..]);
            row += match rows - row {
                ROWS.. => doubles::<ROWS>(x, inner, weights, columns, y, stride),
                _ => doubles::<1>(x, inner, weights, columns, y, stride),
            };
        }
    }
    singles(x, inner, weights, columns, whole, y, stride);
}

/// The first four columns of some rows; gives how many rows that were.
#[inline(always)]
fn doubles<const ROWS: usize>(
    x: &[f64],
    inner: usize,
    weights: &[f64],
    columns: usize,
    y: &mut [f64],
    stride: usize,
) -> usize {
    let mut sums = [[f64x2::default(); 2]; ROWS];
    let x: [&[f64]; ROWS] = array::from_fn(|row| &x[row * inner..][..inner]);
    for (i, weights) in weights.chunks(columns).take(inner).enumerate() {
        let &[a, b, c, d] = weights.first_chunk().expect("four columns");
        let weights = [f64x2::from([a, b]), f64x2::from([c, d])];
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = f64x2::splat(x[i]);
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        let [[a, b], [c, d]] = sums.map(f64x2::to_array);
        y[row * stride..][..LANES].copy_from_slice(&[a, b, c, d]);
    }
    ROWS
}

trait Real: Copy {
    /// A sum, between two products.
    type Sum: Copy;
    const ZERO: Self::Sum;

    fn add(self, weight: Self, sum: Self::Sum) -> Self::Sum;
    fn end(sum: Self::Sum) -> Self;
}

impl Real for f32 {
    /// Holds a float32, so that it need not be converted for each product.
    type Sum = f64;
    const ZERO: f64 = 0.0;

    #[inline(always)]
    fn add(self, weight: f32, sum: f64) -> f64 {
        // The product of two float32 is exact in float64.
        f64::from((f64::from(self) * f64::from(weight) + sum) as f32)
    }

    #[inline(always)]
    fn end(sum: f64) -> f32 {
        sum as f32
    }
}

impl Real for f64 {
    type Sum = f64;
    const ZERO: f64 = 0.0;

    #[inline(always)]
    fn add(self, weight: f64, sum: f64) -> f64 {
        sum + self * weight
    }

    #[inline(always)]
    fn end(sum: f64) -> f64 {
        sum
    }
}

/// The columns of some rows that fill vectors. `sums` has room for them where there is more than a
/// block.
#[inline(always)]
fn vectors<const COUNT: usize>(
    x: &[f32],
    inner: usize,
    weights: &[f32],
    columns: usize,
    y: &mut [f32],
    stride: usize,
    sums: &mut [f32],
) {
    let whole = columns - columns % LANES;
    for first in (0..inner).step_by(BLOCK) {
        let products = first..inner.min(first + BLOCK);
        if first == 0 {
            block::<COUNT>(x, inner, products, weights, columns, y, stride);
        } else {
            block::<COUNT>(x, inner, products, weights, columns, sums, whole);
            for (y, sums) in y.chunks_mut(stride).zip(sums.chunks_exact(whole)).take(COUNT) {
                elements::combine(Operation::Add, &mut y[..whole], sums);
            }
        }
    }
}

/// Makes sums of some products, for some rows.
#[inline(always)]
fn block<const COUNT: usize>(
    x: &[f32],
    inner: usize,
    products: Range<usize>,
    weights: &[f32],
    columns: usize,
    sums: &mut [f32],
    stride: usize,
) {
    let mut i = products.start;
    let mut step = |i: usize, steps: usize| {
        let (x, weights, is_first) = (&x[i..], &weights[i * columns..], i == products.start);
        match steps {
            8 if COUNT == 1 => add::<COUNT, 8>(x, inner, weights, columns, sums, stride, is_first),
            4 => add::<COUNT, 4>(x, inner, weights, columns, sums, stride, is_first),
            _ => add::<COUNT, 1>(x, inner, weights, columns, sums, stride, is_first),
        }
    };
    while i < products.end {
        let steps = match products.end - i {
            8.. if COUNT == 1 => 8,
            4.. => 4,
            _ => 1,
        };
        step(i, steps);
        i += steps;
    }
}

/// Adds the next products to the sums of some rows, or to +0 if they are the first, column by column.
///
/// The factors of the rows stay in registers, and what is read and written between lets the host's
/// compiler keep the order. Tiles whose sums stay in registers are slower there: it reads all weights
/// of a turn before it uses the first, and has no registers left for them.
#[inline(always)]
fn add<const COUNT: usize, const STEPS: usize>(
    x: &[f32],
    inner: usize,
    weights: &[f32],
    columns: usize,
    sums: &mut [f32],
    stride: usize,
    is_first: bool,
) {
    let whole = columns - columns % LANES;
    assert!(x.len() >= (COUNT - 1) * inner + STEPS, "rows that are too short");
    assert!(weights.len() >= (STEPS - 1) * columns + whole, "too few weights");
    assert!(sums.len() >= (COUNT - 1) * stride + whole, "too few sums");
    let x: [[f32x4; STEPS]; COUNT] =
        array::from_fn(|row| array::from_fn(|step| f32x4::splat(x[row * inner + step])));
    let weights: [*const f32; STEPS] =
        // SAFETY: there is a row of weights for each step.
        array::from_fn(|step| unsafe { weights.as_ptr().add(step * columns) });
    let sums: [*mut f32; COUNT] =
        // SAFETY: there are sums for each row.
        array::from_fn(|row| unsafe { sums.as_mut_ptr().add(row * stride) });
    let kept = f32x4::splat(f32::from_bits(if is_first { 0 } else { u32::MAX }));
    let add = |column: usize| {
        // SAFETY: callers give a column from which on there are `LANES` in each row of weights.
        let weights =
            weights.map(|row| f32x4::from(unsafe { *row.add(column).cast::<[f32; LANES]>() }));
        for (sums, x) in sums.iter().zip(&x) {
            // SAFETY: as above, in each row of sums; an array needs no other alignment than its
            // elements.
            let place = unsafe { &mut *sums.add(column).cast::<[f32; LANES]>() };
            let mut sum = f32x4::from(*place) & kept;
            for (x, weight) in x.iter().zip(weights) {
                sum += *x * weight;
            }
            *place = sum.to_array();
        }
    };
    let mut column = 0;
    while column + UNROLLED * LANES <= whole {
        (0..UNROLLED).for_each(|vector| add(column + vector * LANES));
        column += UNROLLED * LANES;
    }
    while column < whole {
        add(column);
        column += LANES;
    }
}

/// Whether all of so many numbers as fill vectors are finite.
#[inline(always)]
fn are_finite(numbers: &[f32]) -> bool {
    // Zero, or NaN if one is not finite.
    let bits = |numbers: &[f32; LANES]| f32x4::from(*numbers) * f32x4::default();
    let (turns, rest) = numbers.as_chunks::<{ UNROLLED * LANES }>();
    let turns = turns.iter().fold(f32x4::default(), |all, turn| {
        let (vectors, _) = turn.as_chunks::<LANES>();
        all | bits(&vectors[0]) | bits(&vectors[1]) | bits(&vectors[2]) | bits(&vectors[3])
    });
    let bits = rest.as_chunks::<LANES>().0.iter().fold(turns, |all, it| all | bits(it));
    bits.to_array().iter().all(|it| *it == 0.0)
}

/// The columns from `first` on, one after the other, of several rows at once.
#[inline(always)]
fn singles<T: Real>(
    x: &[T],
    inner: usize,
    weights: &[T],
    columns: usize,
    first: usize,
    y: &mut [T],
    stride: usize,
) {
    let rows = x.len() / inner;
    for column in first..columns {
        let weights = &weights[column..];
        let mut row = 0;
        while row < rows {
            let (x, y) = (&x[row * inner..], &mut y[row * stride + column..]);
            row += match rows - row {
                8.. => single::<T, 8>(x, inner, weights, columns, y, stride),
                _ => single::<T, 1>(x, inner, weights, columns, y, stride),
            };
        }
    }
}

/// The first column of some rows; gives how many rows that were.
#[inline(always)]
fn single<T: Real, const ROWS: usize>(
    x: &[T],
    inner: usize,
    weights: &[T],
    columns: usize,
    y: &mut [T],
    stride: usize,
) -> usize {
    let mut sums = [T::ZERO; ROWS];
    let x: [&[T]; ROWS] = std::array::from_fn(|row| &x[row * inner..][..inner]);
    for (i, &weight) in weights.iter().step_by(columns).take(inner).enumerate() {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = x[i].add(weight, *sum);
        }
    }
    for (row, &sum) in sums.iter().enumerate() {
        y[row * stride] = T::end(sum);
    }
    ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers whose sums are rounded, with some that have no sum.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match i % 97 {
                13 => f32::NAN,
                29 => f32::INFINITY,
                31..35 => f32::MAX,
                41 => -0.0,
                _ => (state >> 8) as f32 / 65_536.0 - 128.0,
            }
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn every_shape_has_the_bits_of_one_product_after_the_other() {
        for rows in [0, 1, 2, 3, 4, 5, 8, 9, 15, 17] {
            for inner in [1, 2, 3, 4, 11, 32, 35, 100] {
                for columns in [1, 2, 3, 4, 5, 7, 8, 9, 17, 32, 39, 77] {
                    check(rows, inner, columns, columns);
                    check(rows, inner, columns, columns + 1);
                }
            }
        }
    }

    fn check(rows: usize, inner: usize, columns: usize, stride: usize) {
        let (x, weights) = (numbers(rows * inner, 1), numbers(inner * columns, 2));
        let widen = |numbers: &[f32]| numbers.iter().map(|&it| f64::from(it)).collect::<Vec<_>>();
        let (wide_x, wide_weights) = (widen(&x), widen(&weights));
        let (mut found, mut wide_found) = (vec![7.0; rows * stride], vec![7.0; rows * stride]);
        of_f32(&x, inner, &weights, columns, &mut found, stride);
        of_f64(&wide_x, inner, &wide_weights, columns, &mut wide_found, stride);
        let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let shape = format!("{rows} rows, {inner} inner, {columns} columns, {stride} apart");
        for at in 0..rows * stride {
            let (row, column) = (at / stride, at % stride);
            let (mut sum, mut wide) = (7.0_f32, 7.0_f64);
            if column < columns {
                (sum, wide) = (0.0, 0.0);
                let (mut block, mut again) = (0.0, 0.0);
                for i in 0..inner {
                    let (left, right) = (row * inner + i, i * columns + column);
                    block += x[left] * weights[right];
                    wide += wide_x[left] * wide_weights[right];
                    let product = f64::from(x[left]) * f64::from(weights[right]);
                    again = (product + f64::from(again)) as f32;
                    if (i + 1) % 32 == 0 || i + 1 == inner {
                        sum += std::mem::take(&mut block);
                    }
                }
                let is_in_vector = column < columns - columns % LANES;
                sum = if is_in_vector && sum.is_finite() { sum } else { again };
            }
            assert!(is_same(found[at].into(), sum.into()), "{shape}: {at}");
            assert!(is_same(wide_found[at], wide), "{shape}: {at}");
        }
    }
}
