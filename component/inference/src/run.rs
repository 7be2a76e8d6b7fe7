//! Runs a [`Program`], block by block.

use std::mem;
use std::ops::Range;

use foretold_core::model::feature::Value;
use foretold_kernels::columns;
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::buffer::Buffer;
use crate::ops::kernel::Kernel;
use crate::output::{self, Outputs};
use crate::program::{Input, Place, Program, Step};
use crate::tensor::{View, ViewMut, same_type};

/// What a program writes to, for the rows of a block; it grows with the first blocks.
#[derive(Debug)]
pub(crate) struct Memory {
    slots: Vec<Buffer>,
    /// For each input the numbers of the categories, if it has some.
    choices: Vec<Vec<usize>>,
    /// Rows that there is room for.
    rows: usize,
}

impl Memory {
    /// Without room for a row.
    pub(crate) fn new(program: &Program) -> Memory {
        Memory {
            slots: program.slots.iter().map(|slot| Buffer::new(slot.element)).collect(),
            choices: program.inputs.iter().map(|_| Vec::new()).collect(),
            rows: 0,
        }
    }

    fn grow(&mut self, program: &Program, rows: usize) {
        if self.rows < rows {
            for (buffer, slot) in self.slots.iter_mut().zip(&program.slots) {
                buffer.grow(rows * slot.width);
            }
            self.choices.iter_mut().for_each(|choices| choices.resize(rows, 0));
            self.rows = rows;
        }
    }
}

/// Writes the outputs of rows.
pub(crate) fn run(
    program: &Program,
    bindings: &Bindings,
    outputs: &Outputs,
    rows: &[Value],
    memory: &mut Memory,
    found: &mut [f32],
) -> Result<(), String> {
    let width = bindings.len();
    let found = found.chunks_mut(program.block * outputs.len());
    for (block, found) in rows.chunks(program.block * width).zip(found) {
        let count = block.len() / width;
        memory.grow(program, count);
        read(program, bindings, block, memory)?;
        for step in &program.steps {
            program.step(step, count, memory)?;
        }
        program.take(outputs, count, memory, found)?;
    }
    Ok(())
}

/// Runs some rows at once, at most a block, of inputs that are no categories: with what writes an
/// input. Then [`found`] has the outputs.
pub(crate) fn compute(
    program: &Program,
    rows: usize,
    memory: &mut Memory,
    mut write: impl FnMut(usize, ViewMut<'_>),
) -> Result<(), String> {
    memory.grow(program, rows);
    for (input, kind) in program.inputs.iter().enumerate() {
        let Input::Elements(slot) = *kind else { unreachable!("an input of no categories") };
        let end = rows * program.slots[slot].width;
        write(input, memory.slots[slot].view_mut(0..end));
    }
    program.steps.iter().try_for_each(|step| program.step(step, rows, memory))
}

/// What an output is for a row of those that were computed last.
pub(crate) fn found<'a>(
    program: &'a Program,
    output: usize,
    row: usize,
    memory: &'a Memory,
) -> View<'a> {
    program.view(program.outputs[output], row..row + 1, memory)
}

/// Reads the inputs of a block.
fn read(
    program: &Program,
    bindings: &Bindings,
    block: &[Value],
    memory: &mut Memory,
) -> Result<(), String> {
    let rows = block.chunks_exact(bindings.len()).enumerate();
    for (input, kind) in program.inputs.iter().enumerate() {
        match *kind {
            Input::Choice => {
                for (i, row) in rows.clone() {
                    memory.choices[input][i] = bindings.choose(input, row)?;
                }
            }
            Input::Elements(slot) => {
                let end = rows.len() * program.slots[slot].width;
                bindings.write(input, block, memory.slots[slot].view_mut(0..end))?;
            }
        }
    }
    Ok(())
}

/// Where the elements of a row are.
pub(crate) fn of_row(row: usize, width: usize) -> Range<usize> {
    row * width..(row + 1) * width
}

impl Program {
    fn step(&self, step: &Step, rows: usize, memory: &mut Memory) -> Result<(), String> {
        match step {
            Step::Kernel { kernel, inputs, outputs, at_once } => {
                let slots = outputs.iter().map(|&slot| mem::take(&mut memory.slots[slot]));
                let mut taken: TVec<Buffer> = slots.collect();
                let done = if *at_once {
                    self.at_once(&**kernel, inputs, outputs, rows, memory, &mut taken)
                } else {
                    self.row_by_row(&**kernel, inputs, outputs, rows, memory, &mut taken)
                };
                for (&slot, buffer) in outputs.iter().zip(taken) {
                    memory.slots[slot] = buffer;
                }
                done
            }
            Step::Join { parts, output } => {
                let mut target = mem::take(&mut memory.slots[*output]);
                let mut to = 0;
                for &(part, width) in parts {
                    let columns = Columns { all: self.slots[*output].width, first: to, width };
                    self.copy(part, 0, columns, rows, memory, &mut target);
                    to += width;
                }
                memory.slots[*output] = target;
                Ok(())
            }
            Step::Part { input, from, output } => {
                let mut target = mem::take(&mut memory.slots[*output]);
                let width = self.slots[*output].width;
                let columns = Columns { all: width, first: 0, width };
                self.copy(*input, *from, columns, rows, memory, &mut target);
                memory.slots[*output] = target;
                Ok(())
            }
            Step::Order { input, positions, output } => {
                let mut target = mem::take(&mut memory.slots[*output]);
                let width = positions.len();
                for row in 0..rows {
                    let source = self.view(*input, row..row + 1, memory);
                    same_type!(source, target.view_mut(of_row(row, width)), |source, target| {
                        let moved = target.iter_mut().zip(positions);
                        moved.for_each(|(target, &from)| target.clone_from(&source[from]));
                    });
                }
                memory.slots[*output] = target;
                Ok(())
            }
        }
    }

