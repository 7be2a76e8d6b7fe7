//! What the linear models share: their weights, and rows as float32.

use crate::tensor::View;

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

/// All of the input, converted to float32 into `buffer` where it has another type.
pub(crate) fn rows<'a>(source: &'a View<'a>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    if let View::F32(source) = source {
        return source;
    }
    buffer.clear();
    buffer.extend((0..source.len()).map(|i| source.single(i)));
    buffer
}
