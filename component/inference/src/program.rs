//! A graph of this crate's kernels as a list of steps over flat buffers.
//!
//! tract's executor makes a tensor for every value of every row; for a model of a few small kernels
//! that takes ten times as long as they do. So a graph of nothing but kernels and of movements that
//! keep the elements of a row in their order is run here; any other one stays with tract. The
//! kernels are the same, so are all bits.
//!
//! A kernel gets a block of rows at once where it promises [`Rows::Any`], otherwise one row after
//! the other. What depends on a single category only is computed for each of them when the model is
//! loaded.

use std::collections::{BTreeMap, BTreeSet};

use tract_hir::internal::tract_core::ops::array::{Slice, TypedConcat};
use tract_hir::internal::tract_core::ops::change_axes::IntoShape;
use tract_hir::internal::tract_core::ops::konst::Const;
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::buffer::Buffer;
use crate::ops::kernel::{Kernel, KernelOp, Rows};
use crate::tensor::{Element, Fact, View, elements};

/// Most rows of a block.
const MAX_ROWS: usize = 256;
/// Most elements that all buffers of a block have; they stay in the processor's caches of the second level.
const MAX_BLOCK: usize = 1 << 16;
/// Most parts of a join that others are taken into.
const MAX_PARTS: usize = 256;
/// Most elements of a table.
const MAX_TABLE: usize = 1 << 14;

/// A graph, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    /// What each slot has for a row.
    pub(crate) slots: Vec<Slot>,
    pub(crate) constants: Vec<Buffer>,
    pub(crate) tables: Vec<Table>,
    /// Where each input goes, in the order of the bindings.
    pub(crate) inputs: Vec<Input>,
    pub(crate) steps: Vec<Step>,
    /// Where each output of the graph is: never in a table.
    pub(crate) outputs: Vec<Place>,
    /// How many rows are run at once.
    pub(crate) block: usize,
}

/// A value that differs from row to row.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) element: Element,
    /// Elements of a row.
    pub(crate) width: usize,
}

/// A value for each category of a feature.
#[derive(Debug)]
pub(crate) struct Table {
    /// The input that chooses.
    pub(crate) input: usize,
    pub(crate) values: Buffer,
    pub(crate) width: usize,
}

#[derive(Debug)]
pub(crate) enum Input {
    /// Elements, written to a slot.
    Elements(usize),
    /// The number of a category, which chooses from tables.
    Choice,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Slot(usize),
    Constant(usize),
    Table(usize),
}

#[derive(Debug)]
pub(crate) enum Step {
    Kernel {
        kernel: Arc<dyn Kernel>,
        /// None of them in a table.
        inputs: Vec<Place>,
        outputs: Vec<usize>,
        /// Whether it takes a block at once.
        at_once: bool,
    },
    /// Values side by side, with their widths.
    Join { parts: Vec<(Place, usize)>, output: usize },
    /// The elements of each row from a position on; of a table's rows, those that the categories
    /// choose.
    Part { input: Place, from: usize, output: usize },
    /// The elements of each row in another order: the position of each in the input.
    Order { input: Place, positions: Vec<usize>, output: usize },
}

impl Program {
    /// The program of a graph, of whose inputs some may be single categories; `None` if the graph is
    /// one for tract.
    pub(crate) fn of(model: &TypedModel, bindings: Option<&Bindings>) -> Option<Program> {
        let mut builder = Builder::default();
        for (input, &source) in model.inputs.iter().enumerate() {
            let place = builder.source(
                input,
                &Fact::of(model.outlet_fact(source).ok()?).ok()?,
                bindings.and_then(|bindings| bindings.categories(input)),
            )?;
            builder.places.insert(source, place);
        }
        for id in model.eval_order().ok()? {
            if !model.inputs.iter().any(|source| source.node == id) {
                builder.add(model, id)?;
            }
        }
        let outputs = model.outputs.iter().map(|outlet| builder.places.get(outlet).copied());
        let outputs: Vec<Place> = outputs.collect::<Option<_>>()?;
        let outputs: Vec<Place> = outputs.into_iter().map(|place| builder.settle(place)).collect();
        let Builder { mut slots, constants, tables, inputs, mut steps, .. } = builder;
        leave_unread_out(&mut steps, &mut slots, &outputs);
        let row: usize = slots.iter().map(|slot| slot.width).sum();
        let block = (MAX_BLOCK / row.max(1)).clamp(1, MAX_ROWS);
        Some(Program { slots, constants, tables, inputs, steps, outputs, block })
    }
}