    fn at_once(
        &self,
        kernel: &dyn Kernel,
        inputs: &[Place],
        outputs: &[usize],
        rows: usize,
        memory: &Memory,
        taken: &mut [Buffer],
    ) -> Result<(), String> {
        let views = inputs.iter().map(|&place| self.view(place, 0..rows, memory));
        let views: TVec<View<'_>> = views.collect();
        let targets = taken.iter_mut().zip(outputs);
        let targets =
            targets.map(|(buffer, &slot)| buffer.view_mut(0..rows * self.slots[slot].width));
        kernel.run(&views, &mut targets.collect::<TVec<ViewMut<'_>>>())
    }

    fn row_by_row(
        &self,
        kernel: &dyn Kernel,
        inputs: &[Place],
        outputs: &[usize],
        rows: usize,
        memory: &Memory,
        taken: &mut [Buffer],
    ) -> Result<(), String> {
        for (buffer, &slot) in taken.iter_mut().zip(outputs) {
            buffer.clear(0..rows * self.slots[slot].width);
        }
        let mut views: TVec<View<'_>> = TVec::new();
        for row in 0..rows {
            views.clear();
            views.extend(inputs.iter().map(|&place| self.view(place, row..row + 1, memory)));
            let targets = taken.iter_mut().zip(outputs);
            let targets =
                targets.map(|(buffer, &slot)| buffer.view_mut(of_row(row, self.slots[slot].width)));
            kernel.run(&views, &mut targets.collect::<TVec<ViewMut<'_>>>())?;
        }
        Ok(())
    }

    /// Rows of a value; of a constant all of it.
    fn view<'a>(&'a self, place: Place, rows: Range<usize>, memory: &'a Memory) -> View<'a> {
        match place {
            Place::Slot(slot) => {
                let width = self.slots[slot].width;
                memory.slots[slot].view(rows.start * width..rows.end * width)
            }
            Place::Constant(constant) => {
                let values = &self.constants[constant];
                values.view(0..values.len())
            }
            Place::Table(_) => unreachable!("a table is looked up before"),
        }
    }

    /// Copies elements of each row of a value, from a position on, to columns of another.
    fn copy(
        &self,
        from: Place,
        first: usize,
        to: Columns,
        rows: usize,
        memory: &Memory,
        target: &mut Buffer,
    ) {
        let (values, width) = match from {
            Place::Slot(slot) => (&memory.slots[slot], self.slots[slot].width),
            Place::Constant(constant) => (&self.constants[constant], 0),
            Place::Table(table) => (&self.tables[table].values, self.tables[table].width),
        };
        let choices = match from {
            Place::Table(table) => Some(&memory.choices[self.tables[table].input]),
            Place::Slot(_) | Place::Constant(_) => None,
        };
        let source = values.view(0..values.len());
        same_type!(source, target.view_mut(0..rows * to.all), |source, target| {
            for (row, target) in target.chunks_exact_mut(to.all).enumerate() {
                let from = first + choices.map_or(row, |choices| choices[row]) * width;
                let source = &source[from..from + to.width];
                let target = &mut target[to.first..to.first + to.width];
                // Not as slices: most are of a few elements.
                target
                    .iter_mut()
                    .zip(source)
                    .for_each(|(target, source)| target.clone_from(source));
            }
        });
    }

    /// Writes the outputs of a block.
    fn take(
        &self,
        outputs: &Outputs,
        rows: usize,
        memory: &Memory,
        found: &mut [f32],
    ) -> Result<(), String> {
        let width = outputs.len();
        for (position, &(tensor, column)) in outputs.positions().iter().enumerate() {
            let place = self.outputs[tensor];
            match (self.view(place, 0..rows, memory), place) {
                (View::F32(values), Place::Slot(slot)) => {
                    let own = self.slots[slot].width;
                    columns::copy_column(values, own, column, found, width, position);
                }
                _ => {
                    for row in 0..rows {
                        let view = self.view(place, row..row + 1, memory);
                        found[row * width + position] = output::element(&view, column)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Some of the columns of a value.
#[derive(Clone, Copy)]
struct Columns {
    /// How many the value has.
    all: usize,
    first: usize,
    width: usize,
}
