//! Instances of the component: made from the compiled form, kept warm, thrown away when they fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use wasmtime::component::{
    ComponentType, InstancePre, Lift, Linker, Lower, ResourceTable, TypedFunc,
};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::program::Program;
use crate::store::Store as KeyValueStore;
use crate::{bake, keyvalue, unavailable};

const INTERFACE: &str = "foretold:component/handler@0.1.0";
/// How often a running instance lets others run, and sees that its time is up.
const TICK: Duration = Duration::from_millis(5);
/// How long the first instance may take to start: it may have a large model to load.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What an instance may use, and how it is run.
#[derive(Clone)]
pub struct PoolConfig {
    /// What the component is told.
    pub settings: Settings,
    /// Bound on the memories and tables of an instance, together.
    pub max_memory_bytes: usize,
    /// Bound on the time of one request, store included.
    pub timeout: Duration,
    /// Whether every request gets a fresh instance.
    pub isolate: bool,
    /// Instances that are kept for the next request.
    pub max_idle: usize,
}

/// What the operator decides for the component.
#[derive(Clone, Default)]
pub struct Settings {
    /// Seconds that a cached prediction is served, instead of all that the manifest says.
    pub ttl_seconds: Option<u32>,
    /// The same for single endpoints, by path.
    pub endpoint_ttl_seconds: Vec<(String, u32)>,
    /// How keys are made of requests.
    pub key_kind: KeyKind,
    /// Secret under which digests are made.
    pub key_secret: Option<Vec<u8>>,
    /// Secret under which entries are authenticated.
    pub mac_secret: Option<Vec<u8>>,
    /// What clients may do.
    pub allowed: Allowed,
}

/// How keys are made of requests; `foretold_core::settings::KeyKind` explains them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum KeyKind {
    /// The request packed to bits.
    #[default]
    #[component(name = "packed")]
    Packed,
    /// A digest of it.
    #[component(name = "digest")]
    Digest,
    /// JSON.
    #[component(name = "readable")]
    Readable,
    /// What Python's `repr` gives.
    #[component(name = "repr")]
    Repr,
}

/// What clients may ask of the cache, and see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Allowed {
    /// `Cache-Control: no-cache` is followed.
    #[component(name = "no-cache")]
    pub no_cache: bool,
    /// `Cache-Control: no-store` is followed.
    #[component(name = "no-store")]
    pub no_store: bool,
    /// `Cache-Control: max-age` is followed.
    #[component(name = "max-age")]
    pub max_age: bool,
    /// `Cache-Control: only-if-cached` is followed.
    #[component(name = "only-if-cached")]
    pub only_if_cached: bool,
    /// Responses say whether they came from the cache.
    #[component(name = "cache-status")]
    pub cache_status: bool,
    /// The method QUERY is answered.
    pub query: bool,
}

impl From<foretold_core::settings::Allowed> for Allowed {
    fn from(allowed: foretold_core::settings::Allowed) -> Allowed {
        Allowed {
            no_cache: allowed.no_cache,
            no_store: allowed.no_store,
            max_age: allowed.max_age,
            only_if_cached: allowed.only_if_cached,
            cache_status: allowed.cache_status,
            query: allowed.query,
        }
    }
}

/// Everything.
impl Default for Allowed {
    fn default() -> Allowed {
        Allowed::from(foretold_core::settings::Allowed::ALL)
    }
}

/// What the host needs to know of a component.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// Digest of everything that decides the model's outputs.
    #[component(name = "model-id")]
    pub model_id: String,
    /// Seconds that a store needs to keep an entry.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: u32,
    /// The paths that answer POST, and QUERY where it is allowed.
    pub endpoints: Vec<String>,
    /// The request headers that the component reads, in lower case.
    #[component(name = "request-headers")]
    pub request_headers: Vec<String>,
}

/// One header on its way into the component.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub struct RequestHeader<'a> {
    /// In lower case.
    pub name: &'a str,
    /// UTF-8.
    pub value: &'a str,
}

/// A request on its way into the component.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub struct Request<'a> {
    /// The method, e.g. `POST`.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Those headers that [`Description::request_headers`] names.
    pub headers: &'a [RequestHeader<'a>],
    /// The whole body.
    pub body: &'a [u8],
    /// Whether the store is to be left alone for this request.
    #[component(name = "bypass-store")]
    pub bypass_store: bool,
}

/// One header of a response.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct ResponseHeader {
    /// In lower case.
    pub name: String,
    /// Visible ASCII.
    pub value: String,
}

/// A response on its way out of the component.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All headers but those of the connection.
    pub headers: Vec<ResponseHeader>,
    /// The whole body.
    pub body: Vec<u8>,
    /// What the log should say.
    pub log: Option<String>,
    /// What the request did.
    pub report: Report,
}

