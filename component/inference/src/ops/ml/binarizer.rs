//! `ai.onnx.ml.Binarizer`: 1 above a threshold, 0 at it and below. As in onnxruntime, NaN is an
//! error.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{Element, View, ViewMut};

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(crate) fn binarizer(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    if input.fact.element != Element::F32 {
        return Err(format!("an input of type {}, expected float32", input.fact.element));
    }
    let threshold = node.float("threshold")?.unwrap_or(0.0);
    Ok(Built::map(Binarizer { threshold }, input.fact.clone()))
}

impl Kernel for Binarizer {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for (i, y) in outputs[0].singles().iter_mut().enumerate() {
            if inputs[0].single(i).is_nan() {
                return Err("a Binarizer that gets NaN".into());
            }
            *y = if inputs[0].single(i) > self.threshold { 1.0 } else { 0.0 };
        }
        Ok(())
    }
}
