//! Normalizations of neural networks: with statistics of training (`BatchNormalization`), or of the
//! elements themselves.
//!
//! The latter are computed in float64 and rounded once; onnxruntime's sums are of float32.

use foretold_kernels::elements::{self, Operation};

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::broadcast::{Stretch, Stretched, broadcast, each};
use crate::tensor::{self, Fact, View, ViewMut};

/// (x - mean) / √(variance + epsilon) · scale + bias, per channel.
#[derive(Debug)]
struct BatchNormalization {
    /// Elements of a channel that lie side by side, and how many channels there are.
    size: usize,
    channels: usize,
    /// How many elements a row has.
    row: usize,
    epsilon: f32,
}

pub(crate) fn batch_normalization(node: &Node<'_>) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    node.exactly(5)?;
    node.ignore(&["momentum"]);
    if node.int("training_mode")?.unwrap_or(0) != 0 || node.int("spatial")?.unwrap_or(1) != 1 {
        return Err("the attribute 'training_mode' or 'spatial', which is not supported".into());
    }
    let shape = &operands[0].fact.shape;
    let channels = shape.get(1).copied().unwrap_or(1);
    for operand in &operands[1..] {
        if operand.fact.shape != [channels] {
            return Err(format!(
                "statistics of shape {:?}, expected [{channels}]",
                operand.fact.shape
            ));
        }
    }
    let kernel = BatchNormalization {
        size: shape.iter().skip(2).product(),
        channels,
        row: tensor::elements(shape)?,
        epsilon: node.float("epsilon")?.unwrap_or(1e-5),
    };
    Ok(Built::kernel(kernel, (0..5).collect(), vec![Fact::new(element, shape.clone())]))
}

/// float32 or float64, with the loop that there is for it.
trait Lines: Float {
    /// Whether it was done: y = x · factor + offset, where these are repeated.
    fn repeated(_x: &[Self], _lines: &[(Self, Self)], _y: &mut [Self]) -> bool {
        false
    }
}

impl Lines for f64 {}

impl Lines for f32 {
    fn repeated(x: &[f32], lines: &[(f32, f32)], y: &mut [f32]) -> bool {
        let (factors, offsets): (Vec<f32>, Vec<f32>) = lines.iter().copied().unzip();
        y.copy_from_slice(x);
        elements::combine(Operation::Mul, y, &factors);
        elements::combine(Operation::Add, y, &offsets);
        true
    }
}

impl BatchNormalization {
    fn of<T: Lines>(&self, x: &[T], statistics: [&[T]; 4], y: &mut [T]) {
        let epsilon = T::from_f64(self.epsilon.into());
        let each = Stretched::same(self.channels);
        let is_constant = statistics.iter().all(|it| it.len() == self.channels);
        let mut lines: Vec<(T, T)> = Vec::with_capacity(self.channels);
        let of_row = |row: usize, lines: &mut Vec<(T, T)>| {
            let [scale, bias, mean, variance] = statistics.map(|it| each.of_row(it, row));
            lines.clear();
            lines.extend((0..self.channels).map(|channel| {
                let factor = scale[channel] * (T::one() / (variance[channel] + epsilon).sqrt());
                (factor, bias[channel] - mean[channel] * factor)
            }));
        };
        if is_constant {
            of_row(0, &mut lines);
            if self.size == 1 && self.channels > 0 && T::repeated(x, &lines, y) {
                return;
            }
        }
        let rows = y.chunks_exact_mut(self.row.max(1)).zip(x.chunks_exact(self.row.max(1)));
        for (row, (y, x)) in rows.enumerate() {
            if !is_constant {
                of_row(row, &mut lines);
            }
            let channels = y.chunks_mut(self.size.max(1)).zip(x.chunks(self.size.max(1)));
            for ((y, x), &(factor, offset)) in channels.zip(lines.iter().cycle()) {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x * factor + offset);
            }
        }
    }
}

impl Kernel for BatchNormalization {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        macro_rules! of {
            ($type:ident, $y:expr) => {{
                let [
                    View::$type(x),
                    View::$type(scale),
                    View::$type(bias),
                    View::$type(mean),
                    View::$type(variance),
                ] = inputs
                else {
                    unreachable!("element types are fixed when a graph is loaded")
                };
                self.of(x, [scale, bias, mean, variance], $y);
            }};
        }
        match &mut outputs[0] {
            ViewMut::F32(y) => of!(F32, y),
            ViewMut::F64(y) => of!(F64, y),
            _ => unreachable!("operators on floats refuse others when they are built"),
        }
        Ok(())
    }
}

