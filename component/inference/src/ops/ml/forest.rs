//! Decision trees in one flat array, for the tree ensemble operators.
//!
//! The file has a dozen parallel lists with ids; here a node is 16 bytes (for float32) that hold
//! what a visit needs, and a leaf holds its first vote in the place of the threshold. Most forests
//! of float32 become [`Trees`] of 8 bytes a node, which walk several rows or trees at once.

use foretold_kernels::columns;
use foretold_kernels::nodes::{FEATURE_BITS, LEAF, MISSING_IS_TRUE, Node as TreeNode};
use foretold_kernels::trees::{Source, Trees, take_number};
use tract_hir::internal::{TVec, tvec};

use crate::math::Float;
use crate::node::Node;
use crate::ops::ml::product;
use crate::tensor::View;

/// The tests, by number. Features tested with the first one need no decoding.
pub(crate) const MODES: [&str; 6] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

/// What a leaf adds to the score of one class or target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote<T> {
    pub(crate) target: usize,
    pub(crate) weight: T,
}

/// A leaf that a row has come to.
pub(crate) struct Leaf<'a, T> {
    /// The weight of the first vote.
    pub(crate) weight: T,
    pub(crate) votes: &'a [Vote<T>],
}

#[derive(Debug)]
pub(crate) struct Forest<T> {
    walk: Walk<T>,
    tree_count: usize,
    /// The target that every leaf has its one and only vote for.
    pub(crate) only_target: Option<usize>,
}

/// Sums of votes, for each target of each row.
pub(crate) struct Sums<'a, T> {
    /// Of one row or a few without an allocation.
    pub(crate) sums: TVec<T>,
    /// How far the rows lie apart.
    pub(crate) stride: usize,
    /// For which targets each row has votes.
    pub(crate) voted: &'a [bool],
}

#[derive(Debug)]
enum Walk<T> {
    /// One node after the other.
    Nodes {
        nodes: Vec<TreeNode<T>>,
        /// Position of each tree's root, in the file's order.
        roots: Vec<u32>,
        votes: Vec<Vote<T>>,
        /// Whether every test is `x <= threshold` and sends NaN to the other side.
        plain: bool,
    },
    /// Trees whose leaves hold the bits of their first weight, where no others count.
    Weights(Trees),
    /// Such trees for each target, where a tree has votes for one only.
    ByTarget { by_target: Vec<Option<Trees>>, voted: Vec<bool> },
    /// Trees whose leaves hold the number of a row of votes, one for each target; `width` of them are
    /// kept in a row, which fill vectors.
    Rows { trees: Trees, votes: Vec<f32>, width: usize, voted: Vec<bool> },
    /// Trees whose leaves hold the position of a leaf.
    Leaves { trees: Trees, leaves: Vec<LeafVotes<T>>, votes: Vec<Vote<T>> },
}

impl<T> Walk<T> {
    fn of_targets(by_target: Vec<Option<Trees>>) -> Walk<T> {
        let voted = by_target.iter().map(Option::is_some).collect();
        Walk::ByTarget { by_target, voted }
    }
}

/// What a leaf of [`Walk::Leaves`] has.
#[derive(Debug)]
struct LeafVotes<T> {
    weight: T,
    start: u32,
    count: u32,
}

/// The parallel lists that the attributes of the operators are: an entry for each node, and for each
/// vote.
#[derive(Debug, Default)]
pub(crate) struct Lists<T> {
    pub(crate) tree_ids: Vec<i64>,
    pub(crate) node_ids: Vec<i64>,
    pub(crate) feature_ids: Vec<i64>,
    pub(crate) modes: Vec<String>,
    pub(crate) thresholds: Vec<T>,
    /// Where to go if the test holds, and where otherwise.
    pub(crate) yes: Vec<i64>,
    pub(crate) no: Vec<i64>,
    /// Whether the test holds for NaN; empty where it does for none.
    pub(crate) missing: Vec<i64>,
    /// What the votes are for, as messages call it.
    pub(crate) prefix: &'static str,
    pub(crate) vote_tree_ids: Vec<i64>,
    pub(crate) vote_node_ids: Vec<i64>,
    pub(crate) target_ids: Vec<i64>,
    pub(crate) weights: Vec<T>,
}

