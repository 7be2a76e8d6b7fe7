//! `post_transform` of the classifiers and regressors.

use crate::math::{self, Float};
use crate::node::Node;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(crate) fn of(node: &Node<'_>) -> Result<PostTransform, String> {
        Ok(match node.string("post_transform")?.unwrap_or("NONE") {
            "NONE" => PostTransform::None,
            "LOGISTIC" => PostTransform::Logistic,
            "SOFTMAX" => PostTransform::Softmax,
            "SOFTMAX_ZERO" => PostTransform::SoftmaxZero,
            "PROBIT" => PostTransform::Probit,
            other => {
                return Err(format!(
                    "the attribute 'post_transform' is '{other}', expected NONE, LOGISTIC, \
                     SOFTMAX, SOFTMAX_ZERO or PROBIT"
                ));
            }
        })
    }

    /// Turns the scores of rows of two or more classes or targets into what the operator gives.
    pub(crate) fn apply<T: Float>(self, scores: &mut [T], width: usize) {
        match self {
            PostTransform::None => {}
            PostTransform::Logistic => T::logistic_all(scores),
            PostTransform::Softmax => math::softmax(scores, width),
            PostTransform::SoftmaxZero => {
                scores.chunks_exact_mut(width).for_each(math::softmax_zero);
            }
            PostTransform::Probit => {
                let probit = |score: T| T::from_f64(math::probit(score.to_f64() as f32).into());
                scores.iter_mut().for_each(|score| *score = probit(*score));
            }
        }
    }
}