/// Groups of elements brought to mean 0 and variance 1, then scaled and moved.
#[derive(Debug)]
struct Normalization {
    /// Which elements are one group: those with the same number.
    groups: Vec<u32>,
    /// Whether they lie side by side.
    is_in_order: bool,
    count: usize,
    epsilon: f64,
    /// Whether the mean is taken off.
    centred: bool,
    /// Whether epsilon is added to the root of the variance, and not to the variance.
    outside: bool,
    /// Which scale and which bias each element has; they are the inputs after the first.
    scale: Option<Stretched>,
    bias: Option<Stretched>,
}

/// What is made of the groups of a row.
#[derive(Default)]
struct Statistics {
    means: Vec<f64>,
    /// 1 over the standard deviations.
    inverses: Vec<f64>,
}

impl Normalization {
    fn of<T: Float>(
        &self,
        x: &[T],
        [scale, bias]: [&[T]; 2],
        y: &mut [T],
        statistics: &mut Statistics,
    ) {
        let Statistics { means, inverses } = statistics;
        let size = self.groups.len() / self.count.max(1);
        let grouped = || x.iter().map(|x| x.to_f64()).zip(&self.groups);
        means.clear();
        means.resize(self.count, 0.0);
        inverses.clear();
        inverses.resize(self.count, 0.0);
        let offset = |mean: f64| if self.centred { mean } else { 0.0 };
        if self.is_in_order {
            let statistics = means.iter_mut().zip(inverses.iter_mut());
            for (x, (mean, sum)) in x.chunks_exact(size.max(1)).zip(statistics) {
                *mean = x.iter().fold(0.0, |sum, x| sum + x.to_f64()) / size as f64;
                let differences = x.iter().map(|x| x.to_f64() - offset(*mean));
                *sum = differences.fold(0.0, |sum, it| sum + it * it);
            }
        } else {
            grouped().for_each(|(x, &group)| means[group as usize] += x);
            means.iter_mut().for_each(|mean| *mean /= size as f64);
            for (x, &group) in grouped() {
                let difference = x - offset(means[group as usize]);
                inverses[group as usize] += difference * difference;
            }
        }
        for inverse in inverses.iter_mut() {
            let variance = *inverse / size as f64;
            *inverse = match self.outside {
                true => 1.0 / (variance.sqrt() + self.epsilon),
                false => 1.0 / (variance + self.epsilon).sqrt(),
            };
        }
        for (place, ((x, &group), y)) in grouped().zip(y).enumerate() {
            let mut found = (x - offset(means[group as usize])) * inverses[group as usize];
            if let Some(operand) = &self.scale {
                found *= scale[operand.at(place)].to_f64();
            }
            if let Some(operand) = &self.bias {
                found += bias[operand.at(place)].to_f64();
            }
            *y = T::from_f64(found);
        }
    }
}

impl Kernel for Normalization {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let mut statistics = Statistics::default();
        let (first, rest) = outputs.split_first_mut().ok_or("no output")?;
        let mut put = |row: usize, statistics: &Statistics| {
            let rows = row * self.count..(row + 1) * self.count;
            for (target, values) in rest.iter_mut().zip([&statistics.means, &statistics.inverses]) {
                match target {
                    ViewMut::F32(target) => {
                        let target = target[rows.clone()].iter_mut();
                        target.zip(values).for_each(|(y, &value)| *y = value as f32);
                    }
                    ViewMut::F64(target) => target[rows.clone()].copy_from_slice(values),
                    _ => unreachable!("operators on floats refuse others when they are built"),
                }
            }
        };
        macro_rules! of {
            ($type:ident, $y:expr) => {{
                let slice = |position: usize| match inputs.get(position) {
                    Some(View::$type(values)) => *values,
                    _ => &[][..],
                };
                let after = 1 + usize::from(self.scale.is_some());
                let rows = $y.chunks_exact_mut(self.groups.len().max(1));
                let rows = rows.zip(slice(0).chunks_exact(self.groups.len().max(1)));
                for (row, (y, x)) in rows.enumerate() {
                    let own = [(&self.scale, slice(1)), (&self.bias, slice(after))];
                    let own = own.map(|(operand, x)| match operand {
                        Some(operand) => operand.of_row(x, row),
                        None => x,
                    });
                    self.of(x, own, y, &mut statistics);
                    put(row, &statistics);
                }
            }};
        }
        match first {
            ViewMut::F32(y) => of!(F32, y),
            ViewMut::F64(y) => of!(F64, y),
            _ => unreachable!("operators on floats refuse others when they are built"),
        }
        Ok(())
    }
}

/// Over the last dimensions, with mean and inverse standard deviation as further outputs.
pub(crate) fn layer_normalization(node: &Node<'_>) -> Result<Built, String> {
    over_last(node, true)
}

/// As `LayerNormalization` without a mean and without a bias.
pub(crate) fn rms_normalization(node: &Node<'_>) -> Result<Built, String> {
    over_last(node, false)
}