impl<T: Float> Lists<T> {
    fn of(node: &Node<'_>, prefix: &'static str) -> Result<Lists<T>, String> {
        node.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
        Ok(Lists {
            tree_ids: node.ints("nodes_treeids")?.to_vec(),
            node_ids: node.ints("nodes_nodeids")?.to_vec(),
            feature_ids: node.ints("nodes_featureids")?.to_vec(),
            modes: node.strings("nodes_modes")?,
            thresholds: floats(node, "nodes_values")?,
            yes: node.ints("nodes_truenodeids")?.to_vec(),
            no: node.ints("nodes_falsenodeids")?.to_vec(),
            missing: node.ints("nodes_missing_value_tracks_true")?.to_vec(),
            prefix,
            vote_tree_ids: node.ints(&format!("{prefix}_treeids"))?.to_vec(),
            vote_node_ids: node.ints(&format!("{prefix}_nodeids"))?.to_vec(),
            target_ids: node.ints(&format!("{prefix}_ids"))?.to_vec(),
            weights: floats(node, &format!("{prefix}_weights"))?,
        })
    }
}

impl<T: Row> Forest<T> {
    /// Reads the trees; `prefix` is that of the attributes for votes, `class` or `target`.
    pub(crate) fn of(
        node: &Node<'_>,
        prefix: &'static str,
        targets: usize,
        features: usize,
    ) -> Result<Forest<T>, String> {
        match Forest::packed(node, targets, features)? {
            Some(forest) => Ok(forest),
            None => Forest::new(&Lists::of(node, prefix)?, targets, features),
        }
    }

    /// The trees of a node that has them in bytes.
    pub(crate) fn packed(
        node: &Node<'_>,
        targets: usize,
        features: usize,
    ) -> Result<Option<Forest<T>>, String> {
        let Some(bytes) = node.raw(PACKED)? else { return Ok(None) };
        Forest::read(bytes, targets, features)
            .map(Some)
            .ok_or_else(|| format!("the attribute '{PACKED}' is not of such trees"))
    }