/// What a request did. An array of rows counts as that many predictions:
/// `hits + misses + bypassed + refused` is their number.
#[derive(Clone, Copy, Debug, Default, ComponentType, Lift)]
#[component(record)]
pub struct Report {
    /// Position in [`Description::endpoints`]; `None` where no endpoint was meant.
    pub endpoint: Option<u32>,
    /// Predictions that derive from an entry.
    pub hits: u32,
    /// Predictions that were computed because there was no entry to serve.
    pub misses: u32,
    /// Predictions that were computed without a look into the store.
    pub bypassed: u32,
    /// Rows that got an error instead of a prediction.
    pub refused: u32,
    /// Entries that the store confirmed.
    pub stored: u32,
    /// Entries that it did not.
    pub dropped: u32,
    /// Values that were found and are no entries.
    pub corrupt: u32,
    /// Entries that were found and are too old.
    pub expired: u32,
    /// Look-ups that the store did not answer.
    pub unavailable: u32,
    /// Time that the look-up took.
    #[component(name = "lookup-ns")]
    pub lookup_ns: Option<u64>,
    /// Time that the model took.
    #[component(name = "model-ns")]
    pub model_ns: Option<u64>,
}

/// The record `settings`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct ComponentSettings<'a> {
    store: &'a str,
    #[component(name = "ttl-seconds")]
    ttl_seconds: Option<u32>,
    #[component(name = "endpoint-ttl-seconds")]
    endpoint_ttl_seconds: &'a [(String, u32)],
    #[component(name = "key-kind")]
    key_kind: KeyKind,
    #[component(name = "key-secret")]
    key_secret: Option<&'a [u8]>,
    #[component(name = "mac-secret")]
    mac_secret: Option<&'a [u8]>,
    allowed: Allowed,
}

impl Settings {
    fn lower(&self) -> ComponentSettings<'_> {
        ComponentSettings {
            store: keyvalue::LABEL,
            ttl_seconds: self.ttl_seconds,
            endpoint_ttl_seconds: &self.endpoint_ttl_seconds,
            key_kind: self.key_kind,
            key_secret: self.key_secret.as_deref(),
            mac_secret: self.mac_secret.as_deref(),
            allowed: self.allowed,
        }
    }
}

/// Why a request got no answer from the component.
#[derive(Debug)]
pub enum CallError {
    /// The time limit ended it.
    TimedOut,
    /// It trapped, ran out of memory, or could not be instantiated.
    Failed(wasmtime::Error),
}

/// What belongs to one instance.
pub(crate) struct Guest {
    pub(crate) store: Arc<dyn KeyValueStore>,
    pub(crate) time_to_live: Duration,
    wasi: WasiCtx,
    resources: ResourceTable,
    memory: Memory,
}

/// What an instance's memories and tables may still take, together.
struct Memory {
    free_bytes: usize,
}

