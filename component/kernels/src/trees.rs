//! Decision trees whose tests are all `x <= threshold`, in 8 bytes a node.
//!
//! The two children of a node lie side by side, so one number leads to both, and the outcome of the
//! test is added to it; the feature has the bits that are left. A leaf leads to itself, so that
//! several walks can go on until the last one is at its leaf: in shallow trees for as many steps as
//! the tree is deep, in deep ones until none has moved. It does so by a test of NaN, which stands
//! behind the features of a row and for which no test holds. So it has what is found there in the
//! place of the threshold. Tests that hold for NaN are of the features once more, behind that, with
//! minus infinity in the place of NaN.
//!
//! A walk through a large forest waits for memory: `layout` says which nodes share a line of it.
//!
//! For many rows, small trees are not walked: all their tests are made, of shallow ones as in
//! `complete`, of deep ones as in `masks`.

mod complete;
mod layout;
mod masks;

use std::mem::MaybeUninit;

use wide::f32x4;

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
    /// The bits of a float; of a leaf what is found there.
    threshold: u32,
    /// The column that is tested, and above its bits the position of the child where the test does
    /// not hold; the other one is the next. Of a leaf its own position.
    next: u32,
}

/// Trees that walk several rows, or through several trees, at once.
#[derive(Debug)]
pub struct Trees {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// Steps from each root to its furthest leaf; of deep trees one more than [`SHALLOW`].
    depths: Vec<u32>,
    form: Form,
    /// The same trees for many rows, if they are small.
    small: Option<Small>,
}

/// How nodes are to be read.
#[derive(Clone, Copy, Debug)]
struct Form {
    features: usize,
    /// Whether a test of some node holds for NaN.
    missing: bool,
    /// How many bits of [`Node::next`] say what is tested.
    column_bits: u32,
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

/// Bits for the columns of forests of many nodes, and for more columns.
const COLUMN_BITS: [u32; 2] = [8, 14];

impl Form {
    /// The form of so many nodes; `None` if there is none for them.
    fn of(features: usize, missing: bool, nodes: usize) -> Option<Form> {
        let forms = COLUMN_BITS.map(|column_bits| Form { features, missing, column_bits });
        let takes = |form: &Form| {
            let most = 1 << form.column_bits;
            (1..most).contains(&features)
                && form.columns() <= most
                && nodes <= 1 << (u32::BITS - form.column_bits)
        };
        forms.into_iter().find(takes)
    }

    /// What tests are of: the features, NaN, and where that is asked for the features for tests that
    /// hold for NaN.
    fn columns(self) -> usize {
        self.features + 1 + if self.missing { self.features } else { 0 }
    }

    fn leaf(self, at: usize, found: u32) -> Node {
        Node { threshold: found, next: (at << self.column_bits | self.features) as u32 }
    }

    fn branch(self, feature: usize, threshold: f32, missing: bool, child: u32) -> Node {
        let column = if missing { self.features + 1 + feature } else { feature };
        let next = child << self.column_bits | column as u32;
        Node { threshold: threshold.to_bits(), next }
    }

    fn column(self, node: Node) -> usize {
        (node.next & ((1 << self.column_bits) - 1)) as usize
    }

    fn is_leaf(self, node: Node) -> bool {
        self.column(node) == self.features
    }

    /// Where to go on to if a node's test holds, and where otherwise.
    fn children(self, node: Node) -> [usize; 2] {
        let no = (node.next >> self.column_bits) as usize;
        [no + 1, no]
    }

    /// The feature that a node tests, and whether the test holds for NaN.
    fn test(self, node: Node) -> (usize, bool) {
        match self.column(node) {
            column if column > self.features => (column - self.features - 1, true),
            column => (column, false),
        }
    }

    /// The columns of a row, at the beginning of a place for as many.
    #[inline(always)]
    fn row<'a>(self, row: &[f32], place: &'a mut [MaybeUninit<f32>]) -> &'a [f32] {
        let (own, rest) = place.split_at_mut(row.len());
        each(own, row, |x| x);
        let [nan, again @ ..] = rest else { unreachable!("a place for all columns") };
        nan.write(f32::NAN);
        if self.missing {
            each(again, row, |x| if x.is_nan() { f32::NEG_INFINITY } else { x });
        }
        // SAFETY: so many were written, and `each` writes all of a row.
        unsafe { place[..self.columns()].assume_init_ref() }
    }
}