/// Drops joins that nothing reads any more, and the room for them and for outputs of kernels.
fn leave_unread_out(steps: &mut Vec<Step>, slots: &mut [Slot], outputs: &[Place]) {
    let mut read: BTreeSet<Place> = outputs.iter().copied().collect();
    for step in steps.iter() {
        match step {
            Step::Kernel { inputs, .. } => read.extend(inputs),
            Step::Join { parts, .. } => read.extend(parts.iter().map(|(place, _)| place)),
            Step::Part { input, .. } | Step::Order { input, .. } => read.extend([input]),
        }
    }
    steps.retain(|step| match step {
        Step::Join { output, .. } if !read.contains(&Place::Slot(*output)) => {
            slots[*output].width = 0;
            false
        }
        Step::Kernel { kernel, outputs, .. } => {
            for (position, &slot) in outputs.iter().enumerate() {
                if kernel.leaves_out(position) && !read.contains(&Place::Slot(slot)) {
                    slots[slot].width = 0;
                }
            }
            true
        }
        _ => true,
    });
}

#[derive(Default)]
struct Builder {
    places: BTreeMap<OutletId, Place>,
    slots: Vec<Slot>,
    constants: Vec<Buffer>,
    tables: Vec<Table>,
    inputs: Vec<Input>,
    steps: Vec<Step>,
    /// Slots that tables are looked up into.
    settled: BTreeMap<usize, usize>,
    /// What is joined, with its parts.
    joined: BTreeMap<Place, Vec<(Place, usize)>>,
}

impl Builder {
    fn source(
        &mut self,
        input: usize,
        fact: &Fact,
        categories: Option<&[TValue]>,
    ) -> Option<Place> {
        let Some(categories) = categories else {
            let slot = self.slot(fact)?;
            self.inputs.push(Input::Elements(slot));
            return Some(Place::Slot(slot));
        };
        self.inputs.push(Input::Choice);
        let texts = categories.iter().map(|tensor| match View::of(tensor) {
            Ok(View::Text([text])) => Some(text.clone()),
            _ => None,
        });
        let values = Buffer::Text(texts.collect::<Option<_>>()?);
        self.tables.push(Table { input, values, width: 1 });
        Some(Place::Table(self.tables.len() - 1))
    }

    fn add(&mut self, model: &TypedModel, id: usize) -> Option<()> {
        let node = model.node(id);
        let fact = |outlet: OutletId| Fact::of(model.outlet_fact(outlet).ok()?).ok();
        if let Some(constant) = node.op_as::<Const>() {
            let place = self.constant(Buffer::of(constant.val()).ok()?);
            self.places.insert(id.into(), place);
            return Some(());
        }
        let inputs = node.inputs.iter().map(|outlet| self.places.get(outlet).copied());
        let inputs: Vec<Place> = inputs.collect::<Option<_>>()?;
        let first = node.inputs.first().copied().and_then(fact)?;
        let output = fact(id.into())?;
        let place = if let Some(op) = node.op_as::<KernelOp>() {
            return self.kernel(id, op, inputs);
        } else if let Some(join) = node.op_as::<TypedConcat>() {
            self.join(&output.shape[..join.axis], &inputs, &output)?
        } else if let Some(slice) = node.op_as::<Slice>() {
            self.part(slice, inputs[0], &first, &output)?
        } else if node.op_is::<IntoShape>()
            || node.op_as::<AxisOp>().is_some_and(|op| keeps_order(op, &first))
        {
            inputs[0]
        } else if let Some(AxisOp::Move(from, to)) = node.op_as::<AxisOp>() {
            self.order(inputs[0], moved(*from, *to, &first.shape)?, &output)?
        } else {
            return None;
        };
        self.places.insert(id.into(), place);
        Some(())
    }

