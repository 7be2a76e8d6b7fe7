//! How alike a row is to each of several vectors, as support vector machines have it.

use wide::{f32x4, f64x2};

use crate::exponential::{bounded_exp, rounded, tanh_of_doubles, widened};
use crate::product;

/// Numbers in a vector.
const LANES: usize = 4;

/// Vectors of numbers in a turn of the loop.
const TURN: usize = 4;

/// The largest degree that is made by products.
const MAX_DEGREE: u8 = 16;

/// What says how alike two vectors are.
#[derive(Clone, Copy, Debug)]
pub enum Similarity {
    /// Their product.
    Linear,
    /// (gamma · product + coef0) ^ degree
    Poly {
        /// What the product is multiplied by.
        gamma: f32,
        /// What is added to it then.
        coef0: f32,
        /// The power.
        degree: f32,
    },
    /// e^(-gamma · the sum of the squares of their differences)
    Rbf {
        /// What the sum is multiplied by.
        gamma: f32,
    },
    /// tanh(gamma · product + coef0)
    Sigmoid {
        /// What the product is multiplied by.
        gamma: f32,
        /// What is added to it then.
        coef0: f32,
    },
}

/// Vectors that rows are compared with.
#[derive(Debug)]
pub struct Vectors {
    similarity: Similarity,
    features: usize,
    count: usize,
    /// How many there would be if they filled vectors.
    stride: usize,
    /// The numbers of each feature, one after the other.
    columns: Vec<f32>,
}

impl Vectors {
    /// With the numbers of one vector after the other.
    ///
    /// # Panics
    /// If `features` is 0.
    #[must_use]
    pub fn new(similarity: Similarity, vectors: &[f32], features: usize) -> Vectors {
        let count = vectors.len() / features;
        let stride = count.next_multiple_of(LANES);
        let mut columns = vec![0.0; features * stride];
        for (position, vector) in vectors.chunks_exact(features).enumerate() {
            for (feature, &number) in vector.iter().enumerate() {
                columns[feature * stride + position] = number;
            }
        }
        Vectors { similarity, features, count, stride, columns }
    }

    /// How many features they have.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How alike each of some rows is to each vector, in `found`: of a row as many numbers after
    /// each other as there are vectors, with up to three that mean nothing behind them. It gives the
    /// distance between rows.
    ///
    /// Differences and the sums of their squares are of float32, in the order of the features;
    /// products are as [`product::of_f32`] has them.
    #[inline(never)]
    pub fn compare(&self, rows: &[f32], found: &mut Vec<f32>) -> usize {
        found.resize(rows.len() / self.features * self.stride, 0.0);
        if found.is_empty() {
            return self.stride;
        }
        if let Similarity::Rbf { gamma } = self.similarity {
            let rows = rows.chunks_exact(self.features);
            for (row, found) in rows.zip(found.chunks_exact_mut(self.stride)) {
                self.rbf(row, gamma, found);
            }
            return self.stride;
        }
        product::of_f32(rows, self.features, &self.columns, self.stride, found, self.stride);
        match self.similarity {
            Similarity::Linear | Similarity::Rbf { .. } => {}
            Similarity::Sigmoid { gamma, coef0 } => moved(found, gamma, coef0, tanh_of_doubles),
            Similarity::Poly { gamma, coef0, degree } => match degree {
                2.0 => moved(found, gamma, coef0, |x| x * x),
                3.0 => moved(found, gamma, coef0, |x| x * x * x),
                _ if (1..=MAX_DEGREE).any(|it| f32::from(it) == degree) => {
                    let power = |x: f64x2| (1..degree as u8).fold(x, |power, _| power * x);
                    moved(found, gamma, coef0, power);
                }
                _ => {
                    for number in found {
                        let moved = f64::from(gamma * *number + coef0);
                        *number = libm::pow(moved, degree.into()) as f32;
                    }
                }
            },
        }
        self.stride
    }

    fn rbf(&self, row: &[f32], gamma: f32, found: &mut [f32]) {
        let (turns, rest) = found.as_chunks_mut::<{ TURN * LANES }>();
        let first = turns.len() * TURN * LANES;
        for (turn, found) in turns.iter_mut().enumerate() {
            self.distances::<TURN>(row, turn * TURN * LANES, found.as_chunks_mut().0);
        }
        for (block, found) in rest.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            self.distances::<1>(row, first + block * LANES, std::slice::from_mut(found));
        }
        // In a loop of its own, whose vectors then stay in registers.
        let factor = f64x2::splat(-f64::from(gamma));
        for found in found.as_chunks_mut::<LANES>().0 {
            let exponents = widened(f32x4::from(*found)).map(|sum| factor * sum);
            *found = rounded(exponents.map(bounded_exp)).to_array();
        }
    }

    /// The squares of the distances from so many vectors of numbers, from a position on.
    #[inline(always)]
    fn distances<const COUNT: usize>(&self, row: &[f32], first: usize, found: &mut [[f32; LANES]]) {
        let mut sums = [f32x4::default(); COUNT];
        for (&x, column) in row.iter().zip(self.columns[first..].chunks(self.stride)) {
            let numbers = column.as_chunks::<LANES>().0[..COUNT].iter();
            for (sum, numbers) in sums.iter_mut().zip(numbers) {
                let difference = f32x4::splat(x) - f32x4::from(*numbers);
                *sum += difference * difference;
            }
        }
        found.iter_mut().zip(sums).for_each(|(found, sum)| *found = sum.to_array());
    }
}