/// Writes what becomes of each number of a row.
#[inline(always)]
fn each(places: &mut [MaybeUninit<f32>], row: &[f32], function: impl Fn(f32) -> f32) {
    assert!(places.len() >= row.len(), "a place for each feature");
    // Not as slices: most rows are short.
    let (turns, rest) = row.as_chunks::<4>();
    let (place_turns, rest_places) = places[..row.len()].as_chunks_mut::<4>();
    for (places, &numbers) in place_turns.iter_mut().zip(turns) {
        *places = numbers.map(|x| MaybeUninit::new(function(x)));
    }
    for (place, &x) in rest_places.iter_mut().zip(rest) {
        place.write(function(x));
    }
}

/// Columns of a row for which there is room without an allocation.
const FEW: usize = 256;

/// Walks at once.
const LANES: usize = complete::ROWS;

/// Depth of the trees in which most walks are about as long as the longest.
const SHALLOW: u32 = 8;

impl Trees {
    /// Trees with these roots, in their order.
    ///
    /// `None` for more than 255 features and 2^18 nodes, and for more than 16 383 features or 2^24
    /// nodes (127 and 8191 features where a test holds for NaN); for a node that two others lead to,
    /// for positions that are not there, and for a test that holds for NaN and has NaN as its
    /// threshold: walk such trees otherwise.
    #[must_use]
    pub fn new(source: &[Source], roots: &[u32], features: usize) -> Option<Trees> {
        let missing = source.iter().any(|it| matches!(it, Source::Branch { missing: true, .. }));
        let layout = layout::of(source, roots)?;
        let form = Form::of(features, missing, layout.nodes)?;
        let mut nodes: Vec<Node> = (0..layout.nodes).map(|at| form.leaf(at, 0)).collect();
        for (it, &at) in source.iter().zip(&layout.places) {
            // What no root leads to.
            if at == 0 {
                continue;
            }
            nodes[at as usize] = match *it {
                Source::Leaf(found) => form.leaf(at as usize, found),
                Source::Branch { feature, threshold, missing, no, .. } => {
                    if feature >= features || missing && threshold.is_nan() {
                        return None;
                    }
                    form.branch(feature, threshold, missing, layout.places[no])
                }
            };
        }
        let roots = roots.iter().map(|&root| layout.places[root as usize]).collect();
        Some(Trees::of(nodes, roots, form))
    }

    fn of(nodes: Vec<Node>, roots: Vec<u32>, form: Form) -> Trees {
        let mut trees = Trees { nodes, roots, depths: Vec::new(), form, small: None };
        trees.depths = trees.roots.iter().map(|&root| trees.depth(root)).collect();
        trees.small = Small::of(&trees);
        trees
    }

    fn depth(&self, root: u32) -> u32 {
        let mut level = vec![root as usize];
        for depth in 0..=SHALLOW {
            let branches = level.iter().map(|&at| self.nodes[at]);
            let branches = branches.filter(|&node| !self.form.is_leaf(node));
            let next: Vec<usize> = branches.flat_map(|node| self.form.children(node)).collect();
            if next.is_empty() {
                return depth;
            }
            level = next;
        }
        SHALLOW + 1
    }

