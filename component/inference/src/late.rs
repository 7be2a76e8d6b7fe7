//! A part of a graph whose shapes depend on the request, as that of skl2onnx's `KNNImputer`, which
//! picks the rows with something missing before it computes distances.
//!
//! Nothing in it can be built when a model is loaded. So it is cut out as one operator, whose
//! outputs have known shapes again, and built anew for each row, of which all values are known then.

use std::collections::BTreeSet;
use std::fmt;

use tract_hir::internal::*;

use crate::graph::reads;
use crate::ops::kernel::{Kernel, Missing};
use crate::proto::NodeProto;
use crate::tensor::{Fact, View, ViewMut, same_type};

/// The positions of nodes of a graph, and names.
pub(crate) struct Part {
    /// The nodes that are built late, and those between them.
    pub(crate) inside: BTreeSet<usize>,
    /// Those that depend on them.
    pub(crate) after: BTreeSet<usize>,
    /// What it reads of nodes before it, of inputs and of initializers.
    pub(crate) inputs: Vec<String>,
    /// What it gives to nodes after it, or as an output of the graph.
    pub(crate) outputs: Vec<String>,
}

impl Part {
    /// The part of a graph that has these nodes, which cannot be built for every request.
    pub(crate) fn around(late: &BTreeSet<usize>, nodes: &[NodeProto], wanted: &[String]) -> Part {
        let mut after = BTreeSet::new();
        let mut given: BTreeSet<&str> = BTreeSet::new();
        for (position, node) in nodes.iter().enumerate() {
            let depends = reads(node).iter().any(|name| given.contains(name));
            if depends || late.contains(&position) {
                after.insert(position);
                given.extend(node.output.iter().map(String::as_str));
            }
        }
        let mut inside = BTreeSet::new();
        let mut needed: BTreeSet<&str> = BTreeSet::new();
        for &position in after.iter().rev() {
            let node = &nodes[position];
            let is_needed = node.output.iter().any(|name| needed.contains(name.as_str()));
            if is_needed || late.contains(&position) {
                inside.insert(position);
                needed.extend(reads(node));
            }
        }
        after.retain(|position| !inside.contains(position));
        let of = |positions: &BTreeSet<usize>| positions.iter().map(|&it| &nodes[it]).collect();
        let (within, beyond): (Vec<&NodeProto>, Vec<&NodeProto>) = (of(&inside), of(&after));
        let outputs = within.iter().flat_map(|node| &node.output).map(String::as_str);
        let own: BTreeSet<&str> = outputs.filter(|name| !name.is_empty()).collect();
        let inputs = within.iter().flat_map(|node| reads(node));
        let inputs: BTreeSet<&str> = inputs.filter(|name| !own.contains(name)).collect();
        let read = beyond.iter().flat_map(|node| reads(node));
        let read: BTreeSet<&str> = read.chain(wanted.iter().map(String::as_str)).collect();
        let names = |names: &BTreeSet<&str>| names.iter().map(|&name| name.to_owned()).collect();
        let inputs = names(&inputs);
        let outputs = names(&read.intersection(&own).copied().collect());
        Part { inside, after, inputs, outputs }
    }
}

/// Gives the outputs of a part for a row.
type Compute = dyn Fn(&[View<'_>]) -> Result<Vec<Arc<Tensor>>, String> + Send + Sync;

/// A part as an operator.
pub(crate) struct Late {
    pub(crate) compute: Box<Compute>,
    /// Names, types and shapes, which are the same for all rows.
    pub(crate) outputs: Vec<(String, Fact)>,
}

impl Kernel for Late {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let found = (self.compute)(inputs)?;
        for ((tensor, (name, expected)), target) in found.iter().zip(&self.outputs).zip(outputs) {
            let fact = tensor.datum_type().fact(tensor.shape());
            let fact = Fact::of(&fact).map_err(|e| e.to_string())?;
            if fact != *expected {
                let (found, expected) = (fact.shape, &expected.shape);
                return Err(format!("'{name}' is of shape {found:?}, expected {expected:?}"));
            }
            let view = View::of(tensor).map_err(|e| e.to_string())?;
            same_type!(view, target, |source, target| target.clone_from_slice(source));
        }
        Ok(())
    }

    /// Which rows of it have something missing is what such a part is there for.
    fn missing(&self) -> Missing {
        Missing::Decides
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("outputs", &self.outputs).finish_non_exhaustive()
    }
}
