//! Versions of operator sets: those that onnxruntime runs and the operators here were compared
//! with. What an earlier or a later one means by a name can differ.

use std::ops::RangeInclusive;

use crate::error::LoadError;
use crate::ops;
use crate::proto::{NodeProto, OperatorSetIdProto};

const OPSETS: RangeInclusive<i64> = 7..=26;
const ML_OPSETS: RangeInclusive<i64> = 1..=5;

/// The versions of `ai.onnx` and `ai.onnx.ml` that nodes are of.
pub(crate) fn versions(
    nodes: &[NodeProto],
    sets: &[OperatorSetIdProto],
) -> Result<(i64, i64), LoadError> {
    Ok((version(nodes, sets, ops::ONNX, OPSETS)?, version(nodes, sets, ops::ML, ML_OPSETS)?))
}

/// The version of an operator set, if there is an operator of it.
fn version(
    nodes: &[NodeProto],
    sets: &[OperatorSetIdProto],
    domain: &str,
    known: RangeInclusive<i64>,
) -> Result<i64, LoadError> {
    let newest = *known.end();
    if !has_operator_of(nodes, domain) {
        return Ok(newest);
    }
    let name = if domain == ops::ONNX { "ai.onnx" } else { domain };
    let import = sets.iter().find(|it| ops::domain(&it.domain) == domain);
    match import.map(|import| import.version) {
        Some(version) if known.contains(&version) => Ok(version),
        Some(version) => Err(LoadError::Graph(format!(
            "it is of version {version} of the operator set {name}, expected {} to {newest}; \
             export it with another target_opset",
            known.start()
        ))),
        None => Err(LoadError::Graph(format!(
            "it has operators of the set {name} and does not say of which version"
        ))),
    }
}

/// Whether there is an operator of a domain, also in the graphs inside nodes. Those that stood in a
/// function have versions of their own.
fn has_operator_of(nodes: &[NodeProto], domain: &str) -> bool {
    nodes.iter().filter(|node| node.opset.is_none()).any(|node| {
        let mut bodies = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
        ops::domain(&node.domain) == domain || bodies.any(|it| has_operator_of(&it.node, domain))
    })
}
