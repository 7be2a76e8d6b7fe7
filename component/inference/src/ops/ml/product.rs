//! The product of a row with weights, which the linear models share.

use crate::math::Float;

/// `scores = row · weights`; `weights` has a row per element of `row`, a column per score.
///
/// Products are added up with [`Float::fused`], in the order of the features.
pub(crate) fn multiply(row: &[f32], weights: &[f32], scores: &mut [f32]) {
    scores.fill(0.0);
    for (&x, weights) in row.iter().zip(weights.chunks_exact(scores.len())) {
        for (score, &weight) in scores.iter_mut().zip(weights) {
            *score = x.fused(weight, *score);
        }
    }
}
