//! `ai.onnx.ml.ArrayFeatureExtractor`: some columns of a tensor.
//!
//! As onnxruntime has it, a vector counts as a matrix of one row.

use crate::node::Node;
use crate::ops::array::gather;
use crate::ops::built::Built;
use crate::tensor::elements;

pub(crate) fn array_feature_extractor(node: &Node<'_>) -> Result<Built, String> {
    let (data, index) = (node.input(0)?, node.input(1)?);
    let columns = elements(&index.fact.shape)?;
    if columns == 0 {
        return Err("it selects no columns".into());
    }
    match data.fact.shape.len() {
        0 => Err("an input without dimensions, expected columns".into()),
        1 => gather::along(node, 0, &[1, columns]),
        rank => gather::along(node, rank - 1, &[columns]),
    }
}
