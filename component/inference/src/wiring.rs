//! tract's graph, made node by node.
//!
//! The inputs of a model have known shapes, and the nodes of a file come after what they read. So
//! it is enough to go forwards: a node is built for inputs whose types and shapes are known, and
//! what it is built of says what its outputs are. That also leaves one place to check attributes
//! against shapes, before tract's operators see them: some of them panic.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tract_hir::internal::*;

use crate::binding::Source;
use crate::error::{LoadError, failed};
use crate::graph;
use crate::node::{Node, Operand, node_name, operator_name};
use crate::ops::{self, Built};
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};
use crate::tensor::{self, Fact, Keys};

/// A graph in the making.
struct Wires {
    model: TypedModel,
    /// What the names of the file stand for.
    wires: BTreeMap<String, Wire>,
    opset: i64,
    ml_opset: i64,
    /// Sizes that dimensions of 1 were stretched to.
    stretched: Vec<usize>,
}

/// What a name of the file stands for.
#[derive(Clone)]
enum Wire {
    Tensor(OutletId),
    /// A map whose keys are known before the request.
    Map {
        keys: Keys,
        values: OutletId,
    },
    Sequence(Vec<OutletId>),
}

/// A graph of tract.
pub(crate) struct Wired {
    pub(crate) model: TypedModel,
    /// Of how many of its outputs each wanted one is: a sequence is of several.
    pub(crate) counts: Vec<usize>,
    /// Sizes that dimensions of 1 of what depends on the request were stretched to.
    pub(crate) stretched: Vec<usize>,
}

/// An input as the graph is to have it: name, type and shape, and the keys of a map.
pub(crate) type Input = (String, Fact, Option<Keys>);

/// The input that a source makes.
pub(crate) fn input(source: &Source) -> Input {
    (source.name.clone(), source.fact.clone(), source.keys.clone())
}

/// Makes tract's graph with inputs of these names, types and shapes, and outputs of these names.
pub(crate) fn wire(
    graph: &GraphProto,
    operator_sets: &[OperatorSetIdProto],
    inputs: &[Input],
    outputs: &[String],
) -> Result<Wired, LoadError> {
    let opset_of = |domain, known| opset(graph, operator_sets, domain, known);
    let opsets = (opset_of(ops::ONNX, OPSETS)?, opset_of(ops::ML, ML_OPSETS)?);
    let mut wires = Wires::new(opsets);
    for (name, fact, keys) in inputs {
        let values = wires.source(name, fact)?;
        let wire = match keys {
            Some(keys) => Wire::Map { keys: keys.clone(), values },
            None => Wire::Tensor(values),
        };
        wires.wires.insert(name.clone(), wire);
    }
    let counts = wires.graph(graph, outputs)?;
    Ok(Wired { model: wires.model, counts, stretched: wires.stretched })
}

/// Makes tract's graph of a graph inside a node; `constants` are those of the graph around it.
fn wire_body(
    opsets: (i64, i64),
    constants: &[(String, Arc<Tensor>)],
    body: &GraphProto,
    inputs: &[Fact],
) -> Result<TypedModel, LoadError> {
    if body.input.len() != inputs.len() {
        let (found, wanted) = (body.input.len(), inputs.len());
        return Err(LoadError::Graph(format!("{found} inputs, expected {wanted}")));
    }
    let mut wires = Wires::new(opsets);
    for (name, constant) in constants {
        wires.constant(name, constant.clone())?;
    }
    for (info, fact) in body.input.iter().zip(inputs) {
        let outlet = wires.source(&info.name, fact)?;
        wires.wires.insert(info.name.clone(), Wire::Tensor(outlet));
    }
    let outputs: Vec<String> = body.output.iter().map(|output| output.name.clone()).collect();
    let counts = wires.graph(body, &outputs)?;
    match counts.iter().all(|&count| count == 1) {
        true => Ok(wires.model),
        false => Err(LoadError::Graph("a sequence as an output".into())),
    }
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
    if !has_operator_of(graph, domain) {
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

/// Whether a graph has an operator of a domain, also in the graphs inside its nodes.
fn has_operator_of(graph: &GraphProto, domain: &str) -> bool {
    graph.node.iter().any(|node| {
        let mut bodies = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
        ops::domain(&node.domain) == domain || bodies.any(|body| has_operator_of(body, domain))
    })
}

fn find<'a>(wires: &'a BTreeMap<String, Wire>, name: &str) -> Result<&'a Wire, LoadError> {
    wires.get(name).ok_or_else(|| LoadError::Graph(format!("nothing in it gives '{name}'")))
}

impl Wires {
    fn new((opset, ml_opset): (i64, i64)) -> Wires {
        let (model, wires, stretched) = (TypedModel::default(), BTreeMap::new(), Vec::new());
        Wires { model, wires, opset, ml_opset, stretched }
    }

    fn source(&mut self, name: &str, fact: &Fact) -> Result<OutletId, LoadError> {
        self.model.add_source(format!("input:{name}"), fact.typed()).map_err(failed)
    }

    fn constant(&mut self, name: &str, constant: Arc<Tensor>) -> Result<(), LoadError> {
        let outlet = self.model.add_const(format!("initializer:{name}"), constant);
        self.wires.insert(name.to_owned(), Wire::Tensor(outlet.map_err(failed)?));
        Ok(())
    }

