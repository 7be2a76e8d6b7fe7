//! The product of rows with a matrix of weights.

/// `y[r][c] = Σ x[r][i] · weights[i][c]`, for as many rows as `x` has.
///
/// `x` has `inner` elements per row, `weights` `columns` per row and `inner` rows. Row `r` of the
/// result starts at `y[r * stride]`; what lies between two rows is left as it is. Each sum starts
/// with +0 and is rounded once per product, as processors with a fused multiply-add do it.
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
    of(x, inner, weights, columns, y, stride);
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
    of(x, inner, weights, columns, y, stride);
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

#[inline(always)]
fn of<T: Real>(x: &[T], inner: usize, weights: &[T], columns: usize, y: &mut [T], stride: usize) {
    assert!(stride >= columns, "rows of the result that overlap");
    let rows = x.len() / inner;
    let mut row = 0;
    while row < rows {
        let x = &x[row * inner..];
        let y = &mut y[row * stride..];
        let left = rows - row;
        // Few columns leave room for several rows.
        row += match columns {
            1 if left >= 8 => band::<T, 8, 1>(x, inner, weights, columns, y, stride),
            _ if left >= 4 && columns < 8 => band::<T, 4, 1>(x, inner, weights, columns, y, stride),
            _ if left >= 2 => band::<T, 2, 4>(x, inner, weights, columns, y, stride),
            _ => band::<T, 1, 8>(x, inner, weights, columns, y, stride),
        };
    }
}

/// All columns of some rows, several at once and those that are left one by one; gives how many
/// rows that were.
#[inline(always)]
fn band<T: Real, const ROWS: usize, const COLUMNS: usize>(
    x: &[T],
    inner: usize,
    weights: &[T],
    columns: usize,
    y: &mut [T],
    stride: usize,
) -> usize {
    let mut column = 0;
    while column + COLUMNS <= columns {
        tile::<T, ROWS, COLUMNS>(x, inner, &weights[column..], columns, &mut y[column..], stride);
        column += COLUMNS;
    }
    while column < columns {
        tile::<T, ROWS, 1>(x, inner, &weights[column..], columns, &mut y[column..], stride);
        column += 1;
    }
    ROWS
}

#[inline(always)]
fn tile<T: Real, const ROWS: usize, const COLUMNS: usize>(
    x: &[T],
    inner: usize,
    weights: &[T],
    columns: usize,
    y: &mut [T],
    stride: usize,
) {
    let mut sums = [[T::ZERO; COLUMNS]; ROWS];
    let x: [&[T]; ROWS] = std::array::from_fn(|row| &x[row * inner..(row + 1) * inner]);
    for i in 0..inner {
        let weights: &[T; COLUMNS] =
            weights[i * columns..].first_chunk().expect("a row of weights");
        for (sums, x) in sums.iter_mut().zip(x) {
            for (sum, &weight) in sums.iter_mut().zip(weights) {
                *sum = x[i].add(weight, *sum);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (column, &sum) in sums.iter().enumerate() {
            y[row * stride + column] = T::end(sum);
        }
    }
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
                41 => -0.0,
                _ => (state >> 8) as f32 / 65_536.0 - 128.0,
            }
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn every_shape_has_the_bits_of_one_product_after_the_other() {
        for rows in [0, 1, 2, 3, 4, 5, 8, 9, 15, 17] {
            for inner in [1, 2, 11, 64] {
                for columns in [1, 2, 3, 4, 7, 8, 9, 17] {
                    check(rows, inner, columns, columns);
                    check(rows, inner, columns, columns + 1);
                }
            }
        }
    }

    fn check(rows: usize, inner: usize, columns: usize, stride: usize) {
        let (x, weights) = (numbers(rows * inner, 1), numbers(inner * columns, 2));
        let mut found = vec![7.0; rows * stride];
        of_f32(&x, inner, &weights, columns, &mut found, stride);
        let mut expected = vec![7.0_f32; rows * stride];
        let mut expected_wide = vec![7.0_f64; rows * stride];
        for row in 0..rows {
            for column in 0..columns {
                let (mut sum, mut wide) = (0.0_f32, 0.0_f64);
                for i in 0..inner {
                    let (x, weight) = (x[row * inner + i], weights[i * columns + column]);
                    sum = (f64::from(x) * f64::from(weight) + f64::from(sum)) as f32;
                    wide += f64::from(x) * f64::from(weight);
                }
                expected[row * stride + column] = sum;
                expected_wide[row * stride + column] = wide;
            }
        }
        let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let shape = format!("{rows} rows, {inner} inner, {columns} columns, {stride} apart");
        let pairs = found.iter().zip(&expected);
        assert!(pairs.clone().all(|(&a, &b)| is_same(a.into(), b.into())), "{shape}");
        let widen = |numbers: &[f32]| numbers.iter().map(|&it| f64::from(it)).collect::<Vec<_>>();
        let mut found = vec![7.0; rows * stride];
        of_f64(&widen(&x), inner, &widen(&weights), columns, &mut found, stride);
        assert!(found.iter().zip(&expected_wide).all(|(&a, &b)| is_same(a, b)), "{shape}");
    }
}
