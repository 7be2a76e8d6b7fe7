//! Decision trees node by node, for tests that [`Trees`](crate::trees::Trees) does not have: of
//! float64, of equality, of nodes with several parents.

/// A test of one feature, or a leaf.
#[derive(Clone, Debug)]
pub struct Node<T> {
    /// What the feature is compared with; of a leaf, the weight of its first vote.
    pub value: T,
    /// The feature, and above its bits how it is tested; or [`LEAF`].
    pub test: u32,
    /// Where to go if the test holds; of a leaf, where its votes start.
    pub yes: u32,
    /// Where to go otherwise; of a leaf, how many votes it has.
    pub no: u32,
}

/// What a leaf has for a test.
pub const LEAF: u32 = u32::MAX;
/// Bits of a test that are the feature.
pub const FEATURE_BITS: u32 = 24;
/// The test also holds for NaN.
pub const MISSING_IS_TRUE: u32 = 1 << 27;

/// The position of the leaf that a row comes to from each root on, in their order. `plain` says that
/// every test is `x <= value` and sends NaN to the other side.
///
/// # Panics
/// If a node names another one or a feature that is not there.
#[inline(never)]
pub fn leaves_of_singles(
    nodes: &[Node<f32>],
    plain: bool,
    roots: &[u32],
    row: &[f32],
    leaves: &mut Vec<u32>,
) {
    walk(nodes, plain, roots, row, leaves);
}

/// The same as [`leaves_of_singles`], in float64.
///
/// # Panics
/// As [`leaves_of_singles`].
#[inline(never)]
pub fn leaves_of_doubles(
    nodes: &[Node<f64>],
    plain: bool,
    roots: &[u32],
    row: &[f64],
    leaves: &mut Vec<u32>,
) {
    walk(nodes, plain, roots, row, leaves);
}

#[inline(always)]
fn walk<T: Copy + PartialOrd>(
    nodes: &[Node<T>],
    plain: bool,
    roots: &[u32],
    row: &[T],
    leaves: &mut Vec<u32>,
) {
    leaves.clear();
    leaves.extend(roots.iter().map(|&root| {
        let mut at = root;
        let mut node = &nodes[at as usize];
        while node.test != LEAF {
            let holds =
                if plain { row[node.test as usize] <= node.value } else { holds(node, row) };
            at = if holds { node.yes } else { node.no };
            node = &nodes[at as usize];
        }
        at
    }));
}

#[inline(always)]
fn holds<T: Copy + PartialOrd>(node: &Node<T>, row: &[T]) -> bool {
    let x = row[(node.test & ((1 << FEATURE_BITS) - 1)) as usize];
    let holds = match (node.test >> FEATURE_BITS) & 7 {
        0 => x <= node.value,
        1 => x < node.value,
        2 => x >= node.value,
        3 => x > node.value,
        4 => x == node.value,
        _ => x != node.value,
    };
    // Only NaN differs from itself.
    let missing = x.partial_cmp(&x).is_none();
    holds || (missing && node.test & MISSING_IS_TRUE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_holds_for_what_it_says() {
        let (low, same, high) = (1.0, 2.0, 3.0);
        // By number, what each holds for: less, equal, more, NaN.
        let tests = [
            [true, true, false, false],
            [true, false, false, false],
            [false, true, true, false],
            [false, false, true, false],
            [false, true, false, false],
            [true, false, true, true],
        ];
        for (mode, holds) in tests.into_iter().enumerate() {
            for (x, holds) in [low, same, high, f64::NAN].into_iter().zip(holds) {
                for missing in [0, MISSING_IS_TRUE] {
                    let leaf = |no| Node { value: 0.0, test: LEAF, yes: 0, no };
                    let test = 1 | (mode as u32) << FEATURE_BITS | missing;
                    let nodes = [Node { value: same, test, yes: 1, no: 2 }, leaf(0), leaf(1)];
                    let holds = holds || missing != 0 && x.is_nan();
                    let expected = if holds { 1 } else { 2 };
                    let mut leaves = vec![7];
                    leaves_of_doubles(&nodes, false, &[0, 2, 0], &[9.0, x], &mut leaves);
                    assert_eq!(leaves, [expected, 2, expected], "{mode}: {x}");
                    let nodes = nodes.map(|Node { value, test, yes, no }| {
                        let value = value as f32;
                        Node { value, test, yes, no }
                    });
                    leaves_of_singles(&nodes, false, &[0], &[9.0, x as f32], &mut leaves);
                    assert_eq!(leaves, [expected], "{mode}: {x}");
                }
            }
        }
        let plain = [
            Node { value: 2.0, test: 0, yes: 1, no: 2 },
            Node { value: 0.0, test: LEAF, yes: 0, no: 0 },
            Node { value: 0.0, test: LEAF, yes: 0, no: 0 },
        ];
        for (x, leaf) in [(2.0, 1), (2.5, 2), (f32::NAN, 2)] {
            let mut leaves = Vec::new();
            leaves_of_singles(&plain, true, &[0], &[x], &mut leaves);
            assert_eq!(leaves, [leaf]);
        }
    }
}
