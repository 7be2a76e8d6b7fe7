//! `ai.onnx.ml.LinearClassifier`: a score per class, and the class with the largest.
//!
//! As onnxruntime has it: the number of classes is that of the intercepts; one score s for two
//! labels becomes (logistic(-s), logistic(s)) with LOGISTIC, and (1 - s, s) with NONE, SOFTMAX and
//! SOFTMAX_ZERO; the attribute `multi_class` is not used.

use foretold_kernels::{exponential, product};

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::ml::labels::Labels;
use crate::ops::ml::post_transform::PostTransform;
use crate::ops::ml::product::{rows, transposed};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct LinearClassifier {
    /// A row per feature, a column per class.
    weights: Vec<f32>,
    intercepts: Vec<f32>,
    features: usize,
    post_transform: PostTransform,
    /// A label per class; for one score, the two labels of "at most zero" and "above".
    labels: Labels,
    /// Whether one score becomes a pair.
    pair: bool,
}

pub(crate) fn linear_classifier(node: &Node<'_>) -> Result<Built, String> {
    node.ignore(&["multi_class"]);
    let input = node.input(0)?;
    input.numeric()?;
    let (rows, features) = input.fact.matrix()?;
    let intercepts = node.floats("intercepts")?.to_vec();
    let classes = intercepts.len();
    let weights = transposed(node.floats("coefficients")?, classes, features)?;
    let labels = Labels::of(node, "classlabels_ints")?;
    let pair = classes == 1 && labels.len() == 2;
    if labels.len() != classes && !pair {
        return Err(format!("{} labels and {classes} intercepts", labels.len()));
    }
    let labels = match labels {
        Labels::Text(_) if labels.len() == 1 => Labels::Text(vec!["0".into(), "1".into()]),
        Labels::Integer(_) if labels.len() == 1 => Labels::Integer(vec![0, 1]),
        labels => labels,
    };
    let post_transform = PostTransform::of(node)?;
    if pair && post_transform == PostTransform::Probit {
        return Err("PROBIT of one score for two labels, which is not defined".into());
    }
    let outputs = vec![
        Fact::new(labels.element(), [rows]),
        Fact::new(Element::F32, [rows, if pair { 2 } else { classes }]),
    ];
    let kernel = LinearClassifier { weights, intercepts, features, post_transform, labels, pair };
    Ok(Built::kernel(kernel, vec![0], outputs))
}

impl Kernel for LinearClassifier {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    /// The labels.
    fn leaves_out(&self, output: usize) -> bool {
        output == 0
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [label, scores] = outputs else { return Ok(()) };
        let classes = self.intercepts.len();
        let mut buffer = Vec::new();
        let width = if self.pair { 2 } else { classes };
        let (rows, all) = (rows(&inputs[0], &mut buffer), scores.singles());
        product::of_f32(rows, self.features, &self.weights, classes, all, width);
        for (i, scores) in all.chunks_exact_mut(width).enumerate() {
            for (score, intercept) in scores.iter_mut().zip(&self.intercepts) {
                *score += intercept;
            }
            let class = if classes == 1 {
                usize::from(scores[0] > 0.0)
            } else {
                (1..classes).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
            };
            self.labels.put(class, label, i);
        }
        if self.pair {
            let (pairs, _) = all.as_chunks_mut();
            match self.post_transform {
                PostTransform::Logistic => exponential::logistic_pairs(pairs),
                _ => pairs.iter_mut().for_each(|pair| *pair = [1.0 - pair[0], pair[0]]),
            }
        } else if classes > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(all, classes);
        }
        Ok(())
    }
}
