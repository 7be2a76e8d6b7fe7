//! tract's graph, made node by node.
//!
//! The inputs of a model have known shapes, and the nodes of a file come after what they read. So
//! it is enough to go forwards: a node is built for inputs whose types and shapes are known, and
//! what it is built of says what its outputs are. That also leaves one place to check attributes
//! against shapes, before tract's operators see them: some of them panic.
//!
//! Where a shape depends on the request all the same, the part of the graph that it is in is found
//! out in a first round, and is one operator in a second one: see [`late`](crate::late). That
//! operator goes through its nodes in the same way for a row, whose values are known, and notes on
//! which of them the graph depends that it makes.

mod trace;

use std::collections::{BTreeMap, BTreeSet};

use tract_hir::internal::*;

use crate::binding::Source;
use crate::error::{LoadError, failed};
use crate::graph;
use crate::late::{Late, Part};
use crate::node::{Node, Operand, node_name, operator_name};
use crate::ops::kernel::KernelOp;
use crate::ops::{self, BRANCHES, Built, Choose};
use crate::opset;
use crate::proto::{GraphProto, NodeProto, OperatorSetIdProto};
use crate::tensor::{self, Element, Fact, Keys, View};
use trace::{Known, Row, Trace};

/// How many elements a tensor counts at least that is held.
const TENSOR: usize = 1 << 6;

/// A graph in the making.
struct Wires {
    model: TypedModel,
    /// What the names of the file stand for.
    wires: BTreeMap<String, Wire>,
    /// Those that were added, in this order, so that those of a graph inside a node can be removed.
    added: Vec<String>,
    /// What the names of nodes begin with in a graph inside a node.
    prefix: String,
    opset: i64,
    ml_opset: i64,
    /// Sizes that dimensions of 1 were stretched to.
    stretched: Vec<usize>,
    mode: Mode,
}

enum Mode {
    /// All shapes are to be known.
    Known,
    /// Nodes whose shapes are not known are noted.
    Finds(Found),
    /// All values are known, and computed at once.
    Traces(Trace),
}

/// Nodes whose shapes depend on the request.
#[derive(Default)]
struct Found {
    /// The position in the graph itself of the node that is wired.
    position: usize,
    late: BTreeSet<usize>,
    /// Why the first of them is one.
    reason: Option<LoadError>,
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
    /// What is computed already.
    Value(Known),
    Values(Vec<Known>),
    /// A tensor whose shape depends on the request.
    Late,
}

impl Wire {
    /// How many elements it holds itself.
    fn elements(&self) -> usize {
        let of = |value: &Known| value.tensor.len().max(TENSOR);
        match self {
            Wire::Value(value) => of(value),
            Wire::Values(values) => values.iter().map(of).sum(),
            _ => 0,
        }
    }
}

