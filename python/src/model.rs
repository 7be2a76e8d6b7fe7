//! A model over a store of Python's, in this process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};
use foretold::unstable::{CallError, Called, Pool, PoolConfig, Program, Request, Settings, Source};
use foretold::{CacheFolder, Target};
use foretold_core::model::feature::{self, Domain, Field};
use foretold_core::model::manifest::{Endpoint, Manifest, Output, Rule};
use foretold_core::settings::KeyFormat;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::store::{Interrupt, PythonStore};

/// A model over a store. Calls take turns; Python's own lock is released meanwhile.
#[pyclass(frozen, module = "foretold._native")]
pub(crate) struct Model {
    running: Mutex<Running>,
    interrupt: Interrupt,
    description: String,
}

/// A runtime without threads of its own, which a process that forks would lose.
struct Running {
    /// None when it is being dropped.
    runtime: Option<Runtime>,
    pool: Pool,
}

/// What came of a request: status, body, `Cache-Status`, and how many rows were hits.
type Answer<'py> = (u16, Bound<'py, PyBytes>, String, u32);

#[pymethods]
impl Model {
    /// Loads a folder with a model, or a component baked for the target edge, over an object with
    /// `get_many` and `set_many`; without one nothing is kept.
    #[new]
    #[pyo3(signature = (path, store, *, keys, ttl_seconds, key_secret, mac_secret))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        store: Option<Py<PyAny>>,
        keys: &str,
        ttl_seconds: Option<u32>,
        key_secret: Option<Vec<u8>>,
        mac_secret: Option<Vec<u8>>,
    ) -> PyResult<Model> {
        not_in_a_store()?;
        let keys: KeyFormat =
            keys.parse().map_err(|error| PyValueError::new_err(format!("keys: {error}")))?;
        let settings =
            Settings { ttl_seconds, keys, key_secret, mac_secret, ..Settings::default() };
        let interrupt = Interrupt::default();
        let may_open_store = store.is_some();
        let object = store.unwrap_or_else(|| py.None());
        let store = Arc::new(PythonStore::new(object, interrupt.clone()));
        let config = PoolConfig { may_open_store, ..PoolConfig::for_one_caller(settings) };
        let loaded = py.detach(|| load(&path, store, config));
        let (running, description) =
            loaded.map_err(|error| PyValueError::new_err(format!("{error:#}")))?;
        let running = Mutex::new(running);
        Ok(Model { running, interrupt, description })
    }

    /// What the model takes and gives, as JSON.
    fn describe(&self) -> &str {
        &self.description
    }

    /// Answers a POST of JSON as the service does.
    fn post<'py>(&self, py: Python<'py>, target: &str, body: &[u8]) -> PyResult<Answer<'py>> {
        not_in_a_store()?;
        let (called, interrupt) = py.detach(|| {
            let running = self.lock();
            (running.post(target, body), self.interrupt.take())
        });
        if let Some(interrupt) = interrupt {
            return Err(interrupt);
        }
        let Called { response, .. } = called.map_err(|error| failed(&error))?;
        let status = response.headers.iter().find(|header| header.name == "cache-status");
        let status = status.map(|header| header.value.clone()).unwrap_or_default();
        let body = PyBytes::new(py, &response.body);
        Ok((response.status, body, status, response.report.hits))
    }
}

impl Model {
    fn lock(&self) -> MutexGuard<'_, Running> {
        // A call that panicked has left nothing half done: its instance is gone.
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Running {
    fn post(&self, target: &str, body: &[u8]) -> Result<Called, CallError> {
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        runtime.block_on(self.pool.call(Request::of_json(target, body)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Python may drop a model anywhere, also within a call of another's store, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A store that asks a predictor would wait for itself.
fn not_in_a_store() -> PyResult<()> {
    if Handle::try_current().is_err() {
        return Ok(());
    }
    Err(PyRuntimeError::new_err("the store of a predictor must not make or ask a predictor"))
}

fn failed(error: &CallError) -> PyErr {
    PyRuntimeError::new_err(match error {
        CallError::TimedOut => {
            format!(
                "the rows took the model longer than {} s; ask for fewer",
                PoolConfig::CALLER_TIMEOUT.as_secs()
            )
        }
        CallError::Failed(error) => format!("the component broke down: {error:#}"),
    })
}

fn load(path: &Path, store: Arc<PythonStore>, config: PoolConfig) -> Result<(Running, String)> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let folder = CacheFolder::open(&CacheFolder::of_user()?)?;
    let (pool, manifest) = runtime
        .block_on(async {
            // Without a snapshot: there is one instance, so nothing would be gained by it.
            let source = Source::read(path, false)?;
            let program = Program::load(source, &folder, config.max_memory_bytes).await?;
            program.require(Target::Edge, "a `Predictor`")?;
            let pool = Pool::new(program, store, config).await?;
            let manifest = pool.manifest().await?;
            anyhow::Ok((pool, manifest))
        })
        .with_context(|| path.display().to_string())?;
    let manifest = Manifest::parse(&manifest)?;
    let description = describe(&manifest, &pool);
    Ok((Running { runtime: Some(runtime), pool }, description.to_string()))
}

fn describe(manifest: &Manifest, pool: &Pool) -> Value {
    let features: Vec<Value> = feature::fields(&manifest.features).map(field).collect();
    let output = |Output { name, tensor, column, .. }: &Output| json!({"name": name, "tensor": tensor, "column": column});
    let outputs: Vec<Value> = manifest.outputs.iter().map(output).collect();
    let endpoints: Vec<Value> =
        manifest.endpoints.iter().map(|it| endpoint(it, &manifest.outputs)).collect();
    json!({
        "name": manifest.name,
        "model_id": pool.description().model_id,
        "description": manifest.description,
        "ttl_seconds": pool.description().ttl_seconds,
        "features": features,
        "outputs": outputs,
        "endpoints": endpoints,
    })
}

fn field(field: Field<'_>) -> Value {
    let feature = field.feature();
    let kind = match &feature.domain {
        _ if field.is_vector() => "vector",
        Domain::Number { .. } => "number",
        Domain::Integer { .. } => "integer",
        Domain::Boolean => "boolean",
        Domain::Category { .. } => "category",
    };
    json!({
        "name": field.name,
        "type": kind,
        "length": field.is_vector().then_some(field.features.len()),
        "expected": field.to_string(),
        "optional": feature.optional,
        "unit": feature.unit,
        "description": feature.description,
    })
}

/// An endpoint, and the outputs that its answer derives from, by name: with classes each with its
/// label.
fn endpoint(endpoint: &Endpoint, outputs: &[Output]) -> Value {
    let name = |output: &usize| outputs.get(*output).map_or("", |output| &output.name);
    let classes: Vec<(&str, &str)> = match &endpoint.rule {
        Rule::Classes { classes } => {
            classes.iter().map(|(output, label)| (name(output), label.as_str())).collect()
        }
        _ => Vec::new(),
    };
    let threshold = match &endpoint.rule {
        Rule::Threshold { threshold, .. } => Some(*threshold),
        _ => None,
    };
    json!({
        "path": endpoint.path,
        "field": endpoint.field,
        "is_number": endpoint.rule.is_number(),
        "outputs": endpoint.rule.outputs().iter().map(name).collect::<Vec<_>>(),
        "classes": classes,
        "threshold": threshold,
        "labels": endpoint.rule.labels(),
    })
}
