//! A graph that is made for one row, whose values are known and computed at once, and what it takes
//! to be right for other rows, too: see [`late`](crate::late).

use std::collections::BTreeMap;

use tract_hir::internal::*;

use super::{Mode, Wire, Wires, find, too_many_outputs};
use crate::buffer::Buffer;
use crate::error::{LoadError, failed};
use crate::graph;
use crate::late::{Plan, Traced};
use crate::ops::{Built, kernel};
use crate::program::Program;
use crate::proto::NodeProto;
use crate::tensor::{Fact, View};

/// Most elements that a part whose shapes depend on the request holds for a row.
const MAX_ELEMENTS: usize = 1 << 24;

/// What is noted while a graph is made for one row.
#[derive(Default)]
pub(super) struct Trace {
    /// How many elements are held.
    pub(super) held: usize,
    /// What the graph was made for: it is right for all rows for which these values are the same.
    guards: Vec<(OutletId, Arc<Tensor>)>,
    /// Where constants are in the model, by their addresses, which are theirs as long as they are kept.
    constants: BTreeMap<*const Tensor, (Arc<Tensor>, OutletId)>,
    /// How many bytes there are of constants for its operators.
    bytes: usize,
}

/// A tensor whose elements are known, for one row.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) tensor: Arc<Tensor>,
    /// Where it is in the model, if it depends on the row.
    pub(super) outlet: Option<OutletId>,
}

impl Known {
    pub(super) fn constant(tensor: Arc<Tensor>) -> Known {
        Known { tensor, outlet: None }
    }

    /// Of a shape that is the same for all rows of the graph: without elements it depends on none.
    fn of_row(tensor: Arc<Tensor>, outlet: OutletId) -> Known {
        let outlet = (tensor.len() > 0).then_some(outlet);
        Known { tensor, outlet }
    }
}

/// The part of a graph whose shapes depend on the request.
pub(super) struct Row {
    pub(super) nodes: Vec<(usize, NodeProto)>,
    pub(super) constants: Vec<(String, Arc<Tensor>)>,
    pub(super) inputs: Vec<(String, Fact)>,
    pub(super) outputs: Vec<String>,
    pub(super) opsets: (i64, i64),
}

impl Row {
    /// Computes a row, and makes the plan for all that go the same way, if there is one.
    pub(super) fn trace(&self, views: &[View<'_>]) -> Result<Traced, LoadError> {
        let mut wires = Wires::new(self.opsets, Mode::Traces(Trace::default()));
        for (name, constant) in &self.constants {
            let wire = Wire::Value(Known::constant(constant.clone()));
            wires.wires.insert(name.clone(), wire);
        }
        for ((name, fact), view) in self.inputs.iter().zip(views) {
            let tensor = view.tensor(&fact.shape).map_err(failed)?.into_arc_tensor();
            let outlet = wires.source(name, fact)?;
            wires.wires.insert(name.clone(), Wire::Value(Known { tensor, outlet: Some(outlet) }));
        }
        wires.nodes(self.nodes.iter().map(|(position, node)| (*position, node)))?;
        let outputs = self.outputs.iter().map(|name| match find(&wires.wires, name)? {
            Wire::Value(value) => Ok(value.clone()),
            _ => Err(LoadError::Graph(format!("'{name}' is a sequence"))),
        });
        let outputs = outputs.collect::<Result<Vec<Known>, LoadError>>()?;
        let plan = wires.plan(&outputs).map_err(failed)?;
        Ok(Traced { outputs: outputs.into_iter().map(|it| it.tensor).collect(), plan })
    }
}

/// What operators give that are made for known tensors.
fn evaluate(
    built: &Built,
    node: &NodeProto,
    inputs: &[Arc<Tensor>],
) -> TractResult<Vec<Arc<Tensor>>> {
    if let Built::Kernel { kernel, uses, outputs } = built {
        let inputs = uses.iter().map(|&it| inputs.get(it).map(|it| &**it));
        let inputs = inputs.collect::<Option<Vec<&Tensor>>>().context("an input is missing")?;
        let found = kernel::compute(&**kernel, inputs.into_iter(), outputs)?;
        return Ok(found.into_iter().map(|it| it.into_arc_tensor()).collect());
    }
    let model = &mut TypedModel::default();
    let inputs =
        inputs.iter().map(|it| model.add_const(format!("{}", model.nodes.len()), it.clone()));
    let inputs = inputs.collect::<TractResult<TVec<OutletId>>>()?;
    let outlets = built.wire(&node.op_type, "node", model, &inputs)?;
    let mut values: Vec<TVec<TValue>> = Vec::with_capacity(model.nodes.len());
    for node in &model.nodes {
        let inputs = node.inputs.iter().map(|it| values[it.node][it.slot].clone()).collect();
        let outputs = node.op.eval_out_of_plan(inputs)?;
        values.push(outputs.context("an operator that cannot be run alone")?);
    }
    Ok(outlets.iter().map(|it| values[it.node][it.slot].clone().into_arc_tensor()).collect())
}

impl Wires {
    /// Computes a node, and adds it to the model if it depends on the row.
    pub(super) fn compute(
        &mut self,
        position: usize,
        node: &NodeProto,
        built: &Built,
        inputs: &[Known],
    ) -> TractResult<()> {
        let tensors: Vec<Arc<Tensor>> = inputs.iter().map(|it| it.tensor.clone()).collect();
        let found = evaluate(built, node, &tensors)?;
        let found: Vec<Known> = if inputs.iter().any(|it| it.outlet.is_some()) {
            if let Mode::Traces(trace) = &mut self.mode {
                let constants = inputs.iter().filter(|it| it.outlet.is_none());
                let bytes = |it: &Known| it.tensor.len() * it.tensor.datum_type().size_of();
                trace.bytes += constants.map(bytes).sum::<usize>();
            }
            let outlets = inputs.iter().map(|it| self.outlet(it));
            let outlets = outlets.collect::<TractResult<TVec<OutletId>>>()?;
            let name = format!("{}{}", self.prefix, graph::typed_name(position, node));
            let wired = built.wire(&node.op_type, &name, &mut self.model, &outlets)?;
            found
                .into_iter()
                .zip(wired)
                .map(|(tensor, outlet)| Known::of_row(tensor, outlet))
                .collect()
        } else {
            found.into_iter().map(Known::constant).collect()
        };
        if matches!((built, &node.output[..]), (Built::Sequence(_), [_])) {
            self.give(&node.output[0], Wire::Values(found));
            return self.check_held().map_err(TractError::msg);
        }
        if node.output.len() > found.len() {
            bail!(too_many_outputs(node, found.len()));
        }
        for (name, value) in node.output.iter().zip(found) {
            self.give(name, Wire::Value(value));
        }
        self.check_held().map_err(TractError::msg)
    }