/// A graph of tract.
pub(crate) struct Wired {
    pub(crate) model: TypedModel,
    /// Of how many of its outputs each wanted one is: a sequence is of several.
    pub(crate) counts: Vec<usize>,
    /// Sizes that dimensions of 1 of what depends on the request were stretched to.
    pub(crate) stretched: Vec<usize>,
    /// Whether it has a part whose shapes depend on the request. What that stretches is not noted.
    pub(crate) is_late: bool,
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
    let opsets = opset::versions(&graph.node, operator_sets)?;
    let begin = |mode| {
        let mut wires = Wires::new(opsets, mode);
        wires.inputs(inputs)?;
        wires.initializers(graph)?;
        Ok(wires)
    };
    let mut wires: Wires = begin(Mode::Finds(Found::default()))?;
    wires.nodes(graph.node.iter().enumerate())?;
    let Mode::Finds(Found { late, reason: Some(reason), .. }) = &wires.mode else {
        let counts = wires.outputs(outputs)?;
        let Wires { model, stretched, .. } = wires;
        return Ok(Wired { model, counts, stretched, is_late: false });
    };
    let part = Part::around(late, &graph.node, outputs);
    let facts = part.outputs.iter().map(|name| match wires.wires.get(name) {
        Some(Wire::Tensor(outlet)) => {
            let fact = wires.model.outlet_fact(*outlet).and_then(Fact::of).map_err(failed)?;
            Ok((name.clone(), fact))
        }
        _ => Err(reason.clone()),
    });
    let facts = facts.collect::<Result<Vec<_>, LoadError>>()?;
    let mut wires = begin(Mode::Known)?;
    let nodes = || graph.node.iter().enumerate();
    let is_before = |it: &usize| !part.inside.contains(it) && !part.after.contains(it);
    wires.nodes(nodes().filter(|(it, _)| is_before(it)))?;
    wires.late(&part, &graph.node, facts)?;
    wires.nodes(nodes().filter(|(it, _)| part.after.contains(it)))?;
    let counts = wires.outputs(outputs)?;
    let Wires { model, stretched, .. } = wires;
    Ok(Wired { model, counts, stretched, is_late: true })
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
    let mut wires = Wires::new(opsets, Mode::Known);
    for (name, constant) in constants {
        wires.constant(name, constant.clone())?;
    }
    for (info, fact) in body.input.iter().zip(inputs) {
        let outlet = wires.source(&info.name, fact)?;
        wires.wires.insert(info.name.clone(), Wire::Tensor(outlet));
    }
    let outputs: Vec<String> = body.output.iter().map(|output| output.name.clone()).collect();
    wires.initializers(body)?;
    wires.nodes(body.node.iter().enumerate())?;
    let counts = wires.outputs(&outputs)?;
    match counts.iter().all(|&count| count == 1) {
        true => Ok(wires.model),
        false => Err(LoadError::Graph("a sequence as an output".into())),
    }
}

/// A tensor that a node reads.
enum Read {
    /// One of the model, and the keys if its elements are the values of a map.
    Outlet(OutletId, Option<Keys>),
    /// One whose elements are known, for one row.
    Value(Known),
}

impl Read {
    /// Whether it depends on the row.
    fn is_of_row(&self) -> bool {
        matches!(self, Read::Value(Known { outlet: Some(_), .. }))
    }
}

fn too_many_outputs(node: &NodeProto, all: usize) -> String {
    format!("{} outputs, expected at most {all}", node.output.len())
}

fn find<'a>(wires: &'a BTreeMap<String, Wire>, name: &str) -> Result<&'a Wire, LoadError> {
    wires.get(name).ok_or_else(|| LoadError::Graph(format!("nothing in it gives '{name}'")))
}

impl Wires {
    fn new((opset, ml_opset): (i64, i64), mode: Mode) -> Wires {
        let (model, wires, prefix) = (TypedModel::default(), BTreeMap::new(), String::new());
        let (added, stretched) = (Vec::new(), Vec::new());
        Wires { model, wires, added, prefix, opset, ml_opset, stretched, mode }
    }

    fn inputs(&mut self, inputs: &[Input]) -> Result<(), LoadError> {
        for (name, fact, keys) in inputs {
            let values = self.source(name, fact)?;
            let wire = match keys {
                Some(keys) => Wire::Map { keys: keys.clone(), values },
                None => Wire::Tensor(values),
            };
            self.wires.insert(name.clone(), wire);
        }
        Ok(())
    }

    fn source(&mut self, name: &str, fact: &Fact) -> Result<OutletId, LoadError> {
        self.model.add_source(format!("input:{name}"), fact.typed()).map_err(failed)
    }

    fn constant(&mut self, name: &str, constant: Arc<Tensor>) -> Result<(), LoadError> {
        let label = format!("{}initializer:{name}", self.prefix);
        let wire = match self.mode {
            Mode::Traces(_) => Wire::Value(Known::constant(constant)),
            _ => Wire::Tensor(self.model.add_const(label, constant).map_err(failed)?),
        };
        if let Mode::Traces(trace) = &mut self.mode {
            trace.held += wire.elements();
        }
        self.wires.insert(name.to_owned(), wire);
        Ok(())
    }

