//! Operators that put elements of a tensor at other places: `Pad`, `Tile`, `Trilu`, `Compress`,
//! `ReverseSequence` and so on. Which one goes where is known before the request.

use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Fact, View, ViewMut, elements, same_type};

/// For each element of the output the one of the input; [`FILL`] for the element of the second
/// input, or zero where there is none.
#[derive(Debug)]
struct Take {
    positions: Vec<u32>,
}

const FILL: u32 = u32::MAX;

impl Kernel for Take {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        if let Some(&fill) = inputs.get(1) {
            same_type!(fill, &mut outputs[0], |fill, target| {
                target.iter_mut().for_each(|target| target.clone_from(&fill[0]));
            });
        }
        same_type!(inputs[0], &mut outputs[0], |source, target| {
            for (target, &position) in target.iter_mut().zip(&self.positions) {
                if position != FILL {
                    target.clone_from(&source[position as usize]);
                }
            }
        });
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}

/// The elements of the first input that `source` names for the coordinates of the output; it gives
/// `None` where there is none.
fn take(
    node: &Node<'_>,
    shape: Vec<usize>,
    fill: Option<usize>,
    source: &dyn Fn(&[usize]) -> Option<Vec<usize>>,
) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    let count = elements(&shape)?;
    let mut positions = Vec::with_capacity(count);
    let mut coordinates = vec![0; shape.len()];
    for _ in 0..count {
        positions.push(source(&coordinates).map_or(FILL, |from| {
            from.iter().zip(&fact.shape).fold(0, |at, (&i, &size)| at * size + i) as u32
        }));
        for (i, &size) in coordinates.iter_mut().zip(&shape).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    let uses = [Some(0), fill].into_iter().flatten().collect();
    Ok(Built::kernel(Take { positions }, uses, vec![Fact::new(fact.element, shape)]))
}

/// With numpy's rules for bounds and steps.
pub(crate) fn strided_slice(
    node: &Node<'_>,
    bounds: &[(usize, i64, i64, i64)],
) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let mut sliced = shape.clone();
    let mut steps: Vec<(i64, i64)> = shape.iter().map(|_| (0, 1)).collect();
    for &(along, start, end, step) in bounds {
        let size = shape[along] as i64;
        // One before the first element is where a step backwards ends.
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let place = |bound: i64| {
            (if bound < 0 { bound.saturating_add(size) } else { bound }).clamp(low, high)
        };
        let (start, end) = (place(start), place(end));
        let way = if step > 0 { end - start } else { start - end };
        sliced[along] = way.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        steps[along] = (start, step);
    }
    take(node, sliced, None, &|place: &[usize]| {
        let each = place.iter().zip(&steps);
        Some(each.map(|(&i, &(start, step))| (start + i as i64 * step) as usize).collect())
    })
}

pub(crate) fn tile(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let repeats = node.constant_integers(1)?.ok_or("input 1 is missing")?;
    let repeat = |(&size, &times): (&usize, &i64)| size.checked_mul(usize::try_from(times).ok()?);
    let tiled: Option<Vec<usize>> = shape.iter().zip(&repeats).map(repeat).collect();
    match tiled.filter(|_| repeats.len() == shape.len()) {
        Some(tiled) => take(node, tiled, None, &|place: &[usize]| {
            Some(place.iter().zip(shape).map(|(i, size)| i % size).collect())
        }),
        None => Err(format!("repeats of {repeats:?} for an input of shape {shape:?}")),
    }
}

