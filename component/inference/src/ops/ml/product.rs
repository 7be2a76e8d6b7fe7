//! The product of a row with weights, which the linear models share.

use crate::math::Float;
use crate::tensor::View;

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

/// The coefficients, of which the file has a row per class, with a row per feature.
pub(crate) fn transposed(
    coefficients: &[f32],
    classes: usize,
    features: usize,
) -> Result<Vec<f32>, String> {
    if classes == 0 || features == 0 || classes.checked_mul(features) != Some(coefficients.len()) {
        return Err(format!(
            "{} coefficients for {classes} classes or targets and {features} features",
            coefficients.len()
        ));
    }
    let at = |i: usize| coefficients[i % classes * features + i / classes];
    Ok((0..coefficients.len()).map(at).collect())
}

/// A row of the input, converted to float32 into `buffer` where it has another type.
pub(crate) fn row<'a>(
    source: &'a View<'a>,
    row: usize,
    width: usize,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    let positions = row * width..(row + 1) * width;
    if let View::F32(source) = source {
        return &source[positions];
    }
    buffer.clear();
    buffer.extend(positions.map(|i| source.single(i)));
    buffer
}
