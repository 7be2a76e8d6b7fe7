//! The model that components hold.

use std::fmt;
use std::sync::Mutex;

use foretold_core::model::feature::Value;
use foretold_core::model::manifest::{Manifest, Output};
use foretold_core::{Model, ModelError};
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::{LoadError, failed};
use crate::functions;
use crate::graph;
use crate::labels;
use crate::missing;
use crate::output::{Outputs, wanted};
use crate::program::Program;
use crate::proto::ModelProto;
use crate::run::{self, Memory};
use crate::unknown;
use crate::width;

/// An ONNX model, ready to run with a manifest's features and outputs.
///
/// A row's result does not depend on the rows beside it: an operator is given several rows at once
/// only where it promises that each comes out as it does alone.
pub struct OnnxModel {
    bindings: Bindings,
    outputs: Outputs,
    executor: Executor,
}

/// What runs the graph, with the memory of an earlier run for the next one.
enum Executor {
    /// Graphs of nothing but this crate's kernels.
    Program { program: Program, spare: Mutex<Option<Memory>> },
    /// All others.
    Tract { plan: Arc<TypedSimplePlan>, spare: Mutex<Option<TypedSimpleState>> },
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
        let mut proto = functions::read(model)?;
        let parts = Parts::of(&mut proto, manifest);
        proto.wipe();
        parts
    }

    /// The same of a file that was read; what they do not depend on is cut off it.
    pub(crate) fn of(proto: &mut ModelProto, manifest: &Manifest) -> Result<Parts, LoadError> {
        let ModelProto { graph, opset_import, .. } = proto;
        let graph = graph.as_mut().ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;
        let names = wanted(graph, &manifest.outputs)?;
        labels::encode(graph, opset_import, &names);
        let needed = graph::prune(graph, &names)?;
        let (bindings, sources) = Bindings::new(graph, &needed, &manifest.features)?;
        let (typed, counts) = width::wire(graph, opset_import, &sources, &names)?;
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
        OnnxModel::load_for(model, manifest, false)
    }

    /// [`OnnxModel::load`] for tract, whatever the graph: for tests, which compare it with the
    /// program.
    ///
    /// # Errors
    /// As [`OnnxModel::load`].
    #[doc(hidden)]
    pub fn load_for_tract(model: &[u8], manifest: &Manifest) -> Result<OnnxModel, LoadError> {
        OnnxModel::load_for(model, manifest, true)
    }

    /// Whether tract runs the graph.
    #[doc(hidden)]
    pub fn is_for_tract(&self) -> bool {
        matches!(self.executor, Executor::Tract { .. })
    }

    fn load_for(model: &[u8], manifest: &Manifest, tract: bool) -> Result<OnnxModel, LoadError> {
        let parts = Parts::read(model, manifest)?;
        unknown::refuse(&parts.typed, &parts.bindings, &manifest.features)?;
        missing::refuse(&parts.typed, &parts.bindings, manifest)?;
        OnnxModel::new(parts, manifest, tract)
    }

    /// A model of its parts, run by tract if that is asked for.
    pub(crate) fn new(
        mut parts: Parts,
        manifest: &Manifest,
        tract: bool,
    ) -> Result<OnnxModel, LoadError> {
        let typed = std::mem::take(&mut parts.typed).into_optimized().map_err(failed)?;
        let outputs = parts.outputs(&manifest.outputs, &typed)?;
        let bindings = parts.bindings;
        let program = if tract { None } else { Program::of(&typed, Some(&bindings)) };
        let executor = match program {
            Some(program) => {
                let spare = Mutex::new(Some(Memory::new(&program)));
                Executor::Program { program, spare }
            }
            None => {
                let plan = TypedSimplePlan::new(typed).map_err(failed)?;
                let spare = Mutex::new(Some(plan.spawn().map_err(failed)?));
                Executor::Tract { plan, spare }
            }
        };
        Ok(OnnxModel { bindings, outputs, executor })
    }

    /// Where the values of a row go.
    pub(crate) fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    fn run(&self, rows: &[Value]) -> Result<Vec<f32>, String> {
        let width = self.bindings.len();
        let count = rows.len() / width * self.outputs.len();
        // Most are of one row, which has its zeros sooner so than from `vec!`.
        let mut found = Vec::with_capacity(count);
        found.resize(count, 0.0);
        match &self.executor {
            Executor::Program { program, spare } => {
                let mut memory = take(spare).unwrap_or_else(|| Memory::new(program));
                run::run(program, &self.bindings, &self.outputs, rows, &mut memory, &mut found)?;
                put(spare, memory);
            }
            Executor::Tract { plan, spare } => {
                let mut state = match take(spare) {
                    Some(state) => state,
                    None => plan.spawn().map_err(|e| format!("{e:#}"))?,
                };
                let places = found.chunks_exact_mut(self.outputs.len());
                for (row, place) in rows.chunks_exact(width).zip(places) {
                    let inputs = self.bindings.tensors(row)?;
                    let tensors = state.run(inputs).map_err(|e| format!("{e:#}"))?;
                    self.outputs.take(&tensors, place)?;
                }
                put(spare, state);
            }
        }
        Ok(found)
    }
}

fn take<T>(spare: &Mutex<Option<T>>) -> Option<T> {
    spare.lock().ok().and_then(|mut spare| spare.take())
}

/// Keeps memory for the next run. Not after an error, which can leave a run half done.
fn put<T>(spare: &Mutex<Option<T>>, memory: T) {
    if let Ok(mut spare) = spare.lock() {
        *spare = Some(memory);
    }
}

impl Model for OnnxModel {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        let width = self.bindings.len();
        if !rows.len().is_multiple_of(width) {
            return Err(ModelError(format!("{} values, expected rows of {width}", rows.len())));
        }
        self.run(rows).map_err(|reason| ModelError(format!("the model cannot be run: {reason}")))
    }
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxModel").field("features", &self.bindings.len()).finish_non_exhaustive()
    }
}
