//! Instances of the component: made from the compiled form, kept warm, thrown away when they fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use foretold_core::settings::Secret;
use wasmtime::component::{
    ComponentType, InstancePre, Lift, Linker, Lower, ResourceTable, TypedFunc,
};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::bake;
use crate::artefact::program::Program;
use crate::artefact::target::Target;
use crate::guest::imports::keyvalue;
use crate::guest::imports::unavailable;
use crate::guest::imports::variables;
use crate::guest::standard::{self, NoRequests};
use crate::store::Inventory;

const HANDLER: &str = "foretold:component/handler@0.1.0";
const ABOUT: &str = "foretold:component/about@0.1.0";
/// What an instance of the standard handler may write to its standard error.
const MAX_LOG_BYTES: usize = 1 << 14;
/// How often a running instance lets others run, and sees that its time is up.
const TICK: Duration = Duration::from_millis(5);
/// How long the first instance may take to start: it may have a large model to load.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What an instance may use, and how it is run.
#[derive(Clone)]
pub struct PoolConfig {
    /// What the component is told.
    pub settings: Settings,
    /// Variables of a component for Spin; the settings go before them.
    pub variables: BTreeMap<String, String>,
    /// Whether the component may open the store. If not, it computes every prediction.
    pub may_open_store: bool,
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
    /// The web pages of other origins that may ask, by their origins; `*` for all.
    pub cors: Vec<String>,
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

impl Allowed {
    /// As `--allow` takes it.
    fn list(self) -> String {
        let names = [
            ("no-cache", self.no_cache),
            ("no-store", self.no_store),
            ("max-age", self.max_age),
            ("only-if-cached", self.only_if_cached),
            ("cache-status", self.cache_status),
            ("query", self.query),
        ];
        let names: Vec<&str> = names.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(",") }
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
    /// The paths that answer with predictions.
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
    cors: &'a [String],
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
            cors: &self.cors,
        }
    }

    /// The settings as variables, for components that take none: those that are not the defaults.
    fn variables(&self) -> Result<BTreeMap<String, String>> {
        let text = |name: &str, secret: &Option<Vec<u8>>| {
            let secret = secret.clone().map(String::from_utf8).transpose();
            secret.with_context(|| {
                format!("{name}: a component for Spin takes secrets as variables, in UTF-8")
            })
        };
        // As a variable an empty one would count as none.
        self.key_secret.as_deref().map(Secret::for_keys).transpose().map_err(anyhow::Error::msg)?;
        self.mac_secret
            .as_deref()
            .map(Secret::for_entries)
            .transpose()
            .map_err(anyhow::Error::msg)?;
        let all = self.ttl_seconds.map(|seconds| seconds.to_string());
        let single = self.endpoint_ttl_seconds.iter();
        let single = single.map(|(path, seconds)| format!("{path}={seconds}"));
        let times: Vec<String> = all.into_iter().chain(single).collect();
        let kind = match self.key_kind {
            KeyKind::Packed => None,
            KeyKind::Digest => Some("digest"),
            KeyKind::Readable => Some("readable"),
            KeyKind::Repr => Some("repr"),
        };
        let variables = [
            ("ttl_seconds", Some(times.join(",")).filter(|times| !times.is_empty())),
            ("keys", kind.map(str::to_owned)),
            ("key_secret", text("key_secret", &self.key_secret)?),
            ("mac_secret", text("mac_secret", &self.mac_secret)?),
            ("cors", Some(self.cors.join(",")).filter(|origins| !origins.is_empty())),
            ("allow", (self.allowed != Allowed::default()).then(|| self.allowed.list())),
        ];
        let set = variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(set.collect())
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
    pub(crate) store: Arc<dyn Inventory>,
    pub(crate) may_open_store: bool,
    pub(crate) time_to_live: Duration,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) stderr: MemoryOutputPipe,
    pub(crate) http: WasiHttpCtx,
    pub(crate) hooks: NoRequests,
    pub(crate) resources: ResourceTable,
    wasi: WasiCtx,
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
    maker: Maker,
    description: Description,
    idle: Mutex<Vec<Instance>>,
}

