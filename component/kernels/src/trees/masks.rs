//! Small trees, however deep, by all their tests: each test that does not hold rules out the leaves
//! below its other way, and the first leaf that is left is the one that a walk comes to.
//!
//! The leaves of a tree are the bits of a number, so that a test is a comparison and two operations
//! on bits, for several rows at once and without a step that waits for the one before it.
//! (Lucchese et al., QuickScorer, SIGIR 2015.)

use wide::f32x4;

use crate::trees::{Form, LANES, Trees};

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
        let Form { features, missing, .. } = trees.form;
        let (tests, leaves, sizes) = (Vec::new(), Vec::new(), Vec::new());
        let mut masks = Masks { tests, leaves, sizes, features, missing };
        for &root in &trees.roots {
            let (tests, leaves) = (masks.tests.len(), masks.leaves.len());
            masks.add(trees, root as usize, leaves, 0)?;
            let (tests, leaves) = (masks.tests.len() - tests, masks.leaves.len() - leaves);
            masks.sizes.push((tests as u32, leaves as u32));
            if masks.tests.len() > MAX_TESTS {
                return None;
            }
        }
        Some(masks)
    }

    /// Appends what is below a node, from left to right; `first` is where the tree's leaves begin.
    fn add(&mut self, trees: &Trees, at: usize, first: usize, depth: usize) -> Option<()> {
        let node = *trees.nodes.get(at)?;
        let begin = self.leaves.len() - first;
        if trees.form.is_leaf(node) {
            self.leaves.push(f32::from_bits(node.threshold));
            return (begin < MAX_LEAVES).then_some(());
        }
        // A tree of so few leaves is no deeper.
        if depth + 1 == MAX_LEAVES {
            return None;
        }
        let [yes, no] = trees.form.children(node);
        self.add(trees, yes, first, depth + 1)?;
        let end = self.leaves.len() - first;
        let ruled_out = (u64::MAX << begin) & !(u64::MAX << end);
        let (feature, holds_for_nan) = trees.form.test(node);
        let feature = (feature as u32) << 1 | u32::from(holds_for_nan);
        let threshold = f32::from_bits(node.threshold);
        self.tests.push(Test { threshold, feature, left: !(ruled_out as u32) });
        self.add(trees, no, first, depth + 1)
    }

    /// Calls a function with what each block of [`LANES`] rows finds in a tree, for all trees in
    /// their order, and the block's number.
    #[inline(always)]
    pub(super) fn each(&self, rows: &[f32], visit: &mut impl FnMut(usize, [f32; LANES])) {
        let block = LANES * self.features;
        let several = rows.len() / block / 2 * 2;
        let (first, last) = rows.split_at(several * block);
        if self.missing {
            self.each_of::<{ 2 * VECTORS }, true>(first, 0, visit);
            self.each_of::<VECTORS, true>(last, several, visit);
        } else {
            self.each_of::<{ 2 * VECTORS }, false>(first, 0, visit);
            self.each_of::<VECTORS, false>(last, several, visit);
        }
    }

    /// For rows that fill so many vectors, from a block on.
    #[inline(always)]
    fn each_of<const COUNT: usize, const MISSING: bool>(
        &self,
        rows: &[f32],
        first: usize,
        visit: &mut impl FnMut(usize, [f32; LANES]),
    ) {
        if rows.is_empty() {
            return;
        }
        let columns = self.columns::<COUNT>(rows);
        let (mut tests, mut leaves) = (&self.tests[..], &self.leaves[..]);
        for &(test_count, leaf_count) in &self.sizes {
            let (of_tree, after) = tests.split_at(test_count as usize);
            let (found, rest) = leaves.split_at(leaf_count as usize);
            (tests, leaves) = (after, rest);
            let blocks = (first..).step_by(COUNT / VECTORS);
            for (block, columns) in blocks.zip(columns.chunks_exact(self.features)) {
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
                let (several, _) = left.as_chunks::<VECTORS>();
                for (i, left) in several.iter().enumerate() {
                    let left = left.map(f32x4::to_array);
                    let found = std::array::from_fn(|lane| {
                        // A test rules out what is below one of its ways, so a leaf is left.
                        found[left[lane / 4][lane % 4].to_bits().trailing_zeros() as usize]
                    });
                    visit(block + i, found);
                }
            }
        }
    }

    /// The features of rows, for each block of so many vectors.
    fn columns<const COUNT: usize>(&self, rows: &[f32]) -> Vec<[f32x4; COUNT]> {
        let blocks = rows.chunks_exact(4 * COUNT * self.features);
        let mut columns = Vec::with_capacity(blocks.len() * self.features);
        for block in blocks {
            for feature in 0..self.features {
                columns.push(std::array::from_fn(|vector| {
                    let of = |row: usize| block[(4 * vector + row) * self.features + feature];
                    f32x4::from([of(0), of(1), of(2), of(3)])
                }));
            }
        }
        columns
    }
}