pub(crate) fn pad(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    let shape = &input.fact.shape;
    let mode = node.string("mode")?.unwrap_or("constant").to_owned();
    // Inputs since operator set 11, attributes before.
    let pads = match node.constant_integers(1)? {
        Some(pads) => pads,
        None => node.ints("pads")?.to_vec(),
    };
    if node.float("value")?.unwrap_or(0.0) != 0.0 {
        return Err("the attribute 'value', expected 0 or an input".into());
    }
    let axes = match node.constant_integers(3)? {
        Some(axes) => axes.iter().map(|&it| axis(it, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect::<Vec<usize>>(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let mut before = vec![0_i64; shape.len()];
    let mut padded = shape.clone();
    for (i, &along) in axes.iter().enumerate() {
        let (first, last) = (pads[i], pads[axes.len() + i]);
        let size = (shape[along] as i64).checked_add(first).and_then(|it| it.checked_add(last));
        let size = size.and_then(|size| usize::try_from(size).ok());
        padded[along] = size.ok_or_else(|| format!("pads of {first} and {last}"))?;
        before[along] = first;
    }
    let is_known = ["constant", "reflect", "edge", "wrap"].contains(&&*mode);
    if !is_known || (mode != "constant" && shape.contains(&0)) {
        return Err(format!("the mode '{mode}' for an input of shape {shape:?}"));
    }
    let fill = node.optional_input(2).filter(|_| mode == "constant");
    if fill.is_some_and(|it| it.fact.element != input.fact.element || it.fact.shape.len() > 1) {
        return Err("a value to pad with that is none of its input's type".into());
    }
    take(node, padded, fill.map(|_| 2), &|place: &[usize]| {
        let each = place.iter().zip(&before).zip(shape);
        each.map(|((&i, before), &size)| {
            let (at, size) = (i as i64 - before, size as i64);
            let at = match &*mode {
                "constant" => Some(at).filter(|at| (0..size).contains(at))?,
                "edge" => at.clamp(0, size - 1),
                "wrap" => at.rem_euclid(size),
                // There and back again, without the ends twice.
                _ => {
                    let period = (2 * (size - 1)).max(1);
                    let at = at.rem_euclid(period);
                    if at < size { at } else { period - at }
                }
            };
            Some(at as usize)
        })
        .collect()
    })
}

/// The upper or lower triangle of each matrix, zeros beside it.
pub(crate) fn trilu(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let upper = node.int("upper")?.unwrap_or(1) != 0;
    let shift = match node.constant_integers(1)?.as_deref() {
        None => 0,
        Some([shift]) => *shift,
        Some(shifts) => return Err(format!("{} diagonals, expected one", shifts.len())),
    };
    if shape.len() < 2 {
        return Err(format!("an input of shape {shape:?}, expected a matrix"));
    }
    take(node, shape.clone(), None, &|place: &[usize]| {
        let [.., row, column] = place else { return None };
        let distance = (*column as i64 - *row as i64).saturating_sub(shift);
        (if upper { distance >= 0 } else { distance <= 0 }).then(|| place.to_vec())
    })
}

/// The slices along an axis for which a constant says so, or elements where there is no axis.
pub(crate) fn compress(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let condition = node.input(1)?;
    let constant = condition.constant;
    let constant = constant.ok_or_else(|| node.needs_value(1, "input 1 depends on the request"))?;
    let View::Bool(condition) = View::of(constant).map_err(|e| e.to_string())? else {
        return Err(format!("a condition of type {}, expected bool", condition.fact.element));
    };
    let kept: Vec<usize> =
        condition.iter().enumerate().filter(|(_, keep)| **keep).map(|(i, _)| i).collect();
    let along = node.int("axis")?.map(|it| axis(it, shape.len())).transpose()?;
    let size = along.map_or(elements(shape)?, |along| shape[along]);
    if kept.last().is_some_and(|&last| last >= size) {
        return Err(format!("a condition of {} for {size} elements", condition.len()));
    }
    let mut compressed = shape.clone();
    match along {
        Some(along) => compressed[along] = kept.len(),
        None => compressed = vec![kept.len()],
    }
    take(node, compressed, None, &|place: &[usize]| match along {
        Some(along) => {
            let mut from = place.to_vec();
            from[along] = kept[place[along]];
            Some(from)
        }
        None => {
            let mut position = kept[place[0]];
            let mut from = vec![0; shape.len()];
            for (i, size) in from.iter_mut().zip(shape).rev() {
                *i = position % size;
                position /= size;
            }
            Some(from)
        }
    })
}

/// The first so many of each sequence in reverse order.
pub(crate) fn reverse_sequence(node: &Node<'_>) -> Result<Built, String> {
    let shape = &node.input(0)?.fact.shape;
    let (batch, time) = (node.int("batch_axis")?.unwrap_or(1), node.int("time_axis")?.unwrap_or(0));
    let (batch, time) = (axis(batch, shape.len())?, axis(time, shape.len())?);
    let lengths = node.constant_integers(1)?.ok_or("input 1 is missing")?;
    let fits = |&length: &i64| (0..=shape[time] as i64).contains(&length);
    if lengths.len() != shape[batch] || !lengths.iter().all(fits) || batch == time {
        return Err(format!("lengths {lengths:?} for an input of shape {shape:?}"));
    }
    take(node, shape.clone(), None, &|place: &[usize]| {
        let mut from = place.to_vec();
        let length = lengths[place[batch]] as usize;
        if place[time] < length {
            from[time] = length - 1 - place[time];
        }
        Some(from)
    })
}
