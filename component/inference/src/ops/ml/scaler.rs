//! `ai.onnx.ml.Scaler`: (x - offset) · scale, per column.

use foretold_kernels::elements::{self, Operation};

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct Scaler {
    /// Of each column, or one.
    offsets: Vec<f32>,
    scales: Vec<f32>,
}

pub(crate) fn scaler(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (offset, scale) = (node.floats("offset")?, node.floats("scale")?);
    let (_, width) = input.fact.matrix()?;
    if offset.len() != scale.len() || (scale.len() != width && scale.len() != 1) {
        return Err(format!(
            "{} offsets and {} scales, expected {width} of each, or one",
            offset.len(),
            scale.len()
        ));
    }
    let scaler = Scaler { offsets: offset.to_vec(), scales: scale.to_vec() };
    Ok(Built::map(scaler, Fact::new(Element::F32, input.fact.shape.clone())))
}

impl Kernel for Scaler {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let y = outputs[0].singles();
        if let View::F64(x) = inputs[0] {
            let columns = self.offsets.iter().zip(&self.scales).cycle();
            for ((y, &x), (&offset, &scale)) in y.iter_mut().zip(x).zip(columns) {
                *y = ((x - f64::from(offset)) * f64::from(scale)) as f32;
            }
            return Ok(());
        }
        match inputs[0] {
            View::F32(x) => y.copy_from_slice(x),
            x => y.iter_mut().enumerate().for_each(|(i, y)| *y = x.single(i)),
        }
        if !y.is_empty() {
            elements::combine(Operation::Sub, y, &self.offsets);
            elements::combine(Operation::Mul, y, &self.scales);
        }
        Ok(())
    }
}
