//! The distances that skl2onnx writes as a `Scan`: of all rows of one matrix from each row of another.
//!
//! Computed at once they have the same bits, without a run of a graph for each row.

use crate::math::Float;
use crate::ops::kernel::Kernel;
use crate::proto::{GraphProto, NodeProto};
use crate::tensor::{View, ViewMut};

/// What is added up along the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Squares,
    Magnitudes,
}

impl Metric {
    /// The metric of a graph that hands its first input on, and gives the distances of its rows from
    /// the second.
    pub(crate) fn of(body: &GraphProto) -> Option<Metric> {
        let ([rows, row], [kept, found]) = (&body.input[..], &body.output[..]) else { return None };
        let giver = |name: &str| body.node.iter().find(|node| node.output == [name]);
        let source = |name: &str| {
            let mut name = name.to_owned();
            while let Some(node) = giver(&name).filter(|node| is(node, "Identity", &[])) {
                name.clone_from(node.input.first()?);
            }
            Some(name)
        };
        let sum = giver(&source(&found.name)?)?;
        let (axes, keep) = (sum.attribute.iter().find(|it| it.name == "axes"), "keepdims");
        let columns = match (axes, &sum.input[..]) {
            (Some(axes), [_]) => axes.ints.clone(),
            (None, [_, axes]) => {
                let axes = body.initializer.iter().find(|it| it.name == *axes)?;
                let axes = crate::tensor::read(axes).ok()?;
                let view = View::of(&axes).ok()?;
                (0..view.len()).filter_map(|i| view.integer(i)).collect()
            }
            _ => return None,
        };
        let is_kept = sum.attribute.iter().any(|it| it.name == keep && it.i == 0);
        if columns != [1] || !is_kept || source(&kept.name)? != rows.name {
            return None;
        }
        let inner = source(sum.input.first()?)?;
        let (metric, difference) = if is(sum, "ReduceSumSquare", &["axes", keep]) {
            (Metric::Squares, inner)
        } else {
            let magnitude = giver(&inner).filter(|it| is(it, "Abs", &[]))?;
            let difference = source(magnitude.input.first()?)?;
            (is(sum, "ReduceSum", &["axes", keep]).then_some(Metric::Magnitudes)?, difference)
        };
        let difference = giver(&difference).filter(|it| is(it, "Sub", &[]))?;
        (difference.input == [&*rows.name, &*row.name]).then_some(metric)
    }
}

/// Whether a node is of an operator of `ai.onnx`, with no attributes but these.
fn is(node: &NodeProto, operator: &str, attributes: &[&str]) -> bool {
    matches!(&*node.domain, "" | "ai.onnx")
        && node.op_type == operator
        && node.attribute.iter().all(|attribute| attributes.contains(&&*attribute.name))
}

#[derive(Debug)]
pub(crate) struct Distances {
    pub(crate) metric: Metric,
    pub(crate) columns: usize,
    /// How many rows the first matrix has.
    pub(crate) rows: usize,
}

impl Distances {
    fn of<T: Float>(&self, a: &[T], b: &[T], y: &mut [T]) {
        for (position, y) in y.iter_mut().enumerate() {
            let a = &a[position % self.rows * self.columns..][..self.columns];
            let b = &b[position / self.rows * self.columns..][..self.columns];
            let pairs = a.iter().zip(b);
            let differences = pairs.map(|(&a, &b)| a - b);
            *y = match self.metric {
                Metric::Squares => differences.fold(T::default(), |sum, x| sum + x * x),
                Metric::Magnitudes => differences.fold(T::default(), |sum, x| sum + x.abs()),
            };
        }
    }
}

impl Kernel for Distances {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [kept, found] = outputs else { return Err("two outputs".into()) };
        match (inputs, kept, found) {
            ([View::F32(a), View::F32(b)], ViewMut::F32(kept), ViewMut::F32(y)) => {
                kept.copy_from_slice(a);
                self.of(a, b, y);
            }
            ([View::F64(a), View::F64(b)], ViewMut::F64(kept), ViewMut::F64(y)) => {
                kept.copy_from_slice(a);
                self.of(a, b, y);
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
