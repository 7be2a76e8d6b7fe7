//! A part of a graph whose shapes depend on the request, as that of skl2onnx's `KNNImputer`, which
//! picks the rows with something missing before it computes distances.
//!
//! Nothing in it can be built when a model is loaded. So it is cut out as one operator, whose
//! outputs have known shapes again. A row, of which all values are known, is computed node by node,
//! and leaves behind a plan: the graph that was built for it, and the values on which it depends what
//! had to be built, as which elements are missing. A row for which these are the same is computed by
//! the plan, together with others, by the same kernels.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Mutex;

use tract_hir::internal::*;

use crate::buffer::Buffer;
use crate::graph::reads;
use crate::ops::Stretched;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::program::Program;
use crate::proto::NodeProto;
use crate::run::{self, Memory, of_row};
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

/// What a part gives for a row.
pub(crate) struct Traced {
    pub(crate) outputs: Vec<Arc<Tensor>>,
    /// How to compute all rows that go the same way.
    pub(crate) plan: Option<Plan>,
}

/// A part as it is for some rows.
pub(crate) struct Plan {
    /// Its outputs are those of the part, and after them what must be as these tensors are.
    program: Program,
    guards: Vec<Buffer>,
    memory: Memory,
    /// How much memory it takes, all in all.
    bytes: usize,
}

impl Plan {
    /// `constants` is how many bytes its operators have of those, at most.
    pub(crate) fn new(program: Program, guards: Vec<Buffer>, constants: usize) -> Plan {
        let memory = Memory::new(&program);
        let row = program.slots.iter().map(|it| it.width * it.element.datum().size_of());
        let bytes = row.sum::<usize>() * program.block + constants + PLAN;
        Plan { program, guards, memory, bytes }
    }

    /// Writes the outputs of those rows that it is for, and leaves the others over.
    fn run(&mut self, block: &mut Block<'_, '_, '_>, rows: &[usize]) -> Vec<usize> {
        let Plan { program, guards, memory, .. } = self;
        let mut others = Vec::new();
        for rows in rows.chunks(program.block) {
            let written = run::compute(program, rows.len(), memory, |input, mut target| {
                for (to, &row) in rows.iter().enumerate() {
                    let source = block.input(input, row);
                    let target = target.part(of_row(to, source.len()));
                    same_type!(source, target, |source, target| target.clone_from_slice(source));
                }
            });
            // Of a row that it is not for, something in it may fail.
            if written.is_err() {
                others.extend(rows);
                continue;
            }
            for (at, &row) in rows.iter().enumerate() {
                let found = |output: usize| run::found(program, output, at, memory);
                let first = program.outputs.len() - guards.len();
                let is_for = |(guard, values): (usize, &Buffer)| {
                    values.view(0..values.len()).is_same(found(first + guard))
                };
                if !guards.iter().enumerate().all(is_for) {
                    others.push(row);
                    continue;
                }
                (0..first).for_each(|output| block.write(output, row, found(output)));
            }
        }
        others
    }
}

/// Rows that are computed.
struct Block<'a, 'b, 'c> {
    rows: usize,
    inputs: &'a [View<'b>],
    /// What a row has of each input.
    own: &'a [Stretched],
    outputs: &'a mut [ViewMut<'c>],
}

impl Block<'_, '_, '_> {
    fn input(&self, input: usize, row: usize) -> View<'_> {
        let (view, own) = (self.inputs[input], &self.own[input]);
        let first = own.first(view.len(), row);
        view.part(first..first + own.length)
    }

    fn write(&mut self, output: usize, row: usize, source: View<'_>) {
        let width = self.outputs[output].len() / self.rows;
        let target = self.outputs[output].part(of_row(row, width));
        same_type!(source, target, |source, target| target.clone_from_slice(source));
    }

    /// Which elements of a row are missing, a bit for each.
    fn missing(&self, row: usize) -> Vec<u64> {
        let join = |truths: &mut dyn Iterator<Item = bool>| {
            truths.fold(0, |bits: u64, truth| bits << 1 | u64::from(truth))
        };
        let mut missing = Vec::new();
        for input in 0..self.inputs.len() {
            match self.input(input, row) {
                View::F32(values) => missing
                    .extend(values.chunks(64).map(|it| join(&mut it.iter().map(|it| it.is_nan())))),
                View::F64(values) => missing
                    .extend(values.chunks(64).map(|it| join(&mut it.iter().map(|it| it.is_nan())))),
                _ => {}
            }
        }
        missing
    }
}

