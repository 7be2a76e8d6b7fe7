//! Instances of the component: made from the compiled form, kept warm, thrown away when they fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::KeyFormat;
use tracing::debug;
use wasmtime::component::{InstancePre, Linker, TypedFunc};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::artefact::bake;
use crate::artefact::program::Program;
use crate::artefact::target::Target;
use crate::guest::access::StoreAccess;
use crate::guest::contract::{ComponentSettings, Description, Report, Request, Response, Settings};
use crate::guest::imports::keyvalue;
use crate::guest::imports::{unavailable, variables};
use crate::guest::own_keys::OwnKeys;
use crate::guest::room::{Room, Taken};
use crate::guest::standard;
use crate::guest::state::{Guest, Memory, NoRoom, OVERHEAD_BYTES};
use crate::near::flight::Flights;
use crate::store::Inventory;

const HANDLER: &str = "foretold:component/handler@0.1.0";
const ABOUT: &str = "foretold:component/about@0.1.0";
/// How often a running instance lets others run, and sees that its time is up.
const TICK: Duration = Duration::from_millis(5);
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
    /// Whether it waited for a value that another request computed.
    pub is_collapsed: bool,
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
    flights: Arc<Flights>,
    /// What a new instance takes, once that is known.
    start_bytes: usize,
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
        let max_answer_bytes = config.max_memory_bytes;
        let shares = Shares { room: Room::new(u64::MAX), max_answer_bytes };
        Pool::sharing(program, store, config, shares).await
    }

    /// The same with a bound on all instances together.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub(crate) async fn sharing(
        program: Program,
        store: Arc<dyn Inventory>,
        config: PoolConfig,
        shares: Shares,
    ) -> Result<Pool> {
        let linked = link(&program)?;
        let mut variables = config.variables.clone();
        if let Linked::Standard(_) = linked {
            variables.extend(config.settings.variables()?);
        }
        let variables = Arc::new(variables);
        tick(&program.engine);
        // No keys, until the component has said what model it is and how long entries are kept.
        let access = StoreAccess::new(store, config.may_open_store);
        let flights = Arc::new(Flights::new(config.timeout / 2));
        let mut maker =
            Maker { program, linked, access, variables, config, shares, flights, start_bytes: 0 };
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
        maker.access = maker.access.with(keys.clone(), time_to_live, maker.flights.clone());
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
        matches!(self.maker.linked, Linked::Lean(_))
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
                Linked::Lean(_) => self.run(request).await,
                Linked::Standard(proxy) => {
                    let max_body_bytes = self.maker.shares.max_answer_bytes;
                    let store = self.maker.store(self.maker.reserve().await?);
                    let stderr = store.data().stderr.clone();
                    let access = store.data().store.clone();
                    let response =
                        standard::handle(proxy, store, &stderr, request, max_body_bytes).await?;
                    Ok(Called { response, is_collapsed: access.end_request() })
                }
            }
        };
        match tokio::time::timeout(self.maker.config.timeout, run).await {
            Ok(result) => result.map_err(CallError::Failed),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    async fn run(&self, request: Request<'_>) -> wasmtime::Result<Called> {
        let idle = self.idle.lock().expect("nobody panics while holding it").pop();
        let mut instance = match idle {
            Some((instance, _)) => instance,
            None => {
                let taken = self.maker.reserve().await?;
                self.maker.configured(taken).await.map_err(wasmtime::Error::from_anyhow)?
            }
        };
        let response = instance.handle(request).await;
        let is_collapsed = instance.store.data().store.end_request();
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
        Ok(Called { response, is_collapsed })
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
        let taken = self.shares.room.none();
        match &self.linked {
            Linked::Lean(_) => {
                let mut instance = self.configured(taken).await?;
                let start_bytes = instance.store.data().memory.used_bytes();
                let description = describe(&mut instance.store, &instance.component).await?;
                Ok((Some(instance), description, start_bytes))
            }
            Linked::Standard(_) => {
                let (mut store, instance) = self.instantiate(taken).await?;
                let start_bytes = store.data().memory.used_bytes();
                Ok((None, describe(&mut store, &instance).await?, start_bytes))
            }
        }
    }

    /// Room for one more instance, if there is some in a moment.
    async fn reserve(&self) -> wasmtime::Result<Taken> {
        let mut taken = self.shares.room.none();
        if taken.reach(self.start_bytes + OVERHEAD_BYTES).await {
            Ok(taken)
        } else {
            Err(NoRoom.into())
        }
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
        let (mut store, instance) = self.instantiate(self.shares.room.none()).await?;
        let function: TypedFunc<(), (Result<String, String>,)> =
            bake::function(&mut store, &instance, ABOUT, "manifest")?;
        let (manifest,) = function.call_async(&mut store, ()).await?;
        manifest.map_err(anyhow::Error::msg)
    }

    /// What belongs to a new instance.
    fn store(&self, taken: Taken) -> Store<Guest> {
        let memory = Memory::new(self.config.max_memory_bytes, taken);
        let guest = Guest::new(self.access.for_instance(), self.variables.clone(), memory);
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
        taken: Taken,
    ) -> Result<(Store<Guest>, wasmtime::component::Instance)> {
        let mut store = self.store(taken);
        let pre = match &self.linked {
            Linked::Lean(pre) => pre,
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
    async fn configured(&self, taken: Taken) -> Result<Instance> {
        let (mut store, component) = self.instantiate(taken).await?;
        let configure: TypedFunc<(ComponentSettings<'_>,), (Result<(), String>,)> =
            bake::function(&mut store, &component, HANDLER, "configure")?;
        let handle = bake::function(&mut store, &component, HANDLER, "handle")?;
        let configured = configure.call_async(&mut store, (self.config.settings.lower(),)).await;
        let (configured,) = configured.map_err(cause)?;
        configured.map_err(|refusal| anyhow::anyhow!(refusal))?;
        Ok(Instance { store, component, handle })
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
            return Ok(Linked::Lean(linker.instantiate_pre(component)?));
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
