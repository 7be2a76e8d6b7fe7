//! Which elements of which tensors are the outputs.

use foretold_core::model::manifest::Output;
use tract_hir::internal::*;

use crate::error::LoadError;
use crate::graph::{show, tensor_type};
use crate::proto::GraphProto;
use crate::tensor::{Fact, View};

/// The names of the tensors that the outputs are of, each once; the graph has them all.
pub(crate) fn wanted(graph: &GraphProto, outputs: &[Output]) -> Result<Vec<String>, LoadError> {
    let mut names: Vec<String> = Vec::new();
    for output in outputs {
        if !graph.output.iter().any(|info| info.name == output.tensor) {
            let shown: Vec<String> = graph.output.iter().map(show).collect();
            let is_tensor = |info| tensor_type(info).is_some();
            let hint = match graph.output.iter().all(is_tensor) {
                true => "",
                false => "; export it with the option zipmap=False, so that all are tensors",
            };
            return Err(LoadError::Output(format!(
                "the output '{}' is of the tensor '{}', the model has {}{hint}",
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
    pub(crate) fn new(
        outputs: &[Output],
        names: &[String],
        model: &TypedModel,
    ) -> Result<Outputs, LoadError> {
        let mut found = Vec::with_capacity(outputs.len());
        for output in outputs {
            let tensor = names.iter().position(|name| *name == output.tensor).unwrap_or(0);
            let fact = model.output_fact(tensor).and_then(Fact::of);
            let fact = fact.map_err(|e| LoadError::Output(format!("{e:#}")))?;
            found.push((tensor, column(output, &fact).map_err(LoadError::Output)?));
        }
        Ok(Outputs(found))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends the outputs of a row.
    pub(crate) fn take(&self, tensors: &[TValue], found: &mut Vec<f32>) -> Result<(), String> {
        for &(tensor, column) in &self.0 {
            found.push(View::of(&tensors[tensor]).map_err(|e| e.to_string())?.single(column));
        }
        Ok(())
    }
}

fn column(output: &Output, fact: &Fact) -> Result<usize, String> {
    let Fact { element, shape } = fact;
    let columns = match shape[..] {
        [1] => Some(1),
        [1, columns] => Some(columns),
        _ => None,
    };
    let Some(columns) = columns.filter(|_| element.is_float()) else {
        return Err(format!(
            "the output '{}' is of the tensor '{}', which is of type {element} and for one row of \
             shape {shape:?}, expected float32 or float64 and [1, columns]; choose the tensor of \
             probabilities or values, not that of labels",
            output.name, output.tensor
        ));
    };
    if output.column >= columns {
        return Err(format!(
            "the output '{}' is column {} of the tensor '{}', expected a column below {columns}",
            output.name, output.column, output.tensor
        ));
    }
    Ok(output.column)
}