    /// Builds the trees of lists.
    pub(crate) fn new(
        lists: &Lists<T>,
        targets: usize,
        features: usize,
    ) -> Result<Forest<T>, String> {
        let Lists { tree_ids, node_ids, feature_ids, modes, thresholds, yes, no, missing, .. } =
            lists;
        let count = node_ids.len();
        let lengths =
            [tree_ids.len(), feature_ids.len(), modes.len(), thresholds.len(), yes.len(), no.len()];
        if lengths != [count; 6] || !(missing.is_empty() || missing.len() == count) || count == 0 {
            return Err(format!(
                "lists of {count} node ids, {lengths:?} tree ids, features, modes, thresholds, \
                 true and false ids, and {} of what is true for NaN, expected equal lengths",
                missing.len()
            ));
        }
        let index = Index::new(tree_ids, node_ids)?;

        let mut nodes = Vec::with_capacity(count);
        for i in 0..count {
            let at = || format!("node {} of tree {}", node_ids[i], tree_ids[i]);
            let mut it = TreeNode { value: thresholds[i], test: LEAF, yes: 0, no: 0 };
            if &*modes[i] != "LEAF" {
                let mode = MODES.iter().position(|mode| *mode == &*modes[i]).ok_or_else(|| {
                    format!("{} of mode '{}', expected LEAF or one of {MODES:?}", at(), modes[i])
                })?;
                let feature = usize::try_from(feature_ids[i]).ok();
                let feature = feature.filter(|&f| f < features && f < 1 << FEATURE_BITS);
                let feature = feature.ok_or_else(|| {
                    format!("{} tests feature {} of {features}", at(), feature_ids[i])
                })?;
                it.test = feature as u32 | (mode as u32) << FEATURE_BITS;
                if missing.get(i) == Some(&1) {
                    it.test |= MISSING_IS_TRUE;
                }
                for (id, child) in [(yes[i], &mut it.yes), (no[i], &mut it.no)] {
                    *child = index.find(tree_ids[i], id).ok_or_else(|| {
                        format!("{} goes on to node {id}, which its tree does not have", at())
                    })?;
                }
            }
            nodes.push(it);
        }
        let starts = |i: &usize| *i == 0 || tree_ids[*i] != tree_ids[*i - 1];
        let roots: Vec<u32> = (0..count).filter(starts).map(|i| i as u32).collect();
        refuse_cycles(&nodes, &roots)?;

        let votes = votes(lists, targets, &index, &mut nodes)?;
        let plain = nodes.iter().all(|it| it.test == LEAF || it.test < 1 << FEATURE_BITS);
        let only_target = votes.first().map(|vote| vote.target).filter(|&target| {
            votes.iter().all(|vote| vote.target == target)
                && nodes.iter().all(|it| it.test != LEAF || it.no == 1)
        });
        let tree_count = roots.len();
        let first_only = targets == 1 || only_target.is_some();
        let walk =
            match trees(&nodes, &roots, features, first_only) {
                Some(trees) if first_only => Walk::Weights(trees),
                Some(trees) => {
                    let leaves = nodes.iter().filter(|node| node.test == LEAF).map(|leaf| {
                        LeafVotes { weight: leaf.value, start: leaf.yes, count: leaf.no }
                    });
                    let leaves: Vec<LeafVotes<T>> = leaves.collect();
                    if let Some(trees) = by_target(&trees, &leaves, &votes, targets) {
                        Walk::of_targets(trees)
                    } else if let Some((votes, width)) = rows_of_votes(&leaves, &votes, targets) {
                        Walk::Rows { trees, votes, width, voted: vec![true; targets] }
                    } else {
                        Walk::Leaves { trees, leaves, votes }
                    }
                }
                None => Walk::Nodes { nodes, roots, votes, plain },
            };
        Ok(Forest { walk, tree_count, only_target })
    }

    /// Visits the leaf of each tree that a row comes to, in the file's order. Of several targets all
    /// votes are there; of a single one the first weight is.
    pub(crate) fn each_leaf(&self, row: &[T], mut visit: impl FnMut(Leaf<'_, T>)) {
        match (&self.walk, T::singles(row)) {
            (Walk::Weights(trees), Some(row)) => {
                each_found(trees, row, |bits| {
                    let weight = T::from_f64(f32::from_bits(bits).into());
                    let vote = self.only_target.map(|target| Vote { target, weight });
                    visit(Leaf { weight, votes: vote.as_slice() });
                });
            }
            (Walk::ByTarget { by_target, .. }, Some(row)) => {
                for (target, trees) in by_target.iter().enumerate() {
                    let Some(trees) = trees else { continue };
                    each_found(trees, row, |bits| {
                        let weight = T::from_f64(f32::from_bits(bits).into());
                        visit(Leaf { weight, votes: &[Vote { target, weight }] });
                    });
                }
            }
            (Walk::Rows { trees, votes, width, voted }, Some(row)) => {
                let targets = voted.len();
                let mut of_leaf = Vec::with_capacity(targets);
                each_found(trees, row, |leaf| {
                    let weights = votes[leaf as usize * width..][..targets].iter();
                    let weights = weights.map(|&weight| T::from_f64(weight.into()));
                    let votes = weights.enumerate().map(|(target, weight)| Vote { target, weight });
                    of_leaf.clear();
                    of_leaf.extend(votes);
                    visit(Leaf { weight: of_leaf[0].weight, votes: &of_leaf });
                });
            }
            (Walk::Leaves { trees, leaves, votes }, Some(row)) => {
                each_found(trees, row, |leaf| {
                    let LeafVotes { weight, start, count } = &leaves[leaf as usize];
                    let start = *start as usize;
                    visit(Leaf { weight: *weight, votes: &votes[start..start + *count as usize] });
                });
            }
            (Walk::Nodes { nodes, roots, votes, plain }, _) => {
                let mut leaves = Vec::with_capacity(roots.len());
                T::leaves(nodes, *plain, roots, row, &mut leaves);
                for leaf in leaves {
                    let leaf = &nodes[leaf as usize];
                    let (start, count) = (leaf.yes as usize, leaf.no as usize);
                    visit(Leaf { weight: leaf.value, votes: &votes[start..start + count] });
                }
            }
            _ => unreachable!("only float32 has such trees"),
        }
    }

    /// For each of several rows the sum of the leaves' first weights, from left to right.
    pub(crate) fn sums(&self, rows: &[T], features: usize, sums: &mut [T]) {
        if let Walk::Weights(trees) = &self.walk
            && let Some(rows) = T::singles(rows)
            && let Some(sums) = T::singles_mut(sums)
        {
            return trees.sum(rows, sums);
        }
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = T::default();
            self.each_leaf(&rows[i * features..(i + 1) * features], |leaf| *sum += leaf.weight);
        }
    }