    /// Appends them as bytes, for [`Trees::read`].
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let mut number = |number: u32| bytes.extend_from_slice(&number.to_le_bytes());
        let Trees { nodes, roots, depths: _, form, small: _ } = self;
        [nodes.len() as u32, roots.len() as u32, form.features as u32, form.missing.into()]
            .into_iter()
            .chain(roots.iter().copied())
            .chain(nodes.iter().flat_map(|node| [node.threshold, node.next]))
            .for_each(&mut number);
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
        let form = Form::of(features as usize, missing == 1, count as usize)?;
        if (count as usize).checked_mul(size_of::<Node>())? > length {
            return None;
        }
        let roots = (0..roots).map(|_| number()).collect::<Option<Vec<u32>>>()?;
        let mut nodes = Vec::with_capacity(count as usize);
        for at in 0..count {
            let node = Node { threshold: number()?, next: number()? };
            let at = at as usize;
            let [yes, no] = form.children(node);
            let is_one = match form.is_leaf(node) {
                true => no == at,
                // A branch leads on, so that walks end.
                false => no > at && yes < count as usize && form.column(node) < form.columns(),
            };
            if !is_one {
                return None;
            }
            nodes.push(node);
        }
        let is_there = |&root: &u32| root > 0 && root < count;
        if !roots.iter().all(is_there) {
            return None;
        }
        Some((Trees::of(nodes, roots, form), bytes))
    }

    /// What is found at the leaves, and 0.
    pub fn found(&self) -> impl Iterator<Item = u32> {
        let leaves = self.nodes.iter().skip(1).filter(|node| self.form.is_leaf(**node));
        leaves.map(|leaf| leaf.threshold)
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
            nodes[place] = if self.form.is_leaf(node) {
                Source::Leaf(node.threshold)
            } else {
                let ([at_yes, at_no], yes) = (self.form.children(node), nodes.len());
                nodes.extend([Source::Leaf(0); 2]);
                open.extend([(at_yes, yes), (at_no, yes + 1)]);
                let (feature, missing) = self.form.test(node);
                let threshold = f32::from_bits(node.threshold);
                Source::Branch { feature, threshold, missing, yes, no: yes + 1 }
            };
        }
        root as u32
    }

    /// How many features the rows have.
    #[must_use]
    pub fn features(&self) -> usize {
        self.form.features
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
        let (several, rest) = sums.as_chunks_mut::<LANES>();
        if !several.is_empty() {
            several.as_flattened_mut().fill(0.0);
        }
        let last = self.each_block(rows, several.len(), |block, found| {
            let [first, second] = several[block].as_chunks_mut::<4>().0 else { return };
            let [a, b, c, d, e, f, g, h] = found;
            add(first, &[a, b, c, d]);
            add(second, &[e, f, g, h]);
        });
        for (sum, row) in rest.iter_mut().zip(last.chunks_exact(self.form.features)) {
            *sum = 0.0;
            self.each(row, 0, self.len(), |leaf| *sum += f32::from_bits(leaf));
        }
    }

    /// For each row, adds votes to its sums, in the order of the trees: a leaf holds the number of a row
    /// of `votes`, of `width` each. `sums` has as many for each row.
    ///
    /// # Panics
    /// If a leaf holds another number, `rows` is shorter than `sums` needs, or `width` is no multiple of
    /// 4.
    #[inline(never)]
    pub fn add_votes(&self, rows: &[f32], votes: &[f32], width: usize, sums: &mut [f32]) {
        assert!(width > 0 && width.is_multiple_of(4), "votes that fill vectors");
        let of = |leaf: u32| &votes[leaf as usize * width..][..width];
        let blocks = sums.len() / width / LANES;
        let last = self.each_block(rows, blocks, |block, found| {
            let sums = &mut sums[block * LANES * width..][..LANES * width];
            for (lane, leaf) in found.into_iter().enumerate() {
                add(&mut sums[lane * width..][..width], of(leaf.to_bits()));
            }
        });
        let rest = sums[blocks * LANES * width..].chunks_exact_mut(width);
        for (sums, row) in rest.zip(last.chunks_exact(self.form.features)) {
            self.each(row, 0, self.len(), |leaf| add(sums, of(leaf)));
        }
    }

    /// Calls a function with what blocks of rows find in a tree, for all trees in their order, and the
    /// block's number; gives the rows that are left.
    #[inline(always)]
    fn each_block<'a>(
        &self,
        rows: &'a [f32],
        blocks: usize,
        mut visit: impl FnMut(usize, [f32; LANES]),
    ) -> &'a [f32] {
        let (first, last) = rows.split_at(blocks * LANES * self.form.features);
        match &self.small {
            _ if blocks == 0 => {}
            Some(Small::Complete(complete)) => complete.each(first, &mut visit),
            Some(Small::Masks(masks)) => masks.each(first, &mut visit),
            None => self.walk_rows(first, blocks, &mut visit),
        }
        last
    }

    #[inline(always)]
    fn walk_rows(&self, rows: &[f32], blocks: usize, visit: &mut impl FnMut(usize, [f32; LANES])) {
        let (features, columns) = (self.form.features, self.form.columns());
        let count = blocks * LANES;
        let mut all: Vec<f32> = Vec::with_capacity(count * columns);
        let places = all.spare_capacity_mut().chunks_exact_mut(columns);
        for (row, place) in rows.chunks_exact(features).zip(places) {
            self.form.row(row, place);
        }
        // SAFETY: the columns of so many rows were written.
        unsafe { all.set_len(count * columns) };
        match self.form.column_bits == COLUMN_BITS[0] {
            true => self.walk_rows_of::<{ COLUMN_BITS[0] }>(&all, visit),
            false => self.walk_rows_of::<{ COLUMN_BITS[1] }>(&all, visit),
        }
    }

    #[inline(always)]
    fn walk_rows_of<const BITS: u32>(
        &self,
        rows: &[f32],
        visit: &mut impl FnMut(usize, [f32; LANES]),
    ) {
        let columns = self.form.columns();
        for (&root, &depth) in self.roots.iter().zip(&self.depths) {
            let blocks = rows.chunks_exact(LANES * columns);
            for (block, rows) in blocks.enumerate() {
                let leaves = self.walk::<LANES, BITS>([root; LANES], depth, rows, columns);
                visit(block, leaves.map(f32::from_bits));
            }
        }
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
        self.each(&row[..self.form.features], first, end, |leaf| {
            if let Some(place) = places.next() {
                *place = leaf;
            }
        });
    }

    /// Calls a function with what a row finds in some trees, one after the other.
    #[inline(always)]
    fn each(&self, row: &[f32], first: usize, end: usize, visit: impl FnMut(u32)) {
        let mut few = [MaybeUninit::uninit(); FEW];
        let mut many = Vec::new();
        let place = match self.form.columns() {
            0..=FEW => &mut few[..],
            columns => {
                many.reserve_exact(columns);
                many.spare_capacity_mut()
            }
        };
        let row = self.form.row(row, place);
        match self.form.column_bits == COLUMN_BITS[0] {
            true => self.each_of::<{ COLUMN_BITS[0] }>(row, first, end, visit),
            false => self.each_of::<{ COLUMN_BITS[1] }>(row, first, end, visit),
        }
    }

    #[inline(always)]
    fn each_of<const BITS: u32>(
        &self,
        row: &[f32],
        first: usize,
        end: usize,
        mut visit: impl FnMut(u32),
    ) {
        let (roots, depths) = (&self.roots[first..end], &self.depths[first..end]);
        let (several, rest) = roots.as_chunks::<LANES>();
        let (several_depths, rest_depths) = depths.as_chunks::<LANES>();
        for (roots, depths) in several.iter().zip(several_depths) {
            let depth = depths.iter().copied().fold(0, u32::max);
            self.walk::<LANES, BITS>(*roots, depth, row, 0).into_iter().for_each(&mut visit);
        }
        // One walk waits for each of its steps; more than one take as long together.
        if let [first, _, ..] = *rest {
            let mut roots = [first; LANES];
            roots[..rest.len()].copy_from_slice(rest);
            let depth = rest_depths.iter().copied().fold(0, u32::max);
            let found = self.walk::<LANES, BITS>(roots, depth, row, 0);
            found.into_iter().take(rest.len()).for_each(&mut visit);
        } else if let ([root], [depth]) = (rest, rest_depths) {
            self.walk::<1, BITS>([*root], *depth, row, 0).into_iter().for_each(&mut visit);
        }
    }

    /// What several walks find, from these nodes on; they read rows of columns that start `stride`
    /// apart. No tree is deeper than `depth`.
    #[inline(always)]
    fn walk<const COUNT: usize, const BITS: u32>(
        &self,
        mut at: [u32; COUNT],
        depth: u32,
        rows: &[f32],
        stride: usize,
    ) -> [u32; COUNT] {
        assert!(rows.len() >= (COUNT - 1) * stride + self.form.columns(), "columns of the rows");
        if depth <= SHALLOW {
            for _ in 0..depth {
                self.step::<COUNT, BITS>(&mut at, rows, stride);
            }
        } else {
            while self.step::<COUNT, BITS>(&mut at, rows, stride) {}
        }
        at.map(|leaf| self.nodes[leaf as usize].threshold)
    }

    /// Goes on to a child of each node, and says whether any was none of a leaf.
    #[inline(always)]
    fn step<const COUNT: usize, const BITS: u32>(
        &self,
        at: &mut [u32; COUNT],
        rows: &[f32],
        stride: usize,
    ) -> bool {
        let mut moved = 0;
        for (lane, at) in at.iter_mut().enumerate() {
            // SAFETY: there are no nodes whose children, or whose root, is not there: `new` gives each
            // a place, and `read` refuses others.
            let Node { threshold, next } = unsafe { *self.nodes.get_unchecked(*at as usize) };
            let column = (next & ((1 << BITS) - 1)) as usize;
            // SAFETY: no node tests a column from `self.form.columns()` on, and `walk` refuses rows
            // that are shorter.
            let x = unsafe { *rows.get_unchecked(lane * stride + column) };
            let next = (next >> BITS) + u32::from(x <= f32::from_bits(threshold));
            moved |= next ^ *at;
            *at = next;
        }
        moved != 0
    }
}

