//! `ai.onnx.ml.TreeEnsembleClassifier`: the votes of the trees' leaves, summed per class.
//!
//! The specification leaves two classes open where exports have votes for one of them only. What is
//! done here is onnxruntime's: see [`TreeEnsembleClassifier::finish_two`].

use tract_hir::internal::TVec;

use crate::math;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::ops::ml::forest::{Forest, Row, Sums, floats};
use crate::ops::ml::labels::Labels;
use crate::ops::ml::post_transform::PostTransform;
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct TreeEnsembleClassifier<T> {
    forest: Forest<T>,
    features: usize,
    labels: Labels,
    base_values: Vec<T>,
    post_transform: PostTransform,
    /// Whether all votes are for the same one of two classes.
    one_sided: bool,
    /// Whether no vote is negative: then a score of one class is a probability.
    positive: bool,
}

pub(crate) fn tree_ensemble_classifier(node: &Node<'_>) -> Result<Built, String> {
    match node.input(0)?.numeric()? {
        Element::F64 => build::<f64>(node),
        _ => build::<f32>(node),
    }
}

fn build<T: Row>(node: &Node<'_>) -> Result<Built, String> {
    let (rows, features) = node.input(0)?.fact.matrix()?;
    let labels = Labels::of(node, "classlabels_int64s")?;
    let classes = labels.len();
    let base_values: Vec<T> = floats(node, "base_values")?;
    if classes < 2 || base_values.len() > classes {
        return Err(format!(
            "{classes} class labels and {} base values, expected at least two labels and at most \
             one value for each",
            base_values.len()
        ));
    }
    let post_transform = PostTransform::of(node)?;
    let target_ids = node.ints("class_ids")?;
    let weights: Vec<T> = floats(node, "class_weights")?;
    let one_sided =
        classes == 2 && !target_ids.is_empty() && target_ids.iter().all(|id| *id == target_ids[0]);
    if one_sided && post_transform == PostTransform::Probit {
        return Err("PROBIT of votes for one of two classes, which is not defined".into());
    }
    let operator = TreeEnsembleClassifier {
        forest: Forest::<T>::of(node, "class", classes, features)?,
        features,
        base_values,
        post_transform,
        one_sided,
        positive: weights.iter().all(|&weight| weight >= T::default()),
        labels,
    };
    let outputs = vec![
        Fact::new(operator.labels.element(), [rows]),
        Fact::new(Element::F32, [rows, classes]),
    ];
    Ok(Built::kernel(operator, vec![0], outputs))
}

impl<T: Row> TreeEnsembleClassifier<T> {
    /// Three classes or more: base values are added, the largest score names the label.
    fn finish_many(&self, sums: &mut [T], scores: &mut [f32]) -> usize {
        for (sum, &base) in sums.iter_mut().zip(&self.base_values) {
            *sum += base;
        }
        for (score, sum) in scores.iter_mut().zip(sums.iter()) {
            *score = sum.to_f64() as f32;
        }
        self.post_transform.apply(scores);
        (1..sums.len()).fold(0, |best, i| if sums[i] > sums[best] { i } else { best })
    }

    /// Two classes. `voted` says for which of them the row had votes.
    ///
    /// If the second class has votes, or if there are two base values, both scores are transformed
    /// on their own; a class without votes then counts as zero, whatever its base value. Otherwise
    /// the single score s becomes (logistic(-s), logistic(s)) with LOGISTIC, (1 - s, s) where all
    /// votes are positive, and (-s, s) else.
    fn finish_two(&self, sums: [T; 2], voted: [bool; 2], scores: &mut [f32]) -> usize {
        let [mut first, mut second] = sums;
        match self.base_values[..] {
            [_, base] if voted[1] => {
                // The first base value is not used, and the second sum is replaced.
                first += base;
                second = first;
                first = T::from_f64(-second.to_f64());
            }
            [a, b] => {
                first += a;
                second += b;
            }
            [base] => first += base,
            _ => {}
        }
        let first = if voted[0] { first.to_f64() } else { 0.0 };
        let second = if voted[1] { second.to_f64() } else { 0.0 };
        let complement = self.one_sided && self.positive;
        let score = first as f32;
        if voted[1] || self.base_values.len() == 2 {
            scores.copy_from_slice(&[score, second as f32]);
            self.post_transform.apply(scores);
        } else if self.post_transform == PostTransform::Logistic {
            scores.copy_from_slice(&math::logistic_pair(score));
        } else if complement {
            let rest = T::from_f64(1.0 - first).to_f64() as f32;
            scores.copy_from_slice(&[rest, score]);
        } else {
            scores.copy_from_slice(&[-score, score]);
        }
        let decisive = if voted[1] { second } else { first };
        usize::from(decisive > if complement { 0.5 } else { 0.0 })
    }
}

impl<T: Row> Kernel for TreeEnsembleClassifier<T> {
    fn packed(&self) -> Option<Vec<u8>> {
        self.forest.write()
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [label, scores] = outputs else { return Ok(()) };
        let classes = self.labels.len();
        let mut buffer = Vec::new();
        let rows = T::rows(&inputs[0], &mut buffer);
        let mut many = Sums::new(classes);
        let (mut sums, mut of_classes): (TVec<T>, Vec<T>) = (TVec::new(), Vec::new());
        let count = scores.singles().len() / classes;
        let row = |i: usize| &rows[i * self.features..(i + 1) * self.features];
        let only = self.forest.only_target.filter(|_| classes == 2);
        let mut are_made = false;
        if only.is_some() {
            sums.resize(count, T::default());
            self.forest.sums(rows, self.features, &mut sums);
        } else {
            are_made = self.forest.sums_by_target(rows, self.features, &mut of_classes);
        }
        let sums_of = |i: usize| of_classes.iter().skip(i).step_by(count).copied();
        for (i, scores) in scores.singles().chunks_exact_mut(classes).enumerate() {
            let class = if classes == 2 {
                let mut pair = [T::default(); 2];
                let mut voted = [false; 2];
                if let Some(target) = only {
                    pair[target] = sums[i];
                    voted[target] = true;
                } else if are_made && sums_of(i).all(|sum| sum != T::default()) {
                    sums_of(i).zip(&mut pair).for_each(|(sum, score)| *score = sum);
                    // A sum of no votes is 0.
                    voted = [true; 2];
                } else {
                    self.forest.each_leaf(row(i), |leaf| {
                        for vote in leaf.votes {
                            pair[vote.target] += vote.weight;
                            voted[vote.target] = true;
                        }
                    });
                }
                self.finish_two(pair, voted, scores)
            } else {
                let many = many.zeros();
                if are_made {
                    sums_of(i).zip(many.iter_mut()).for_each(|(sum, score)| *score = sum);
                } else {
                    self.forest.each_leaf(row(i), |leaf| {
                        for vote in leaf.votes {
                            many[vote.target] += vote.weight;
                        }
                    });
                }
                self.finish_many(many, scores)
            };
            self.labels.put(class, label, i);
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
