//! Operators that move elements about: `Reshape`, `Concat`, `Slice` and so on.

use tract_hir::internal::*;
use tract_hir::ops::array;

use crate::node::{Node, Operand, axis};
use crate::ops::array::take;
use crate::ops::built::Built;
use crate::tensor::{Element, Fact, View, elements};

pub(crate) fn identity(node: &Node<'_>) -> Result<Built, String> {
    if node.sequence.is_some() {
        return Ok(Built::sequence(|_, _, inputs| Ok(inputs.into())));
    }
    node.input(0)?;
    Ok(Built::wiring(|_, _, inputs| Ok(tvec![inputs[0]])))
}

/// Outside of training, it does nothing, and its mask is true everywhere.
pub(crate) fn dropout(node: &Node<'_>) -> Result<Built, String> {
    node.ignore(&["ratio", "seed", "is_test"]);
    if let Some(training) = node.optional_input(2) {
        let is_off = match training.constant.map(View::of).transpose() {
            Ok(Some(View::Bool(flags))) => flags.iter().all(|is_on| !is_on),
            _ => false,
        };
        if !is_off {
            return Err("the input 'training_mode', expected false".into());
        }
    }
    let shape = node.input(0)?.fact.shape.clone();
    if node.proto.output.len() < 2 {
        return Ok(Built::wiring(|_, _, inputs| Ok(tvec![inputs[0]])));
    }
    if node.opset < 10 {
        return Err("a mask of floats, which is not supported".into());
    }
    let mask = tensor0(true).broadcast_to_shape(&shape).map_err(|e| e.to_string())?;
    let mask = mask.into_arc_tensor();
    Ok(Built::wiring(move |prefix, model, inputs| {
        Ok(tvec![inputs[0], model.add_const(prefix, mask.clone())?])
    }))
}

/// A tensor without elements, which is the same for every request.
fn empty(element: Element, shape: &[usize]) -> Result<Built, String> {
    let tensor = Fact::new(element, shape).zeros();
    tensor.map(value).map_err(|e| e.to_string())
}

/// A value that does not depend on the request.
pub(crate) fn value(tensor: Tensor) -> Built {
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
    let shape = whole(&sizes, 0)?;
    let element = node.tensor("value")?.unwrap_or_else(|| tensor1(&[0f32]));
    if element.len() != 1 {
        return Err(format!("a value of {} elements, expected one", element.len()));
    }
    if shape.contains(&0) {
        let element = Element::of(element.datum_type()).ok_or("a value of another type")?;
        return empty(element, &shape);
    }
    let scalar = element.into_shape(&[]).map_err(|e| e.to_string())?;
    scalar.broadcast_to_shape(&shape).map(value).map_err(|e| e.to_string())
}

/// A shape that an input gives: sizes of at least `smallest`, of not too many elements.
fn whole(sizes: &[i64], smallest: usize) -> Result<Vec<usize>, String> {
    let size = |&size: &i64| usize::try_from(size).ok().filter(|&size| size >= smallest);
    let shape: Option<Vec<usize>> = sizes.iter().map(size).collect();
    let shape = shape.ok_or_else(|| format!("the shape {sizes:?}"))?;
    elements(&shape)?;
    Ok(shape)
}

pub(crate) fn concat(node: &Node<'_>) -> Result<Built, String> {
    let (operands, _) = node.uniform_inputs()?;
    let axis = axis(node.int("axis")?.unwrap_or(1), operands[0].fact.shape.len())?;
    joined(&operands, axis)
}

