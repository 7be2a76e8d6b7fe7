//! `ai.onnx.ml.TreeEnsemble`: the operator that took the place of both others in version 5.
//!
//! Its nodes refer to each other by position, its leaves stand in lists of their own, and a node may
//! ask whether a feature is one of several numbers: that is a chain of nodes which each ask for one.

use std::collections::BTreeMap;

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::ml::forest::{Forest, Lists, MODES, Row};
use crate::ops::ml::post_transform::PostTransform;
use crate::ops::ml::tree_ensemble_regressor::{Aggregate, TreeEnsembleRegressor};
use crate::tensor::{Element, Fact, View};

/// The number of the mode that asks for several numbers; those below are [`MODES`].
const MEMBER: u8 = 6;

/// The most nodes that the chains may have in all.
const MAX_NODES: usize = 1 << 24;

pub(crate) fn tree_ensemble(node: &Node<'_>) -> Result<Built, String> {
    match node.input(0)?.float()? {
        Element::F64 => build::<f64>(node),
        _ => build::<f32>(node),
    }
}

fn build<T: Row>(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    let (rows, features) = input.fact.matrix()?;
    let targets = node.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|&it| (1..1 << 16).contains(&it));
    let targets = targets.ok_or("the attribute 'n_targets' is not from 1 to 65535")?;
    let aggregate = match node.int("aggregate_function")?.unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(format!("the attribute 'aggregate_function' is {other}")),
    };
    let post_transform = match node.int("post_transform")?.unwrap_or(0) {
        0 => PostTransform::None,
        // A single target has no transform but PROBIT.
        1..=3 if targets == 1 => PostTransform::None,
        number @ (1 | 2) => {
            return Err(format!(
                "the attribute 'post_transform' is {number}, which is {} in the standard and the \
                 other one in onnxruntime; export it as an operator of its own",
                if number == 1 {
                    "SOFTMAX, and not LOGISTIC,"
                } else {
                    "LOGISTIC, and not SOFTMAX,"
                }
            ));
        }
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => return Err(format!("the attribute 'post_transform' is {other}, expected 0 to 4")),
    };
    let forest = match Forest::packed(node, targets, features)? {
        Some(forest) => forest,
        None => Forest::new(&rounded(Source::of(node)?.lists()?), targets, features)?,
    };
    let kernel = TreeEnsembleRegressor {
        forest,
        features,
        base_values: vec![T::default(); targets],
        aggregate,
        post_transform,
    };
    Ok(Built::map(kernel, Fact::new(input.fact.element, [rows, targets])))
}

/// Lists with the numbers in the type of the input.
fn rounded<T: Row>(lists: Lists<f64>) -> Lists<T> {
    let round = |numbers: &[f64]| numbers.iter().map(|&number| T::from_f64(number)).collect();
    Lists {
        thresholds: round(&lists.thresholds),
        weights: round(&lists.weights),
        tree_ids: lists.tree_ids,
        node_ids: lists.node_ids,
        feature_ids: lists.feature_ids,
        modes: lists.modes,
        yes: lists.yes,
        no: lists.no,
        missing: lists.missing,
        prefix: lists.prefix,
        vote_tree_ids: lists.vote_tree_ids,
        vote_node_ids: lists.vote_node_ids,
        target_ids: lists.target_ids,
    }
}

/// The attributes, all numbers as float64.
struct Source<'a> {
    modes: Vec<u8>,
    feature_ids: &'a [i64],
    splits: Vec<f64>,
    /// Where to go if the test holds and otherwise, and whether that is a leaf.
    ways: [(&'a [i64], &'a [i64]); 2],
    missing: &'a [i64],
    /// For each node that asks for several numbers these.
    members: BTreeMap<usize, Vec<f64>>,
    roots: &'a [i64],
    leaf_targets: &'a [i64],
    leaf_weights: Vec<f64>,
}

