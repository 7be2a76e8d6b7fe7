//! tract's graph, made node by node.
//!
//! The inputs of a model have known shapes, and the nodes of a file come after what they read. So
//! it is enough to go forwards: a node is built for inputs whose types and shapes are known, and
//! what it is built of says what its outputs are. That also leaves one place to check attributes
//! against shapes, before tract's operators see them: some of them panic.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tract_hir::internal::*;

use crate::error::{LoadError, failed};
use crate::node::{Node, Operand, node_name, operator_name};
use crate::ops;
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};
use crate::tensor::{self, Fact};

/// A graph in the making.
struct Wires {
    model: TypedModel,
    /// Where the tensors are, by their names in the file.
    outlets: BTreeMap<String, OutletId>,
    opset: i64,
    ml_opset: i64,
    /// Sizes that dimensions of 1 were stretched to.
    stretched: Vec<usize>,
}

/// A graph of tract.
pub(crate) struct Wired {
    pub(crate) model: TypedModel,
    /// Sizes that dimensions of 1 of what depends on the request were stretched to.
    pub(crate) stretched: Vec<usize>,
}

/// Makes tract's graph with inputs of these names, types and shapes, and outputs of these names.
pub(crate) fn wire(
    graph: &GraphProto,
    operator_sets: &[OperatorSetIdProto],
    inputs: &[(String, Fact)],
    outputs: &[String],
) -> Result<Wired, LoadError> {
    let mut wires = Wires {
        model: TypedModel::default(),
        outlets: BTreeMap::new(),
        opset: opset(graph, operator_sets, ops::ONNX, OPSETS)?,
        ml_opset: opset(graph, operator_sets, ops::ML, ML_OPSETS)?,
        stretched: Vec::new(),
    };
    for (name, fact) in inputs {
        let outlet = wires.model.add_source(format!("input:{name}"), fact.typed());
        wires.outlets.insert(name.clone(), outlet.map_err(failed)?);
    }
    for initializer in &graph.initializer {
        let name = &initializer.name;
        let constant = tensor::read(initializer)
            .map_err(|reason| LoadError::Graph(format!("the initializer '{name}': {reason}")))?;
        let outlet = wires.model.add_const(format!("initializer:{name}"), constant);
        wires.outlets.insert(name.clone(), outlet.map_err(failed)?);
    }
    for (position, node) in graph.node.iter().enumerate() {
        wires.add(position, node)?;
    }
    let outlets = outputs.iter().map(|name| wires.outlet(name)).collect::<Result<TVec<_>, _>>()?;
    wires.model.select_output_outlets(&outlets).map_err(failed)?;
    Ok(Wired { model: wires.model, stretched: wires.stretched })
}

/// Versions of the operator sets that onnxruntime runs and the operators here were compared with:
/// what an earlier or a later one means by a name can differ.
const OPSETS: RangeInclusive<i64> = 7..=26;
const ML_OPSETS: RangeInclusive<i64> = 1..=5;

/// The version of an operator set, if the graph has an operator of it.
fn opset(
    graph: &GraphProto,
    operator_sets: &[OperatorSetIdProto],
    domain: &str,
    known: RangeInclusive<i64>,
) -> Result<i64, LoadError> {
    let newest = *known.end();
    if !graph.node.iter().any(|node| ops::domain(&node.domain) == domain) {
        return Ok(newest);
    }
    let name = if domain == ops::ONNX { "ai.onnx" } else { domain };
    let import = operator_sets.iter().find(|it| ops::domain(&it.domain) == domain);
    match import.map(|import| import.version) {
        Some(version) if known.contains(&version) => Ok(version),
        Some(version) => Err(LoadError::Graph(format!(
            "it is of version {version} of the operator set {name}, expected {} to {newest}; \
             export it with another target_opset",
            known.start()
        ))),
        None => Err(LoadError::Graph(format!(
            "it has operators of the set {name} and does not say of which version"
        ))),
    }
}

impl Wires {
    fn outlet(&self, name: &str) -> Result<OutletId, LoadError> {
        let outlet = self.outlets.get(name).copied();
        outlet.ok_or_else(|| LoadError::Graph(format!("nothing in it gives '{name}'")))
    }

    fn add(&mut self, position: usize, node: &NodeProto) -> Result<(), LoadError> {
        let build = ops::find(node)?;
        let failed = |reason| LoadError::Node {
            operator: operator_name(node),
            node: node_name(node),
            reason,
        };
        let show = |error: TractError| failed(format!("{error:#}"));
        let given = node.input.iter().filter(|name| !name.is_empty());
        let inputs = given.map(|name| self.outlet(name)).collect::<Result<TVec<_>, _>>()?;
        let facts = inputs.iter().map(|&input| {
            let fact = self.model.outlet_fact(input)?;
            Ok((Fact::of(fact)?, fact.konst.clone()))
        });
        let facts = facts.collect::<TractResult<Vec<_>>>().map_err(show)?;
        let mut known = facts.iter();
        let operands = node.input.iter().map(|name| {
            let input = if name.is_empty() { None } else { known.next() };
            input.map(|(fact, constant)| Operand { fact, constant: constant.as_deref() })
        });
        let operands = operands.collect();
        let view = Node::new(node, (self.opset, self.ml_opset), operands);
        let built =
            build(&view).and_then(|built| view.refuse_unread().map(|()| built)).map_err(failed)?;
        self.stretched.extend(view.stretched());

        // Names of nodes must differ in tract; in a file they need not.
        let name = format!("{position}:{}", node.name);
        let wired = built.wire(&node.op_type, &name, &mut self.model, &inputs).map_err(show)?;
        for (position, name) in node.output.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            let outlet = *wired.get(position).ok_or_else(|| {
                let (wanted, all) = (node.output.len(), wired.len());
                failed(format!("{wanted} outputs, expected at most {all}"))
            })?;
            self.model.outlet_fact(outlet).and_then(Fact::of).map_err(show)?;
            self.outlets.insert(name.clone(), outlet);
        }
        Ok(())
    }
}
