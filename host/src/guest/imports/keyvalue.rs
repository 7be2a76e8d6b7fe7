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
//! Invariant: a component reaches no key but its own model's, as
//! [`OwnKeys`](crate::guest::own_keys::OwnKeys) tells them.

use std::sync::Arc;

use bytes::Bytes;
use tracing::trace;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr,
};

use crate::guest::access::{Failure, StoreAccess};
use crate::guest::contract::LABEL;

/// Where the store is in what belongs to an instance.
type Access<T> = fn(&T) -> &Arc<StoreAccess>;

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
    access.store.remove(&access.stored_many(&keys)?).await.map(|_| ()).map_err(Failure::from)
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
                let values = access.get_many(&keys).await;
                let pairs = values.map(|values| form(keys.into_iter().zip(values).collect()));
                Ok((pairs.map_err(Error::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        "set-many",
        move |guest, (_, pairs): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            Box::new(async move {
                let access = access(guest.data()).clone();
                let entries = pairs.into_iter().map(|(key, value)| {
                    let key = access.stored(&key)?.into_owned();
                    Ok((key, Bytes::from(value)))
                });
                let entries = match entries.collect::<Result<_, Failure>>() {
                    Ok(entries) => entries,
                    Err(failure) => return Ok((Err(Error::from(failure)),)),
                };
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