/// Adds to numbers that fill vectors as many others.
#[inline(always)]
fn add(sums: &mut [f32], others: &[f32]) {
    let add = |sums: &mut [f32; 4], others: &[f32; 4]| {
        *sums = (f32x4::from(*sums) + f32x4::from(*others)).to_array();
    };
    // One vector without a loop, since most are no more.
    match (sums.as_chunks_mut().0, others.as_chunks().0) {
        ([sums], [others]) => add(sums, others),
        (sums, others) => sums.iter_mut().zip(others).for_each(|(sums, others)| add(sums, others)),
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
            let most = if missing { 1 << 13 } else { 1 << 14 };
            let features = match round % 20 {
                0..2 => most - 1,
                2..8 => 1 + random.below(300),
                _ => 1 + random.below(6),
            };
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
            // The same with the leaves' numbers, and votes that are their floats.
            let (mut votes, mut numbered) = (Vec::new(), nodes.clone());
            let width = 4 + round % 2 * 4;
            for node in &mut numbered {
                if let Source::Leaf(found) = node {
                    let weight =
                        f32::from_bits(std::mem::replace(found, votes.len() as u32 / width as u32));
                    votes.extend((0..width).map(|i| weight * i as f32));
                }
            }
            let numbered = Trees::new(&numbered, &roots, features).expect("trees");
            let mut voted = vec![0.0; count * width];
            numbered.add_votes(&rows, &votes, width, &mut voted);
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
            for (row, voted) in rows.chunks_exact(features).zip(voted.chunks_exact(width)) {
                for (i, sum) in voted.iter().enumerate() {
                    let plain =
                        roots.iter().map(|&root| f32::from_bits(plainly(&nodes, root, row)));
                    let plain = plain.fold(0.0_f32, |sum, weight| sum + weight * i as f32);
                    assert_eq!(sum.to_bits(), plain.to_bits(), "round {round}");
                }
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
        assert!(Trees::new(&[leaf], &[0], (1 << 14) - 1).is_some());
        assert!(Trees::new(&[leaf], &[0], 1 << 14).is_none());
        assert!(Trees::new(&[leaf], &[0], 0).is_none());
        assert!(Trees::new(&[missing(0.0), leaf, leaf], &[0], (1 << 13) - 1).is_some());
        assert!(Trees::new(&[missing(0.0), leaf, leaf], &[0], 1 << 13).is_none());
        assert!(Trees::new(&[missing(f32::NAN), leaf, leaf], &[0], 1).is_none());
    }
}