    /// Where a known tensor is in the model.
    fn outlet(&mut self, known: &Known) -> TractResult<OutletId> {
        if let Some(outlet) = known.outlet {
            return Ok(outlet);
        }
        let address = Arc::as_ptr(&known.tensor);
        if let Mode::Traces(trace) = &self.mode
            && let Some(&(_, outlet)) = trace.constants.get(&address)
        {
            return Ok(outlet);
        }
        let label = format!("value:{}", self.model.nodes.len());
        let outlet = self.model.add_const(label, known.tensor.clone())?;
        if let Mode::Traces(trace) = &mut self.mode {
            trace.constants.insert(address, (known.tensor.clone(), outlet));
        }
        Ok(outlet)
    }

    /// Takes a tensor that depends on the row for a constant from now on.
    pub(super) fn guard(&mut self, known: &mut Known) {
        if let (Mode::Traces(trace), Some(outlet)) = (&mut self.mode, known.outlet.take()) {
            trace.guards.push((outlet, known.tensor.clone()));
        }
    }

    /// [`Wires::guard`] of what a name stands for.
    pub(super) fn fix(&mut self, name: &str) {
        if let Some(Wire::Value(mut known)) = self.wires.get(name).cloned()
            && known.outlet.is_some()
        {
            self.guard(&mut known);
            self.wires.insert(name.to_owned(), Wire::Value(known));
        }
    }

    /// The plan of a row that was traced; `None` if it is a graph for tract.
    fn plan(mut self, outputs: &[Known]) -> TractResult<Option<Plan>> {
        let outlets = outputs.iter().map(|it| self.outlet(it));
        let mut outlets = outlets.collect::<TractResult<TVec<OutletId>>>()?;
        let Mode::Traces(Trace { guards, bytes, .. }) = self.mode else { return Ok(None) };
        outlets.extend(guards.iter().map(|(outlet, _)| *outlet));
        self.model.select_output_outlets(&outlets)?;
        let guards = guards.iter().map(|(_, tensor)| Buffer::of(tensor));
        let guards = guards.collect::<TractResult<Vec<Buffer>>>()?;
        Ok(Program::of(&self.model, None).map(|program| Plan::new(program, guards, bytes)))
    }

    pub(super) fn check_held(&self) -> Result<(), String> {
        match &self.mode {
            Mode::Traces(Trace { held, .. }) if *held > MAX_ELEMENTS => Err(format!(
                "{held} elements where shapes depend on the request, expected at most \
                 {MAX_ELEMENTS}"
            )),
            _ => Ok(()),
        }
    }
}
