//! How many columns an input has, proved where the file leaves it open.
//!
//! A file may say `[?, ?]`. What it computes with then shows the width: weights and constants are
//! refused if they are of another one. The exception is one column, which an operator stretches to
//! whatever width the other operand has. So a graph in which that happens must not make sense with
//! as many columns, too.

use crate::binding::Source;
use crate::error::LoadError;
use crate::proto::{GraphProto, OperatorSetIdProto};
use crate::wiring::{Input, Wired, input, wire as wire_graph};
use tract_hir::internal::TypedModel;

/// Makes tract's graph, and makes sure that its inputs cannot have other widths; also says of how
/// many outputs of the graph each wanted one is.
pub(crate) fn wire(
    graph: &GraphProto,
    operator_sets: &[OperatorSetIdProto],
    sources: &[Source],
    outputs: &[String],
) -> Result<(TypedModel, Vec<usize>), LoadError> {
    let inputs: Vec<Input> = sources.iter().map(input).collect();
    let Wired { model, counts, mut stretched, is_late } =
        wire_graph(graph, operator_sets, &inputs, outputs)?;
    stretched.sort_unstable();
    stretched.dedup();
    for (position, source) in sources.iter().enumerate() {
        if !source.width_is_open || source.fact.shape != [1, 1] {
            continue;
        }
        if is_late {
            return Err(LoadError::Input(format!(
                "the model's input {} leaves open how many columns it has, and shapes behind it \
                 depend on the request: export it with its width",
                source.shown
            )));
        }
        for &width in &stretched {
            let mut wider = inputs.clone();
            wider[position].1.shape = vec![1, width];
            if wire_graph(graph, operator_sets, &wider, outputs).is_ok() {
                return Err(LoadError::Input(format!(
                    "the model's input {} leaves open how many columns it has: {width} would do \
                     as well as the manifest's 1; export it with its width",
                    source.shown
                )));
            }
        }
    }
    Ok((model, counts))
}
