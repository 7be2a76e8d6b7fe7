//! The model that components hold.

use std::fmt;
use std::sync::Mutex;

use foretold_core::model::feature::Value;
use foretold_core::model::manifest::{Manifest, Output};
use foretold_core::{Model, ModelError};
use prost::Message;
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::{LoadError, failed};
use crate::graph;
use crate::missing;
use crate::output::{Outputs, wanted};
use crate::proto::ModelProto;
use crate::unknown;
use crate::width;

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

/// What a model is made of, before it is judged.
pub(crate) struct Parts {
    /// The graph, with the outputs of each name one after the other.
    pub(crate) typed: TypedModel,
    pub(crate) bindings: Bindings,
    /// The tensors that the manifest's outputs are of.
    pub(crate) names: Vec<String>,
    /// Of how many tensors each of them is.
    pub(crate) counts: Vec<usize>,
}

impl Parts {
    /// Reads what a manifest's outputs depend on.
    pub(crate) fn read(model: &[u8], manifest: &Manifest) -> Result<Parts, LoadError> {
        let proto = ModelProto::decode(model).map_err(|e| LoadError::NotOnnx(e.to_string()))?;
        let ModelProto { graph, opset_import, .. } = proto;
        let mut graph = graph.ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;
        let names = wanted(&graph, &manifest.outputs)?;
        let needed = graph::prune(&mut graph, &names)?;
        let (bindings, sources) = Bindings::new(&graph, &needed, &manifest.features)?;
        let (typed, counts) = width::wire(&graph, &opset_import, &sources, &names)?;
        Ok(Parts { typed, bindings, names, counts })
    }

    /// Where the outputs of a manifest are in what a model of these parts gives.
    pub(crate) fn outputs(
        &self,
        outputs: &[Output],
        model: &TypedModel,
    ) -> Result<Outputs, LoadError> {
        Outputs::new(outputs, &self.names, &self.counts, model)
    }
}

impl OnnxModel {
    /// Reads a model and checks that it can be run with a manifest.
    ///
    /// Only what the manifest's outputs depend on is kept: a branch for labels costs nothing, and
    /// may even have operators that are not supported.
    ///
    /// # Errors
    /// If the bytes are no ONNX model, if it has an operator that is not supported, if its inputs
    /// and outputs do not fit the manifest, if its encoders do not know the categories, or if it
    /// takes a missing value for a legal one.
    pub fn load(model: &[u8], manifest: &Manifest) -> Result<OnnxModel, LoadError> {
        let parts = Parts::read(model, manifest)?;
        unknown::refuse(&parts.typed, &parts.bindings, &manifest.features)?;
        missing::refuse(&parts.typed, &parts.bindings, manifest)?;
        OnnxModel::new(parts, manifest)
    }

    /// A model of its parts.
    pub(crate) fn new(mut parts: Parts, manifest: &Manifest) -> Result<OnnxModel, LoadError> {
        let typed = std::mem::take(&mut parts.typed);
        let plan = typed.into_optimized().and_then(TypedSimplePlan::new).map_err(failed)?;
        let outputs = parts.outputs(&manifest.outputs, plan.model())?;
        let bindings = parts.bindings;
        let spare = Mutex::new(Some(plan.spawn().map_err(failed)?));
        Ok(OnnxModel { plan, bindings, outputs, spare })
    }

    /// Where the values of a row go.
    pub(crate) fn bindings(&self) -> &Bindings {
        &self.bindings
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

impl Model for OnnxModel {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        let width = self.bindings.len();
        if !rows.len().is_multiple_of(width) {
            return Err(ModelError(format!("{} values, expected rows of {width}", rows.len())));
        }
        let refused = |reason| ModelError(format!("the model cannot be run: {reason}"));
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.take());
        let mut state = match spare {
            Some(state) => state,
            None => self.plan.spawn().map_err(|e| refused(format!("{e:#}")))?,
        };
        let found = self.run(rows, &mut state).map_err(refused)?;
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
