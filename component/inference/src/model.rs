//! The model that components hold.

use std::fmt;
use std::sync::Mutex;

use foretold_core::feature::Value;
use foretold_core::manifest::Manifest;
use foretold_core::{Model, ModelError};
use tract_onnx::Onnx;
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::LoadError;
use crate::graph;
use crate::ops;
use crate::output::{Outputs, wanted};

/// An ONNX model, ready to run with a manifest's features and outputs.
///
/// It runs one row at a time, so that a row's result cannot depend on the rows beside it.
pub struct OnnxModel {
    plan: Arc<TypedSimplePlan>,
    bindings: Bindings,
    outputs: Outputs,
    /// Memory of an earlier run, for the next one.
    spare: Mutex<Option<TypedSimpleState>>,
}

impl OnnxModel {
    /// Reads a model and checks that it can be run with a manifest.
    ///
    /// Only what the manifest's outputs depend on is kept: a branch for labels costs nothing, and
    /// may even have operators that are not supported.
    ///
    /// # Errors
    /// If the bytes are no ONNX model, if it has an operator that is not supported, or if its
    /// inputs and outputs do not fit the manifest.
    pub fn load(model: &[u8], manifest: &Manifest) -> Result<OnnxModel, LoadError> {
        let onnx = Onnx {
            op_register: ops::register(),
            ignore_output_types: true,
            ignore_value_info: true,
            ..Onnx::default()
        };
        let proto = onnx.proto_model_for_read(&mut &*model);
        let mut proto = proto.map_err(|e| LoadError::NotOnnx(format!("{e:#}")))?;
        let graph = proto.graph.as_mut();
        let graph = graph.ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;

        let names = wanted(graph, &manifest.outputs)?;
        let needed = graph::prune(graph, &names)?;
        let (bindings, facts) = Bindings::new(graph, &needed, &manifest.features)?;
        keep_inputs(graph, &facts);
        let plan = plan(&onnx, &proto, &facts).map_err(refused)?;
        let outputs = Outputs::new(&manifest.outputs, &names, plan.model())?;
        let spare = Mutex::new(Some(plan.spawn().map_err(refused)?));
        Ok(OnnxModel { plan, bindings, outputs, spare })
    }

    fn run(&self, rows: &[Value], state: &mut TypedSimpleState) -> Result<Vec<f32>, String> {
        let width = self.bindings.len();
        let mut found = Vec::with_capacity(rows.len() / width * self.outputs.len());
        for row in rows.chunks_exact(width) {
            let inputs = self.bindings.tensors(row)?;
            let tensors = state.run(inputs).map_err(|e| format!("{e:#}"))?;
            self.outputs.take(&tensors, &mut found)?;
        }
        Ok(found)
    }
}

/// Leaves only the inputs that features are bound to, in their order.
fn keep_inputs(graph: &mut GraphProto, facts: &[(String, InferenceFact)]) {
    let find = |name: &String| graph.input.iter().find(|input| input.name == *name).cloned();
    graph.input = facts.iter().filter_map(|(name, _)| find(name)).collect();
}

/// The graph for one row, typed and optimised.
fn plan(
    onnx: &Onnx,
    proto: &ModelProto,
    facts: &[(String, InferenceFact)],
) -> TractResult<Arc<TypedSimplePlan>> {
    let mut model = onnx.parse(proto, None)?.model;
    for (i, (_, fact)) in facts.iter().enumerate() {
        model.set_input_fact(i, fact.clone())?;
    }
    TypedSimplePlan::new(model.into_typed()?.into_optimized()?)
}

/// The error of this crate that tract passes on, or one that tells what tract says.
fn refused(error: TractError) -> LoadError {
    let own = error.chain().find_map(|cause| cause.downcast_ref::<LoadError>().cloned());
    own.unwrap_or_else(|| LoadError::Graph(format!("{error:#}")))
}

impl Model for OnnxModel {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        let width = self.bindings.len();
        if !rows.len().is_multiple_of(width) {
            return Err(ModelError(format!("{} values, expected rows of {width}", rows.len())));
        }
        let failed = |reason| ModelError(format!("the model cannot be run: {reason}"));
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.take());
        let mut state = match spare {
            Some(state) => state,
            None => self.plan.spawn().map_err(|e| failed(format!("{e:#}")))?,
        };
        let found = self.run(rows, &mut state).map_err(failed)?;
        // Not after an error, which can leave tensors of a run half done.
        if let Ok(mut spare) = self.spare.lock() {
            *spare = Some(state);
        }
        Ok(found)
    }
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxModel").field("features", &self.bindings.len()).finish_non_exhaustive()
    }
}
