//! `com.microsoft.CDist`: the distance of each row of one matrix from each of another, as skl2onnx
//! has it for nearest neighbours and Gaussian processes.
//!
//! Differences are squared and added up in the order of the columns, in float64; onnxruntime takes
//! the squares apart, and loses digits where rows are close to each other.

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::tensor::{Fact, View, ViewMut, elements};

#[derive(Debug)]
struct CDist {
    columns: usize,
    /// How many rows the second matrix has.
    others: usize,
    squared: bool,
}

pub(crate) fn c_dist(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (operands, element) = node.uniform_inputs()?;
    operands[0].float()?;
    let (&[rows, columns], &[others, other_columns]) =
        (&operands[0].fact.shape[..], &operands[1].fact.shape[..])
    else {
        return Err("inputs that are no matrices".into());
    };
    if columns != other_columns {
        return Err(format!("matrices of {columns} and {other_columns} columns"));
    }
    let squared = match node.string("metric")?.unwrap_or("sqeuclidean") {
        "euclidean" => false,
        "sqeuclidean" => true,
        other => {
            return Err(format!(
                "the attribute 'metric' is '{other}', expected euclidean or sqeuclidean"
            ));
        }
    };
    elements(&[rows, others])?;
    let output = Fact::new(element, [rows, others]);
    Ok(Built::kernel(CDist { columns, others, squared }, vec![0, 1], vec![output]))
}

impl CDist {
    fn of<T: Float>(&self, a: &[T], b: &[T], y: &mut [T]) {
        for (position, y) in y.iter_mut().enumerate() {
            let a = &a[position / self.others * self.columns..][..self.columns];
            let b = &b[position % self.others * self.columns..][..self.columns];
            let sum = a.iter().zip(b).fold(0.0, |sum, (a, b)| {
                let difference = a.to_f64() - b.to_f64();
                sum + difference * difference
            });
            *y = T::from_f64(if self.squared { sum } else { sum.sqrt() });
        }
    }
}

impl Kernel for CDist {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match (inputs, &mut outputs[0]) {
            ([View::F32(a), View::F32(b)], ViewMut::F32(y)) => self.of(a, b, y),
            ([View::F64(a), View::F64(b)], ViewMut::F64(y)) => self.of(a, b, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}
