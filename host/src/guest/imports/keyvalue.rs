//! The key-value interfaces that components import, all over the host's one store.
//!
//! | interface | who imports it |
//! |---|---|
//! | `wasi:keyvalue/{store,batch}@0.2.0-draft` | components for wasmtime and wasmCloud: ours |
//! | `wasi:keyvalue/{store,batch,atomics}@0.2.0-draft2` | components for Spin |
//! | `fermyon:spin/key-value@2.0.0` | components made with Spin's SDK: ours |
//!
//! Written by hand instead of generated, so that keys and values are borrowed from the guest's
//! memory. Keys are not listed and nothing is counted or compared for a guest: the store is a cache
//! whose entries may vanish, and it belongs to all models. These functions answer with an error.
//!
//! Invariant: a component reaches no key but its own model's, as [`OwnKeys`] tells them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use foretold_core::cache::entry::Header;
use foretold_core::cache::key::{self, Parsed};
use tracing::{debug, trace};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr,
};

use crate::clock::unix_seconds;
use crate::guest::contract::LABEL;
use crate::near::flight::{Flights, Lease, Turn};
use crate::store::{Inventory, StoreError};

/// The store as an instance may use it.
#[derive(Clone)]
pub(crate) struct StoreAccess {
    store: Arc<dyn Inventory>,
    /// Whether it may be opened. Nothing else can be called before.
    may_open: bool,
    /// How long the store needs to keep an entry.
    time_to_live: Duration,
    keys: Arc<OwnKeys>,
    /// Where requests for the same key wait for each other; nowhere without keys of its own.
    flights: Option<Arc<Flights>>,
    held: Arc<Held>,
}

/// What the request that an instance answers has to do with others for the same key.
#[derive(Default)]
struct Held {
    lease: Mutex<Option<Lease>>,
    is_collapsed: AtomicBool,
}

/// The keys that are a component's own.
#[derive(Default)]
pub(crate) struct OwnKeys {
    /// The id of its model; none before it has said it.
    model: Option<String>,
    /// The Python classes whose keys it shares with a Python service.
    python_classes: Vec<String>,
}

impl OwnKeys {
    /// Those of a model and of Python classes; none where the id has not the form of one.
    pub(crate) fn new(model_id: &str, python_classes: Vec<String>) -> OwnKeys {
        let model = key::is_model_id(model_id).then(|| model_id.to_owned());
        OwnKeys { model, python_classes }
    }

    fn has(&self, key: &str) -> bool {
        match key::parse(key) {
            Some(Parsed::Model { model, .. }) => self.model.as_deref() == Some(model),
            Some(Parsed::Python { class }) => self.python_classes.iter().any(|own| own == class),
            None => false,
        }
    }
}

impl StoreAccess {
    /// For a component that has not said yet what model it is: no key is its own.
    pub(crate) fn new(store: Arc<dyn Inventory>, may_open: bool) -> StoreAccess {
        StoreAccess {
            store,
            may_open,
            time_to_live: Duration::ZERO,
            keys: Arc::default(),
            flights: None,
            held: Arc::default(),
        }
    }

    /// For a component that has.
    pub(crate) fn with(
        self,
        keys: OwnKeys,
        time_to_live: Duration,
        flights: Arc<Flights>,
    ) -> StoreAccess {
        StoreAccess { keys: Arc::new(keys), time_to_live, flights: Some(flights), ..self }
    }

    /// For an instance of its own.
    pub(crate) fn for_instance(&self) -> StoreAccess {
        StoreAccess { held: Arc::default(), ..self.clone() }
    }

    /// Ends a request: gives back the lease that it still has, and says whether it waited for
    /// another one's value.
    pub(crate) fn end_request(&self) -> bool {
        drop(self.held.take());
        self.held.is_collapsed.swap(false, Ordering::Relaxed)
    }

