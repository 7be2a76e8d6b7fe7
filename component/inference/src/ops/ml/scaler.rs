//! `ai.onnx.ml.Scaler`: (x - offset) · scale, per column.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct Scaler {
    /// Offset and scale of each column.
    columns: Vec<(f32, f32)>,
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
    let columns = offset.iter().copied().zip(scale.iter().copied()).collect();
    Ok(Built::map(Scaler { columns }, Fact::new(Element::F32, input.fact.shape.clone())))
}

impl Kernel for Scaler {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let source = &inputs[0];
        let columns = self.columns.iter().cycle();
        for ((i, y), &(offset, scale)) in outputs[0].singles().iter_mut().enumerate().zip(columns) {
            *y = match source {
                View::F64(source) => ((source[i] - f64::from(offset)) * f64::from(scale)) as f32,
                source => (source.single(i) - offset) * scale,
            };
        }
        Ok(())
    }
}
