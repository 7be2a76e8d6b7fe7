//! The product of rows with a matrix of weights.

use wide::f32x4;

/// Numbers in a vector.
const LANES: usize = 4;
/// Steps of a sum in a turn of the loop.
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
    let rows = x.len() / inner;
    let mut row = 0;
    while row < rows && whole > 0 {
        let (x, y) = (&x[row * inner..], &mut y[row * stride..]);
        row += match rows - row {
            4.. => vectors::<4, 2>(x, inner, weights, columns, y, stride),
            _ => vectors::<1, 8>(x, inner, weights, columns, y, stride),
        };
    }
    singles(x, inner, weights, columns, whole, y, stride);
    for (x, y) in x.chunks_exact(inner).zip(y.chunks_mut(stride)) {
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
    singles(x, inner, weights, columns, 0, y, stride);
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

/// All columns of some rows that fill vectors, several at once and then one by one; gives how many
/// rows that were.
#[inline(always)]
fn vectors<const ROWS: usize, const VECTORS: usize>(
    x: &[f32],
    inner: usize,
    weights: &[f32],
    columns: usize,
    y: &mut [f32],
    stride: usize,
) -> usize {
    let mut column = 0;
    while column + VECTORS * LANES <= columns {
        let (weights, y) = (&weights[column..], &mut y[column..]);
        tile::<ROWS, VECTORS>(x, inner, weights, columns, y, stride);
        column += VECTORS * LANES;
    }
    while column + LANES <= columns {
        let (weights, y) = (&weights[column..], &mut y[column..]);
        tile::<ROWS, 1>(x, inner, weights, columns, y, stride);
        column += LANES;
    }
    ROWS
}

#[inline(always)]
fn tile<const ROWS: usize, const VECTORS: usize>(
    x: &[f32],
    inner: usize,
    weights: &[f32],
    columns: usize,
    y: &mut [f32],
    stride: usize,
) {
    assert!(inner > 0 && x.len() >= ROWS * inner, "rows that are too short");
    assert!(weights.len() >= (inner - 1) * columns + VECTORS * LANES, "too few weights");
    let mut wholes = [[f32x4::default(); VECTORS]; ROWS];
    for first in (0..inner).step_by(BLOCK) {
        let end = inner.min(first + BLOCK);
        let mut sums = [[f32x4::default(); VECTORS]; ROWS];
        let mut step = |i: usize| {
            let weights: [f32x4; VECTORS] = std::array::from_fn(|vector| {
                // SAFETY: `i` is less than `inner`, so this row of weights has so many columns.
                let at = unsafe { weights.as_ptr().add(i * columns + vector * LANES) };
                // SAFETY: as above; an array needs no other alignment than its elements.
                f32x4::from(unsafe { *at.cast::<[f32; LANES]>() })
            });
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `i` is less than `inner`, and there are so many rows.
                let x = f32x4::splat(unsafe { *x.get_unchecked(row * inner + i) });
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += x * weight;
                }
            }
        };
        let mut i = first;
        while i + UNROLLED <= end {
            for next in 0..UNROLLED {
                step(i + next);
            }
            i += UNROLLED;
        }
        (i..end).for_each(step);
        for (whole, sum) in wholes.iter_mut().flatten().zip(sums.iter().flatten()) {
            *whole += *sum;
        }
    }
    for (row, wholes) in wholes.iter().enumerate() {
        let (y, _) = y[row * stride..][..VECTORS * LANES].as_chunks_mut();
        for (y, whole) in y.iter_mut().zip(wholes) {
            *y = whole.to_array();
        }
    }
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