    /// For each row the sums of all targets; `None` if that must be done leaf by leaf.
    pub(crate) fn sums_of_targets(&self, rows: &[T], features: usize) -> Option<Sums<'_, T>> {
        let count = rows.len() / features;
        let rows = T::singles(rows)?;
        match &self.walk {
            Walk::Rows { trees, votes, width, voted } => {
                let mut sums = tvec![T::default(); count * width];
                trees.add_votes(rows, votes, *width, T::singles_mut(&mut sums)?);
                Some(Sums { sums, stride: *width, voted })
            }
            Walk::ByTarget { by_target, voted } => {
                let stride = by_target.len();
                let mut sums = tvec![T::default(); count * stride];
                let mut column: TVec<f32> = tvec![0.0; count];
                for (target, trees) in by_target.iter().enumerate() {
                    let Some(trees) = trees else { continue };
                    trees.sum(rows, &mut column);
                    let sums = T::singles_mut(&mut sums)?;
                    columns::copy_column(&column, 1, 0, sums, stride, target);
                }
                Some(Sums { sums, stride, voted })
            }
            Walk::Nodes { .. } | Walk::Weights(_) | Walk::Leaves { .. } => None,
        }
    }

    pub(crate) fn tree_count(&self) -> usize {
        self.tree_count
    }
}

/// The attribute that has a forest in bytes in the place of the lists: see [`crate::pack`].
pub(crate) const PACKED: &str = "foretold_packed";
const WEIGHTS: u32 = 0;
const LEAVES: u32 = 1;
const BY_TARGET: u32 = 2;
const ROWS: u32 = 3;
const NO_TARGET: u32 = u32::MAX;

