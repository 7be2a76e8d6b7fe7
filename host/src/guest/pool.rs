//! Instances of the component: made from the compiled form, kept warm, thrown away when they fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::KeyFormat;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, TypedFunc};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::bake;
use crate::artefact::program::Program;
use crate::artefact::target::Target;
use crate::guest::access::{Ended, StoreAccess};
use crate::guest::contract::{ComponentSettings, Description, Report, Request, Response, Settings};
use crate::guest::imports::keyvalue;
use crate::guest::imports::{unavailable, variables};
use crate::guest::own_keys::OwnKeys;
use crate::guest::room::{Room, Taken};
use crate::guest::slots::Slots;
use crate::guest::standard;
use crate::guest::state::{Guest, Memory, NoRoom, OVERHEAD_BYTES};
use crate::near::flight::Flights;
use crate::near::writes::WriteQueue;
use crate::store::Inventory;

const HANDLER: &str = "foretold:component/handler@0.1.0";
const ABOUT: &str = "foretold:component/about@0.1.0";
/// How often a running instance lets others run, and sees that its time is up.
const TICK: Duration = Duration::from_millis(1);
/// How long the first instance may take to start: it may have a large model to load.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How much an instance may grow and still be kept for the next request: enough for arrays of some
/// thousand rows.
const MAX_KEPT_GROWTH_BYTES: usize = 8 << 20;
/// How long an instance is kept that no request has needed; one is always kept.
const MAX_IDLE_TIME: Duration = Duration::from_secs(20);
/// How often that is looked at.
const IDLE_CHECK: Duration = Duration::from_secs(5);

/// The room that instances share with those of other components.
#[derive(Clone)]
pub(crate) struct Shares {
    /// For instances, in use and idle.
    pub(crate) room: Room,
    /// Longest answer of an instance, and longest of what it may hand to the host otherwise.
    pub(crate) max_answer_bytes: usize,
    /// Where writes go that nobody waits for.
    writes: Option<Arc<WriteQueue>>,
    /// Slots for instances that answer one request each, made when they are needed.
    slots: Arc<OnceLock<Option<Arc<Slots>>>>,
}

/// What a new instance takes of the room and of the slots.
struct Reserved {
    taken: Taken,
    slot: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// Room for all instances together.
    pub(crate) fn new(
        instances_bytes: u64,
        max_answer_bytes: usize,
        writes: Option<Arc<WriteQueue>>,
    ) -> Shares {
        let room = Room::new(instances_bytes);
        Shares { room, max_answer_bytes, writes, slots: Arc::default() }
    }

    /// The slots, where there is room for some.
    fn slots(&self, max_memory_bytes: usize) -> Option<Arc<Slots>> {
        let make = || {
            let slots = Slots::new(&self.room, max_memory_bytes);
            let slots =
                slots.inspect_err(|error| warn!("no slots for instances: {error}")).ok()??;
            tick(slots.engine());
            Some(Arc::new(slots))
        };
        self.slots.get_or_init(make).clone()
    }
}

/// What an instance may use, and how it is run.
#[derive(Clone)]
pub struct PoolConfig {
    /// What the component is told.
    pub settings: Settings,
    /// Variables of a component for Spin; the settings go before them.
    pub variables: BTreeMap<String, String>,
    /// Whether the component may open the store. If not, it computes every prediction.
    pub may_open_store: bool,
    /// Whether it may lie about its model: its entries are then kept apart from all others.
    pub is_untrusted: bool,
    /// Bound on the memories and tables of an instance, together.
    pub max_memory_bytes: usize,
    /// Bound on the time of one request, store included.
    pub timeout: Duration,
    /// Whether every request gets a fresh instance.
    pub isolate: bool,
    /// Instances that are kept for the next request.
    pub max_idle: usize,
    /// How long a request waits for another host that computes the same row, if it does.
    pub wait_for_hosts: Option<Duration>,
}

impl PoolConfig {
    /// What a request of [`PoolConfig::for_one_caller`] may take: of at most a thousand rows.
    pub const CALLER_TIMEOUT: Duration = Duration::from_secs(60);