    /// Looks a key up, or waits for who does already.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Failure> {
        self.check(std::iter::once(key))?;
        // Who has a lease waits for nobody.
        let flights = self.flights.as_ref().filter(|flights| flights.matter());
        let Some(flights) = flights.filter(|_| !self.held.has_lease()) else {
            return Ok(self.store.get(key, self.time_to_live).await?);
        };
        if let Some(value) = self.store.nearby(key).filter(|value| self.is_good(key, value)) {
            return Ok(Some(value));
        }
        let lease = match flights.join(key).await {
            Turn::First(lease) => Some(lease),
            Turn::Collapsed(value) => {
                self.held.is_collapsed.store(true, Ordering::Relaxed);
                return Ok(Some(value));
            }
            Turn::Alone => None,
        };
        let value = self.store.get(key, self.time_to_live).await?;
        match (lease, &value) {
            (Some(lease), Some(value)) if self.is_good(key, value) => lease.land(value.clone()),
            // It will be computed.
            (Some(lease), _) => self.held.put(lease),
            (None, _) => {}
        }
        Ok(value)
    }

    /// Writes a value, and hands it to who waits for it.
    async fn set(&self, key: &str, value: Bytes) -> Result<(), Failure> {
        self.check(std::iter::once(key))?;
        let stored = self.store.set(key, value.clone(), self.time_to_live).await;
        if let Some(lease) = self.held.take_for(key) {
            lease.land(value);
        }
        Ok(stored?)
    }

    /// Whether a value looks like an entry that a component would serve: only the component knows.
    fn is_good(&self, key: &str, value: &[u8]) -> bool {
        match Header::read(key, value) {
            Some(header) => {
                let end = u64::from(header.written_at) + self.time_to_live.as_secs();
                end > unix_seconds()
            }
            // One of a Python service says nothing of itself.
            None => matches!(key::parse(key), Some(Parsed::Python { .. })),
        }
    }

    /// Refuses keys that are not the component's.
    fn check<'k>(&self, mut keys: impl Iterator<Item = &'k str>) -> Result<(), Failure> {
        match keys.find(|key| !self.keys.has(key)) {
            None => Ok(()),
            Some(_) => {
                debug!("a component asks for a key that is not its model's");
                Err(Failure::AccessDenied)
            }
        }
    }
}

impl Held {
    fn slot(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().expect("nobody panics while holding it")
    }

    fn has_lease(&self) -> bool {
        self.slot().is_some()
    }

    fn put(&self, lease: Lease) {
        *self.slot() = Some(lease);
    }

    fn take(&self) -> Option<Lease> {
        self.slot().take()
    }

    fn take_for(&self, key: &str) -> Option<Lease> {
        self.slot().take_if(|lease| lease.key() == key)
    }
}

/// Where the store is in what belongs to an instance.
type Access<T> = fn(&T) -> &StoreAccess;

/// The resources `bucket` and `store`. There is one store, so a handle says nothing.
struct Bucket;

/// The resource `cas`; none is ever made.
struct Cas;

/// The variant `error` of wasi:keyvalue.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// The variant `error` of Spin.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum SpinError {
    #[component(name = "store-table-full")]
    #[allow(dead_code, reason = "a case of the interface")]
    StoreTableFull,
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// The variant `cas-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    StoreError(Error),
    #[component(name = "cas-failed")]
    #[allow(dead_code, reason = "a case of the interface")]
    CasFailed(Resource<Cas>),
}

/// The record `key-response`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<String>,
}

/// What a guest gets instead of an answer.
enum Failure {
    NoSuchStore,
    AccessDenied,
    Other(&'static str),
}

/// The guest sees that the store failed; the detail goes to the log.
impl From<StoreError> for Failure {
    fn from(StoreError(detail): StoreError) -> Failure {
        debug!("the store failed: {detail}");
        Failure::Other("the store did not answer")
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::NoSuchStore => Error::NoSuchStore,
            Failure::AccessDenied => Error::AccessDenied,
            Failure::Other(message) => Error::Other(message.to_owned()),
        }
    }
}

impl From<Failure> for SpinError {
    fn from(failure: Failure) -> SpinError {
        match failure {
            Failure::NoSuchStore => SpinError::NoSuchStore,
            Failure::AccessDenied => SpinError::AccessDenied,
            Failure::Other(message) => SpinError::Other(message.to_owned()),
        }
    }
}