/// Tensors of one type joined along an axis.
pub(crate) fn joined(operands: &[Operand<'_>], axis: usize) -> Result<Built, String> {
    let first = &operands[0].fact.shape;
    for operand in operands {
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
    let fact = node.input(0)?.fact;
    let from = &fact.shape;
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
    if elements(&to)? != elements(from)? {
        return Err(mismatch());
    }
    if to.contains(&0) {
        return empty(fact.element, &to);
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
    whole(&wanted, 1)?;
    Ok(Built::expansion(array::MultiBroadcastTo))
}

/// From and to along axes, with numpy's rules.
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
    let steps = node.constant_integers(4)?.unwrap_or_default();
    if steps.iter().any(|&step| step != 1) {
        let mut bounds = Vec::new();
        for (i, &step) in steps.iter().enumerate().take(starts.len()) {
            bounds.push((axis(axes[i], shape.len())?, starts[i], ends[i], step));
        }
        let mut along: Vec<usize> = bounds.iter().map(|(along, ..)| *along).collect();
        along.sort_unstable();
        along.dedup();
        if steps.len() != starts.len() || along.len() != steps.len() || steps.contains(&0) {
            return Err(format!("steps of {steps:?} along the axes {axes:?}"));
        }
        return take::strided_slice(node, &bounds);
    }
    let mut slices = Vec::new();
    let mut cut = shape.clone();
    for ((&start, &end), &along) in starts.iter().zip(&ends).zip(&axes) {
        let along = axis(along, shape.len())?;
        let size = shape[along] as i64;
        let place = |bound: i64| {
            (if bound < 0 { bound.saturating_add(size) } else { bound }).clamp(0, size) as usize
        };
        let (start, end) = (place(start), place(end));
        if slices.iter().any(|slice: &array::Slice| slice.axis == along) {
            return Err(format!("the axes {axes:?}, expected no axis twice"));
        }
        cut[along] = end.saturating_sub(start);
        slices.push(array::Slice::new(along, start, end));
    }
    if cut.contains(&0) {
        return empty(node.input(0)?.fact.element, &cut);
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
    let is_equal = given.is_empty();
    let sizes: Option<Vec<usize>> = if is_equal {
        let each = size.div_ceil(parts.max(1));
        Some((0..parts).map(|part| each.min(size.saturating_sub(part * each))).collect())
    } else {
        given.iter().map(|&part| usize::try_from(part).ok()).collect()
    };
    let total = |sizes: &[usize]| {
        sizes.iter().try_fold(0usize, |total, &part| total.checked_add(part)) == Some(size)
    };
    let fits = |sizes: &Vec<usize>| {
        // Into equal parts of nothing only what is nothing.
        let has_empty = is_equal && size > 0 && sizes.contains(&0);
        total(sizes) && sizes.len() == parts && !has_empty
    };
    let sizes = sizes.filter(fits).ok_or_else(|| {
        format!("axis {along} of shape {shape:?} to be split into {parts} parts of sizes {given:?}")
    })?;
    let mut part_shape = shape.clone();
    part_shape[along] = 0;
    let nothing = Fact::new(node.input(0)?.fact.element, part_shape);
    let nothing = nothing.zeros().map_err(|e| e.to_string())?.into_arc_tensor();
    Ok(Built::wiring(move |prefix, model, inputs| {
        let mut start = 0;
        let slices = sizes.iter().enumerate().map(|(part, size)| {
            let name = format!("{prefix}.{part}");
            if *size == 0 {
                return model.add_const(name, nothing.clone());
            }
            let slice = array::Slice::new(along, start, start + size);
            start += size;
            Ok(model.wire_node(name, slice, &inputs[..1])?[0])
        });
        slices.collect()
    }))
}

/// How many elements there are: a constant.
pub(crate) fn size(node: &Node<'_>) -> Result<Built, String> {
    let size = elements(&node.input(0)?.fact.shape)?;
    Ok(value(tensor0(size as i64)))
}

/// From a start to a limit in equal steps, all of which are constants.
pub(crate) fn range(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(3)?;
    let (operands, element) = node.uniform_inputs()?;
    let mut bounds = Vec::with_capacity(3);
    for (position, operand) in operands.iter().enumerate() {
        let constant = operand.constant.filter(|it| it.len() == 1);
        let reason = "a bound that is not one constant";
        bounds.push(constant.ok_or_else(|| node.needs_value(position, reason))?);
    }
    let views = bounds.iter().map(|it| View::of(it)).collect::<TractResult<Vec<_>>>();
    let views = views.map_err(|e| e.to_string())?;
    operands[0].numeric()?;
    let [start, limit, step] = [0, 1, 2].map(|i| views[i].number(0));
    let count = ((limit - start) / step).ceil().max(0.0);
    if count.is_nan() || count > 1e7 {
        return Err(format!("a range from {start} to {limit} in steps of {step}"));
    }
    let count = count as usize;
    elements(&[count])?;
    Ok(value(match element {
        Element::F32 => {
            let (start, step) = (start as f32, step as f32);
            tensor1(&(0..count).map(|i| start + i as f32 * step).collect::<Vec<_>>())
        }
        Element::F64 => tensor1(&(0..count).map(|i| start + i as f64 * step).collect::<Vec<_>>()),
        _ => {
            let [start, step] = [0, 2].map(|i| views[i].integer(0).unwrap_or(0));
            let number = |i| start.wrapping_add((i as i64).wrapping_mul(step));
            let numbers: Vec<i64> = (0..count).map(number).collect();
            match element {
                Element::I32 => tensor1(&numbers.iter().map(|&it| it as i32).collect::<Vec<_>>()),
                _ => tensor1(&numbers),
            }
        }
    }))
}

/// The positions of elements other than zero, of a constant: else nobody knows how many there are.
pub(crate) fn non_zero(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    let constant = input.constant.ok_or_else(|| {
        node.needs_value(0, "input 0 depends on the request, expected a constant")
    })?;
    if input.fact.element == Element::Text {
        return Err("an input of strings, expected numbers".into());
    }
    let view = View::of(constant).map_err(|e| e.to_string())?;
    let found: Vec<usize> = (0..view.len()).filter(|&i| view.number(i) != 0.0).collect();
    let shape = &input.fact.shape;
    elements(&[shape.len(), found.len()])?;
    let mut positions = Vec::with_capacity(shape.len() * found.len());
    for along in 0..shape.len() {
        let stride: usize = shape[along + 1..].iter().product();
        positions.extend(found.iter().map(|at| (at / stride % shape[along]) as i64));
    }
    let positions = tensor1(&positions).into_shape(&[shape.len(), found.len()]);
    positions.map(value).map_err(|e| e.to_string())
}

/// Ones on a diagonal of a matrix of the input's shape, zeros beside it: a constant.
pub(crate) fn eye_like(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    let element = match node.int("dtype")? {
        Some(number) => Element::from_onnx(i32::try_from(number).unwrap_or(-1))?,
        None => fact.element,
    };
    let shift = node.int("k")?.unwrap_or(0);
    let &[rows, columns] = &fact.shape[..] else {
        return Err(format!("an input of shape {:?}, expected a matrix", fact.shape));
    };
    let one = (0..rows * columns).map(|position| {
        (position % columns) as i64 == ((position / columns) as i64).saturating_add(shift)
    });
    let ones: Vec<i64> = one.map(i64::from).collect();
    let tensor = tensor1(&ones).into_shape(&[rows, columns]);
    let tensor = tensor.and_then(|it| it.cast_to_dt(element.datum()).map(|it| it.into_owned()));
    tensor.map(value).map_err(|e| e.to_string())
}
