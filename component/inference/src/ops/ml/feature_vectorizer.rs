//! `ai.onnx.ml.FeatureVectorizer`: numbers of several inputs side by side, as float32.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::Kernel;
use crate::tensor::{Element, Fact, View, ViewMut, elements};

#[derive(Debug)]
struct FeatureVectorizer {
    rows: usize,
    /// How many columns each input has.
    widths: Vec<usize>,
}

pub(crate) fn feature_vectorizer(node: &Node<'_>) -> Result<Built, String> {
    let operands = node.all_inputs()?;
    let declared = node.ints("inputdimensions")?;
    if declared.len() != operands.len() {
        return Err(format!("{} inputs and {} dimensions", operands.len(), declared.len()));
    }
    let (rows, _) = operands[0].fact.matrix()?;
    let mut widths = Vec::with_capacity(operands.len());
    let mut total = 0_usize;
    for (operand, &wanted) in operands.iter().zip(declared) {
        operand.numeric()?;
        let (own_rows, columns) = operand.fact.matrix()?;
        let wanted = usize::try_from(wanted).map_err(|_| format!("a dimension of {wanted}"))?;
        if own_rows != rows {
            return Err(format!("inputs of {rows} and {own_rows} rows"));
        }
        if columns != wanted {
            return Err(format!("an input of {columns} columns, it declares {wanted}"));
        }
        widths.push(columns);
        total = total.saturating_add(columns);
    }
    elements(&[rows, total])?;
    let uses = (0..operands.len()).collect();
    let output = Fact::new(Element::F32, [rows, total]);
    Ok(Built::kernel(FeatureVectorizer { rows, widths }, uses, vec![output]))
}

impl Kernel for FeatureVectorizer {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let mut target = outputs[0].singles().iter_mut();
        for row in 0..self.rows {
            for (input, &columns) in self.widths.iter().enumerate() {
                for (column, value) in target.by_ref().take(columns).enumerate() {
                    *value = inputs[input].single(row * columns + column);
                }
            }
        }
        Ok(())
    }
}