const UNLISTED: Failure = Failure::Other("this store is a cache and does not list its keys");
const NOT_ATOMIC: Failure = Failure::Other("this store is a cache and has no atomic operations");

/// Links the interfaces; `access` finds the store in what belongs to an instance.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    access: Access<T>,
) -> wasmtime::Result<()> {
    let mut interface = linker.instance("wasi:keyvalue/store@0.2.0-draft")?;
    resource::<T, Error>(&mut interface, access, "bucket", "open", "[method]bucket")?;
    let mut interface = linker.instance("wasi:keyvalue/batch@0.2.0-draft")?;
    batch(&mut interface, access, |pairs| {
        let pair = |(key, value): (String, Option<Bytes>)| Some((key, value?));
        pairs.into_iter().map(pair).collect::<Vec<_>>()
    })?;

    let mut interface = linker.instance("wasi:keyvalue/store@0.2.0-draft2")?;
    resource::<T, Error>(&mut interface, access, "bucket", "open", "[method]bucket")?;
    interface.func_wrap(
        "[method]bucket.list-keys",
        |_, _: (Resource<Bucket>, Option<String>)| {
            Ok((Err::<KeyResponse, _>(Error::from(UNLISTED)),))
        },
    )?;
    let mut interface = linker.instance("wasi:keyvalue/batch@0.2.0-draft2")?;
    batch(&mut interface, access, |pairs| pairs)?;
    atomics(&mut linker.instance("wasi:keyvalue/atomics@0.2.0-draft2")?)?;

    let mut interface = linker.instance("fermyon:spin/key-value@2.0.0")?;
    resource::<T, SpinError>(
        &mut interface,
        access,
        "store",
        "[static]store.open",
        "[method]store",
    )?;
    interface.func_wrap("[method]store.get-keys", |_, _: (Resource<Bucket>,)| {
        Ok((Err::<Vec<String>, _>(SpinError::from(UNLISTED)),))
    })
}