impl<T: Row> Forest<T> {
    /// The forest in bytes, if its nodes are small ones.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let number = |bytes: &mut Vec<u8>, number: u32| {
            bytes.extend_from_slice(&number.to_le_bytes());
        };
        let only_target = self.only_target.map_or(Some(NO_TARGET), |it| u32::try_from(it).ok())?;
        match &self.walk {
            Walk::Nodes { .. } => return None,
            Walk::Weights(trees) => {
                [WEIGHTS, only_target].into_iter().for_each(|it| number(&mut bytes, it));
                trees.write(&mut bytes);
            }
            Walk::ByTarget { by_target, .. } => {
                [BY_TARGET, only_target].into_iter().for_each(|it| number(&mut bytes, it));
                number(&mut bytes, self.tree_count as u32);
                for trees in by_target {
                    number(&mut bytes, trees.is_some().into());
                    trees.iter().for_each(|trees| trees.write(&mut bytes));
                }
            }
            Walk::Rows { trees, votes, .. } => {
                [ROWS, only_target].into_iter().for_each(|it| number(&mut bytes, it));
                trees.write(&mut bytes);
                number(&mut bytes, votes.len() as u32);
                votes.iter().for_each(|vote| number(&mut bytes, vote.to_bits()));
            }
            Walk::Leaves { trees, leaves, votes } => {
                [LEAVES, only_target].into_iter().for_each(|it| number(&mut bytes, it));
                trees.write(&mut bytes);
                number(&mut bytes, leaves.len() as u32);
                for LeafVotes { weight, start, count } in leaves {
                    let weight = (weight.to_f64() as f32).to_bits();
                    [weight, *start, *count].into_iter().for_each(|it| number(&mut bytes, it));
                }
                number(&mut bytes, votes.len() as u32);
                for Vote { target, weight } in votes {
                    let weight = (weight.to_f64() as f32).to_bits();
                    [*target as u32, weight].into_iter().for_each(|it| number(&mut bytes, it));
                }
            }
        }
        Some(bytes)
    }

    /// Reads what [`Forest::write`] wrote.
    fn read(bytes: &[u8], targets: usize, features: usize) -> Option<Forest<T>> {
        T::singles(&[])?;
        let weight = |bits: u32| T::from_f64(f32::from_bits(bits).into());
        let mut rest = bytes;
        let (kind, only_target) = (take_number(&mut rest)?, take_number(&mut rest)?);
        let only_target = Some(only_target as usize).filter(|_| only_target != NO_TARGET);
        if only_target.is_some_and(|target| target >= targets) {
            return None;
        }
        let trees = |rest: &mut &[u8]| {
            let trees;
            (trees, *rest) = Trees::read(rest)?;
            Some(trees).filter(|trees| trees.features() == features)
        };
        let (walk, tree_count) = match kind {
            WEIGHTS if targets == 1 || only_target.is_some() => {
                let trees = trees(&mut rest)?;
                let count = trees.len();
                (Walk::Weights(trees), count)
            }
            BY_TARGET => {
                let count = take_number(&mut rest)? as usize;
                let by_target = (0..targets).map(|_| match take_number(&mut rest)? {
                    0 => Some(None),
                    _ => trees(&mut rest).map(Some),
                });
                let by_target: Vec<Option<Trees>> = by_target.collect::<Option<_>>()?;
                if by_target.iter().flatten().map(Trees::len).sum::<usize>() != count {
                    return None;
                }
                (Walk::of_targets(by_target), count)
            }
            ROWS if targets > 0 => {
                let (trees, width) = (trees(&mut rest)?, width_of_votes(targets));
                let count = take_number(&mut rest)? as usize;
                // What it grew out of would be part of a snapshot.
                let mut votes = Vec::with_capacity(count.min(rest.len() / 4));
                for _ in 0..count {
                    votes.push(f32::from_bits(take_number(&mut rest)?));
                }
                let rows = votes.len() / width;
                if trees.found().any(|row| row as usize >= rows) {
                    return None;
                }
                let count = trees.len();
                (Walk::Rows { trees, votes, width, voted: vec![true; targets] }, count)
            }
            LEAVES => {
                let trees = trees(&mut rest)?;
                let count = take_number(&mut rest)?;
                let mut leaves = Vec::with_capacity((count as usize).min(rest.len() / 12));
                for _ in 0..count {
                    let [bits, start, count] =
                        [take_number(&mut rest)?, take_number(&mut rest)?, take_number(&mut rest)?];
                    leaves.push(LeafVotes { weight: weight(bits), start, count });
                }
                let count = take_number(&mut rest)?;
                let mut votes = Vec::with_capacity((count as usize).min(rest.len() / 8));
                for _ in 0..count {
                    let (target, bits) =
                        (take_number(&mut rest)? as usize, take_number(&mut rest)?);
                    votes.push(Vote { target, weight: weight(bits) });
                }
                let are_there = |leaf: &LeafVotes<T>| {
                    u64::from(leaf.start) + u64::from(leaf.count) <= votes.len() as u64
                };
                if !leaves.iter().all(are_there)
                    || votes.iter().any(|vote| vote.target >= targets)
                    || trees.found().any(|leaf| leaf as usize >= leaves.len())
                {
                    return None;
                }
                let count = trees.len();
                (Walk::Leaves { trees, leaves, votes }, count)
            }
            _ => return None,
        };
        rest.is_empty().then_some(Forest { walk, tree_count, only_target })
    }
}

