//! `ai.onnx.ml.Normalizer`: rows divided by their largest element, or by their L1 or L2 norm.
//!
//! A row whose norm is zero stays as it is.

use super::{Built, Kernel};
use crate::node::Node;
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Clone, Copy, Debug)]
enum Norm {
    Max,
    L1,
    L2,
}

#[derive(Debug)]
struct Normalizer {
    norm: Norm,
    columns: usize,
}

pub(crate) fn normalizer(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (_, columns) = input.fact.matrix()?;
    let norm = match node.string("norm")?.unwrap_or("MAX") {
        "MAX" => Norm::Max,
        "L1" => Norm::L1,
        "L2" => Norm::L2,
        norm => return Err(format!("the attribute 'norm' is '{norm}', expected MAX, L1 or L2")),
    };
    let output = Fact::new(Element::F32, input.fact.shape.clone());
    Ok(Built::map(Normalizer { norm, columns }, output))
}

impl Kernel for Normalizer {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let target = outputs[0].singles();
        for (i, value) in target.iter_mut().enumerate() {
            *value = inputs[0].single(i);
        }
        for row in target.chunks_exact_mut(self.columns.max(1)) {
            let norm = match self.norm {
                Norm::Max => row.iter().copied().fold(f32::MIN, f32::max),
                Norm::L1 => row.iter().fold(0.0, |sum, x| sum + x.abs()),
                Norm::L2 => row.iter().fold(0.0, |sum, x| sum + x * x),
            };
            if norm == 0.0 {
                continue;
            }
            for x in row {
                *x = match self.norm {
                    Norm::L2 if *x < 0.0 => -(*x * *x / norm).sqrt(),
                    Norm::L2 => (*x * *x / norm).sqrt(),
                    _ => *x / norm,
                };
            }
        }
        Ok(())
    }
}
