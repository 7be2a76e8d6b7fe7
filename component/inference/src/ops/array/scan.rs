//! `Scan`: a graph that runs once for each slice of its inputs, and hands on what it keeps.
//!
//! skl2onnx writes distances with it, for nearest neighbours and Gaussian processes.

use std::fmt;

use tract_hir::internal::*;

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::ops::math::distances::{Distances, Metric};
use crate::tensor::{Fact, View, ViewMut, elements, same_type};

/// The most elements that all runs may give together, and what a run counts at least.
const MAX_ELEMENTS: usize = 1 << 30;
const RUN: usize = 1 << 10;

struct Scan {
    plan: Arc<TypedSimplePlan>,
    /// What is handed on from one run to the next.
    states: Vec<Fact>,
    /// What is cut into slices, one for each run.
    sliced: Vec<Slices>,
    /// What slices are put together to.
    stacked: Vec<Slices>,
    length: usize,
}

/// The slices of a tensor along an axis.
struct Slices {
    slice: Fact,
    /// Product of the dimensions before the axis, and of those after it.
    before: usize,
    after: usize,
    backwards: bool,
}

pub(crate) fn scan(node: &Node<'_>) -> Result<Built, String> {
    if node.opset < 9 {
        return Err(format!("operator set {}, expected at least 9", node.opset));
    }
    let operands = node.all_inputs()?;
    let sliced = node.int("num_scan_inputs")?.ok_or("it has no attribute 'num_scan_inputs'")?;
    let sliced = usize::try_from(sliced).ok().filter(|count| (1..=operands.len()).contains(count));
    let sliced = sliced.ok_or_else(|| format!("slices of which of {} inputs", operands.len()))?;
    let (states, slices) = operands.split_at(operands.len() - sliced);
    let list = |name: &str, count: usize| match node.ints(name)? {
        [] => Ok(vec![0; count]),
        values if values.len() == count => Ok(values.to_vec()),
        values => Err(format!("the attribute '{name}' has {} members", values.len())),
    };
    let axes = list("scan_input_axes", sliced)?;
    let directions = list("scan_input_directions", sliced)?;

    let states: Vec<Fact> = states.iter().map(|operand| operand.fact.clone()).collect();
    let mut inputs = states.clone();
    let mut cut = Vec::with_capacity(sliced);
    let mut length = None;
    for ((operand, &along), &direction) in slices.iter().zip(&axes).zip(&directions) {
        let mut shape = operand.fact.shape.clone();
        let along = axis(along, shape.len())?;
        let size = shape.remove(along);
        if *length.get_or_insert(size) != size {
            return Err("inputs with different numbers of slices".into());
        }
        let slice = Fact::new(operand.fact.element, shape);
        inputs.push(slice.clone());
        cut.push(Slices::new(slice, along, direction != 0));
    }
    let length = length.unwrap_or(0);

    let body = node.body("body", &inputs)?;
    let outputs = body.nodes.iter().flat_map(|node| &node.outputs);
    let each = outputs.map(|output| {
        Fact::of(&output.fact).and_then(|fact| elements(&fact.shape).map_err(TractError::msg))
    });
    let each = each.sum::<TractResult<usize>>().map_err(|e| e.to_string())?;
    if length.saturating_mul(each.max(RUN)) > MAX_ELEMENTS {
        return Err(format!(
            "{length} slices and {each} elements for each, expected at most {MAX_ELEMENTS} in all"
        ));
    }
    let facts = (0..body.outputs.len()).map(|i| body.output_fact(i).and_then(Fact::of));
    let facts = facts.collect::<TractResult<Vec<Fact>>>().map_err(|e| e.to_string())?;
    let given = facts.get(..states.len()).filter(|given| *given == &states[..]);
    if given.is_none() {
        return Err(format!("its graph makes {facts:?} of {states:?}, expected the same types"));
    }
    let rest = &facts[states.len()..];
    let axes = list("scan_output_axes", rest.len())?;
    let directions = list("scan_output_directions", rest.len())?;
    let mut outputs = states.clone();
    let mut stacked = Vec::with_capacity(rest.len());
    for ((slice, &along), &direction) in rest.iter().zip(&axes).zip(&directions) {
        let along = axis(along, slice.shape.len() + 1)?;
        let mut shape = slice.shape.clone();
        shape.insert(along, length);
        elements(&shape)?;
        outputs.push(Fact::new(slice.element, shape));
        stacked.push(Slices::new(slice.clone(), along, direction != 0));
    }
    // Two matrices, the second row by row.
    let metric = Metric::of(node.graph("body")?);
    let is_plain =
        axes == [0] && cut.iter().chain(&stacked).all(|it| it.before == 1 && !it.backwards);
    if let (Some(metric), [Fact { element, shape }], [rows], true) =
        (metric, &states[..], &cut[..], is_plain)
        && let ([count, columns], true) = (&shape[..], element.is_float())
        && rows.slice == Fact::new(*element, [*columns])
        && *count > 0
        && *columns > 0
    {
        let kernel = Distances { metric, columns: *columns, rows: [*count, length] };
        return Ok(Built::kernel(kernel, vec![0, 1], outputs));
    }
    let plan = body.into_optimized().and_then(TypedSimplePlan::new).map_err(|e| e.to_string())?;
    let uses = (0..operands.len()).collect();
    Ok(Built::kernel(Scan { plan, states, sliced: cut, stacked, length }, uses, outputs))
}

