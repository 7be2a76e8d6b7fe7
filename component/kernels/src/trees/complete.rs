//! Shallow trees as complete ones: all tests are made and the leaf is selected from the bottom up,
//! for several rows at once. There is no step from node to node, so nothing waits for memory, and
//! each test is one comparison of a vector.

use wide::f32x4;

use crate::trees::{CHILD, CHILD_BITS, Node, Trees};

/// Rows at once: two vectors.
pub(super) const ROWS: usize = 8;

/// Deepest trees for which all tests together take less time than those on the way of each row.
const MAX_DEPTH: u32 = 4;

/// A number of each row.
type Lanes = [f32x4; 2];

#[derive(Clone, Copy, Debug)]
struct Test {
    feature: u32,
    threshold: f32,
}

/// Trees of one depth in which every branch has it.
#[derive(Debug)]
pub(super) struct Complete {
    /// How many tests each tree has in its lowest level: half as many as leaves.
    lowest: usize,
    /// Of each tree, level by level.
    tests: Vec<Test>,
    /// What each leaf holds, as a float.
    leaves: Vec<f32>,
    features: usize,
}

impl Complete {
    /// The same trees; `None` where one is too deep or a test holds for NaN.
    pub(super) fn of(trees: &Trees) -> Option<Complete> {
        let depth = trees.depths.iter().copied().max()?.max(1);
        if depth > MAX_DEPTH || trees.missing {
            return None;
        }
        let lowest = 1 << (depth - 1);
        let mut complete = Complete {
            lowest,
            tests: Vec::with_capacity(trees.len() * (2 * lowest - 1)),
            leaves: Vec::with_capacity(trees.len() * 2 * lowest),
            features: trees.features,
        };
        for &root in &trees.roots {
            let mut level = vec![root];
            for _ in 0..depth {
                let mut next = Vec::with_capacity(2 * level.len());
                for at in level {
                    let Node { threshold, next: to } = *trees.nodes.get(at as usize)?;
                    // A leaf is tested for nothing: both ways lead to it.
                    let (feature, children) = match trees.is_leaf(at as usize) {
                        true => (0, [at, at]),
                        false => (to >> CHILD_BITS, [to & CHILD, (to & CHILD) + 1]),
                    };
                    complete.tests.push(Test { feature, threshold });
                    next.extend(children);
                }
                level = next;
            }
            for at in level {
                if !trees.is_leaf(at as usize) {
                    return None;
                }
                complete.leaves.push(f32::from_bits(trees.leaves[at as usize]));
            }
        }
        Some(complete)
    }

    /// Adds up what the leaves of each row hold, in the order of the trees, from +0 on. `rows` has
    /// the features of [`ROWS`] rows for each sum, one row after the other.
    pub(super) fn sum(&self, rows: &[f32], sums: &mut [[f32; ROWS]]) {
        let mut columns = vec![Lanes::default(); self.features];
        for (sums, rows) in sums.iter_mut().zip(rows.chunks_exact(ROWS * self.features)) {
            for (feature, column) in columns.iter_mut().enumerate() {
                let of = |row: usize| rows[row * self.features + feature];
                *column = [
                    f32x4::from([of(0), of(1), of(2), of(3)]),
                    f32x4::from([of(4), of(5), of(6), of(7)]),
                ];
            }
            let found = match self.lowest {
                1 => self.sum_of::<1, 1, 2>(&columns),
                2 => self.sum_of::<2, 3, 4>(&columns),
                4 => self.sum_of::<4, 7, 8>(&columns),
                _ => self.sum_of::<8, 15, 16>(&columns),
            };
            let (halves, _) = sums.as_chunks_mut();
            for (half, found) in halves.iter_mut().zip(found) {
                *half = found.to_array();
            }
        }
    }

    #[inline(always)]
    fn sum_of<const LOWEST: usize, const TESTS: usize, const LEAVES: usize>(
        &self,
        columns: &[Lanes],
    ) -> Lanes {
        let mut sums = Lanes::default();
        let (tests, _) = self.tests.as_chunks::<TESTS>();
        let (leaves, _) = self.leaves.as_chunks::<LEAVES>();
        for (tests, leaves) in tests.iter().zip(leaves) {
            let mut found: [Lanes; LOWEST] = std::array::from_fn(|i| {
                let [yes, no] = [leaves[2 * i], leaves[2 * i + 1]].map(|it| [f32x4::splat(it); 2]);
                select(columns, tests[LOWEST - 1 + i], yes, no)
            });
            let mut level = LOWEST / 2;
            while level > 0 {
                for i in 0..level {
                    found[i] =
                        select(columns, tests[level - 1 + i], found[2 * i], found[2 * i + 1]);
                }
                level /= 2;
            }
            for (sum, found) in sums.iter_mut().zip(found[0]) {
                *sum += found;
            }
        }
        sums
    }
}

/// What each row goes on with after a test.
#[inline(always)]
fn select(columns: &[Lanes], test: Test, yes: Lanes, no: Lanes) -> Lanes {
    // SAFETY: the features of tests are those of `Trees`, which has so many columns.
    let x = unsafe { columns.get_unchecked(test.feature as usize) };
    let threshold = f32x4::splat(test.threshold);
    std::array::from_fn(|half| x[half].simd_le(threshold).bitselect(yes[half], no[half]))
}