    fn slot(&mut self, fact: &Fact) -> Option<usize> {
        let width = elements(&fact.shape).ok().filter(|&width| width > 0)?;
        self.slots.push(Slot { element: fact.element, width });
        Some(self.slots.len() - 1)
    }

    fn constant(&mut self, values: Buffer) -> Place {
        self.constants.push(values);
        Place::Constant(self.constants.len() - 1)
    }

    /// The place itself, or for a table the slot that it is looked up into.
    fn settle(&mut self, place: Place) -> Place {
        let Place::Table(table) = place else { return place };
        if let Some(&slot) = self.settled.get(&table) {
            return Place::Slot(slot);
        }
        let Table { values, width, .. } = &self.tables[table];
        self.slots.push(Slot { element: values.element(), width: *width });
        let output = self.slots.len() - 1;
        self.steps.push(Step::Part { input: place, from: 0, output });
        self.settled.insert(table, output);
        Place::Slot(output)
    }

    fn width(&self, place: Place) -> usize {
        match place {
            Place::Slot(slot) => self.slots[slot].width,
            Place::Constant(constant) => self.constants[constant].len(),
            Place::Table(table) => self.tables[table].width,
        }
    }

    fn kernel(&mut self, id: usize, op: &KernelOp, inputs: Vec<Place>) -> Option<()> {
        let facts = op.outputs();
        if let Some(tabled) = self.tabled(op, &inputs) {
            for (output, place) in tabled.into_iter().enumerate() {
                self.places.insert(OutletId::new(id, output), place);
            }
            return Some(());
        }
        let inputs = inputs.into_iter().map(|place| self.settle(place)).collect();
        let outputs = facts.iter().map(|fact| self.slot(fact)).collect::<Option<Vec<_>>>()?;
        for (position, &slot) in outputs.iter().enumerate() {
            self.places.insert(OutletId::new(id, position), Place::Slot(slot));
        }
        let kernel = op.kernel().clone();
        let at_once = kernel.rows() == Rows::Any;
        self.steps.push(Step::Kernel { kernel, inputs, outputs, at_once });
        Some(())
    }

    /// The outputs of a kernel whose inputs depend on one category at most, for each of them;
    /// `None` also where it fails on one: then the row with that one has to fail.
    fn tabled(&mut self, op: &KernelOp, inputs: &[Place]) -> Option<Vec<Place>> {
        let mut choice = None;
        for place in inputs {
            match place {
                Place::Constant(_) => {}
                Place::Table(table) => {
                    let input = self.tables[*table].input;
                    if choice.replace(input).is_some_and(|other| other != input) {
                        return None;
                    }
                }
                Place::Slot(_) => return None,
            }
        }
        let rows = match inputs.iter().find(|place| matches!(place, Place::Table(_))) {
            Some(&Place::Table(table)) => {
                self.tables[table].values.len() / self.tables[table].width
            }
            _ => 1,
        };
        let facts = op.outputs();
        let widths = facts.iter().map(|fact| elements(&fact.shape).ok());
        let widths: Vec<usize> = widths.collect::<Option<_>>()?;
        if widths.iter().any(|&width| width == 0 || width.saturating_mul(rows) > MAX_TABLE) {
            return None;
        }
        let mut values: Vec<Buffer> = facts.iter().map(|fact| Buffer::new(fact.element)).collect();
        for (values, &width) in values.iter_mut().zip(&widths) {
            values.grow(width * rows);
        }
        for row in 0..rows {
            let views = inputs.iter().map(|&place| match place {
                Place::Table(table) => {
                    let Table { values, width, .. } = &self.tables[table];
                    values.view(row * width..(row + 1) * width)
                }
                place => self.constants[place.constant()].view(0..self.width(place)),
            });
            let views: Vec<View<'_>> = views.collect();
            let targets = values.iter_mut().zip(&widths);
            let targets =
                targets.map(|(values, &width)| values.view_mut(row * width..(row + 1) * width));
            op.kernel().run(&views, &mut targets.collect::<Vec<_>>()).ok()?;
        }
        let places = values.into_iter().zip(widths).map(|(values, width)| match choice {
            None => self.constant(values),
            Some(input) => {
                self.tables.push(Table { input, values, width });
                Place::Table(self.tables.len() - 1)
            }
        });
        Some(places.collect())
    }

