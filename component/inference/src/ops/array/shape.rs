//! Operators that move elements about: `Reshape`, `Concat`, `Slice` and so on.

use tract_hir::internal::*;
use tract_hir::ops::array;

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::tensor::elements;

/// `Identity`, and `Dropout`, which does nothing outside of training.
pub(crate) fn identity(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?;
    node.ignore(&["ratio", "seed", "is_test"]);
    Ok(Built::wiring(|_, _, inputs| Ok(tvec![inputs[0]])))
}

/// A value that does not depend on the request.
fn value(tensor: Tensor) -> Built {
    let tensor = tensor.into_arc_tensor();
    Built::wiring(move |prefix, model, _| Ok(tvec![model.add_const(prefix, tensor.clone())?]))
}

pub(crate) fn constant(node: &Node<'_>) -> Result<Built, String> {
    Ok(value(if let Some(tensor) = node.tensor("value")? {
        tensor
    } else if let Some(value) = node.float("value_float")? {
        tensor0(value)
    } else if let Some(value) = node.int("value_int")? {
        tensor0(value)
    } else if let Some(value) = node.string("value_string")? {
        tensor0(value.to_string())
    } else if node.has_attribute("value_floats") {
        tensor1(node.floats("value_floats")?)
    } else if node.has_attribute("value_ints") {
        tensor1(node.ints("value_ints")?)
    } else if node.has_attribute("value_strings") {
        tensor1(&node.strings("value_strings")?)
    } else {
        return Err("it has no value, expected a dense one".into());
    }))
}

/// A constant, because all shapes are known.
pub(crate) fn shape(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let rank = shape.len() as i64;
    let bound = |position: i64| {
        (if position < 0 { position.saturating_add(rank) } else { position }).clamp(0, rank)
            as usize
    };
    let start = bound(node.int("start")?.unwrap_or(0));
    let end = bound(node.int("end")?.unwrap_or(rank)).max(start);
    let sizes: Vec<i64> = shape[start..end].iter().map(|&size| size as i64).collect();
    Ok(value(tensor1(&sizes)))
}

/// A constant too, whose shape is an input.
pub(crate) fn constant_of_shape(node: &Node<'_>) -> Result<Built, String> {
    let sizes = node.constant_integers(0)?.ok_or("input 0 is missing")?;
    let shape = whole(&sizes)?;
    let element = node.tensor("value")?.unwrap_or_else(|| tensor1(&[0f32]));
    if element.len() != 1 {
        return Err(format!("a value of {} elements, expected one", element.len()));
    }
    let scalar = element.into_shape(&[]).map_err(|e| e.to_string())?;
    scalar.broadcast_to_shape(&shape).map(value).map_err(|e| e.to_string())
}

/// A shape that an input gives: sizes above 0, of not too many elements.
fn whole(sizes: &[i64]) -> Result<Vec<usize>, String> {
    let size = |&size: &i64| usize::try_from(size).ok().filter(|&size| size > 0);
    let shape: Option<Vec<usize>> = sizes.iter().map(size).collect();
    let shape = shape.ok_or_else(|| format!("the shape {sizes:?}"))?;
    elements(&shape)?;
    Ok(shape)
}

pub(crate) fn concat(node: &Node<'_>) -> Result<Built, String> {
    let (operands, _) = node.uniform_inputs()?;
    let first = &operands[0].fact.shape;
    let axis = axis(node.int("axis")?.unwrap_or(1), first.len())?;
    for operand in &operands {
        let own = &operand.fact.shape;
        let fits =
            own.len() == first.len() && (0..first.len()).all(|i| i == axis || own[i] == first[i]);
        if !fits {
            return Err(format!(
                "inputs of shapes {first:?} and {own:?} to be joined along axis {axis}"
            ));
        }
    }
    Ok(Built::expansion(array::Concat::new(axis as i64)))
}

pub(crate) fn reshape(node: &Node<'_>) -> Result<Built, String> {
    let from = &node.input(0)?.fact.shape;
    let wanted = match node.constant_integers(1)? {
        Some(wanted) => wanted,
        None => node.ints("shape")?.to_vec(),
    };
    node.ignore(&["shape"]);
    let zero_is_zero = node.int("allowzero")?.unwrap_or(0) != 0;
    let mismatch = || format!("a tensor of shape {from:?} to be reshaped to {wanted:?}");
    let mut to = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (position, &size) in wanted.iter().enumerate() {
        to.push(match size {
            -1 if open.is_none() => {
                open = Some(position);
                1
            }
            0 if !zero_is_zero => *from.get(position).ok_or_else(mismatch)?,
            size => usize::try_from(size).map_err(|_| mismatch())?,
        });
    }
    if let Some(position) = open {
        to[position] = elements(from)?.checked_div(elements(&to)?).ok_or_else(mismatch)?;
    }
    if elements(&to)? != elements(from)? || to.contains(&0) {
        return Err(mismatch());
    }
    reshaped(from, &to)
}

/// The elements of the first input in another shape.
fn reshaped(from: &[usize], to: &[usize]) -> Result<Built, String> {
    let dims = |shape: &[usize]| shape.iter().map(|size| size.to_dim()).collect::<TVec<TDim>>();
    let op = AxisOp::Reshape(0, dims(from), dims(to));
    let same = from == to;
    Ok(Built::wiring(move |prefix, model, inputs| {
        if same {
            return Ok(tvec![inputs[0]]);
        }
        model.wire_node(prefix, op.clone(), &inputs[..1])
    }))
}