/// The resource that a store is, and what is the same in all interfaces: `open`, `get`, `set`,
/// `delete` and `exists`.
fn resource<T: Send + 'static, E>(
    interface: &mut LinkerInstance<'_, T>,
    access: Access<T>,
    resource: &str,
    open: &str,
    method: &str,
) -> wasmtime::Result<()>
where
    E: From<Failure> + ComponentType + Lower + Send + Sync + 'static,
{
    interface.resource(resource, ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    interface.func_wrap(open, move |guest, (label,): (WasmStr,)| {
        let known = label.to_str(&guest)? == LABEL;
        trace!("a component opens the store");
        let opened = match (known, access(guest.data()).may_open) {
            (true, true) => Ok(Resource::<Bucket>::new_own(0)),
            (true, false) => Err(Failure::AccessDenied),
            (false, _) => Err(Failure::NoSuchStore),
        };
        Ok((opened.map_err(E::from),))
    })?;
    interface.func_wrap_async(
        &format!("{method}.get"),
        move |guest, (_, key): (Resource<Bucket>, WasmStr)| {
            Box::new(async move { Ok((get(guest, access, key).await?.map_err(E::from),)) })
        },
    )?;
    interface.func_wrap_async(
        &format!("{method}.exists"),
        move |guest, (_, key): (Resource<Bucket>, WasmStr)| {
            Box::new(async move {
                let value = get(guest, access, key).await?;
                Ok((value.map(|value| value.is_some()).map_err(E::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        &format!("{method}.set"),
        move |guest, (_, key, value): (Resource<Bucket>, WasmStr, WasmList<u8>)| {
            Box::new(async move {
                let access = access(guest.data()).clone();
                let value = Bytes::copy_from_slice(value.as_le_slice(&guest));
                let key = key.to_str(&guest)?;
                Ok((access.set(&key, value).await.map_err(E::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        &format!("{method}.delete"),
        move |guest, (_, key): (Resource<Bucket>, String)| {
            Box::new(async move { Ok((remove(guest, access, vec![key]).await.map_err(E::from),)) })
        },
    )
}

async fn get<T: Send + 'static>(
    guest: StoreContextMut<'_, T>,
    access: Access<T>,
    key: WasmStr,
) -> wasmtime::Result<Result<Option<Bytes>, Failure>> {
    let access = access(guest.data()).clone();
    let key = key.to_str(&guest)?;
    Ok(access.get(&key).await)
}

async fn remove<T: Send + 'static>(
    guest: StoreContextMut<'_, T>,
    access: Access<T>,
    keys: Vec<String>,
) -> Result<(), Failure> {
    let access = access(guest.data()).clone();
    access.check(keys.iter().map(String::as_str))?;
    access.store.remove(&keys).await.map(|_| ()).map_err(Failure::from)
}

/// The interface `batch`; the drafts differ in the form of the pairs that `get-many` gives.
fn batch<T: Send + 'static, Pairs>(
    interface: &mut LinkerInstance<'_, T>,
    access: Access<T>,
    form: fn(Vec<(String, Option<Bytes>)>) -> Pairs,
) -> wasmtime::Result<()>
where
    Pairs: ComponentType + Lower + Send + Sync + 'static,
{
    interface.func_wrap_async(
        "get-many",
        move |guest, (_, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let access = access(guest.data()).clone();
                if let Err(failure) = access.check(keys.iter().map(String::as_str)) {
                    return Ok((Err(Error::from(failure)),));
                }
                let values = access.store.get_many(&keys, access.time_to_live).await;
                let pairs = values.map(|values| form(keys.into_iter().zip(values).collect()));
                Ok((pairs.map_err(Failure::from).map_err(Error::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        "set-many",
        move |guest, (_, pairs): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            Box::new(async move {
                let access = access(guest.data()).clone();
                if let Err(failure) = access.check(pairs.iter().map(|(key, _)| key.as_str())) {
                    return Ok((Err(Error::from(failure)),));
                }
                let entries =
                    pairs.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect();
                let result = access.store.set_many(entries, access.time_to_live).await;
                Ok((result.map_err(Failure::from).map_err(Error::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        "delete-many",
        move |guest, (_, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move { Ok((remove(guest, access, keys).await.map_err(Error::from),)) })
        },
    )
}

fn atomics<T: 'static>(interface: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    let refused = || Error::from(NOT_ATOMIC);
    interface.resource("cas", ResourceType::host::<Cas>(), |_, _| Ok(()))?;
    interface.func_wrap("[static]cas.new", move |_, _: (Resource<Bucket>, String)| {
        Ok((Err::<Resource<Cas>, _>(refused()),))
    })?;
    interface.func_wrap("[method]cas.current", move |_, _: (Resource<Cas>,)| {
        Ok((Err::<Option<Vec<u8>>, _>(refused()),))
    })?;
    interface.func_wrap("increment", move |_, _: (Resource<Bucket>, String, i64)| {
        Ok((Err::<i64, _>(refused()),))
    })?;
    interface.func_wrap("swap", move |_, _: (Resource<Cas>, Vec<u8>)| {
        Ok((Err::<(), _>(CasError::StoreError(refused())),))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_the_model_and_of_declared_classes_are_a_components_own() {
        let keys = OwnKeys::new("oqOYiB-NH-T4wBA", vec!["Decision".to_owned()]);
        for own in ["foretold:oqOYiB-NH-T4wBA:pGRgA", "foretold:oqOYiB-NH-T4wBA:x", "Decision(a=1)"]
        {
            assert!(keys.has(own), "{own}");
        }
        for other in [
            "",
            "a",
            "foretold:",
            "foretold:generations",
            "foretold:oqOYiB-NH-T4wBA",
            "foretold:oqOYiB-NH-T4wBA:",
            "foretold:oqOYiB-NH-T4wBB:pGRgA",
            "xforetold:oqOYiB-NH-T4wBA:pGRgA",
            "Decisions(a=1)",
            "Decision",
            "(a=1)",
        ] {
            assert!(!keys.has(other), "{other}");
        }
        assert!(!OwnKeys::default().has("foretold:oqOYiB-NH-T4wBA:pGRgA"));
        assert!(!OwnKeys::new("", vec![]).has("foretold::pGRgA"));
    }
}
