//! The distances that skl2onnx writes as a `Scan`: of all rows of one matrix from each row of another.
//!
//! Computed at once they have the same bits, without a run of a graph for each row.

use crate::math::Float;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::math::broadcast::Stretched;
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
    /// How many rows the first matrix has, and the second.
    pub(crate) rows: [usize; 2],
}

impl Distances {
    /// For requests one after the other; of a matrix that is a constant there is one for all.
    fn of<T: Float>(&self, a: &[T], b: &[T], kept: &mut [T], y: &mut [T]) {
        let [a_rows, b_rows] = self.rows;
        let [of_a, of_b] = self.rows.map(|rows| Stretched::same(rows * self.columns));
        // Of no elements where nothing reads it.
        for (request, kept) in kept.chunks_exact_mut(of_a.length.max(1)).enumerate() {
            kept.copy_from_slice(of_a.of_row(a, request));
        }
        for (request, y) in y.chunks_exact_mut((a_rows * b_rows).max(1)).enumerate() {
            let (a, b) = (of_a.of_row(a, request), of_b.of_row(b, request));
            let columns = self.columns.max(1);
            for (b, y) in b.chunks_exact(columns).zip(y.chunks_exact_mut(a_rows)) {
                for (a, y) in a.chunks_exact(columns).zip(y) {
                    let differences = a.iter().zip(b).map(|(&a, &b)| a - b);
                    *y = match self.metric {
                        Metric::Squares => differences.fold(T::default(), |sum, x| sum + x * x),
                        Metric::Magnitudes => {
                            differences.fold(T::default(), |sum, x| sum + x.abs())
                        }
                    };
                }
            }
        }
    }
}

impl Kernel for Distances {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    /// The matrix that is handed on.
    fn leaves_out(&self, output: usize) -> bool {
        output == 0
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [kept, found] = outputs else { return Err("two outputs".into()) };
        match (inputs, kept, found) {
            ([View::F32(a), View::F32(b)], ViewMut::F32(kept), ViewMut::F32(y)) => {
                self.of(a, b, kept, y);
            }
            ([View::F64(a), View::F64(b)], ViewMut::F64(kept), ViewMut::F64(y)) => {
                self.of(a, b, kept, y);
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