/// The sum of the products of two lists of numbers: of products of float32, in float64.
///
/// There are eight sums, of every eighth product, which then are added up.
#[inline(never)]
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    const TURN: usize = 2 * LANES;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<TURN>(), b.as_chunks::<TURN>());
    let mut sums = [f64x2::default(); TURN / 2];
    for (a, b) in a.iter().zip(b) {
        let [a, b] = [a, b].map(|it| it.as_chunks::<LANES>().0);
        let product = |i: usize| widened(f32x4::from(a[i]) * f32x4::from(b[i]));
        let ([c, d], [e, f]) = (product(0), product(1));
        sums.iter_mut().zip([c, d, e, f]).for_each(|(sum, products)| *sum += products);
    }
    let [c, d, e, f] = sums;
    let [low, high] = ((c + e) + (d + f)).to_array();
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(low + high, |sum, (&a, &b)| sum + f64::from(a * b))
}

/// Replaces each number by a function of gamma · number + coef0, which is of float32.
#[inline(always)]
fn moved(numbers: &mut [f32], gamma: f32, coef0: f32, function: impl Fn(f64x2) -> f64x2) {
    let (gamma, coef0) = (f32x4::splat(gamma), f32x4::splat(coef0));
    for numbers in numbers.as_chunks_mut::<LANES>().0 {
        let moved = gamma * f32x4::from(*numbers) + coef0;
        *numbers = rounded(widened(moved).map(&function)).to_array();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMILARITIES: [Similarity; 8] = [
        Similarity::Linear,
        Similarity::Rbf { gamma: 0.3 },
        Similarity::Sigmoid { gamma: 0.1, coef0: 0.5 },
        Similarity::Poly { gamma: 0.7, coef0: 0.25, degree: 1.0 },
        Similarity::Poly { gamma: 0.7, coef0: -0.25, degree: 2.0 },
        Similarity::Poly { gamma: 0.7, coef0: 0.25, degree: 3.0 },
        Similarity::Poly { gamma: 0.7, coef0: 0.25, degree: 5.0 },
        Similarity::Poly { gamma: 0.01, coef0: 9.0, degree: 2.5 },
    ];

    fn plainly(similarity: Similarity, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let product: f64 = pairs().map(|(a, b)| a * b).sum();
        let moved = |gamma: f32, coef0: f32| f64::from(gamma) * product + f64::from(coef0);
        match similarity {
            Similarity::Linear => product,
            Similarity::Rbf { gamma } => {
                let distance: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
                libm::exp(-f64::from(gamma) * distance)
            }
            Similarity::Sigmoid { gamma, coef0 } => libm::tanh(moved(gamma, coef0)),
            Similarity::Poly { gamma, coef0, degree } => {
                libm::pow(moved(gamma, coef0), degree.into())
            }
        }
    }

    #[test]
    fn products_of_lists_of_any_length_are_added_up() {
        for length in 0..40 {
            let (a, b): (Vec<f32>, Vec<f32>) =
                (0..length).map(|i| (i as f32 / 7.0, 3.0 - i as f32 / 11.0)).unzip();
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum();
            assert!((dot(&a, &b) - expected).abs() < 1e-12 * expected.abs().max(1.0));
        }
    }

    #[test]
    fn any_number_of_rows_is_compared_with_any_number_of_vectors() {
        let numbers = |count: usize, seed: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * 37 + seed * 11) % 41) as f32 / 20.0 - 1.0).collect()
        };
        for similarity in SIMILARITIES {
            for features in [1, 3, 4, 40] {
                for count in [0, 1, 3, 4, 9] {
                    let vectors = numbers(features * count, 1);
                    let made = Vectors::new(similarity, &vectors, features);
                    assert_eq!((made.count(), made.features()), (count, features));
                    for rows in [0, 1, 4, 6] {
                        let rows = numbers(rows * features, 2);
                        let mut found = vec![7.0; 3];
                        let stride = made.compare(&rows, &mut found);
                        for (i, row) in rows.chunks_exact(features).enumerate() {
                            for (j, vector) in vectors.chunks_exact(features).enumerate() {
                                let (x, expected) =
                                    (found[i * stride + j], plainly(similarity, row, vector));
                                let most = 2e-6 * expected.abs().max(1.0);
                                assert!((f64::from(x) - expected).abs() < most, "{similarity:?}");
                                // As it is alone.
                                let mut alone = Vec::new();
                                made.compare(row, &mut alone);
                                assert_eq!(x.to_bits(), alone[j].to_bits());
                            }
                        }
                    }
                }
            }
        }
    }
}
