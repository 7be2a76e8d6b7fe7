//! `ai.onnx.ml.LinearRegressor`: a weighted sum of the features per target.
//!
//! As onnxruntime has it, of the transforms only PROBIT applies to a single target.

use foretold_kernels::product;

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::ml::post_transform::PostTransform;
use crate::ops::ml::product::{rows, transposed};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct LinearRegressor {
    /// A row per feature, a column per target.
    weights: Vec<f32>,
    intercepts: Vec<f32>,
    features: usize,
    post_transform: PostTransform,
}

pub(crate) fn linear_regressor(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (rows, features) = input.fact.matrix()?;
    let targets = node.int("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).map_err(|_| format!("{targets} targets"))?;
    let weights = transposed(node.floats("coefficients")?, targets, features)?;
    let mut intercepts = node.floats("intercepts")?.to_vec();
    if intercepts.len() != targets {
        intercepts = vec![0.0; targets];
    }
    let post_transform = PostTransform::of(node)?;
    Ok(Built::map(
        LinearRegressor { weights, intercepts, features, post_transform },
        Fact::new(Element::F32, [rows, targets]),
    ))
}

impl Kernel for LinearRegressor {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let targets = self.intercepts.len();
        let mut buffer = Vec::new();
        let (rows, all) = (rows(&inputs[0], &mut buffer), outputs[0].singles());
        product::of_f32(rows, self.features, &self.weights, targets, all, targets);
        for scores in all.chunks_exact_mut(targets) {
            for (score, intercept) in scores.iter_mut().zip(&self.intercepts) {
                *score += intercept;
            }
        }
        if targets > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(all, targets);
        }
        Ok(())
    }
}