impl Slices {
    fn new(slice: Fact, along: usize, backwards: bool) -> Slices {
        let (before, after) = slice.shape.split_at(along);
        let (before, after) = (before.iter().product(), after.iter().product());
        Slices { slice, before, after, backwards }
    }

    /// Where the parts of a slice lie in the whole.
    fn parts(&self, run: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
        let at = if self.backwards { length - 1 - run } else { run };
        let after = self.after;
        (0..self.before).map(move |part| (part * after, (part * length + at) * after))
    }

    fn cut(&self, whole: View<'_>, run: usize, length: usize) -> TractResult<Tensor> {
        let mut tensor = self.slice.zeros()?;
        let mut plain = tensor.try_as_plain_ram_mut()?;
        let mut target = ViewMut::of(&mut plain)?;
        for (to, from) in self.parts(run, length) {
            same_type!(whole, &mut target, |x, y| y[to..to + self.after]
                .clone_from_slice(&x[from..from + self.after]));
        }
        Ok(tensor)
    }

    fn put(&self, slice: View<'_>, whole: &mut ViewMut<'_>, run: usize, length: usize) {
        for (from, to) in self.parts(run, length) {
            same_type!(slice, &mut *whole, |x, y| y[to..to + self.after]
                .clone_from_slice(&x[from..from + self.after]));
        }
    }
}

impl Scan {
    fn each(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> TractResult<()> {
        let mut state = self.plan.spawn()?;
        let kept = inputs.iter().zip(&self.states);
        let kept = kept.map(|(view, fact)| Ok(view.tensor(&fact.shape)?.into_tvalue()));
        let mut kept = kept.collect::<TractResult<TVec<TValue>>>()?;
        let whole = &inputs[self.states.len()..];
        for run in 0..self.length {
            let mut given = kept;
            for (slices, &whole) in self.sliced.iter().zip(whole) {
                given.push(slices.cut(whole, run, self.length)?.into_tvalue());
            }
            let mut found = state.run(given)?;
            let stacked = &mut outputs[self.states.len()..];
            for ((slices, whole), slice) in
                self.stacked.iter().zip(stacked).zip(&found[self.states.len()..])
            {
                slices.put(View::of(slice)?, whole, run, self.length);
            }
            found.truncate(self.states.len());
            kept = found;
        }
        for (target, last) in outputs.iter_mut().zip(&kept) {
            same_type!(View::of(last)?, target, |x, y| y.clone_from_slice(x));
        }
        Ok(())
    }
}

impl Kernel for Scan {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        self.each(inputs, outputs).map_err(|e| format!("{e:#}"))
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("length", &self.length).finish_non_exhaustive()
    }
}