    /// For a program that asks for many rows, one array after the other.
    pub fn for_one_caller(settings: Settings) -> PoolConfig {
        PoolConfig {
            settings,
            variables: BTreeMap::new(),
            may_open_store: true,
            is_untrusted: false,
            max_memory_bytes: 512 << 20,
            timeout: PoolConfig::CALLER_TIMEOUT,
            isolate: false,
            max_idle: 1,
            wait_for_hosts: None,
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

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// The component's response.
    pub response: Response,
    /// What the component does not know of it.
    pub ended: Ended,
}

/// A component's instances.
pub struct Pool {
    maker: Maker,
    description: Description,
    keys: Arc<OwnKeys>,
    idle: Arc<Idle>,
}

/// Instances that wait for a request, the one that was used last at the end.
type Idle = Mutex<Vec<(Instance, Instant)>>;

/// What instances are made from.
struct Maker {
    program: Program,
    linked: Linked,
    access: StoreAccess,
    variables: Arc<BTreeMap<String, String>>,
    config: PoolConfig,
    shares: Shares,
    /// Where instances answer one request each, and the component fits in.
    slots: Option<Arc<Slots>>,
    flights: Arc<Flights>,
    /// What a new instance takes, once that is known.
    start_bytes: usize,
}

/// A component, linked to what it imports.
enum Linked {
    /// With the lean handler; instances are kept for the next request.
    Lean(InstancePre<Guest>, LeanExports),
    /// With the standard handler; every request gets a fresh instance.
    Standard(ProxyPre<Guest>),
}

/// Where a component has the functions of the lean handler.
struct LeanExports {
    configure: ComponentExportIndex,
    handle: ComponentExportIndex,
    are_checked: AtomicBool,
}

/// An instance with the lean handler that has been configured.
struct Instance {
    store: Store<Guest>,
    component: wasmtime::component::Instance,
    handle: Handle,
}

type Configure = TypedFunc<(ComponentSettings<'static>,), (Result<(), String>,)>;
type Handle = TypedFunc<(Request<'static>,), (Response,)>;

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
        let shares = Shares::new(u64::MAX, config.max_memory_bytes, None);
        Pool::sharing(program, store, config, shares).await
    }

    /// The same with a bound on all instances together.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub(crate) async fn sharing(
        mut program: Program,
        store: Arc<dyn Inventory>,
        config: PoolConfig,
        shares: Shares,
    ) -> Result<Pool> {
        let is_kept = program.target == Target::Edge && !config.isolate;
        let slots = if is_kept { None } else { shares.slots(config.max_memory_bytes) };
        let slots = slots.filter(|slots| match program.move_to(slots.engine()) {
            Ok(()) => true,
            Err(error) => {
                debug!("the component does not fit into a slot: {error:#}");
                false
            }
        });
        if slots.is_none() {
            tick(&program.engine);
        }
        let linked = link(&program)?;
        let mut variables = config.variables.clone();
        if let Linked::Standard(_) = linked {
            variables.extend(config.settings.variables()?);
        }
        let variables = Arc::new(variables);
        // No keys, until the component has said what model it is and how long entries are kept.
        let access = StoreAccess::new(store, config.may_open_store);
        let flights = Arc::new(Flights::new(config.timeout / 2, config.wait_for_hosts));
        let mut maker = Maker {
            program,
            linked,
            access,
            variables,
            config,
            shares,
            slots,
            flights,
            start_bytes: 0,
        };
        let first = tokio::time::timeout(START_LIMIT, maker.first()).await;
        let (mut first, mut description, start_bytes) = first.map_err(|_| {
            let limit = START_LIMIT.as_secs();
            anyhow::anyhow!("an instance of the component was not ready within {limit} s")
        })??;
        maker.start_bytes = start_bytes;
        let keys = Arc::new(maker.own_keys(&description).await?);
        if let Some(id) = keys.stored_id() {
            description.model_id = id.to_owned();
        }
        let time_to_live = Duration::from_secs(description.ttl_seconds.into());
        let (flights, writes) = (maker.flights.clone(), maker.shares.writes.clone());
        maker.access = maker.access.with(keys.clone(), time_to_live, flights, writes);
        if let Some(instance) = &mut first {
            instance.store.data_mut().store = maker.access.for_instance();
        }
        let kept = first.into_iter().filter(|_| !maker.config.isolate);
        let idle = Arc::new(Mutex::new(kept.map(|first| (first, Instant::now())).collect()));
        tokio::spawn(shrink(Arc::downgrade(&idle)));
        Ok(Pool { maker, description, keys, idle })
    }

    /// What the component says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where the entries lie of what the component asks for.
    pub(crate) fn own_keys(&self) -> &OwnKeys {
        &self.keys
    }

    /// The digest of the component's file; none where it was made from a model here.
    pub(crate) fn file(&self) -> Option<&blake3::Hash> {
        self.maker.program.file.as_ref()
    }

    /// Whether responses come with a [`Report`].
    pub fn reports(&self) -> bool {
        matches!(self.maker.linked, Linked::Lean(..))
    }

    /// The manifest that the component has, as TOML text: for tools that read its entries.
    ///
    /// # Errors
    /// If the component has none.
    pub async fn manifest(&self) -> Result<String> {
        self.maker.manifest().await
    }

    /// Answers one request, within the time limit.
    ///
    /// # Errors
    /// If the component did not answer. The instance is then thrown away; an instance is also
    /// thrown away when the future is dropped.
    pub async fn call(&self, request: Request<'_>) -> Result<Called, CallError> {
        let run = async {
            match &self.maker.linked {
                Linked::Lean(_, exports) => self.run(exports, request).await,
                Linked::Standard(proxy) => {
                    let max_body_bytes = self.maker.shares.max_answer_bytes;
                    let store = self.maker.store(self.maker.reserve().await?);
                    let stderr = store.data().stderr.clone();
                    let access = store.data().store.clone();
                    let response =
                        standard::handle(proxy, store, &stderr, request, max_body_bytes).await?;
                    Ok(Called { response, ended: access.end_request() })
                }
            }
        };
        match tokio::time::timeout(self.maker.config.timeout, run).await {
            Ok(result) => result.map_err(CallError::Failed),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    async fn run(&self, exports: &LeanExports, request: Request<'_>) -> wasmtime::Result<Called> {
        let idle = self.idle.lock().expect("nobody panics while holding it").pop();
        let mut instance = match idle {
            Some((instance, _)) => instance,
            None => {
                let reserved = self.maker.reserve().await?;
                self.maker
                    .configured(exports, reserved)
                    .await
                    .map_err(wasmtime::Error::from_anyhow)?
            }
        };
        let response = instance.handle(request).await;
        let ended = instance.store.data().store.end_request();
        let response = match response {
            Ok(response) => response,
            Err(_) if instance.store.data().memory.found_no_room() => return Err(NoRoom.into()),
            Err(error) => return Err(error),
        };
        let max_kept_bytes = self.maker.start_bytes + MAX_KEPT_GROWTH_BYTES;
        let is_small = instance.store.data().memory.used_bytes() <= max_kept_bytes;
        if is_small && !self.maker.config.isolate {
            let mut idle = self.idle.lock().expect("nobody panics while holding it");
            if idle.len() < self.maker.config.max_idle {
                idle.push((instance, Instant::now()));
            }
        }
        let Report { misses, bypassed, model_ns, .. } = response.report;
        if let Some(nanoseconds) = model_ns {
            let rows = u64::from(misses) + u64::from(bypassed);
            self.maker.flights.note_model_time(nanoseconds, rows);
        }
        Ok(Called { response, ended })
    }
}

/// Drops instances that no request has needed for long, as long as their pool lives.
async fn shrink(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(IDLE_CHECK).await;
        let Some(idle) = idle.upgrade() else { return };
        let dropped: Vec<_> = {
            let mut idle = idle.lock().expect("nobody panics while holding it");
            let old = idle.partition_point(|(_, since)| since.elapsed() > MAX_IDLE_TIME);
            let old = old.min(idle.len().saturating_sub(1));
            idle.drain(..old).collect()
        };
        // Not under the lock: to unmap their memory takes time.
        drop(dropped);
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
    /// A first instance, where instances are kept, what the component says of itself, and what an
    /// instance takes.
    async fn first(&self) -> Result<(Option<Instance>, Description, usize)> {
        match &self.linked {
            Linked::Lean(_, exports) => {
                let mut instance = self.configured(exports, self.unreserved()).await?;
                let start_bytes = instance.store.data().memory.used_bytes();
                let description = describe(&mut instance.store, &instance.component).await?;
                Ok((Some(instance), description, start_bytes))
            }
            Linked::Standard(_) => {
                let (mut store, instance) = self.instantiate(self.unreserved()).await?;
                let start_bytes = store.data().memory.used_bytes();
                Ok((None, describe(&mut store, &instance).await?, start_bytes))
            }
        }
    }

    /// Room for one more instance, and a slot where it needs one, if there are in a moment.
    async fn reserve(&self) -> wasmtime::Result<Reserved> {
        let mut taken = self.shares.room.none();
        if !taken.reach(self.start_bytes + OVERHEAD_BYTES).await {
            return Err(NoRoom.into());
        }
        let slot = match &self.slots {
            Some(slots) => Some(slots.take().await.ok_or(NoRoom)?),
            None => None,
        };
        Ok(Reserved { taken, slot })
    }

    /// For an instance before there are any requests.
    fn unreserved(&self) -> Reserved {
        Reserved { taken: self.shares.room.none(), slot: None }
    }

    /// The keys that are the component's own, after what it says of itself.
    async fn own_keys(&self, description: &Description) -> Result<OwnKeys> {
        let model_id = &description.model_id;
        if !self.config.is_untrusted {
            return Ok(OwnKeys::new(model_id, self.python_classes().await?));
        }
        if self.config.settings.keys == KeyFormat::Repr {
            bail!(
                "--untrusted-component keeps the entries apart from all others, and --keys repr \
                 shares them with a Python service; leave one of them out"
            );
        }
        match self.program.file {
            Some(file) => Ok(OwnKeys::of_untrusted(model_id, &file)),
            None => bail!(
                "--untrusted-component is for files that somebody else made; a model's folder is \
                 loaded by a component of this command, which tells its id as it is"
            ),
        }
    }

    /// The Python classes whose keys the component shares, if that is what its keys are.
    async fn python_classes(&self) -> Result<Vec<String>> {
        if self.config.settings.keys != KeyFormat::Repr {
            return Ok(Vec::new());
        }
        let manifest = Manifest::parse(&self.manifest().await?)?;
        Ok(manifest.endpoints.into_iter().filter_map(|endpoint| endpoint.python_class).collect())
    }

    async fn manifest(&self) -> Result<String> {
        let (mut store, instance) = self.instantiate(self.unreserved()).await?;
        let function: TypedFunc<(), (Result<String, String>,)> =
            bake::function(&mut store, &instance, ABOUT, "manifest")?;
        let (manifest,) = function.call_async(&mut store, ()).await?;
        manifest.map_err(anyhow::Error::msg)
    }

    /// What belongs to a new instance.
    fn store(&self, reserved: Reserved) -> Store<Guest> {
        let Reserved { taken, slot } = reserved;
        let memory = Memory::new(self.config.max_memory_bytes, taken);
        let guest = Guest::new(self.access.for_instance(), self.variables.clone(), memory, slot);
        let mut store = Store::new(&self.program.engine, guest);
        store.set_hostcall_fuel(self.shares.max_answer_bytes);
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
    async fn instantiate(
        &self,
        reserved: Reserved,
    ) -> Result<(Store<Guest>, wasmtime::component::Instance)> {
        let mut store = self.store(reserved);
        let pre = match &self.linked {
            Linked::Lean(pre, _) => pre,
            Linked::Standard(proxy) => proxy.instance_pre(),
        };
        let within = |what: &str| {
            let max_memory_mib = self.config.max_memory_bytes >> 20;
            format!("cannot {what} within {max_memory_mib} MiB (--max-memory-mib)")
        };
        let instance = pre.instantiate_async(&mut store).await.map_err(anyhow::Error::from);
        let instance = instance.with_context(|| within("start an instance"))?;
        if let Some(model) = &self.program.model {
            bake::load(&mut store, &instance, model)
                .await
                .map_err(cause)
                .with_context(|| within("load the model"))?
                .map_err(|refusal| anyhow::anyhow!(refusal))?;
        }
        Ok((store, instance))
    }

    /// An instance with the lean handler, ready for requests.
    async fn configured(&self, exports: &LeanExports, reserved: Reserved) -> Result<Instance> {
        let (mut store, component) = self.instantiate(reserved).await?;
        let (configure, handle) = exports.functions(&mut store, &component)?;
        let settings = self.config.settings.lower();
        // SAFETY: as in `Instance::handle`.
        let settings = unsafe {
            std::mem::transmute::<ComponentSettings<'_>, ComponentSettings<'static>>(settings)
        };
        let (configured,) = configure.call_async(&mut store, (settings,)).await.map_err(cause)?;
        configured.map_err(|refusal| anyhow::anyhow!(refusal))?;
        Ok(Instance { store, component, handle })
    }
}

impl LeanExports {
    fn of(component: &Component) -> Option<LeanExports> {
        let interface = component.get_export_index(None, HANDLER)?;
        let index = |name| component.get_export_index(Some(&interface), name);
        Some(LeanExports {
            configure: index("configure")?,
            handle: index("handle")?,
            are_checked: AtomicBool::new(false),
        })
    }

    /// The functions of an instance. Their types are checked once: all instances have the same.
    fn functions(
        &self,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<(Configure, Handle)> {
        if !self.are_checked.load(Ordering::Relaxed) {
            let configure = instance.get_typed_func(&mut *store, self.configure)?;
            let handle = instance.get_typed_func(store, self.handle)?;
            self.are_checked.store(true, Ordering::Relaxed);
            return Ok((configure, handle));
        }
        let absent = || wasmtime::format_err!("an instance lacks what the component exports");
        let configure = instance.get_func(&mut *store, self.configure).ok_or_else(absent)?;
        let handle = instance.get_func(store, self.handle).ok_or_else(absent)?;
        // SAFETY: an instance of the same component had functions of these types at the same places.
        Ok(unsafe { (Configure::new_unchecked(configure), Handle::new_unchecked(handle)) })
    }
}

/// What went wrong in a component, without how it got there: numbers of its functions help those who
/// debug it only.
fn cause(error: wasmtime::Error) -> anyhow::Error {
    debug!("{error:?}");
    anyhow::anyhow!("the component broke down: {}", error.root_cause())
}

async fn describe(
    store: &mut Store<Guest>,
    instance: &wasmtime::component::Instance,
) -> Result<Description> {
    let describe: TypedFunc<(), (Result<Description, String>,)> =
        bake::function(&mut *store, instance, ABOUT, "describe")?;
    let (description,) = describe.call_async(store, ()).await.map_err(cause)?;
    description.map_err(|refusal| anyhow::anyhow!(refusal))
}

fn link(program: &Program) -> Result<Linked> {
    let link = || -> wasmtime::Result<Linked> {
        let Program { engine, component, .. } = program;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        keyvalue::add_to_linker(&mut linker, |guest: &Guest| &guest.store)?;
        variables::add_to_linker(&mut linker, |guest: &Guest| &guest.variables)?;
        if program.target == Target::Edge {
            unavailable::add_to_linker(&mut linker, component, "wasi:http/")?;
            let exports = LeanExports::of(component)
                .ok_or_else(|| wasmtime::format_err!("{HANDLER} lacks a function"))?;
            return Ok(Linked::Lean(linker.instantiate_pre(component)?, exports));
        }
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
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