/// Most plans that there are for rows in which the same elements are missing.
const MAX_PLANS: usize = 8;
/// Most bytes that all plans take, and what each takes beside its elements.
const MAX_BYTES: usize = 16 << 20;
const PLAN: usize = 1 << 14;

/// The plans that were made, by what is missing in a row: most parts decide by that.
#[derive(Default)]
struct Plans {
    plans: BTreeMap<Vec<u64>, Vec<Plan>>,
    /// What they are for, the oldest first.
    made: VecDeque<Vec<u64>>,
    bytes: usize,
}

impl Plans {
    /// Keeps one, in place of the oldest ones if there is no room.
    fn keep(&mut self, missing: &[u64], plan: Plan) {
        let is_full = self.plans.get(missing).is_some_and(|plans| plans.len() >= MAX_PLANS);
        if is_full || plan.bytes > MAX_BYTES {
            return;
        }
        self.bytes += plan.bytes;
        self.plans.entry(missing.to_vec()).or_default().push(plan);
        self.made.push_back(missing.to_vec());
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.made.pop_front()
        {
            let plans = self.plans.get_mut(&oldest).expect("plans as they were made");
            self.bytes -= plans.remove(0).bytes;
            if plans.is_empty() {
                self.plans.remove(&oldest);
            }
        }
    }
}

/// Computes a part for a row.
type Trace = dyn Fn(&[View<'_>]) -> Result<Traced, String> + Send + Sync;

/// A part as an operator.
pub(crate) struct Late {
    trace: Box<Trace>,
    /// What a row has of each input.
    own: Vec<Stretched>,
    /// Names, types and shapes, which are the same for all rows.
    outputs: Vec<(String, Fact)>,
    plans: Mutex<Plans>,
}

impl Late {
    pub(crate) fn new(trace: Box<Trace>, inputs: &[Fact], outputs: Vec<(String, Fact)>) -> Late {
        let widths = inputs.iter().map(|fact| fact.shape.iter().product());
        let own = widths.map(Stretched::same).collect();
        Late { trace, own, outputs, plans: Mutex::default() }
    }

    /// Computes a row without a plan, and gives one for others like it.
    fn alone(&self, block: &mut Block<'_, '_, '_>, row: usize) -> Result<Option<Plan>, String> {
        let views = (0..block.inputs.len()).map(|input| block.input(input, row));
        let traced = (self.trace)(&views.collect::<Vec<View<'_>>>())?;
        for (output, tensor) in traced.outputs.iter().enumerate() {
            let (name, expected) = &self.outputs[output];
            let fact = Fact::of_tensor(tensor).map_err(|e| e.to_string())?;
            if fact != *expected {
                let (found, expected) = (fact.shape, &expected.shape);
                return Err(format!("'{name}' is of shape {found:?}, expected {expected:?}"));
            }
            block.write(output, row, View::of(tensor).map_err(|e| e.to_string())?);
        }
        Ok(traced.plan)
    }
}

impl Kernel for Late {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let width = self.outputs.first().map_or(0, |(_, fact)| fact.shape.iter().product());
        let rows = outputs.first().map_or(1, |output| output.len().checked_div(width).unwrap_or(1));
        let mut block = Block { rows, inputs, own: &self.own, outputs };
        let mut like: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
        (0..rows).for_each(|row| like.entry(block.missing(row)).or_default().push(row));
        let mut plans = self.plans.lock().map_err(|e| e.to_string())?;
        for (missing, mut rows) in like {
            for plan in plans.plans.get_mut(&missing).into_iter().flatten() {
                rows = plan.run(&mut block, &rows);
            }
            while let Some(row) = rows.pop() {
                if let Some(mut plan) = self.alone(&mut block, row)? {
                    rows = plan.run(&mut block, &rows);
                    plans.keep(&missing, plan);
                }
            }
        }
        Ok(())
    }

    fn rows(&self) -> Rows {
        Rows::Any
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
