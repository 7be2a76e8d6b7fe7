//! Decision trees whose tests are all `x <= threshold`, in 8 bytes a node, and 4 for its leaf.
//!
//! The two children of a node lie side by side, so one number leads to both, and the outcome of the
//! test is added to it; the feature has the bits that are left. A leaf leads to itself, so that
//! several walks can go on until the last one is at its leaf: in shallow trees for as many steps as
//! the tree is deep, in deep ones until none has moved.
//!
//! For many rows, small trees are not walked: all their tests are made, of shallow ones as in
//! `complete`, of deep ones as in `masks`.

mod complete;
mod masks;

use complete::Complete;
use masks::Masks;

/// A node of a tree, to make [`Trees`] of.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A test of a feature.
    Branch {
        /// The feature's position in a row.
        feature: usize,
        /// The largest number for which the test holds.
        threshold: f32,
        /// Whether it holds for NaN.
        missing: bool,
        /// Position of the node to go on to if the test holds.
        yes: usize,
        /// Position of the node to go on to otherwise.
        no: usize,
    },
    /// The end of a walk, with what is found there.
    Leaf(u32),
}

/// Takes a number, little endian, from the front of some bytes.
pub fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Of a leaf NaN, for which no test holds.
    threshold: f32,
    /// Position of the first child, above its bits the feature, and above that, where a test of
    /// some node holds for NaN, whether this one's does.
    next: u32,
}

/// Trees that walk several rows, or through several trees, at once.
#[derive(Debug)]
pub struct Trees {
    nodes: Vec<Node>,
    /// What is found at each node that is a leaf.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    /// Steps from each root to its furthest leaf.
    depths: Vec<u32>,
    features: usize,
    /// Whether a test of some node holds for NaN.
    missing: bool,
    /// The same trees for many rows, if they are small.
    small: Option<Small>,
}

/// Trees whose tests are all made.
#[derive(Debug)]
enum Small {
    Complete(Complete),
    Masks(Masks),
}

impl Small {
    fn of(trees: &Trees) -> Option<Small> {
        let complete = Complete::of(trees).map(Small::Complete);
        complete.or_else(|| Masks::of(trees).map(Small::Masks))
    }
}

impl Node {
    /// The feature that it tests; with `missing` the bit above says whether the test holds for NaN.
    #[inline(always)]
    fn feature(self, missing: bool) -> u32 {
        let bits = if missing { self.next & !(1 << MISSING_BIT) } else { self.next };
        bits >> CHILD_BITS
    }
}

const CHILD_BITS: u32 = 24;
const CHILD: u32 = (1 << CHILD_BITS) - 1;
const MISSING_BIT: u32 = 31;

/// Walks at once.
const LANES: usize = complete::ROWS;

/// Depth of the trees in which most walks are about as long as the longest.
const SHALLOW: u32 = 8;

impl Trees {
    /// Rows from which on all tests of small trees are made.
    pub const SEVERAL: usize = LANES;

    /// Trees with these roots, in their order.
    ///
    /// `None` for more than 256 features (128 where a test holds for NaN) or 2^24 nodes, for a node
    /// that two others lead to, for positions that are not there, and for a test that holds for NaN
    /// and has NaN as its threshold: walk such trees otherwise.
    #[must_use]
    pub fn new(source: &[Source], roots: &[u32], features: usize) -> Option<Trees> {
        let missing = source.iter().any(|it| matches!(it, Source::Branch { missing: true, .. }));
        let most = 1 << (if missing { MISSING_BIT } else { 32 } - CHILD_BITS);
        if !(1..=most).contains(&features) || source.len() >= CHILD as usize {
            return None;
        }
        // A leaf at position 1 leads to 0 and one further, so there is nothing at 0.
        let nothing = Node { threshold: f32::NAN, next: 0 };
        let mut trees = Trees {
            nodes: vec![nothing],
            leaves: vec![0],
            roots: Vec::with_capacity(roots.len()),
            depths: Vec::with_capacity(roots.len()),
            features,
            missing,
            small: None,
        };
        trees.nodes.reserve_exact(source.len());
        trees.leaves.reserve_exact(source.len());
        let mut seen = vec![false; source.len()];
        let mut open = Vec::new();
        for &root in roots {
            let slot = trees.room(1);
            trees.roots.push(slot);
            open.push((root as usize, slot, 0));
            let mut deepest = 0;
            while let Some((at, slot, depth)) = open.pop() {
                deepest = deepest.max(depth);
                if std::mem::replace(seen.get_mut(at)?, true) {
                    return None;
                }
                trees.nodes[slot as usize] = match *source.get(at)? {
                    Source::Leaf(found) => {
                        trees.leaves[slot as usize] = found;
                        Node { threshold: f32::NAN, next: slot - 1 }
                    }
                    Source::Branch { feature, threshold, missing, yes, no } => {
                        if feature >= features || missing && threshold.is_nan() {
                            return None;
                        }
                        let child = trees.room(2);
                        open.extend([(no, child + 1, depth + 1), (yes, child, depth + 1)]);
                        let missing = u32::from(missing) << MISSING_BIT;
                        Node { threshold, next: missing | ((feature as u32) << CHILD_BITS) | child }
                    }
                };
                // More than there are nodes: two lead to one.
                if trees.nodes.len() > source.len() + 1 {
                    return None;
                }
            }
            trees.depths.push(deepest);
        }
        trees.small = Small::of(&trees);
        Some(trees)
    }

