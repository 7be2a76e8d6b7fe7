//! Graphs with tensors as they are, for the standard's own tests of operators: no manifest, no rows.

use prost::Message;
use tract_hir::internal::*;

use crate::error::{LoadError, failed};
use crate::functions;
use crate::graph;
use crate::proto::{ModelProto, TensorProto};
use crate::tensor::{self, Fact};
use crate::wiring::wire;

/// The outputs of a model for inputs that are given, each as the bytes of a `TensorProto`; those of
/// the inputs have names. An output that is a sequence is several tensors.
///
/// # Errors
/// If it cannot be loaded or run.
pub fn run(model: &[u8], inputs: &[Vec<u8>]) -> Result<Vec<Vec<Vec<u8>>>, LoadError> {
    let not_onnx = |error: prost::DecodeError| LoadError::NotOnnx(error.to_string());
    let ModelProto { graph, opset_import, .. } = functions::read(model)?;
    let mut graph = graph.ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;
    let mut sources = Vec::with_capacity(inputs.len());
    let mut values: TVec<TValue> = TVec::new();
    for bytes in inputs {
        let proto = TensorProto::decode(&bytes[..]).map_err(not_onnx)?;
        let value = tensor::read(&proto).map_err(LoadError::Input)?;
        let fact = Fact::of(&value.datum_type().fact(value.shape())).map_err(failed)?;
        sources.push((proto.name, fact, None));
        values.push(value.into_tvalue());
    }
    let names: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    graph::prune(&mut graph, &names)?;
    let wired = wire(&graph, &opset_import, &sources, &names)?;
    let plan = wired.model.into_optimized().and_then(TypedSimplePlan::new).map_err(failed)?;
    let found = plan.spawn().and_then(|mut state| state.run(values)).map_err(failed)?;
    let mut found = found.iter();
    let outputs = wired.counts.iter().map(|&count| {
        let tensors = found.by_ref().take(count);
        let tensors = tensors.map(|it| Ok(tensor::write(it).map_err(failed)?.encode_to_vec()));
        tensors.collect()
    });
    outputs.collect()
}
