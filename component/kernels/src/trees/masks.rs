//! Small trees, however deep, by all their tests: each test that does not hold rules out the leaves
//! below its other way, and the first leaf that is left is the one that a walk comes to.
//!
//! The leaves of a tree are the bits of a number, so that a test is a comparison and two operations
//! on bits, for several rows at once and without a step that waits for the one before it.
//! (Lucchese et al., QuickScorer, SIGIR 2015.)

use wide::f32x4;

use crate::trees::{CHILD, LANES, MISSING_BIT, Node, Trees};

/// Most leaves of a tree: the bits of a number.
const MAX_LEAVES: usize = u32::BITS as usize;
/// Most tests of all trees, so that large forests are not kept twice.
const MAX_TESTS: usize = 1 << 18;
/// Vectors for the rows of one of the caller's sums.
const VECTORS: usize = LANES / 4;

/// Tests in a turn of the loop.
const TURN: usize = 2;

#[derive(Clone, Copy, Debug)]
struct Test {
    threshold: f32,
    /// The feature, and in the lowest bit, below it, whether the test holds for NaN.
    feature: u32,
    /// The leaves that are left where it does not hold.
    left: u32,
}

/// Trees of few leaves.
#[derive(Debug)]
pub(super) struct Masks {
    tests: Vec<Test>,
    leaves: Vec<f32>,
    /// How many tests and leaves each tree has.
    sizes: Vec<(u32, u32)>,
    features: usize,
    missing: bool,
}

impl Masks {
    /// The same trees; `None` where one has too many leaves.
    pub(super) fn of(trees: &Trees) -> Option<Masks> {
        let Trees { features, missing, .. } = *trees;
        let (tests, leaves, sizes) = (Vec::new(), Vec::new(), Vec::new());
        let mut masks = Masks { tests, leaves, sizes, features, missing };
        for &root in &trees.roots {
            let (tests, leaves) = (masks.tests.len(), masks.leaves.len());
            masks.add(trees, root, leaves, 0)?;
            let (tests, leaves) = (masks.tests.len() - tests, masks.leaves.len() - leaves);
            masks.sizes.push((tests as u32, leaves as u32));
            if masks.tests.len() > MAX_TESTS {
                return None;
            }
        }
        Some(masks)
    }

    /// Appends what is below a node, from left to right; `first` is where the tree's leaves begin.
    fn add(&mut self, trees: &Trees, at: u32, first: usize, depth: usize) -> Option<()> {
        let node = *trees.nodes.get(at as usize)?;
        let Node { threshold, next } = node;
        let begin = self.leaves.len() - first;
        if trees.is_leaf(at as usize) {
            self.leaves.push(f32::from_bits(trees.leaves[at as usize]));
            return (begin < MAX_LEAVES).then_some(());
        }
        // A tree of so few leaves is no deeper.
        if depth + 1 == MAX_LEAVES {
            return None;
        }
        let holds_for_nan = self.missing && next >> MISSING_BIT == 1;
        self.add(trees, next & CHILD, first, depth + 1)?;
        let end = self.leaves.len() - first;
        let ruled_out = (u64::MAX << begin) & !(u64::MAX << end);
        let feature = node.feature(self.missing) << 1 | u32::from(holds_for_nan);
        self.tests.push(Test { threshold, feature, left: !(ruled_out as u32) });
        self.add(trees, (next & CHILD) + 1, first, depth + 1)
    }

    /// Adds up what the leaves of each row hold, in the order of the trees, from +0 on. `rows` has
    /// the features of [`LANES`] rows for each sum, one row after the other.
    pub(super) fn sum(&self, rows: &[f32], sums: &mut [[f32; LANES]]) {
        let (pairs, rest) = sums.as_chunks_mut::<2>();
        let (of_pairs, of_rest) = rows.split_at(pairs.len() * 2 * LANES * self.features);
        if self.missing {
            self.sum_of::<{ 2 * VECTORS }, true>(of_pairs, pairs.as_flattened_mut());
            self.sum_of::<VECTORS, true>(of_rest, rest);
        } else {
            self.sum_of::<{ 2 * VECTORS }, false>(of_pairs, pairs.as_flattened_mut());
            self.sum_of::<VECTORS, false>(of_rest, rest);
        }
    }

    /// For rows that fill so many vectors.
    #[inline(always)]
    fn sum_of<const COUNT: usize, const MISSING: bool>(
        &self,
        rows: &[f32],
        sums: &mut [[f32; LANES]],
    ) {
        let (sums, _) = sums.as_flattened_mut().as_chunks_mut::<4>();
        let (blocks, _) = sums.as_chunks_mut::<COUNT>();
        if blocks.is_empty() {
            return;
        }
        let columns = self.columns::<COUNT>(rows);
        let (mut tests, mut leaves) = (&self.tests[..], &self.leaves[..]);
        for &(test_count, leaf_count) in &self.sizes {
            let (of_tree, after) = tests.split_at(test_count as usize);
            let (found, rest) = leaves.split_at(leaf_count as usize);
            (tests, leaves) = (after, rest);
            for (sums, columns) in blocks.iter_mut().zip(columns.chunks_exact(self.features)) {
                let mut left = [f32x4::splat(f32::from_bits(u32::MAX)); COUNT];
                let mut make = |test: &Test| {
                    // SAFETY: the features of tests are those of `Trees`, which has so many columns.
                    let x = unsafe { columns.get_unchecked((test.feature >> 1) as usize) };
                    let threshold = f32x4::splat(test.threshold);
                    let otherwise = f32x4::splat(f32::from_bits(test.left));
                    for (left, &x) in left.iter_mut().zip(x) {
                        let holds = match MISSING && test.feature & 1 == 1 {
                            true => x.simd_le(threshold) | x.simd_ne(x),
                            false => x.simd_le(threshold),
                        };
                        *left &= holds | otherwise;
                    }
                };
                let (turns, rest) = of_tree.as_chunks::<TURN>();
                for tests in turns {
                    tests.iter().for_each(&mut make);
                }
                rest.iter().for_each(make);
                for (sums, left) in sums.iter_mut().zip(left) {
                    for (sum, left) in sums.iter_mut().zip(left.to_array()) {
                        // A test rules out what is below one of its ways, so a leaf is left.
                        *sum += found[left.to_bits().trailing_zeros() as usize];
                    }
                }
            }
        }
    }

    /// The features of rows, for each block of so many vectors.
    fn columns<const COUNT: usize>(&self, rows: &[f32]) -> Vec<[f32x4; COUNT]> {
        let blocks = rows.chunks_exact(4 * COUNT * self.features);
        let columns = blocks.flat_map(|block| {
            (0..self.features).map(|feature| {
                std::array::from_fn(|vector| {
                    let of = |row: usize| block[(4 * vector + row) * self.features + feature];
                    f32x4::from([of(0), of(1), of(2), of(3)])
                })
            })
        });
        columns.collect()
    }
}
