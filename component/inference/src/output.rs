//! Which elements of which tensors are the outputs.
//!
//! Outputs are floats of 32 bits. Labels that are integers, and truth values, become such.

use foretold_core::model::manifest::Output;
use tract_hir::internal::*;

use crate::error::LoadError;
use crate::graph::show;
use crate::proto::GraphProto;
use crate::tensor::{Element, Fact, View, elements};

/// The names of the tensors that the outputs are of, each once; the graph has them all.
pub(crate) fn wanted(graph: &GraphProto, outputs: &[Output]) -> Result<Vec<String>, LoadError> {
    let mut names: Vec<String> = Vec::new();
    for output in outputs {
        if !graph.output.iter().any(|info| info.name == output.tensor) {
            let shown: Vec<String> = graph.output.iter().map(show).collect();
            return Err(LoadError::Output(format!(
                "the output '{}' is of the tensor '{}', the model has {}",
                output.name,
                output.tensor,
                shown.join(", ")
            )));
        }
        if !names.contains(&output.tensor) {
            names.push(output.tensor.clone());
        }
    }
    Ok(names)
}

/// Which elements of the tensors that a run gives are the outputs.
#[derive(Debug)]
pub(crate) struct Outputs(Vec<(usize, usize)>);

impl Outputs {
    /// Finds the manifest's outputs in a model that gives the tensors of these names.
    ///
    /// `counts` says of how many tensors each name is: a sequence is of several.
    pub(crate) fn new(
        outputs: &[Output],
        names: &[String],
        counts: &[usize],
        model: &TypedModel,
    ) -> Result<Outputs, LoadError> {
        let mut found = Vec::with_capacity(outputs.len());
        for output in outputs {
            let name = names.iter().position(|name| *name == output.tensor).unwrap_or(0);
            let first = counts[..name].iter().sum::<usize>();
            let facts = (first..first + counts[name])
                .map(|tensor| model.output_fact(tensor).and_then(Fact::of))
                .collect::<TractResult<Vec<Fact>>>()
                .map_err(|e| LoadError::Output(format!("{e:#}")))?;
            let (tensor, column) = column(output, &facts).map_err(LoadError::Output)?;
            found.push((first + tensor, column));
        }
        Ok(Outputs(found))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tensor and column of each output.
    pub(crate) fn positions(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// Writes the outputs of a row.
    pub(crate) fn take(&self, tensors: &[TValue], found: &mut [f32]) -> Result<(), String> {
        for (place, &(tensor, column)) in found.iter_mut().zip(&self.0) {
            *place = element(&View::of(&tensors[tensor]).map_err(|e| e.to_string())?, column)?;
        }
        Ok(())
    }
}

/// An element as an output.
pub(crate) fn element(view: &View<'_>, column: usize) -> Result<f32, String> {
    /// Beyond it some integers have no float of 32 bits.
    const MAX_INTEGER: u64 = 1 << 24;
    match view.integer(column) {
        Some(integer) if integer.unsigned_abs() > MAX_INTEGER => Err(format!(
            "an output is the integer {integer}; expected one of at most {MAX_INTEGER}"
        )),
        _ => Ok(view.single(column)),
    }
}

/// Which of the tensors an output is in, and where. Columns are all numbers of a row, one after the
/// other, also those of several tensors and of tensors of more than two dimensions.
fn column(output: &Output, facts: &[Fact]) -> Result<(usize, usize), String> {
    if facts.iter().any(|fact| fact.element == Element::Text) {
        return Err(format!(
            "the output '{}' is of the tensor '{}', which is of type {}, expected numbers; choose \
             the tensor of probabilities or values, not that of labels",
            output.name,
            output.tensor,
            Element::Text
        ));
    }
    let mut columns = 0;
    for (tensor, fact) in facts.iter().enumerate() {
        let own = elements(&fact.shape)?;
        if output.column < columns + own {
            return Ok((tensor, output.column - columns));
        }
        columns += own;
    }
    Err(format!(
        "the output '{}' is column {} of the tensor '{}', expected a column below {columns}",
        output.name, output.column, output.tensor
    ))
}