    /// Adds all of a graph, and says of how many outputs of the model each of these names is.
    fn graph(&mut self, graph: &GraphProto, outputs: &[String]) -> Result<Vec<usize>, LoadError> {
        for initializer in &graph.initializer {
            let name = &initializer.name;
            let constant = tensor::read(initializer).map_err(|reason| {
                LoadError::Graph(format!("the initializer '{name}': {reason}"))
            })?;
            self.constant(name, constant.into_arc_tensor())?;
        }
        for (position, node) in graph.node.iter().enumerate() {
            self.add(position, node)?;
        }
        let mut outlets: TVec<OutletId> = TVec::new();
        let mut counts = Vec::with_capacity(outputs.len());
        for name in outputs {
            let before = outlets.len();
            match find(&self.wires, name)? {
                Wire::Tensor(outlet) => outlets.push(*outlet),
                Wire::Sequence(elements) => outlets.extend(elements.iter().copied()),
                Wire::Map { .. } => {
                    return Err(LoadError::Graph(format!("the output '{name}' is a map")));
                }
            }
            counts.push(outlets.len() - before);
        }
        self.model.select_output_outlets(&outlets).map_err(failed)?;
        Ok(counts)
    }

    fn add(&mut self, position: usize, node: &NodeProto) -> Result<(), LoadError> {
        let build = ops::find(node)?;
        let failed = |reason| LoadError::Node {
            operator: operator_name(node),
            node: node_name(node),
            reason,
        };
        let show = |error: TractError| failed(format!("{error:#}"));
        // The tensors that it reads, with the keys of maps; those of a sequence side by side.
        let mut read: Vec<Option<(OutletId, Option<&Keys>)>> = Vec::new();
        let mut sequence = None;
        for (position, name) in node.input.iter().enumerate() {
            if name.is_empty() {
                read.push(None);
                continue;
            }
            match find(&self.wires, name)? {
                Wire::Tensor(outlet) => read.push(Some((*outlet, None))),
                Wire::Map { keys, values } if ops::takes_maps(node) => {
                    read.push(Some((*values, Some(keys))));
                }
                Wire::Sequence(elements) if position == 0 && ops::takes_sequences(node) => {
                    sequence = Some(elements.len());
                    read.extend(elements.iter().map(|&element| Some((element, None))));
                }
                Wire::Map { .. } => return Err(failed(format!("it reads the map '{name}'"))),
                Wire::Sequence(_) => {
                    return Err(failed(format!("it reads the sequence '{name}'")));
                }
            }
        }
        let inputs: TVec<OutletId> = read.iter().flatten().map(|&(outlet, _)| outlet).collect();
        let facts = inputs.iter().map(|&input| {
            let fact = self.model.outlet_fact(input)?;
            Ok((Fact::of(fact)?, fact.konst.clone()))
        });
        let facts = facts.collect::<TractResult<Vec<_>>>().map_err(show)?;
        let mut known = facts.iter();
        let operands = read.iter().map(|input| {
            let &(_, keys) = input.as_ref()?;
            let (fact, constant) = known.next()?;
            Some(Operand { fact, constant: constant.as_deref(), keys })
        });
        let operands = operands.collect();
        let opsets = (self.opset, self.ml_opset);
        let captured = self.captured(node).map_err(failed)?;
        let wire_body = |body: &GraphProto, inputs: &[Fact]| {
            wire_body(opsets, &captured, body, inputs).map_err(|error| error.to_string())
        };
        let view = Node::new(node, opsets, operands, sequence, &wire_body);
        let built =
            build(&view).and_then(|built| view.refuse_unread().map(|()| built)).map_err(failed)?;
        self.stretched.extend(view.stretched());

        let name = graph::typed_name(position, node);
        let wired = built.wire(&node.op_type, &name, &mut self.model, &inputs).map_err(show)?;
        for &outlet in &wired {
            self.model.outlet_fact(outlet).and_then(Fact::of).map_err(show)?;
        }
        if let Some(name) = node.output.iter().find(|name| self.wires.contains_key(*name)) {
            return Err(failed(format!("it gives '{name}', which is there already")));
        }
        if let (Built::Sequence(_), [name]) = (&built, &node.output[..]) {
            self.wires.insert(name.clone(), Wire::Sequence(wired.to_vec()));
            return Ok(());
        }
        for (position, name) in node.output.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            let outlet = *wired.get(position).ok_or_else(|| {
                let (wanted, all) = (node.output.len(), wired.len());
                failed(format!("{wanted} outputs, expected at most {all}"))
            })?;
            self.wires.insert(name.clone(), Wire::Tensor(outlet));
        }
        Ok(())
    }

    /// What the graphs inside a node read of this one, which must be constants.
    fn captured(&self, node: &NodeProto) -> Result<Vec<(String, Arc<Tensor>)>, String> {
        let captured = graph::captured(node).into_iter().map(|name| {
            let constant = match self.wires.get(name) {
                Some(Wire::Tensor(outlet)) => {
                    self.model.outlet_fact(*outlet).map_err(|e| e.to_string())?.konst.clone()
                }
                _ => None,
            };
            let constant = constant.ok_or_else(|| {
                format!("the graph inside it reads '{name}' around it, expected a constant")
            })?;
            Ok((name.to_owned(), constant))
        });
        captured.collect()
    }
}