    fn initializers(&mut self, graph: &GraphProto) -> Result<(), LoadError> {
        for initializer in &graph.initializer {
            let name = &initializer.name;
            let constant = tensor::read(initializer).map_err(|reason| {
                LoadError::Graph(format!("the initializer '{name}': {reason}"))
            })?;
            self.constant(name, constant.into_arc_tensor())?;
        }
        Ok(())
    }

    /// Adds nodes, with their positions in the graph.
    fn nodes<'a>(
        &mut self,
        nodes: impl Iterator<Item = (usize, &'a NodeProto)>,
    ) -> Result<(), LoadError> {
        for (position, node) in nodes {
            if let (Mode::Finds(found), true) = (&mut self.mode, self.prefix.is_empty()) {
                found.position = position;
            }
            self.add(position, node)?;
        }
        Ok(())
    }

    /// Makes these names the outputs, and says of how many outputs of the model each of them is.
    fn outputs(&mut self, outputs: &[String]) -> Result<Vec<usize>, LoadError> {
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
                Wire::Value(_) | Wire::Values(_) | Wire::Late => {
                    return Err(LoadError::Graph(format!("the output '{name}' has no shape")));
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
        if let Some(name) = node.output.iter().find(|name| self.wires.contains_key(*name)) {
            return Err(failed(format!("it gives '{name}', which is there already")));
        }
        // Graphs inside a node can read such a tensor, too; those of `If` are looked into later.
        let is_choice = ops::is_choice(node);
        let is_late = |name: &&str| matches!(self.wires.get(*name), Some(Wire::Late));
        if matches!(self.mode, Mode::Finds(_))
            && let Some(name) = match is_choice {
                true => node.input.first().map(String::as_str).filter(is_late),
                false => graph::reads(node).into_iter().find(is_late),
            }
        {
            let reason = failed(format!("the shape of '{name}' depends on the request"));
            return match is_choice {
                true => self.choose(position, node, None, reason),
                false => {
                    let shape = node.input.first().filter(|_| ops::keeps_shape(node));
                    let shape = match shape.and_then(|name| self.wires.get(name)) {
                        Some(Wire::Tensor(outlet)) => {
                            Some(self.model.outlet_fact(*outlet).and_then(Fact::of).map_err(show)?)
                        }
                        _ => None,
                    };
                    self.put_off(node, &[shape], reason)
                }
            };
        }
        // What decides which graph is made, and what graphs inside it take for constants.
        if matches!(self.mode, Mode::Traces(_)) {
            let names = if is_choice {
                node.input.iter().map(String::as_str).collect()
            } else {
                graph::captured(node)
            };
            names.into_iter().for_each(|name| self.fix(name));
        }
        // The tensors that it reads; those of a sequence side by side.
        let mut read: Vec<Option<Read>> = Vec::new();
        let mut sequence = None;
        for (position, name) in node.input.iter().enumerate() {
            if name.is_empty() {
                read.push(None);
                continue;
            }
            match find(&self.wires, name)? {
                Wire::Tensor(outlet) => read.push(Some(Read::Outlet(*outlet, None))),
                Wire::Value(value) => read.push(Some(Read::Value(value.clone()))),
                Wire::Map { keys, values } if ops::takes_maps(node) => {
                    read.push(Some(Read::Outlet(*values, Some(keys.clone()))));
                }
                Wire::Sequence(elements) if position == 0 && ops::takes_sequences(node) => {
                    sequence = Some(elements.len());
                    read.extend(elements.iter().map(|&it| Some(Read::Outlet(it, None))));
                }
                Wire::Values(values) if position == 0 && ops::takes_sequences(node) => {
                    sequence = Some(values.len());
                    read.extend(values.iter().map(|value| Some(Read::Value(value.clone()))));
                }
                Wire::Map { .. } => return Err(failed(format!("it reads the map '{name}'"))),
                Wire::Sequence(_) | Wire::Values(_) => {
                    return Err(failed(format!("it reads the sequence '{name}'")));
                }
                Wire::Late => return Err(failed(format!("it reads '{name}', of no known shape"))),
            }
        }
        let opsets = (node.opset.unwrap_or(self.opset), node.ml_opset.unwrap_or(self.ml_opset));
        let (built, stretched) = loop {
            let facts = read.iter().flatten().map(|it| match it {
                Read::Outlet(outlet, _) => {
                    let fact = self.model.outlet_fact(*outlet)?;
                    Ok((Fact::of(fact)?, fact.konst.clone()))
                }
                Read::Value(Known { tensor, outlet }) => {
                    let constant = outlet.is_none().then(|| tensor.clone());
                    Ok((Fact::of_tensor(tensor)?, constant))
                }
            });
            let facts = facts.collect::<TractResult<Vec<_>>>().map_err(show)?;
            let mut known = facts.iter();
            let operands = read.iter().map(|input| {
                let keys = match input.as_ref()? {
                    Read::Outlet(_, keys) => keys.as_ref(),
                    Read::Value(_) => None,
                };
                let (fact, constant) = known.next()?;
                Some(Operand { fact, constant: constant.as_deref(), keys })
            });
            let operands = operands.collect();
            let wire_body = |body: &GraphProto, inputs: &[Fact]| {
                let captured = self.captured(node)?;
                wire_body(opsets, &captured, body, inputs).map_err(|error| error.to_string())
            };
            let view = Node::new(node, opsets, operands, sequence, &wire_body);
            let built = build(&view).and_then(|built| view.refuse_unread().map(|()| built));
            let needed = view.needed_value();
            let reason = match (built, &self.mode) {
                (Ok(built), _) => break (built, view.stretched()),
                (Err(reason), Mode::Finds(_)) if needed.is_some() => {
                    return self.put_off(node, &[], failed(reason));
                }
                (Err(reason), _) => reason,
            };
            // It may be one that can be made for these values only.
            let of_row = |at: &usize| read[*at].as_ref().is_some_and(Read::is_of_row);
            let fixed: Vec<usize> = match needed.filter(of_row) {
                Some(position) => vec![position],
                None => (0..read.len()).filter(of_row).collect(),
            };
            if fixed.is_empty() {
                return Err(failed(reason));
            }
            for position in fixed {
                let Some(Read::Value(known)) = &mut read[position] else { continue };
                match sequence {
                    None => self.fix(&node.input[position]),
                    Some(_) => self.guard(&mut known.clone()),
                }
                known.outlet = None;
            }
        };
        if matches!(self.mode, Mode::Traces(_)) && !matches!(built, Built::Choice(_)) {
            let read = read.into_iter().flatten().filter_map(|it| match it {
                Read::Value(known) => Some(known),
                Read::Outlet(..) => None,
            });
            let read: Vec<Known> = read.collect();
            return self.compute(position, node, &built, &read).map_err(show);
        }
        self.stretched.extend(stretched);
        let inputs = read.into_iter().flatten().map(|it| match it {
            Read::Outlet(outlet, _) => Ok(outlet),
            Read::Value(known) => {
                self.model.add_const(format!("value:{}", self.model.nodes.len()), known.tensor)
            }
        });
        let inputs = inputs.collect::<TractResult<TVec<OutletId>>>().map_err(show)?;
        if let Built::Choice(known) = built {
            let condition = Some((inputs[0], known));
            let reason = failed("what it gives has a shape that depends on the request".into());
            return self.choose(position, node, condition, reason);
        }

        let name = format!("{}{}", self.prefix, graph::typed_name(position, node));
        let wired = built.wire(&node.op_type, &name, &mut self.model, &inputs).map_err(show)?;
        for &outlet in &wired {
            self.model.outlet_fact(outlet).and_then(Fact::of).map_err(show)?;
        }
        if let (Built::Sequence(_), [name]) = (&built, &node.output[..]) {
            self.give(name, Wire::Sequence(wired.to_vec()));
            return Ok(());
        }
        if node.output.len() > wired.len() {
            return Err(failed(too_many_outputs(node, wired.len())));
        }
        for (name, &outlet) in node.output.iter().zip(&wired) {
            self.give(name, Wire::Tensor(outlet));
        }
        Ok(())
    }

    fn give(&mut self, name: &str, wire: Wire) {
        if !name.is_empty() {
            if let Mode::Traces(trace) = &mut self.mode {
                trace.held += wire.elements();
            }
            self.wires.insert(name.to_owned(), wire);
            self.added.push(name.to_owned());
        }
    }

    /// Notes that a node can be built for a row only; `shapes` are those of its outputs that are
    /// known.
    fn put_off(
        &mut self,
        node: &NodeProto,
        shapes: &[Option<Fact>],
        why: LoadError,
    ) -> Result<(), LoadError> {
        for (position, name) in node.output.iter().enumerate() {
            let wire = match shapes.get(position) {
                Some(Some(fact)) => {
                    let label = format!("late:{}", self.model.nodes.len());
                    Wire::Tensor(self.model.add_source(label, fact.typed()).map_err(failed)?)
                }
                _ => Wire::Late,
            };
            self.give(name, wire);
        }
        if let Mode::Finds(found) = &mut self.mode {
            found.late.insert(found.position);
            found.reason.get_or_insert(why);
        }
        Ok(())
    }

    /// Adds an `If`: the graph that is chosen, where that is known, else both; or puts it off where
    /// their shapes or the condition's depend on the request.
    fn choose(
        &mut self,
        position: usize,
        node: &NodeProto,
        condition: Option<(OutletId, Option<bool>)>,
        why: LoadError,
    ) -> Result<(), LoadError> {
        let reason = |reason| LoadError::Node {
            operator: operator_name(node),
            node: node_name(node),
            reason,
        };
        let mut branch = |name: &str| {
            let graph = node.attribute.iter().find(|it| it.name == name);
            let graph = graph.and_then(|it| it.g.as_ref());
            let graph = graph.ok_or_else(|| reason(format!("it has no attribute '{name}'")))?;
            if !graph.input.is_empty() || graph.output.len() < node.output.len() {
                let (inputs, outputs, wanted) =
                    (graph.input.len(), graph.output.len(), node.output.len());
                return Err(reason(format!(
                    "its graph '{name}' has {inputs} inputs and {outputs} outputs, expected none \
                     and {wanted}"
                )));
            }
            self.branch(&format!("{position}.{name}/"), graph)
        };
        if let Some((_, Some(known))) = condition {
            let wires = branch(BRANCHES[usize::from(!known)])?;
            node.output.iter().zip(wires).for_each(|(name, wire)| self.give(name, wire));
            return Ok(());
        }
        let (yes, no) = (branch(BRANCHES[0])?, branch(BRANCHES[1])?);
        let is_late = match &self.mode {
            Mode::Finds(found) => found.late.contains(&found.position),
            _ => false,
        };
        let mut shapes = Vec::with_capacity(node.output.len());
        let mut chosen = Vec::with_capacity(node.output.len());
        for (slot, (yes, no)) in yes.into_iter().zip(no).take(node.output.len()).enumerate() {
            let fact = |wire: &Wire| match wire {
                Wire::Tensor(outlet) => {
                    let fact = self.model.outlet_fact(*outlet).and_then(Fact::of);
                    fact.map(Some).map_err(failed)
                }
                Wire::Late => Ok(None),
                _ => Err(reason("a sequence or a map that depends on the request".into())),
            };
            let (first, second) = (fact(&yes)?, fact(&no)?);
            if let (Some(first), Some(second)) = (&first, &second)
                && first.element != second.element
            {
                let (first, second) = (first.element, second.element);
                return Err(reason(format!("{first} or {second}, expected one type")));
            }
            let same = first.filter(|first| second.as_ref() == Some(first));
            if let (Wire::Tensor(yes), Wire::Tensor(no), Some(fact), Some((condition, _)), false) =
                (&yes, &no, &same, condition, is_late)
            {
                let name = format!("{}{position}.{slot}:{}", self.prefix, node.name);
                let op = KernelOp::new(&node.op_type, Arc::new(Choose), vec![fact.clone()]);
                let wired = self.model.wire_node(name, op, &[condition, *yes, *no]);
                chosen.push(Wire::Tensor(wired.map_err(failed)?[0]));
            }
            shapes.push(same);
        }
        if chosen.len() == node.output.len() {
            node.output.iter().zip(chosen).for_each(|(name, wire)| self.give(name, wire));
            return Ok(());
        }
        match self.mode {
            Mode::Finds(_) => self.put_off(node, &shapes, why),
            _ => Err(why),
        }
    }

    /// Adds a graph inside a node, which reads what is around it, and gives its outputs.
    fn branch(&mut self, prefix: &str, graph: &GraphProto) -> Result<Vec<Wire>, LoadError> {
        let length = self.prefix.len();
        let mark = self.added.len();
        self.prefix.push_str(prefix);
        for initializer in &graph.initializer {
            let name = &initializer.name;
            if self.wires.contains_key(name) {
                let reason = format!("the initializer '{name}' is there already");
                return Err(LoadError::Graph(reason));
            }
            self.added.push(name.clone());
        }
        self.initializers(graph)?;
        self.nodes(graph.node.iter().enumerate())?;
        let outputs = graph.output.iter().map(|it| find(&self.wires, &it.name).cloned());
        let outputs = outputs.collect::<Result<Vec<Wire>, LoadError>>()?;
        for name in self.added.drain(mark..) {
            let removed = self.wires.remove(&name);
            if let Mode::Traces(trace) = &mut self.mode {
                trace.held = trace.held.saturating_sub(removed.map_or(0, |wire| wire.elements()));
            }
        }
        self.prefix.truncate(length);
        Ok(outputs)
    }

    /// Adds the part of a graph whose shapes depend on the request, with the types and shapes of its
    /// outputs.
    fn late(
        &mut self,
        part: &Part,
        nodes: &[NodeProto],
        outputs: Vec<(String, Fact)>,
    ) -> Result<(), LoadError> {
        let nodes = part.inside.iter().map(|&it| (it, nodes[it].clone())).collect();
        let opsets = (self.opset, self.ml_opset);
        let names: Vec<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
        let (constants, inputs) = (Vec::new(), Vec::new());
        let mut row = Row { nodes, constants, inputs, outputs: names, opsets };
        let mut outlets = Vec::new();
        for name in &part.inputs {
            let refuse = |what: &str| {
                LoadError::Graph(format!("shapes depend on the request where {what} '{name}' is"))
            };
            let Wire::Tensor(outlet) = find(&self.wires, name)? else {
                return Err(refuse("the sequence or map"));
            };
            let fact = self.model.outlet_fact(*outlet).map_err(failed)?;
            if let Some(constant) = &fact.konst {
                row.constants.push((name.clone(), constant.clone()));
                continue;
            }
            let fact = Fact::of(fact).map_err(failed)?;
            // Encoders in it could not be asked which categories they know.
            if fact.element == Element::Text {
                return Err(refuse("the text"));
            }
            row.inputs.push((name.clone(), fact));
            outlets.push(*outlet);
        }
        let facts = outputs.iter().map(|(_, fact)| fact.clone()).collect();
        let names = row.outputs.clone();
        let inputs: Vec<Fact> = row.inputs.iter().map(|(_, fact)| fact.clone()).collect();
        let trace =
            Box::new(move |views: &[View<'_>]| row.trace(views).map_err(|error| error.to_string()));
        let op = KernelOp::new("Late", Arc::new(Late::new(trace, &inputs, outputs)), facts);
        let wired = self.model.wire_node("late", op, &outlets).map_err(failed)?;
        names.iter().zip(wired).for_each(|(name, outlet)| self.give(name, Wire::Tensor(outlet)));
        Ok(())
    }

    /// What the graphs inside a node read of this one, which must be constants.
    fn captured(&self, node: &NodeProto) -> Result<Vec<(String, Arc<Tensor>)>, String> {
        let captured = graph::captured(node).into_iter().map(|name| {
            let constant = match self.wires.get(name) {
                Some(Wire::Tensor(outlet)) => {
                    self.model.outlet_fact(*outlet).map_err(|e| e.to_string())?.konst.clone()
                }
                Some(Wire::Value(value)) => Some(value.tensor.clone()),
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