/// What instances are made from.
struct Maker {
    program: Program,
    linked: Linked,
    store: Arc<dyn Inventory>,
    variables: Arc<BTreeMap<String, String>>,
    config: PoolConfig,
    /// Known as soon as the component has described itself.
    time_to_live: Duration,
}

/// A component, linked to what it imports.
enum Linked {
    /// With the lean handler; instances are kept for the next request.
    Lean(InstancePre<Guest>),
    /// With the standard handler; every request gets a fresh instance.
    Standard(ProxyPre<Guest>),
}

/// An instance with the lean handler that has been configured.
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
        store: Arc<dyn Inventory>,
        config: PoolConfig,
    ) -> Result<Pool> {
        let linked = link(&program)?;
        let mut variables = config.variables.clone();
        if let Linked::Standard(_) = linked {
            variables.extend(config.settings.variables()?);
        }
        let variables = Arc::new(variables);
        tick(&program.engine);
        let time_to_live = Duration::ZERO;
        let mut maker = Maker { program, linked, store, variables, config, time_to_live };
        let first = tokio::time::timeout(START_LIMIT, maker.first()).await;
        let (mut first, description) = first.map_err(|_| {
            let limit = START_LIMIT.as_secs();
            anyhow::anyhow!("an instance of the component was not ready within {limit} s")
        })??;
        maker.time_to_live = Duration::from_secs(description.ttl_seconds.into());
        if let Some(instance) = &mut first {
            instance.store.data_mut().time_to_live = maker.time_to_live;
        }
        let idle = first.into_iter().filter(|_| !maker.config.isolate).collect();
        Ok(Pool { maker, description, idle: Mutex::new(idle) })
    }

    /// What the component says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether responses come with a [`Report`].
    pub fn reports(&self) -> bool {
        matches!(self.maker.linked, Linked::Lean(_))
    }

    /// The manifest that the component has, as TOML text: for tools that read its entries.
    ///
    /// # Errors
    /// If the component has none.
    pub async fn manifest(&self) -> Result<String> {
        let (mut store, instance) = self.maker.instantiate().await?;
        let function: TypedFunc<(), (Result<String, String>,)> =
            bake::function(&mut store, &instance, ABOUT, "manifest")?;
        let (manifest,) = function.call_async(&mut store, ()).await?;
        manifest.map_err(anyhow::Error::msg)
    }

    /// Answers one request, within the time limit.
    ///
    /// # Errors
    /// If the component did not answer. The instance is then thrown away; an instance is also
    /// thrown away when the future is dropped.
    pub async fn call(&self, request: Request<'_>) -> Result<Response, CallError> {
        let run = async {
            match &self.maker.linked {
                Linked::Lean(_) => self.run(request).await,
                Linked::Standard(proxy) => {
                    let max_body_bytes = self.maker.config.max_memory_bytes;
                    standard::handle(proxy, self.maker.store(), request, max_body_bytes).await
                }
            }
        };
        match tokio::time::timeout(self.maker.config.timeout, run).await {
            Ok(result) => result.map_err(CallError::Failed),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    async fn run(&self, request: Request<'_>) -> wasmtime::Result<Response> {
        let idle = self.idle.lock().expect("nobody panics while holding it").pop();
        let mut instance = match idle {
            Some(instance) => instance,
            None => self.maker.configured().await.map_err(wasmtime::Error::from_anyhow)?,
        };
        let response = instance.handle(request).await?;
        if !self.maker.config.isolate {
            let mut idle = self.idle.lock().expect("nobody panics while holding it");
            if idle.len() < self.maker.config.max_idle {
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

impl Maker {
    /// A first instance, where instances are kept, and what the component says of itself.
    async fn first(&self) -> Result<(Option<Instance>, Description)> {
        match &self.linked {
            Linked::Lean(_) => {
                let mut instance = self.configured().await?;
                let description = describe(&mut instance.store, &instance.component).await?;
                Ok((Some(instance), description))
            }
            Linked::Standard(_) => {
                let (mut store, instance) = self.instantiate().await?;
                Ok((None, describe(&mut store, &instance).await?))
            }
        }
    }

    /// What belongs to a new instance.
    fn store(&self) -> Store<Guest> {
        let stderr = MemoryOutputPipe::new(MAX_LOG_BYTES);
        let guest = Guest {
            store: self.store.clone(),
            may_open_store: self.config.may_open_store,
            time_to_live: self.time_to_live,
            variables: self.variables.clone(),
            // No files, no environment, no arguments, no sockets; what is written to the standard
            // error goes to the log.
            wasi: WasiCtx::builder().stderr(stderr.clone()).build(),
            stderr,
            http: WasiHttpCtx::new(),
            hooks: NoRequests,
            resources: ResourceTable::new(),
            memory: Memory { free_bytes: self.config.max_memory_bytes },
        };
        let mut store = Store::new(&self.program.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        // Tokio's own way to yield: after any other, a worker goes on with the same instance, and
        // looks at sockets and timers only every 61st time.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }

    /// An instance with its model.
    async fn instantiate(&self) -> Result<(Store<Guest>, wasmtime::component::Instance)> {
        let mut store = self.store();
        let pre = match &self.linked {
            Linked::Lean(pre) => pre,
            Linked::Standard(proxy) => proxy.instance_pre(),
        };
        let instance = pre.instantiate_async(&mut store).await.map_err(anyhow::Error::from);
        let instance = instance.with_context(|| {
            let max_memory_mib = self.config.max_memory_bytes >> 20;
            format!("cannot start an instance within {max_memory_mib} MiB (--max-memory-mib)")
        })?;
        if let Some(model) = &self.program.model {
            bake::load(&mut store, &instance, model)
                .await
                .map_err(anyhow::Error::from)?
                .map_err(|refusal| anyhow::anyhow!(refusal))?;
        }
        Ok((store, instance))
    }

    /// An instance with the lean handler, ready for requests.
    async fn configured(&self) -> Result<Instance> {
        let (mut store, component) = self.instantiate().await?;
        let configure: TypedFunc<(ComponentSettings<'_>,), (Result<(), String>,)> =
            bake::function(&mut store, &component, HANDLER, "configure")?;
        let handle = bake::function(&mut store, &component, HANDLER, "handle")?;
        let (configured,) =
            configure.call_async(&mut store, (self.config.settings.lower(),)).await?;
        configured.map_err(|refusal| anyhow::anyhow!(refusal))?;
        Ok(Instance { store, component, handle })
    }
}

async fn describe(
    store: &mut Store<Guest>,
    instance: &wasmtime::component::Instance,
) -> Result<Description> {
    let describe: TypedFunc<(), (Result<Description, String>,)> =
        bake::function(&mut *store, instance, ABOUT, "describe")?;
    let (description,) = describe.call_async(store, ()).await?;
    description.map_err(|refusal| anyhow::anyhow!(refusal))
}

fn link(program: &Program) -> Result<Linked> {
    let link = || -> wasmtime::Result<Linked> {
        let Program { engine, component, .. } = program;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        keyvalue::add_to_linker(&mut linker)?;
        variables::add_to_linker(&mut linker)?;
        if program.target == Target::Edge {
            unavailable::add_to_linker(&mut linker, component, "wasi:http/")?;
            return Ok(Linked::Lean(linker.instantiate_pre(component)?));
        }
        standard::add_to_linker(&mut linker)?;
        Ok(Linked::Standard(ProxyPre::new(linker.instantiate_pre(component)?)?))
    };
    if program.target == Target::Library {
        program.require(Target::Edge, "a server")?;
    }
    link().map_err(anyhow::Error::from).context("the component does not fit this host")
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
