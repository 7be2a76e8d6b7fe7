//! `ai.onnx.ml.ZipMap`: numbers under the names of their classes, as a list with a map for each row.
//!
//! What is meant are the numbers, in the order of the classes, so that is what it is here.

use crate::node::Node;
use crate::ops::built::Built;
use crate::tensor::Element;

pub(crate) fn zip_map(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    let (_, columns) = input.fact.matrix()?;
    let texts = node.strings("classlabels_strings")?.len();
    let integers = node.ints("classlabels_int64s")?.len();
    // onnxruntime takes float32 only, others have float64 too.
    if !matches!(input.fact.element, Element::F32 | Element::F64) {
        return Err(format!("an input of type {}, expected float32", input.fact.element));
    }
    if (texts == 0) == (integers == 0) || texts + integers != columns {
        return Err(format!(
            "{texts} classes that are strings and {integers} that are integers for an input of \
             {columns} columns, expected a class of one kind for each"
        ));
    }
    Ok(Built::wiring(|_, _, inputs| Ok(inputs[..1].into())))
}