/// Trees whose leaves hold the weights of their votes, for each target; `None` where a tree has votes
/// for several, or a leaf not one vote.
fn by_target<T: Row>(
    trees: &Trees,
    leaves: &[LeafVotes<T>],
    votes: &[Vote<T>],
    targets: usize,
) -> Option<Vec<Option<Trees>>> {
    let mut parts: Vec<(Vec<Source>, Vec<u32>)> = vec![Default::default(); targets];
    let mut nodes = Vec::new();
    for tree in 0..trees.len() {
        nodes.clear();
        trees.copy_tree(tree, &mut nodes);
        let mut only = None;
        for node in &mut nodes {
            let Source::Leaf(leaf) = node else { continue };
            let LeafVotes { weight, start, count: 1 } = leaves[*leaf as usize] else { return None };
            let target = votes[start as usize].target;
            if *only.get_or_insert(target) != target {
                return None;
            }
            *leaf = (weight.to_f64() as f32).to_bits();
        }
        let (of_target, roots) = &mut parts[only?];
        let first = of_target.len();
        roots.push(first as u32);
        of_target.extend(nodes.iter().map(|node| moved(node, first)));
    }
    let part = |(nodes, roots): &(Vec<Source>, Vec<u32>)| match roots.is_empty() {
        true => Some(None),
        false => Trees::new(nodes, roots, trees.features()).map(Some),
    };
    parts.iter().map(part).collect()
}

/// A node of a tree that begins at `first` instead of 0.
fn moved(node: &Source, first: usize) -> Source {
    match *node {
        Source::Branch { feature, threshold, missing, yes, no } => {
            Source::Branch { feature, threshold, missing, yes: yes + first, no: no + first }
        }
        leaf @ Source::Leaf(_) => leaf,
    }
}

/// How many votes are kept for each leaf of [`Walk::Rows`].
fn width_of_votes(targets: usize) -> usize {
    targets.next_multiple_of(4)
}

/// A row of votes for each leaf, and its width; `None` where a leaf has not one vote for each target.
fn rows_of_votes<T: Float>(
    leaves: &[LeafVotes<T>],
    votes: &[Vote<T>],
    targets: usize,
) -> Option<(Vec<f32>, usize)> {
    let width = width_of_votes(targets);
    let mut rows = Vec::with_capacity(leaves.len() * width);
    let mut row = vec![None; targets];
    for leaf in leaves {
        if leaf.count as usize != targets {
            return None;
        }
        row.fill(None);
        for vote in &votes[leaf.start as usize..][..targets] {
            if row[vote.target].replace(vote.weight.to_f64() as f32).is_some() {
                return None;
            }
        }
        rows.extend(row.iter().copied().map(Option::unwrap_or_default));
        rows.resize(rows.len().next_multiple_of(width), 0.0);
    }
    Some((rows, width))
}

/// What a row finds in trees, tree by tree.
fn each_found(trees: &Trees, row: &[f32], mut visit: impl FnMut(u32)) {
    let mut found = [0; 64];
    for first in (0..trees.len()).step_by(found.len()) {
        let found = &mut found[..(trees.len() - first).min(64)];
        trees.find(row, first, found);
        found.iter().for_each(|&found| visit(found));
    }
}

