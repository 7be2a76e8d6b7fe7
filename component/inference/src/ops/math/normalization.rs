//! Normalizations of neural networks: with statistics of training (`BatchNormalization`), or of the
//! elements themselves.
//!
//! The latter are computed in float64 and rounded once; onnxruntime's sums are of float32.

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::ops::math::broadcast::{Stretch, broadcast};
use crate::tensor::{Fact, View, ViewMut};

/// (x - mean) / √(variance + epsilon) · scale + bias, per channel.
#[derive(Debug)]
struct BatchNormalization {
    /// Elements of a channel that lie side by side, and how many channels there are.
    size: usize,
    channels: usize,
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
        epsilon: node.float("epsilon")?.unwrap_or(1e-5),
    };
    Ok(Built::kernel(kernel, (0..5).collect(), vec![Fact::new(element, shape.clone())]))
}

impl BatchNormalization {
    fn of<T: Float>(&self, x: &[T], [scale, bias, mean, variance]: [&[T]; 4], y: &mut [T]) {
        let epsilon = T::from_f64(self.epsilon.into());
        for (position, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            let channel = position / self.size % self.channels;
            let factor = scale[channel] * (T::one() / (variance[channel] + epsilon).sqrt());
            *y = x * factor + (bias[channel] - mean[channel] * factor);
        }
    }
}

impl Kernel for BatchNormalization {
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
    count: usize,
    epsilon: f64,
    /// Whether the mean is taken off.
    centred: bool,
    /// Whether epsilon is added to the root of the variance, and not to the variance.
    outside: bool,
    /// Which scale and which bias each element has; they are the inputs after the first.
    scale: Option<Stretch>,
    bias: Option<Stretch>,
}

impl Normalization {
    fn of<T: Float>(
        &self,
        x: &[T],
        scale: &[T],
        bias: &[T],
        outputs: &mut [Vec<f64>; 2],
    ) -> Vec<T> {
        let [means, inverses] = outputs;
        *means = vec![0.0; self.count];
        let mut counts = vec![0.0_f64; self.count];
        for (x, &group) in x.iter().zip(&self.groups) {
            means[group as usize] += x.to_f64();
            counts[group as usize] += 1.0;
        }
        means.iter_mut().zip(&counts).for_each(|(mean, count)| *mean /= count);
        let offset = |group: usize| if self.centred { means[group] } else { 0.0 };
        let mut variances = vec![0.0; self.count];
        for (x, &group) in x.iter().zip(&self.groups) {
            let difference = x.to_f64() - offset(group as usize);
            variances[group as usize] += difference * difference;
        }
        *inverses = variances.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        for inverse in inverses.iter_mut() {
            *inverse = match self.outside {
                true => 1.0 / (inverse.sqrt() + self.epsilon),
                false => 1.0 / (*inverse + self.epsilon).sqrt(),
            };
        }
        let each = x.iter().zip(&self.groups).enumerate();
        each.map(|(place, (x, &group))| {
            let group = group as usize;
            let mut y = (x.to_f64() - offset(group)) * inverses[group];
            if let Some(stretch) = &self.scale {
                y *= scale[stretch.at(place)].to_f64();
            }
            if let Some(stretch) = &self.bias {
                y += bias[stretch.at(place)].to_f64();
            }
            T::from_f64(y)
        })
        .collect()
    }
}

impl Kernel for Normalization {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let mut statistics = [vec![], vec![]];
        let (first, rest) = outputs.split_first_mut().ok_or("no output")?;
        macro_rules! of {
            ($type:ident, $y:expr) => {{
                let slice = |position: usize| match inputs.get(position) {
                    Some(View::$type(values)) => *values,
                    _ => &[][..],
                };
                let bias = 1 + usize::from(self.scale.is_some());
                let y = self.of(slice(0), slice(1), slice(bias), &mut statistics);
                $y.copy_from_slice(&y);
            }};
        }
        match first {
            ViewMut::F32(y) => of!(F32, y),
            ViewMut::F64(y) => of!(F64, y),
            _ => unreachable!("operators on floats refuse others when they are built"),
        }
        for (target, values) in rest.iter_mut().zip(statistics) {
            match target {
                ViewMut::F32(target) => {
                    target.iter_mut().zip(values).for_each(|(y, value)| *y = value as f32);
                }
                ViewMut::F64(target) => {
                    target.iter_mut().zip(values).for_each(|(y, value)| *y = value);
                }
                _ => unreachable!("operators on floats refuse others when they are built"),
            }
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
        let (stretched, mut both) = broadcast(&[shape, &operand.fact.shape])?;
        if stretched != *shape {
            return Err(format!("a scale or bias of shape {:?}", operand.fact.shape));
        }
        stretches.extend(both.pop());
    }
    let elements: usize = shape.iter().product();
    let count = elements / size;
    let mut stretches = stretches.into_iter();
    let kernel = Normalization {
        groups: (0..elements).map(|position| (position / size) as u32).collect(),
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
    let elements = samples * channels * size;
    let channel = |position: usize| position / size.max(1) % channels;
    let group_of = |channel: usize| channel / (channels / groups);
    let stretch = || {
        Stretch::Positions(
            (0..elements)
                .map(|position| match per_channel {
                    true => channel(position) as u32,
                    false => group_of(channel(position)) as u32,
                })
                .collect(),
        )
    };
    let number = |position: usize| {
        let sample = position / (channels * size.max(1));
        (sample * groups + group_of(channel(position))) as u32
    };
    let kernel = Normalization {
        groups: (0..elements).map(number).collect(),
        count: samples * groups,
        epsilon: node.float("epsilon")?.unwrap_or(1e-5).into(),
        centred: true,
        outside: false,
        scale: Some(stretch()),
        bias: Some(stretch()),
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
        groups,
        epsilon: 1e-9,
        centred: true,
        outside: true,
        scale: None,
        bias: None,
    };
    Ok(Built::map(kernel, input.fact.clone()))
}
