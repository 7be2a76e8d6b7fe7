//! What a tensor of the graph is made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::{GraphProto, NodeProto};

/// The node that gives each tensor.
pub(crate) struct Givers<'a>(BTreeMap<&'a str, &'a NodeProto>);

impl<'a> Givers<'a> {
    pub(crate) fn of(graph: &'a GraphProto) -> Givers<'a> {
        let outputs =
            graph.node.iter().flat_map(|node| node.output.iter().map(move |it| (it, node)));
        let named = outputs.filter(|(name, _)| !name.is_empty());
        Givers(named.map(|(name, node)| (name.as_str(), node)).collect())
    }

    /// The nodes that a tensor depends on, the nearest first.
    pub(crate) fn nodes(&self, tensor: &str) -> Vec<&'a NodeProto> {
        let mut nodes: Vec<&NodeProto> = Vec::new();
        let mut seen = BTreeSet::from([tensor]);
        let mut known: BTreeSet<*const NodeProto> = BTreeSet::new();
        let mut level = vec![tensor];
        while !level.is_empty() {
            let mut next = Vec::new();
            for node in level.iter().filter_map(|name| self.0.get(name).copied()) {
                // It may give several tensors.
                if known.insert(std::ptr::from_ref(node)) {
                    nodes.push(node);
                    let inputs = node.input.iter().map(String::as_str);
                    next.extend(inputs.filter(|name| seen.insert(name)));
                }
            }
            level = next;
        }
        nodes
    }

    /// The node that computes a tensor, before what only changes its type or shape.
    pub(crate) fn origin(&self, tensor: &str) -> Option<&'a NodeProto> {
        const CHANGES: [&str; 5] = ["Cast", "Identity", "Reshape", "Squeeze", "Flatten"];
        let mut node = self.0.get(tensor).copied()?;
        // A damaged file may have a circle.
        for _ in 0..self.0.len() {
            match node.input.first().filter(|_| CHANGES.contains(&&*node.op_type)) {
                Some(before) => node = self.0.get(before.as_str()).copied()?,
                None => return Some(node),
            }
        }
        None
    }

    /// The names of the tensors that some depend on, themselves among them.
    pub(crate) fn reached(&self, tensors: &[String]) -> BTreeSet<&'a str> {
        let nodes = tensors.iter().flat_map(|tensor| self.nodes(tensor));
        nodes.flat_map(|node| node.input.iter().map(String::as_str)).collect()
    }
}