/// The nodes as [`Trees`], if they are of float32 and fit. A leaf holds the bits of its first
/// weight, or its position among the leaves.
fn trees<T: Row>(
    nodes: &[TreeNode<T>],
    roots: &[u32],
    features: usize,
    weights: bool,
) -> Option<Trees> {
    T::singles(&[])?;
    let mut leaves = 0;
    let sources = nodes.iter().map(|node| {
        if node.test != LEAF {
            return branch(node);
        }
        let position = leaves;
        leaves += 1;
        let weight = node.value.to_f64() as f32;
        Some(Source::Leaf(if weights { weight.to_bits() } else { position }))
    });
    Trees::new(&sources.collect::<Option<Vec<_>>>()?, roots, features)
}

/// A node's test as one of `x <= threshold`, if it is the same as one.
fn branch<T: Float>(node: &TreeNode<T>) -> Option<Source> {
    let threshold = node.value.to_f64() as f32;
    let is_missing_yes = node.test & MISSING_IS_TRUE != 0;
    let feature = (node.test & ((1 << FEATURE_BITS) - 1)) as usize;
    let (yes, no) = (node.yes as usize, node.no as usize);
    // Below a number is at most the one before it, of which minus infinity has none.
    let below = Some(threshold.next_down()).filter(|_| threshold > f32::NEG_INFINITY);
    let at_most =
        |threshold, missing| Some(Source::Branch { feature, threshold, missing, yes, no });
    // The other way round, so what does not hold for NaN does.
    let above = |threshold: f32| {
        let (yes, no, missing) = (no, yes, !is_missing_yes);
        let known = !threshold.is_nan();
        known.then_some(Source::Branch { feature, threshold, missing, yes, no })
    };
    match (node.test >> FEATURE_BITS) & 7 {
        0 => at_most(threshold, is_missing_yes),
        1 => at_most(below?, is_missing_yes),
        2 => above(below?),
        3 => above(threshold),
        _ => None,
    }
}

/// Finds a node by tree and id.
struct Index(Vec<(i64, i64, u32)>);

impl Index {
    fn new(tree_ids: &[i64], node_ids: &[i64]) -> Result<Index, String> {
        let ids = tree_ids.iter().zip(node_ids).zip(0..);
        let mut sorted: Vec<_> = ids.map(|((&tree, &id), at)| (tree, id, at)).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|it| (it[0].0, it[0].1) == (it[1].0, it[1].1)) {
            return Err(format!("two nodes {} in tree {}", pair[0].1, pair[0].0));
        }
        let runs = 1 + tree_ids.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let trees = 1 + sorted.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        if runs != trees {
            return Err("the nodes of a tree are not next to each other".into());
        }
        Ok(Index(sorted))
    }

    fn find(&self, tree: i64, id: i64) -> Option<u32> {
        let at = self.0.binary_search_by_key(&(tree, id), |&(tree, id, _)| (tree, id)).ok()?;
        Some(self.0[at].2)
    }
}

/// Makes sure that every way from a root ends in a leaf. A node may have several parents: exports
/// of set membership do that.
fn refuse_cycles<T>(nodes: &[TreeNode<T>], roots: &[u32]) -> Result<(), String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Not,
        Open,
        Done,
    }
    let mut visits = vec![Visit::Not; nodes.len()];
    let mut open = roots.to_vec();
    while let Some(&at) = open.last() {
        let at = at as usize;
        let node = &nodes[at];
        if visits[at] != Visit::Not || node.test == LEAF {
            visits[at] = Visit::Done;
            open.pop();
            continue;
        }
        visits[at] = Visit::Open;
        for child in [node.yes, node.no] {
            match visits[child as usize] {
                Visit::Not => open.push(child),
                Visit::Open => return Err("a tree whose nodes go round in a circle".into()),
                Visit::Done => {}
            }
        }
    }
    Ok(())
}

