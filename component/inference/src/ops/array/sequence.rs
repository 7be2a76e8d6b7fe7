//! Sequences of tensors. How long they are, and which element is meant, is known before the request,
//! so that a sequence is no more than its tensors side by side.

use tract_hir::internal::*;
use tract_hir::ops::array;

use crate::node::{Node, axis};
use crate::ops::array::shape;
use crate::ops::built::Built;

/// The operators that take a sequence as their first input.
pub(crate) const TAKERS: [&str; 6] = [
    "ConcatFromSequence",
    "Identity",
    "SequenceAt",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
];

/// The most tensors that one is split into.
const MAX_PARTS: usize = 1 << 12;

pub(crate) fn sequence_construct(node: &Node<'_>) -> Result<Built, String> {
    node.uniform_inputs()?;
    Ok(Built::sequence(|_, _, inputs| Ok(inputs.into())))
}

pub(crate) fn sequence_empty(node: &Node<'_>) -> Result<Built, String> {
    node.ignore(&["dtype"]);
    Ok(Built::sequence(|_, _, _| Ok(tvec![])))
}

pub(crate) fn sequence_length(node: &Node<'_>) -> Result<Built, String> {
    Ok(shape::value(tensor0(length(node)? as i64)))
}

pub(crate) fn sequence_at(node: &Node<'_>) -> Result<Built, String> {
    let count = length(node)?;
    let at = position(node, count, count)?.ok_or("input 1 is missing")?;
    Ok(Built::wiring(move |_, _, inputs| Ok(tvec![inputs[at]])))
}

pub(crate) fn sequence_erase(node: &Node<'_>) -> Result<Built, String> {
    let count = length(node)?;
    let at = position(node, count, count)?.or(count.checked_sub(1)).ok_or("an empty sequence")?;
    Ok(Built::sequence(move |_, _, inputs| {
        Ok((0..count).filter(|&i| i != at).map(|i| inputs[i]).collect())
    }))
}

pub(crate) fn sequence_insert(node: &Node<'_>) -> Result<Built, String> {
    let count = length(node)?;
    node.input(count)?;
    let at = position(node, count + 1, count + 1)?.unwrap_or(count);
    Ok(Built::sequence(move |_, _, inputs| {
        let mut elements: TVec<OutletId> = inputs[..count].into();
        elements.insert(at, inputs[count]);
        Ok(elements)
    }))
}

/// Joined along an axis that they have, or along a new one.
pub(crate) fn concat_from_sequence(node: &Node<'_>) -> Result<Built, String> {
    let count = length(node)?;
    let (operands, _) = node.uniform_inputs()?;
    let is_new = node.int("new_axis")?.unwrap_or(0) != 0;
    let rank = operands[0].fact.shape.len() + usize::from(is_new);
    let along = axis(node.int("axis")?.ok_or("it has no attribute 'axis'")?, rank)?;
    if !is_new {
        return shape::joined(&operands[..count], along);
    }
    if operands.iter().any(|operand| operand.fact.shape != operands[0].fact.shape) {
        return Err("tensors of several shapes to be stacked".into());
    }
    let concat = array::Concat::new(along as i64);
    Ok(Built::wiring(move |prefix, model, inputs| {
        let added = inputs.iter().enumerate().map(|(i, &input)| {
            let name = format!("{prefix}.add.{i}");
            Ok(model.wire_node(name, AxisOp::Add(along), &[input])?[0])
        });
        let added = added.collect::<TractResult<TVec<OutletId>>>()?;
        concat.wire(prefix, model, &added)
    }))
}

/// Parts along an axis: of size 1, of one size, or of given ones.
pub(crate) fn split_to_sequence(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    let size = shape[along];
    if size > MAX_PARTS {
        return Err(format!("an axis of {size} to be split, expected at most {MAX_PARTS}"));
    }
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    let given = node.optional_input(1);
    let sizes: Vec<usize> = match node.constant_integers(1)? {
        None => vec![1; size],
        Some(sizes) if given.is_some_and(|it| it.fact.shape.is_empty()) => {
            let each = usize::try_from(sizes[0]).ok().filter(|&each| each > 0);
            let each = each.ok_or_else(|| format!("parts of size {}", sizes[0]))?;
            (0..size.div_ceil(each)).map(|part| each.min(size - part * each)).collect()
        }
        Some(sizes) => sizes.iter().map(|&part| usize::try_from(part).unwrap_or(0)).collect(),
    };
    let total = sizes.iter().try_fold(0_usize, |total, &part| total.checked_add(part));
    if total != Some(size) || sizes.contains(&0) {
        return Err(format!("axis {along} of shape {shape:?} to be split into sizes {sizes:?}"));
    }
    let drop = given.is_none() && !keep;
    Ok(Built::sequence(move |prefix, model, inputs| {
        let mut start = 0;
        let parts = sizes.iter().enumerate().map(|(part, size)| {
            let slice = array::Slice::new(along, start, start + size);
            start += size;
            let wire = model.wire_node(format!("{prefix}.{part}"), slice, &inputs[..1])?;
            Ok(match drop {
                true => model.wire_node(format!("{prefix}.{part}.rm"), AxisOp::Rm(along), &wire)?,
                false => wire,
            }[0])
        });
        parts.collect()
    }))
}

/// How many tensors the sequence has that is the first input.
fn length(node: &Node<'_>) -> Result<usize, String> {
    node.sequence.ok_or_else(|| "an input that is a tensor, expected a sequence".into())
}

/// A position below `bound`, which is the operand at `at`, counted from the end where it is
/// negative.
fn position(node: &Node<'_>, at: usize, bound: usize) -> Result<Option<usize>, String> {
    match node.constant_integers(at)?.as_deref() {
        None => Ok(None),
        Some([position]) => axis(*position, bound).map(Some),
        Some(positions) => Err(format!("{} positions, expected one", positions.len())),
    }
}