    /// Appends them as bytes, for [`Trees::read`].
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let mut number = |number: u32| bytes.extend_from_slice(&number.to_le_bytes());
        let Trees { nodes, leaves, roots, depths, features, missing, small: _ } = self;
        [nodes.len() as u32, roots.len() as u32, *features as u32, u32::from(*missing)]
            .into_iter()
            .chain(roots.iter().copied())
            .chain(depths.iter().copied())
            .for_each(&mut number);
        for (at, (node, &leaf)) in nodes.iter().zip(leaves).enumerate() {
            number(node.threshold.to_bits());
            number(node.next);
            if self.is_leaf(at) {
                number(leaf);
            }
        }
    }

    /// Reads what [`Trees::write`] wrote from the front of some bytes, and gives the rest of them.
    ///
    /// `None` for bytes that are no trees: whatever they are, walks have an end and find what is
    /// there.
    #[must_use]
    pub fn read(mut bytes: &[u8]) -> Option<(Trees, &[u8])> {
        let length = bytes.len();
        let mut number = || take_number(&mut bytes);
        let [count, roots, features, missing] = [number()?, number()?, number()?, number()?];
        let (missing, features) = (missing == 1, features as usize);
        let most = 1 << (if missing { MISSING_BIT } else { 32 } - CHILD_BITS);
        let node_bytes = (count as usize).checked_mul(size_of::<Node>());
        let are_there = node_bytes.is_some_and(|bytes_of_nodes| bytes_of_nodes <= length);
        if !(1..=most).contains(&features) || count > CHILD || !are_there {
            return None;
        }
        let list = |number: &mut dyn FnMut() -> Option<u32>| {
            (0..roots).map(|_| number()).collect::<Option<Vec<u32>>>()
        };
        let (roots, depths) = (list(&mut number)?, list(&mut number)?);
        let nodes = Vec::with_capacity(count as usize);
        let leaves = Vec::with_capacity(count as usize);
        let small = None;
        let mut trees = Trees { nodes, leaves, roots, depths, features, missing, small };
        for at in 0..count {
            let (threshold, next) = (f32::from_bits(number()?), number()?);
            let node = Node { threshold, next };
            trees.nodes.push(node);
            let is_leaf = trees.is_leaf(at as usize);
            trees.leaves.push(if is_leaf { number()? } else { 0 });
            let feature = node.feature(missing);
            let child = next & CHILD;
            // A branch leads on, so that walks end.
            let is_branch = child > at && child + 1 < count && (feature as usize) < features;
            if !is_leaf && !is_branch {
                return None;
            }
        }
        let is_there = |&root: &u32| root > 0 && root < count;
        if !trees.roots.iter().all(is_there) {
            return None;
        }
        trees.small = Small::of(&trees);
        Some((trees, bytes))
    }

    /// What is found at the leaves.
    pub fn found(&self) -> impl Iterator<Item = u32> {
        let leaves = self.leaves.iter().enumerate().skip(1);
        leaves.filter(|(at, _)| self.is_leaf(*at)).map(|(_, &leaf)| leaf)
    }

    /// Whether they are so small that of many rows all their tests are made.
    #[must_use]
    pub fn are_small(&self) -> bool {
        self.small.is_some()
    }

    /// Appends the nodes of a tree, as [`Trees::new`] takes them, and gives the position of its root.
    ///
    /// # Panics
    /// If there is no such tree.
    pub fn copy_tree(&self, tree: usize, nodes: &mut Vec<Source>) -> u32 {
        let root = nodes.len();
        nodes.push(Source::Leaf(0));
        let mut open = vec![(self.roots[tree] as usize, root)];
        while let Some((at, place)) = open.pop() {
            let node = self.nodes[at];
            nodes[place] = if self.is_leaf(at) {
                Source::Leaf(self.leaves[at])
            } else {
                let (child, yes) = ((node.next & CHILD) as usize, nodes.len());
                nodes.extend([Source::Leaf(0); 2]);
                open.extend([(child, yes), (child + 1, yes + 1)]);
                Source::Branch {
                    feature: node.feature(self.missing) as usize,
                    threshold: node.threshold,
                    missing: self.missing && node.next >> MISSING_BIT == 1,
                    yes,
                    no: yes + 1,
                }
            };
        }
        root as u32
    }

    /// How many features the rows have.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Whether a node leads to itself; there is none at 0.
    fn is_leaf(&self, at: usize) -> bool {
        let Node { threshold, next } = self.nodes[at];
        threshold.is_nan() && (next as usize + 1 == at || at == 0)
    }

    /// Makes room for nodes side by side, and gives the position of the first.
    fn room(&mut self, count: usize) -> u32 {
        let first = self.nodes.len();
        self.nodes.resize(first + count, Node { threshold: f32::NAN, next: 0 });
        self.leaves.resize(first + count, 0);
        first as u32
    }

    /// How many trees there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// For each row, adds up the bits of float32 that its leaves hold, in the order of the trees,
    /// from +0 on. `rows` has the features of one row after the other, `sums` a place for each row.
    ///
    /// # Panics
    /// If `rows` is shorter than `sums` needs.
    #[inline(never)]
    pub fn sum(&self, rows: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        let (several, rest) = sums.as_chunks_mut::<LANES>();
        let (first, last) = rows.split_at(several.len() * LANES * self.features);
        match &self.small {
            _ if several.is_empty() => {}
            Some(Small::Complete(complete)) => complete.sum(first, several),
            Some(Small::Masks(masks)) => masks.sum(first, several),
            None => self.walk_rows(first, several),
        }
        let mut last = last.chunks_exact(self.features);
        for sum in rest {
            *sum = self.sum_one(last.next().expect("a row for each sum"));
        }
    }

    /// For each row of each block.
    fn walk_rows(&self, rows: &[f32], sums: &mut [[f32; LANES]]) {
        for (&root, &depth) in self.roots.iter().zip(&self.depths) {
            let blocks = rows.chunks_exact(LANES * self.features);
            for (sums, rows) in sums.iter_mut().zip(blocks) {
                let leaves = self.walk([root; LANES], depth, rows, self.features);
                for (sum, leaf) in sums.iter_mut().zip(leaves) {
                    *sum += f32::from_bits(leaf);
                }
            }
        }
    }

    #[inline(always)]
    fn sum_one(&self, row: &[f32]) -> f32 {
        let mut sum = 0.0;
        self.each(row, 0, self.roots.len(), |leaf| sum += f32::from_bits(leaf));
        sum
    }

    /// What a row finds at the leaves of the trees from `first` on, in their order, one for each
    /// place in `found`.
    ///
    /// # Panics
    /// If the row has fewer features than the trees, or there are fewer trees.
    #[inline(never)]
    pub fn find(&self, row: &[f32], first: usize, found: &mut [u32]) {
        let mut places = found.iter_mut();
        let end = first + places.len();
        self.each(row, first, end, |leaf| {
            if let Some(place) = places.next() {
                *place = leaf;
            }
        });
    }

    /// Calls a function with what a row finds in some trees, one after the other.
    #[inline(always)]
    fn each(&self, row: &[f32], first: usize, end: usize, mut visit: impl FnMut(u32)) {
        let (roots, depths) = (&self.roots[first..end], &self.depths[first..end]);
        let (several, rest) = roots.as_chunks::<LANES>();
        let (several_depths, rest_depths) = depths.as_chunks::<LANES>();
        for (roots, depths) in several.iter().zip(several_depths) {
            let depth = depths.iter().copied().fold(0, u32::max);
            self.walk(*roots, depth, row, 0).into_iter().for_each(&mut visit);
        }
        // One walk waits for each of its steps; more than one take as long together.
        if let [first, _, ..] = *rest {
            let mut roots = [first; LANES];
            roots[..rest.len()].copy_from_slice(rest);
            let depth = rest_depths.iter().copied().fold(0, u32::max);
            let found = self.walk(roots, depth, row, 0);
            found.into_iter().take(rest.len()).for_each(&mut visit);
        } else if let ([root], [depth]) = (rest, rest_depths) {
            self.walk([*root], *depth, row, 0).into_iter().for_each(&mut visit);
        }
    }

    /// What several walks find, from these nodes on; they read rows that start `stride` apart. No
    /// tree is deeper than `depth`.
    #[inline(always)]
    fn walk<const COUNT: usize>(
        &self,
        at: [u32; COUNT],
        depth: u32,
        rows: &[f32],
        stride: usize,
    ) -> [u32; COUNT] {
        assert!(rows.len() >= (COUNT - 1) * stride + self.features, "features of the rows");
        let at = if self.missing {
            self.walk_to::<COUNT, true>(at, depth, rows, stride)
        } else {
            self.walk_to::<COUNT, false>(at, depth, rows, stride)
        };
        at.map(|leaf| self.leaves[leaf as usize])
    }

    #[inline(always)]
    fn walk_to<const COUNT: usize, const MISSING: bool>(
        &self,
        mut at: [u32; COUNT],
        depth: u32,
        rows: &[f32],
        stride: usize,
    ) -> [u32; COUNT] {
        if depth <= SHALLOW {
            for _ in 0..depth {
                self.step::<COUNT, MISSING>(&mut at, rows, stride);
            }
            return at;
        }
        while self.step::<COUNT, MISSING>(&mut at, rows, stride) {}
        at
    }

    /// Goes on to a child of each node, and says whether any was none of a leaf.
    #[inline(always)]
    fn step<const COUNT: usize, const MISSING: bool>(
        &self,
        at: &mut [u32; COUNT],
        rows: &[f32],
        stride: usize,
    ) -> bool {
        let mut moved = 0;
        for (lane, at) in at.iter_mut().enumerate() {
            // SAFETY: `new` makes no node whose children, or whose root, is not there: each has the
            // room that it is given.
            let node = unsafe { *self.nodes.get_unchecked(*at as usize) };
            let (Node { threshold, next }, feature) = (node, node.feature(MISSING));
            // SAFETY: `new` refuses features from `self.features` on, and `walk` rows that are
            // shorter than those.
            let x = unsafe { *rows.get_unchecked(lane * stride + feature as usize) };
            let holds = x <= threshold;
            let mut no = u32::from(!holds);
            if MISSING {
                // Where the test holds for NaN, only what is above the threshold does not pass.
                no &= u32::from(x > threshold) | ((next >> MISSING_BIT) ^ 1);
            }
            let next = (next & CHILD) + no;
            moved |= next ^ *at;
            *at = next;
        }
        moved != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u32);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as usize % end
        }
    }

    /// A tree of a depth of at most `depth` whose leaves hold numbers; gives its root.
    fn grow(
        nodes: &mut Vec<Source>,
        random: &mut Random,
        features: usize,
        depth: usize,
        some_missing: bool,
    ) -> usize {
        let at = nodes.len();
        nodes.push(Source::Leaf((random.below(1000) as f32 / 7.0 - 50.0).to_bits()));
        if depth > 0 && random.below(8) > 0 {
            let (feature, threshold) = (random.below(features), number(random));
            let missing = some_missing && !threshold.is_nan() && random.below(2) == 0;
            let yes = grow(nodes, random, features, depth - 1, some_missing);
            let no = grow(nodes, random, features, depth - 1, some_missing);
            nodes[at] = Source::Branch { feature, threshold, missing, yes, no };
        }
        at
    }

    /// A tree with a leaf at one way of each branch; gives its root.
    fn lean(nodes: &mut Vec<Source>, random: &mut Random, depth: usize, some: bool) -> usize {
        let at = nodes.len();
        nodes.push(Source::Leaf((random.below(1000) as f32 / 7.0 - 50.0).to_bits()));
        if depth > 0 {
            let threshold = number(random);
            let missing = some && !threshold.is_nan() && random.below(2) == 0;
            let mut ways = [lean(nodes, random, depth - 1, some), lean(nodes, random, 0, some)];
            ways.rotate_left(random.below(2));
            let [yes, no] = ways;
            nodes[at] = Source::Branch { feature: 0, threshold, missing, yes, no };
        }
        at
    }

    fn number(random: &mut Random) -> f32 {
        match random.below(20) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            _ => random.below(16) as f32 - 8.0,
        }
    }

    fn plainly(nodes: &[Source], root: u32, row: &[f32]) -> u32 {
        let mut at = root as usize;
        loop {
            match nodes[at] {
                Source::Leaf(found) => return found,
                Source::Branch { feature, threshold, missing, yes, no } => {
                    let x = row[feature];
                    at = if x <= threshold || missing && x.is_nan() { yes } else { no };
                }
            }
        }
    }

    #[test]
    fn all_walks_end_where_a_plain_one_does() {
        let mut random = Random(1);
        let (mut complete, mut masks, mut walked) = (0, 0, 0);
        for round in 0..300 {
            let missing = round % 2 == 0;
            let most = if missing { 128 } else { 256 };
            let features = 1 + random.below(if round % 10 < 2 { most } else { 6 });
            let mut nodes = Vec::new();
            let count = 1 + random.below(30);
            let depth = random.below(14);
            let mut roots = Vec::new();
            for _ in 0..count {
                let root = match round % 3 {
                    // As many leaves as there are bits, one less and one more.
                    0 => lean(&mut nodes, &mut random, 29 + round / 3 % 4, missing),
                    _ => grow(&mut nodes, &mut random, features, depth, missing),
                };
                roots.push(root as u32);
            }
            let trees = Trees::new(&nodes, &roots, features).expect("trees");
            match trees.small {
                Some(Small::Complete(_)) => complete += 1,
                Some(Small::Masks(_)) => masks += 1,
                None => walked += 1,
            }
            let (mut copied, mut copies) = (Vec::new(), Vec::new());
            for tree in 0..trees.len() {
                copies.push(trees.copy_tree(tree, &mut copied));
            }
            let copy = Trees::new(&copied, &copies, features).expect("trees");
            assert_eq!(format!("{copy:?}"), format!("{trees:?}"), "round {round}");
            let count = random.below(70);
            let rows: Vec<f32> = (0..count * features).map(|_| number(&mut random)).collect();
            let mut sums = vec![0.0; count];
            trees.sum(&rows, &mut sums);
            for (row, &sum) in rows.chunks_exact(features).zip(&sums) {
                let mut found = vec![0; trees.len()];
                trees.find(row, 0, &mut found);
                let plain = roots.iter().map(|&root| plainly(&nodes, root, row));
                assert!(plain.clone().eq(found.iter().copied()), "round {round}");
                trees.find(row, 1, &mut found[1..]);
                assert!(plain.clone().eq(found), "round {round}");
                let plain = plain.fold(0.0_f32, |sum, leaf| sum + f32::from_bits(leaf));
                assert_eq!(sum.to_bits(), plain.to_bits(), "round {round}");
            }
        }
        assert!(complete > 20 && masks > 50 && walked > 50, "{complete} {masks} {walked}");
    }

    #[test]
    fn trees_are_read_as_they_were_written_and_nothing_else_is() {
        let mut random = Random(2);
        for round in 0..100 {
            let (missing, features) = (round % 2 == 0, 1 + random.below(6));
            let (mut nodes, mut roots) = (Vec::new(), Vec::new());
            for _ in 0..1 + random.below(12) {
                roots.push(grow(&mut nodes, &mut random, features, 6, missing) as u32);
            }
            let trees = Trees::new(&nodes, &roots, features).expect("trees");
            let mut bytes = Vec::new();
            trees.write(&mut bytes);
            let (read, rest) = Trees::read(&bytes).expect("trees");
            assert_eq!((format!("{read:?}"), rest), (format!("{trees:?}"), &[][..]));
            for at in (0..bytes.len()).step_by(3) {
                assert!(Trees::read(&bytes[..at]).is_none());
                // Of other bytes come no trees, or some whose walks have an end.
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << random.below(8);
                if let Some((trees, _)) = Trees::read(&bytes) {
                    let row: Vec<f32> =
                        (0..trees.features()).map(|_| number(&mut random)).collect();
                    trees.find(&row, 0, &mut vec![0; trees.len()]);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_others() {
        let branch =
            |feature, yes, no| Source::Branch { feature, threshold: 0.0, missing: false, yes, no };
        let missing =
            |threshold| Source::Branch { feature: 0, threshold, missing: true, yes: 1, no: 2 };
        let leaf = Source::Leaf(0);
        assert!(Trees::new(&[branch(0, 1, 2), leaf, leaf], &[0], 1).is_some());
        // Two ways to one leaf, a feature and nodes that are not there, too many features, none.
        assert!(Trees::new(&[branch(0, 1, 1), leaf], &[0], 1).is_none());
        assert!(Trees::new(&[branch(1, 1, 2), leaf, leaf], &[0], 1).is_none());
        assert!(Trees::new(&[branch(0, 1, 3), leaf, leaf], &[0], 1).is_none());
        assert!(Trees::new(&[leaf], &[1], 1).is_none());
        assert!(Trees::new(&[leaf], &[0], 257).is_none());
        assert!(Trees::new(&[leaf], &[0], 0).is_none());
        assert!(Trees::new(&[missing(0.0), leaf, leaf], &[0], 128).is_some());
        assert!(Trees::new(&[missing(0.0), leaf, leaf], &[0], 129).is_none());
        assert!(Trees::new(&[missing(f32::NAN), leaf, leaf], &[0], 1).is_none());
    }
}