impl Memory {
    fn take(&mut self, bytes: usize) -> bool {
        let rest = self.free_bytes.checked_sub(bytes);
        self.free_bytes = rest.unwrap_or(self.free_bytes);
        rest.is_some()
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.take(desired - current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = (desired - current).saturating_mul(size_of::<usize>());
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.take(bytes))
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// A component's instances.
pub struct Pool {
    pre: InstancePre<Guest>,
    program: Program,
    store: Arc<dyn KeyValueStore>,
    config: PoolConfig,
    description: Description,
    idle: Mutex<Vec<Instance>>,
}

/// An instance that has been configured.
struct Instance {
    store: Store<Guest>,
    component: wasmtime::component::Instance,
    handle: TypedFunc<(Request<'static>,), (Response,)>,
}

impl Pool {
    /// Links a program to a store, and starts a first instance to see that it works.
    ///
    /// # Errors
    /// If the component asks for what it may not have, has no model, or is none of ours.
    pub async fn new(
        program: Program,
        store: Arc<dyn KeyValueStore>,
        config: PoolConfig,
    ) -> Result<Pool> {
        let pre = link(&program)
            .map_err(anyhow::Error::from)
            .context("the component does not fit this host")?;
        tick(&program.engine);
        let first = tokio::time::timeout(START_LIMIT, start(&pre, &program, &store, &config)).await;
        let (first, description) = first.map_err(|_| {
            let limit = START_LIMIT.as_secs();
            anyhow::anyhow!("an instance of the component was not ready within {limit} s")
        })??;
        let idle = Mutex::new(if config.isolate { vec![] } else { vec![first] });
        Ok(Pool { pre, program, store, config, description, idle })
    }

    /// What the component says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The manifest that the component has, as TOML text: for tools that read its entries.
    ///
    /// # Errors
    /// If the component has none.
    pub async fn manifest(&self) -> Result<String> {
        let Pool { pre, program, store, config, .. } = self;
        let (Instance { mut store, component, .. }, _) = start(pre, program, store, config).await?;
        let interface = component.get_export_index(&mut store, None, INTERFACE);
        let function = interface
            .and_then(|interface| {
                component.get_export_index(&mut store, Some(&interface), "manifest")
            })
            .with_context(|| format!("the component has no function `manifest` in {INTERFACE}"))?;
        let function =
            component.get_typed_func::<(), (Result<String, String>,)>(&mut store, function)?;
        let (manifest,) = function.call_async(&mut store, ()).await?;
        manifest.map_err(anyhow::Error::msg)
    }

    /// Answers one request, within the time limit.
    ///
    /// # Errors
    /// If the component did not answer. The instance is then thrown away; an instance is also
    /// thrown away when the future is dropped.
    pub async fn call(&self, request: Request<'_>) -> Result<Response, CallError> {
        match tokio::time::timeout(self.config.timeout, self.run(request)).await {
            Ok(result) => result.map_err(CallError::Failed),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    async fn run(&self, request: Request<'_>) -> wasmtime::Result<Response> {
        let idle = self.idle.lock().expect("nobody panics while holding it").pop();
        let mut instance = match idle {
            Some(instance) => instance,
            None => {
                let Pool { pre, program, store, config, .. } = self;
                start(pre, program, store, config).await.map_err(wasmtime::Error::from_anyhow)?.0
            }
        };
        let response = instance.handle(request).await?;
        if !self.config.isolate {
            let mut idle = self.idle.lock().expect("nobody panics while holding it");
            if idle.len() < self.config.max_idle {
                idle.push(instance);
            }
        }
        Ok(response)
    }
}

impl Instance {
    async fn handle(&mut self, request: Request<'_>) -> wasmtime::Result<Response> {
        // SAFETY: the parameters are copied into the guest's memory during the call, and the
        // function keeps nothing of them: only the lifetime in its type is not the request's.
        let request = unsafe { std::mem::transmute::<Request<'_>, Request<'static>>(request) };
        Ok(self.handle.call_async(&mut self.store, (request,)).await?.0)
    }
}

fn link(program: &Program) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = Linker::new(&program.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    keyvalue::add_to_linker(&mut linker)?;
    // The standard handler is for other hosts: nothing of wasi:http is ever called here.
    unavailable::add_to_linker(&mut linker, &program.component, "wasi:http/")?;
    linker.instantiate_pre(&program.component)
}

/// Makes an instance and configures it.
async fn start(
    pre: &InstancePre<Guest>,
    program: &Program,
    store: &Arc<dyn KeyValueStore>,
    config: &PoolConfig,
) -> Result<(Instance, Description)> {
    let guest = Guest {
        store: store.clone(),
        // Known as soon as the component has described itself.
        time_to_live: Duration::ZERO,
        // No files, no environment, no arguments, no sockets, no standard streams.
        wasi: WasiCtx::builder().build(),
        resources: ResourceTable::new(),
        memory: Memory { free_bytes: config.max_memory_bytes },
    };
    let mut store = Store::new(&program.engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_epoch_deadline(1);
    // Tokio's own way to yield: after any other, a worker goes on with the same instance, and
    // looks at sockets and timers only every 61st time.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    let instance = pre.instantiate_async(&mut store).await.map_err(anyhow::Error::from);
    let instance = instance.with_context(|| {
        let max_memory_mib = config.max_memory_bytes >> 20;
        format!("cannot start an instance within {max_memory_mib} MiB (--max-memory-mib)")
    })?;
    if let Some(model) = &program.model {
        bake::load(&mut store, &instance, model)
            .await
            .map_err(anyhow::Error::from)?
            .map_err(|refusal| anyhow::anyhow!(refusal))?;
    }
    let not_ours =
        || anyhow::anyhow!("the file is not a Foretold component: it has no {INTERFACE}");
    let interface = instance.get_export_index(&mut store, None, INTERFACE).ok_or_else(not_ours)?;
    let mut function =
        |name| instance.get_export_index(&mut store, Some(&interface), name).ok_or_else(not_ours);
    let (configure, handle) = (function("configure")?, function("handle")?);
    let configure = instance
        .get_typed_func::<(ComponentSettings<'_>,), (Result<Description, String>,)>(
            &mut store, configure,
        )?;
    let handle = instance.get_typed_func(&mut store, handle)?;
    let settings = config.settings.lower();
    let (description,) = configure.call_async(&mut store, (settings,)).await?;
    let description = description.map_err(|refusal| anyhow::anyhow!(refusal))?;
    store.data_mut().time_to_live = Duration::from_secs(description.ttl_seconds.into());
    Ok((Instance { store, component: instance, handle }, description))
}

/// Counts time for the engine's instances, as long as the engine lives.
fn tick(engine: &wasmtime::Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    });
}