/// Reads the votes and hands them to the leaves. As in onnxruntime, votes of other nodes count for
/// nothing.
fn votes<T: Float>(
    lists: &Lists<T>,
    targets: usize,
    index: &Index,
    nodes: &mut [TreeNode<T>],
) -> Result<Vec<Vote<T>>, String> {
    let Lists { prefix, vote_tree_ids: tree_ids, vote_node_ids: node_ids, .. } = lists;
    let Lists { target_ids, weights, .. } = lists;
    let count = weights.len();
    if [tree_ids.len(), node_ids.len(), target_ids.len()] != [count; 3] {
        return Err(format!(
            "lists of {} tree ids, {} node ids, {} {prefix} ids and {count} weights of votes, \
             expected equal lengths",
            tree_ids.len(),
            node_ids.len(),
            target_ids.len()
        ));
    }
    let mut of_leaves = Vec::with_capacity(count);
    for i in 0..count {
        let target = usize::try_from(target_ids[i]).ok().filter(|&target| target < targets);
        let target =
            target.ok_or_else(|| format!("a vote for {prefix} {} of {targets}", target_ids[i]))?;
        let at = index.find(tree_ids[i], node_ids[i]).ok_or_else(|| {
            format!("a vote of node {} of tree {}, which is not there", node_ids[i], tree_ids[i])
        })?;
        if nodes[at as usize].test == LEAF {
            of_leaves.push((at, Vote { target, weight: weights[i] }));
        }
    }
    // A stable sort, which keeps the file's order within a leaf.
    of_leaves.sort_by_key(|&(at, _)| at);
    for (position, &(at, vote)) in of_leaves.iter().enumerate() {
        let leaf = &mut nodes[at as usize];
        if leaf.no == 0 {
            leaf.value = vote.weight;
            leaf.yes = position as u32;
        }
        leaf.no += 1;
    }
    Ok(of_leaves.into_iter().map(|(_, vote)| vote).collect())
}

/// Floats of an attribute, or of the one that holds them as a tensor, which may be of float64.
pub(crate) fn floats<T: Float>(node: &Node<'_>, name: &str) -> Result<Vec<T>, String> {
    let Some(tensor) = node.tensor(&format!("{name}_as_tensor"))? else {
        return Ok(node.floats(name)?.iter().map(|&value| T::from_f64(value.into())).collect());
    };
    match View::of(&tensor).map_err(|e| e.to_string())? {
        View::F32(values) => Ok(values.iter().map(|&value| T::from_f64(value.into())).collect()),
        View::F64(values) => Ok(values.iter().map(|&value| T::from_f64(value)).collect()),
        _ => Err(format!("the attribute '{name}_as_tensor' is not of floats")),
    }
}

/// Rows of the input as thresholds are: without a copy where the types are the same.
pub(crate) trait Row: Float {
    fn rows<'a>(source: &'a View<'a>, buffer: &'a mut Vec<Self>) -> &'a [Self];

    /// The same numbers, if they are of float32.
    fn singles(numbers: &[Self]) -> Option<&[f32]>;
    fn singles_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;
}

impl Row for f32 {
    fn rows<'a>(source: &'a View<'a>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        product::rows(source, buffer)
    }

    fn singles(numbers: &[f32]) -> Option<&[f32]> {
        Some(numbers)
    }

    fn singles_mut(numbers: &mut [f32]) -> Option<&mut [f32]> {
        Some(numbers)
    }
}

impl Row for f64 {
    fn rows<'a>(source: &'a View<'a>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
        if let View::F64(source) = source {
            return source;
        }
        buffer.clear();
        buffer.extend((0..source.len()).map(|i| source.number(i)));
        buffer
    }

    fn singles(_: &[f64]) -> Option<&[f32]> {
        None
    }

    fn singles_mut(_: &mut [f64]) -> Option<&mut [f32]> {
        None
    }
}