    /// Values along an axis with nothing but dimensions of 1 before it.
    fn join(&mut self, before: &[usize], inputs: &[Place], output: &Fact) -> Option<Place> {
        if before.iter().any(|&size| size != 1) {
            return None;
        }
        let mut parts = Vec::with_capacity(inputs.len());
        for &place in inputs {
            // Of what is joined itself, its parts are copied: then nothing reads it, in most graphs.
            match self.joined.get(&place) {
                Some(joined) if parts.len() + joined.len() <= MAX_PARTS => parts.extend(joined),
                _ => parts.push((place, self.width(place))),
            }
        }
        parts.retain(|&(_, width)| width > 0);
        let output = self.slot(output)?;
        self.joined.insert(Place::Slot(output), parts.clone());
        self.steps.push(Step::Join { parts, output });
        Some(Place::Slot(output))
    }

    fn part(&mut self, slice: &Slice, input: Place, from: &Fact, to: &Fact) -> Option<Place> {
        let (before, after) = (&from.shape[..slice.axis], &from.shape[slice.axis + 1..]);
        let start = slice.start.to_usize().ok()?;
        if before.iter().any(|&size| size != 1) {
            return None;
        }
        let from = start * after.iter().product::<usize>();
        let input = self.settle(input);
        let output = self.slot(to)?;
        self.steps.push(Step::Part { input, from, output });
        Some(Place::Slot(output))
    }

    fn order(&mut self, input: Place, positions: Vec<usize>, to: &Fact) -> Option<Place> {
        let input = self.settle(input);
        let output = self.slot(to)?;
        self.steps.push(Step::Order { input, positions, output });
        Some(Place::Slot(output))
    }
}

impl Place {
    fn constant(self) -> usize {
        match self {
            Place::Constant(constant) => constant,
            Place::Slot(_) | Place::Table(_) => unreachable!("the place of a constant"),
        }
    }
}

/// Whether a tensor of a row has its elements in the same order before and after.
fn keeps_order(op: &AxisOp, from: &Fact) -> bool {
    let AxisOp::Move(axis, to) = *op else { return true };
    let mut order: Vec<usize> = (0..from.shape.len()).collect();
    let moved = order.remove(axis);
    order.insert(to, moved);
    order.retain(|&axis| from.shape[axis] != 1);
    order.is_sorted()
}

/// Where the elements of a tensor of this shape come from, in their new order, when an axis of it is
/// moved.
fn moved(from: usize, to: usize, shape: &[usize]) -> Option<Vec<usize>> {
    elements(shape).ok().filter(|&count| count <= MAX_BLOCK)?;
    let mut order: Vec<usize> = (0..shape.len()).collect();
    let axis = order.remove(from);
    order.insert(to, axis);
    let mut positions = vec![0];
    for &axis in &order {
        let stride: usize = shape[axis + 1..].iter().product();
        let next = |&at: &usize| (0..shape[axis]).map(move |i| at + i * stride);
        positions = positions.iter().flat_map(next).collect();
    }
    Some(positions)
}
