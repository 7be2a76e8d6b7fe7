//! `ai.onnx.ml.TreeEnsembleClassifier`: the votes of the trees' leaves, summed per class.
//!
//! The specification leaves two classes open where exports have votes for one of them only. What is
//! done here is onnxruntime's: see [`TreeEnsembleClassifier::finish_two`].

use foretold_kernels::exponential;
use tract_hir::internal::tvec;

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::ops::ml::forest::{Forest, Row, Sums, floats};
use crate::ops::ml::labels::Labels;
use crate::ops::ml::post_transform::PostTransform;
use crate::tensor::{Element, Fact, View, ViewMut};

/// What is left to do with the scores of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Transform,
    /// The first one becomes two.
    Pair,
    Done,
}

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
    /// Three classes or more: base values are added, the largest score names the label, all are
    /// transformed.
    fn finish_many(&self, sums: &mut [T], scores: &mut [f32]) -> usize {
        for (sum, &base) in sums.iter_mut().zip(&self.base_values) {
            *sum += base;
        }
        for (score, sum) in scores.iter_mut().zip(sums.iter()) {
            *score = sum.to_f64() as f32;
        }
        (1..sums.len()).fold(0, |best, i| if sums[i] > sums[best] { i } else { best })
    }

    /// Two classes. `voted` says for which of them the row had votes.
    ///
    /// If the second class has votes, or if there are two base values, both scores are transformed
    /// on their own; a class without votes then counts as zero, whatever its base value. Otherwise
    /// the single score s becomes (logistic(-s), logistic(s)) with LOGISTIC, (1 - s, s) where all
    /// votes are positive, and (-s, s) else.
    fn finish_two(&self, sums: [T; 2], voted: [bool; 2], scores: &mut [f32]) -> (usize, End) {
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
        let (found, end) = if voted[1] || self.base_values.len() == 2 {
            ([score, second as f32], End::Transform)
        } else if self.post_transform == PostTransform::Logistic {
            ([score, 0.0], End::Pair)
        } else if complement {
            ([T::from_f64(1.0 - first).to_f64() as f32, score], End::Done)
        } else {
            ([-score, score], End::Done)
        };
        scores.copy_from_slice(&found);
        let decisive = if voted[1] { second } else { first };
        (usize::from(decisive > if complement { 0.5 } else { 0.0 }), end)
    }

    /// Does what is left to do with the scores of some rows.
    fn end(&self, end: End, scores: &mut [f32]) {
        match end {
            End::Transform => self.post_transform.apply(scores, self.labels.len()),
            End::Pair => exponential::logistic_pairs(scores.as_chunks_mut().0),
            End::Done => {}
        }
    }
}

impl<T: Row> Kernel for TreeEnsembleClassifier<T> {
    fn packed(&self) -> Option<Vec<u8>> {
        self.forest.write()
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    /// The labels.
    fn leaves_out(&self, output: usize) -> bool {
        output == 0
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [label, scores] = outputs else { return Ok(()) };
        let classes = self.labels.len();
        let mut buffer = Vec::new();
        let rows = T::rows(&inputs[0], &mut buffer);
        let count = scores.singles().len() / classes;
        let row = |i: usize| &rows[i * self.features..(i + 1) * self.features];
        let only = self.forest.only_target.filter(|_| classes == 2);
        let of_only = only.map(|target| [target == 0, target == 1]);
        let mut found = match &of_only {
            Some(voted) => {
                let mut sums = tvec![T::default(); count];
                self.forest.sums(rows, self.features, &mut sums);
                Some(Sums { sums, stride: 1, voted })
            }
            None => self.forest.sums_of_targets(rows, self.features),
        };
        let mut many = Vec::new();
        let all = scores.singles();
        // The first row of those that end alike.
        let (mut first, mut end) = (0, End::Done);
        for i in 0..count {
            let scores = &mut all[i * classes..(i + 1) * classes];
            let own = found.as_mut().map(|found| {
                let stride = found.stride;
                (&mut found.sums[i * stride..(i + 1) * stride], found.voted)
            });
            let (class, own_end) = if classes == 2 {
                let mut pair = [T::default(); 2];
                let mut voted = [false; 2];
                match (only, own) {
                    (Some(target), Some((sums, of_all))) => {
                        pair[target] = sums[0];
                        voted.copy_from_slice(of_all);
                    }
                    (None, Some((sums, of_all))) => {
                        pair.copy_from_slice(&sums[..2]);
                        voted.copy_from_slice(of_all);
                    }
                    (_, None) => self.forest.each_leaf(row(i), |leaf| {
                        for vote in leaf.votes {
                            pair[vote.target] += vote.weight;
                            voted[vote.target] = true;
                        }
                    }),
                }
                self.finish_two(pair, voted, scores)
            } else {
                let sums = if let Some((sums, _)) = own {
                    &mut sums[..classes]
                } else {
                    many.clear();
                    many.resize(classes, T::default());
                    self.forest.each_leaf(row(i), |leaf| {
                        for vote in leaf.votes {
                            many[vote.target] += vote.weight;
                        }
                    });
                    &mut many[..]
                };
                (self.finish_many(sums, scores), End::Transform)
            };
            self.labels.put(class, label, i);
            if own_end != end {
                self.end(end, &mut all[first * classes..i * classes]);
                (first, end) = (i, own_end);
            }
        }
        self.end(end, &mut all[first * classes..]);
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
