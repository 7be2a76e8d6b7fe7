//! Shallow trees as complete ones: all tests are made and the leaf is selected from the bottom up,
//! for several rows at once. There is no step from node to node, so nothing waits for memory, and
//! each test is one comparison of a vector.

use wide::f32x4;

use crate::trees::Trees;

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
        if depth > MAX_DEPTH || trees.form.missing {
            return None;
        }
        let lowest = 1 << (depth - 1);
        let mut complete = Complete {
            lowest,
            tests: Vec::with_capacity(trees.len() * (2 * lowest - 1)),
            leaves: Vec::with_capacity(trees.len() * 2 * lowest),
            features: trees.form.features,
        };
        for &root in &trees.roots {
            let mut level = vec![root as usize];
            for _ in 0..depth {
                let mut next = Vec::with_capacity(2 * level.len());
                for at in level {
                    let node = *trees.nodes.get(at)?;
                    // A leaf is tested for nothing: both ways lead to it.
                    let (feature, children) = match trees.form.is_leaf(node) {
                        true => (0, [at, at]),
                        false => (trees.form.test(node).0 as u32, trees.form.children(node)),
                    };
                    let threshold = f32::from_bits(node.threshold);
                    complete.tests.push(Test { feature, threshold });
                    next.extend(children);
                }
                level = next;
            }
            for at in level {
                let node = *trees.nodes.get(at)?;
                if !trees.form.is_leaf(node) {
                    return None;
                }
                complete.leaves.push(f32::from_bits(node.threshold));
            }
        }
        Some(complete)
    }

    /// Calls a function with what each block of [`ROWS`] rows finds in a tree, for all trees in their
    /// order, and the block's number.
    #[inline(always)]
    pub(super) fn each(&self, rows: &[f32], visit: &mut impl FnMut(usize, [f32; ROWS])) {
        let mut columns = vec![Lanes::default(); self.features];
        for (block, rows) in rows.chunks_exact(ROWS * self.features).enumerate() {
            let mut visit = |found: Lanes| {
                let [[a, b, c, d], [e, f, g, h]] = found.map(f32x4::to_array);
                visit(block, [a, b, c, d, e, f, g, h]);
            };
            for (feature, column) in columns.iter_mut().enumerate() {
                let of = |row: usize| rows[row * self.features + feature];
                *column = [
                    f32x4::from([of(0), of(1), of(2), of(3)]),
                    f32x4::from([of(4), of(5), of(6), of(7)]),
                ];
            }
            match self.lowest {
                1 => self.each_of::<1, 1, 2>(&columns, &mut visit),
                2 => self.each_of::<2, 3, 4>(&columns, &mut visit),
                4 => self.each_of::<4, 7, 8>(&columns, &mut visit),
                _ => self.each_of::<8, 15, 16>(&columns, &mut visit),
            }
        }
    }

    #[inline(always)]
    fn each_of<const LOWEST: usize, const TESTS: usize, const LEAVES: usize>(
        &self,
        columns: &[Lanes],
        visit: &mut impl FnMut(Lanes),
    ) {
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
            visit(found[0]);
        }
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