pub(crate) fn flatten(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let rank = shape.len() as i64;
    let axis = node.int("axis")?.unwrap_or(1);
    let position = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if !(0..=rank).contains(&position) {
        return Err(format!("axis {axis} of a tensor with {rank} dimensions"));
    }
    let (before, after) = shape.split_at(position as usize);
    reshaped(shape, &[before.iter().product(), after.iter().product()])
}

pub(crate) fn squeeze(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let removed = match axes(node)? {
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
        Some(axes) => {
            axes.iter().map(|&it| axis(it, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
    };
    if let Some(&axis) = removed.iter().find(|&&axis| shape[axis] != 1) {
        return Err(format!("axis {axis} of shape {shape:?} to be removed, expected size 1"));
    }
    let kept = (0..shape.len()).filter(|axis| !removed.contains(axis));
    reshaped(shape, &kept.map(|axis| shape[axis]).collect::<Vec<_>>())
}

pub(crate) fn unsqueeze(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let axes = axes(node)?.ok_or("it has no axes")?;
    let rank = shape.len() + axes.len();
    let added = axes.iter().map(|&it| axis(it, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut sizes = shape.iter().copied();
    let next = |axis| if added.contains(&axis) { Some(1) } else { sizes.next() };
    let unsqueezed: Option<Vec<usize>> = (0..rank).map(next).collect();
    match unsqueezed {
        Some(unsqueezed) if sizes.next().is_none() => reshaped(shape, &unsqueezed),
        _ => Err(format!("the axes {axes:?}, expected no axis twice")),
    }
}

/// An input since operator set 13, an attribute before.
fn axes(node: &Node<'_>) -> Result<Option<Vec<i64>>, String> {
    if let Some(axes) = node.constant_integers(1)? {
        return Ok(Some(axes));
    }
    let axes = node.ints("axes")?;
    Ok((!axes.is_empty()).then(|| axes.to_vec()))
}

pub(crate) fn transpose(node: &Node<'_>) -> Result<Built, String> {
    let rank = node.input(0)?.fact.shape.len();
    let order: TVec<usize> = match node.ints("perm")? {
        [] => (0..rank).rev().collect(),
        given => given.iter().map(|&axis| usize::try_from(axis).unwrap_or(rank)).collect(),
    };
    if order.len() != rank || !(0..rank).all(|axis| order.contains(&axis)) {
        return Err(format!(
            "the attribute 'perm' is {order:?}, expected each of {rank} dimensions"
        ));
    }
    Ok(Built::expansion(array::PermuteAxes::new(Some(order))))
}

pub(crate) fn expand(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?;
    let wanted = node.constant_integers(1)?.ok_or("input 1 is missing")?;
    whole(&wanted)?;
    Ok(Built::expansion(array::MultiBroadcastTo))
}

/// From and to along axes, with numpy's rules; only steps of 1.
pub(crate) fn slice(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let list = |position, name| match node.constant_integers(position)? {
        Some(values) => Ok::<_, String>(values),
        None => Ok(node.ints(name)?.to_vec()),
    };
    let (starts, ends, mut axes) = (list(1, "starts")?, list(2, "ends")?, list(3, "axes")?);
    if axes.is_empty() {
        axes = (0..starts.len() as i64).collect();
    }
    if ends.len() != starts.len() || axes.len() != starts.len() {
        return Err("starts, ends and axes of different lengths".into());
    }
    if node.constant_integers(4)?.is_some_and(|steps| steps.iter().any(|&step| step != 1)) {
        return Err("steps other than 1, which are not supported".into());
    }
    let mut slices = Vec::new();
    for ((&start, &end), &along) in starts.iter().zip(&ends).zip(&axes) {
        let along = axis(along, shape.len())?;
        let size = shape[along] as i64;
        let place = |bound: i64| {
            (if bound < 0 { bound.saturating_add(size) } else { bound }).clamp(0, size) as usize
        };
        let (start, end) = (place(start), place(end));
        if start >= end || slices.iter().any(|slice: &array::Slice| slice.axis == along) {
            return Err(format!(
                "nothing between {start} and {end} of axis {along}, or that axis twice"
            ));
        }
        slices.push(array::Slice::new(along, start, end));
    }
    Ok(Built::wiring(move |prefix, model, inputs| {
        let mut wire = tvec![inputs[0]];
        for slice in &slices {
            wire = model.wire_node(format!("{prefix}.{}", slice.axis), slice.clone(), &wire)?;
        }
        Ok(wire)
    }))
}

/// Parts along an axis: of given sizes, or as equal as they can be.
pub(crate) fn split(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    let size = shape[along];
    let given = match node.constant_integers(1)? {
        Some(sizes) => sizes,
        None => node.ints("split")?.to_vec(),
    };
    let parts = node.proto.output.len();
    node.ignore(&["num_outputs"]);
    let sizes: Vec<usize> = if given.is_empty() {
        let each = size.div_ceil(parts.max(1));
        (0..parts).map(|part| each.min(size.saturating_sub(part * each))).collect()
    } else {
        given.iter().map(|&part| usize::try_from(part).unwrap_or(0)).collect()
    };
    let total = sizes.iter().try_fold(0usize, |total, &part| total.checked_add(part));
    if total != Some(size) || sizes.len() != parts || sizes.contains(&0) {
        return Err(format!(
            "axis {along} of shape {shape:?} to be split into {parts} parts of sizes {given:?}"
        ));
    }
    Ok(Built::wiring(move |prefix, model, inputs| {
        let mut start = 0;
        let slices = sizes.iter().enumerate().map(|(part, size)| {
            let slice = array::Slice::new(along, start, start + size);
            start += size;
            Ok(model.wire_node(format!("{prefix}.{part}"), slice, &inputs[..1])?[0])
        });
        slices.collect()
    }))
}