fn over_last(node: &Node<'_>, centred: bool) -> Result<Built, String> {
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    // What it would be computed in, if not more exactly.
    node.ignore(&["stash_type"]);
    let shape = &operands[0].fact.shape;
    let along = axis(node.int("axis")?.unwrap_or(-1), shape.len())?;
    let size: usize = shape[along..].iter().product();
    if operands.len() < 2 || operands.len() > 2 + usize::from(centred) || size == 0 {
        return Err(format!("{} inputs of which the first is of {shape:?}", operands.len()));
    }
    let mut stretches = Vec::new();
    for operand in &operands[1..] {
        let (stretched, both) = broadcast(&[shape, &operand.fact.shape])?;
        if stretched != *shape {
            return Err(format!("a scale or bias of shape {:?}", operand.fact.shape));
        }
        let [_, stretch] = each(both);
        stretches.push(Stretched { stretch, length: tensor::elements(&operand.fact.shape)? });
    }
    let all = tensor::elements(shape)?;
    let count = all / size;
    let mut stretches = stretches.into_iter();
    let kernel = Normalization {
        groups: (0..all).map(|position| (position / size) as u32).collect(),
        is_in_order: true,
        count,
        epsilon: node.float("epsilon")?.unwrap_or(1e-5).into(),
        centred,
        outside: false,
        scale: stretches.next(),
        bias: stretches.next(),
    };
    let mut statistic = shape.clone();
    statistic[along..].fill(1);
    let mut outputs = vec![Fact::new(element, shape.clone())];
    if centred {
        outputs.extend([0, 1].map(|_| Fact::new(element, statistic.clone())));
    }
    Ok(Built::kernel(kernel, (0..operands.len()).collect(), outputs))
}

/// Each channel of each sample.
pub(crate) fn instance_normalization(node: &Node<'_>) -> Result<Built, String> {
    let channels = node.input(0)?.fact.shape.get(1).copied().unwrap_or(0);
    grouped(node, channels, true)
}

/// Groups of channels of each sample; scale and bias are per channel since operator set 21, per
/// group before.
pub(crate) fn group_normalization(node: &Node<'_>) -> Result<Built, String> {
    node.ignore(&["stash_type"]);
    let groups = node.int("num_groups")?.ok_or("it has no attribute 'num_groups'")?;
    let groups = usize::try_from(groups).map_err(|_| format!("{groups} groups"))?;
    grouped(node, groups, node.opset >= 21)
}

fn grouped(node: &Node<'_>, groups: usize, per_channel: bool) -> Result<Built, String> {
    node.exactly(3)?;
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    let shape = &operands[0].fact.shape;
    let &[samples, channels, ..] = &shape[..] else {
        return Err(format!("an input of shape {shape:?}, expected samples and channels"));
    };
    if groups == 0 || channels == 0 || !channels.is_multiple_of(groups) {
        return Err(format!("{groups} groups of {channels} channels"));
    }
    let size: usize = shape[2..].iter().product();
    let own = if per_channel { channels } else { groups };
    if operands[1..].iter().any(|operand| operand.fact.shape != [own]) {
        return Err(format!(
            "a scale of shape {:?} and a bias of {:?}, expected [{own}]",
            operands[1].fact.shape, operands[2].fact.shape
        ));
    }
    let all = samples * channels * size;
    let channel = |position: usize| position / size.max(1) % channels;
    let group_of = |channel: usize| channel / (channels / groups);
    let stretched = || {
        let positions = (0..all).map(|position| match per_channel {
            true => channel(position) as u32,
            false => group_of(channel(position)) as u32,
        });
        Stretched { stretch: Stretch::Positions(positions.collect()), length: own }
    };
    let number = |position: usize| {
        let sample = position / (channels * size.max(1));
        (sample * groups + group_of(channel(position))) as u32
    };
    let kernel = Normalization {
        groups: (0..all).map(number).collect(),
        is_in_order: true,
        count: samples * groups,
        epsilon: node.float("epsilon")?.unwrap_or(1e-5).into(),
        centred: true,
        outside: false,
        scale: Some(stretched()),
        bias: Some(stretched()),
    };
    Ok(Built::kernel(kernel, vec![0, 1, 2], vec![Fact::new(element, shape.clone())]))
}

pub(crate) fn mean_variance_normalization(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let shape = &input.fact.shape;
    let given = match node.ints("axes")? {
        [] => &[0, 2, 3],
        axes => axes,
    };
    let axes = given.iter().map(|&it| axis(it, shape.len())).collect::<Result<Vec<_>, _>>()?;
    let groups = crate::ops::math::reduction::targets(shape, &axes)?;
    let kernel = Normalization {
        count: groups.iter().max().map_or(0, |&last| last as usize + 1),
        is_in_order: groups.is_sorted(),
        groups,
        epsilon: 1e-9,
        centred: true,
        outside: true,
        scale: None,
        bias: None,
    };
    Ok(Built::map(kernel, input.fact.clone()))
}
