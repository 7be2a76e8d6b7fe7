//! `ai.onnx.ml.TreeEnsembleRegressor`: the votes of the trees' leaves, summed or otherwise joined.
//!
//! As onnxruntime has it: a single target takes the first vote of each leaf, its base value only if
//! there is exactly one, and no transform but PROBIT; several targets take base values only if
//! there is one for each, and those of them without a vote in a row are zero there.

use tract_hir::internal::{TVec, tvec};

use crate::math::Float;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::ops::ml::forest::{Forest, Row, Sums, floats};
use crate::ops::ml::post_transform::PostTransform;
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug)]
pub(crate) struct TreeEnsembleRegressor<T> {
    pub(crate) forest: Forest<T>,
    pub(crate) features: usize,
    /// One per target; zeros if they are not used.
    pub(crate) base_values: Vec<T>,
    pub(crate) aggregate: Aggregate,
    pub(crate) post_transform: PostTransform,
}

pub(crate) fn tree_ensemble_regressor(node: &Node<'_>) -> Result<Built, String> {
    match node.input(0)?.numeric()? {
        Element::F64 => build::<f64>(node),
        _ => build::<f32>(node),
    }
}

fn build<T: Row>(node: &Node<'_>) -> Result<Built, String> {
    let (rows, features) = node.input(0)?.fact.matrix()?;
    let targets = node.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|&it| (1..1 << 16).contains(&it));
    let targets = targets.ok_or("the attribute 'n_targets' is not from 1 to 65535")?;
    let mut base_values: Vec<T> = floats(node, "base_values")?;
    if base_values.len() != targets {
        base_values = vec![T::default(); targets];
    }
    let aggregate = match node.string("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => {
            return Err(format!(
                "the attribute 'aggregate_function' is '{other}', expected SUM, AVERAGE, MIN or MAX"
            ));
        }
    };
    let operator = TreeEnsembleRegressor {
        forest: Forest::<T>::of(node, "target", targets, features)?,
        features,
        base_values,
        aggregate,
        post_transform: PostTransform::of(node)?,
    };
    Ok(Built::map(operator, Fact::new(Element::F32, [rows, targets])))
}

impl<T: Row> TreeEnsembleRegressor<T> {
    /// A score with one more vote.
    fn join(&self, score: Option<T>, weight: T) -> T {
        match (self.aggregate, score) {
            (Aggregate::Min, Some(score)) => {
                if weight < score {
                    weight
                } else {
                    score
                }
            }
            (Aggregate::Max, Some(score)) => {
                if weight > score {
                    weight
                } else {
                    score
                }
            }
            (Aggregate::Sum | Aggregate::Average, score) => {
                let mut sum = score.unwrap_or_default();
                sum += weight;
                sum
            }
            (_, None) => weight,
        }
    }
}

impl<T: Row> TreeEnsembleRegressor<T> {
    /// Writes the scores of all rows.
    fn each<S: Float>(&self, input: &View<'_>, y: &mut [S]) {
        let targets = self.base_values.len();
        let mut buffer = Vec::new();
        let rows = T::rows(input, &mut buffer);
        if targets == 1 && matches!(self.aggregate, Aggregate::Sum | Aggregate::Average) {
            let mut sums: TVec<T> = tvec![T::default(); y.len()];
            self.forest.sums(rows, self.features, &mut sums);
            for (score, sum) in y.chunks_exact_mut(1).zip(&sums) {
                self.finish(&[Some(*sum)], score);
            }
            return self.transform(y);
        }
        let mut joined: Vec<Option<T>> = Vec::new();
        let found = match self.aggregate {
            Aggregate::Sum | Aggregate::Average if targets > 1 => {
                self.forest.sums_of_targets(rows, self.features)
            }
            _ => None,
        };
        for (i, scores) in y.chunks_exact_mut(targets).enumerate() {
            let row = &rows[i * self.features..(i + 1) * self.features];
            joined.clear();
            if let Some(Sums { sums, stride, voted }) = &found {
                let sums = sums[i * stride..].iter().zip(*voted);
                joined.extend(sums.map(|(&sum, &voted)| voted.then_some(sum)));
                self.finish(&joined, scores);
                continue;
            }
            joined.resize(targets, None);
            self.forest.each_leaf(row, |leaf| {
                if targets == 1 {
                    joined[0] = Some(self.join(joined[0], leaf.weight));
                    return;
                }
                for vote in leaf.votes {
                    joined[vote.target] = Some(self.join(joined[vote.target], vote.weight));
                }
            });
            self.finish(&joined, scores);
        }
        self.transform(y);
    }

    /// The scores of what the leaves gave for each target, before they are transformed.
    fn finish<S: Float>(&self, joined: &[Option<T>], scores: &mut [S]) {
        for ((score, joined), &base) in scores.iter_mut().zip(joined).zip(&self.base_values) {
            let mut value = joined.unwrap_or_default();
            if self.aggregate == Aggregate::Average {
                value = T::from_f64(value.to_f64() / self.forest.tree_count() as f64);
            }
            if joined.is_some() {
                value += base;
            }
            *score = S::from_f64(value.to_f64());
        }
    }

    fn transform<S: Float>(&self, scores: &mut [S]) {
        let targets = self.base_values.len();
        if targets > 1 || self.post_transform == PostTransform::Probit {
            self.post_transform.apply(scores, targets);
        }
    }
}

impl<T: Row> Kernel for TreeEnsembleRegressor<T> {
    fn packed(&self) -> Option<Vec<u8>> {
        self.forest.write()
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        match &mut outputs[0] {
            ViewMut::F64(y) => self.each(&inputs[0], y),
            y => self.each(&inputs[0], y.singles()),
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