impl<'a> Source<'a> {
    fn of(node: &Node<'a>) -> Result<Source<'a>, String> {
        node.ignore(&["nodes_hitrates"]);
        let modes = node.bytes("nodes_modes")?.ok_or("it has no attribute 'nodes_modes'")?;
        let ways = [
            (node.ints("nodes_truenodeids")?, node.ints("nodes_trueleafs")?),
            (node.ints("nodes_falsenodeids")?, node.ints("nodes_falseleafs")?),
        ];
        let feature_ids = node.ints("nodes_featureids")?;
        let splits = tensor(node, "nodes_splits")?;
        let missing = node.ints("nodes_missing_value_tracks_true")?;
        let (leaf_targets, leaf_weights) =
            (node.ints("leaf_targetids")?, tensor(node, "leaf_weights")?);
        let count = modes.len();
        let mut lengths = vec![feature_ids.len(), splits.len()];
        lengths.extend(ways.iter().flat_map(|(ids, leaves)| [ids.len(), leaves.len()]));
        if lengths.iter().any(|&length| length != count)
            || !(missing.is_empty() || missing.len() == count)
            || leaf_targets.len() != leaf_weights.len()
        {
            return Err(format!(
                "{count} modes, {lengths:?} features, splits, true and false ids and leaves, {} of \
                 what is true for NaN, and {} and {} targets and weights of leaves, expected equal \
                 lengths",
                missing.len(),
                leaf_targets.len(),
                leaf_weights.len()
            ));
        }
        if let Some(mode) = modes.iter().find(|&&mode| mode > MEMBER) {
            return Err(format!("a node of mode {mode}, expected 0 to {MEMBER}"));
        }
        // NaN ends the numbers of a node.
        let values: Vec<f64> = tensor(node, "membership_values")?;
        let mut sets = values.split_inclusive(|value| value.is_nan());
        let mut members = BTreeMap::new();
        for (at, _) in modes.iter().enumerate().filter(|(_, mode)| **mode == MEMBER) {
            let set = sets.next().and_then(|set| set.split_last()).map(|(_, set)| set.to_vec());
            members.insert(at, set.ok_or("nodes without membership values")?);
        }
        if sets.next().is_some() {
            return Err("membership values of no node".into());
        }
        let roots = node.ints("tree_roots")?;
        Ok(Source {
            modes,
            feature_ids,
            splits,
            ways,
            missing,
            members,
            roots,
            leaf_targets,
            leaf_weights,
        })
    }

    fn lists(&self) -> Result<Lists<f64>, String> {
        let mut lists = Lists { prefix: "target", ..Lists::default() };
        for (tree, &root) in self.roots.iter().enumerate() {
            let root = usize::try_from(root).ok().filter(|&root| root < self.modes.len());
            self.tree(tree as i64, root.ok_or("a root that is not there")?, &mut lists)?;
        }
        Ok(lists)
    }

    /// Appends a tree: its nodes get ids in the order in which they are met.
    fn tree(&self, tree: i64, root: usize, lists: &mut Lists<f64>) -> Result<(), String> {
        let mut ids = BTreeMap::from([((self.is_leaf(root), root), 0_i64)]);
        let mut next = 1;
        let mut open = vec![(self.is_leaf(root), root)];
        while let Some((is_leaf, at)) = open.pop() {
            let id = ids[&(is_leaf, at)];
            if is_leaf {
                let leaf = if at == root && id == 0 { self.ways[0].0[at] } else { at as i64 };
                let leaf = usize::try_from(leaf).ok().filter(|&at| at < self.leaf_weights.len());
                let leaf = leaf.ok_or("a leaf that is not there")?;
                self.node(tree, id, ("LEAF", 0, 0.0), [0, 0], 0, lists);
                lists.vote_tree_ids.push(tree);
                lists.vote_node_ids.push(id);
                lists.target_ids.push(self.leaf_targets[leaf]);
                lists.weights.push(self.leaf_weights[leaf]);
                continue;
            }
            let mut children = [0; 2];
            for (child, (positions, leaves)) in children.iter_mut().zip(self.ways) {
                let is_leaf = leaves[at] != 0;
                let bound = if is_leaf { self.leaf_weights.len() } else { self.modes.len() };
                let position = usize::try_from(positions[at]).ok().filter(|&it| it < bound);
                let position = position.ok_or_else(|| {
                    format!("node {at} goes on to {}, which is not there", positions[at])
                })?;
                *child = *ids.entry((is_leaf, position)).or_insert_with(|| {
                    open.push((is_leaf, position));
                    next += 1;
                    next - 1
                });
            }
            let missing = self.missing.get(at).copied().unwrap_or(0);
            let feature = self.feature_ids[at];
            let Some(members) = self.members.get(&at) else {
                let test = (MODES[usize::from(self.modes[at])], feature, self.splits[at]);
                self.node(tree, id, test, children, missing, lists);
                continue;
            };
            let [yes, no] = children;
            let mut id = id;
            for (i, &member) in members.iter().enumerate() {
                let otherwise = if i + 1 == members.len() {
                    no
                } else {
                    next += 1;
                    next - 1
                };
                self.node(
                    tree,
                    id,
                    ("BRANCH_EQ", feature, member),
                    [yes, otherwise],
                    missing,
                    lists,
                );
                id = otherwise;
            }
            if members.is_empty() {
                // One of no numbers: never.
                return Err(format!("node {at} asks for one of no numbers"));
            }
            if lists.node_ids.len() > MAX_NODES {
                return Err(format!("more than {MAX_NODES} nodes"));
            }
        }
        Ok(())
    }

    /// Whether a root is a leaf: both its ways lead to the same one.
    fn is_leaf(&self, root: usize) -> bool {
        let [(yes, yes_leaves), (no, no_leaves)] = self.ways;
        yes_leaves[root] != 0 && no_leaves[root] != 0 && yes[root] == no[root]
    }

    fn node(
        &self,
        tree: i64,
        id: i64,
        (mode, feature, value): (&str, i64, f64),
        [yes, no]: [i64; 2],
        missing: i64,
        lists: &mut Lists<f64>,
    ) {
        lists.tree_ids.push(tree);
        lists.node_ids.push(id);
        lists.modes.push(mode.to_owned());
        lists.feature_ids.push(feature);
        lists.thresholds.push(value);
        lists.yes.push(yes);
        lists.no.push(no);
        lists.missing.push(missing);
    }
}

/// The floats of a tensor; none where it is left out.
fn tensor(node: &Node<'_>, name: &str) -> Result<Vec<f64>, String> {
    let Some(tensor) = node.tensor(name)? else { return Ok(vec![]) };
    match View::of(&tensor).map_err(|e| e.to_string())? {
        View::F32(values) => Ok(values.iter().map(|&value| value.into()).collect()),
        View::F64(values) => Ok(values.to_vec()),
        _ => Err(format!("the attribute '{name}' is not of floats")),
    }
}
