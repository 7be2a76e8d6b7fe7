//! `wasi:keyvalue/store@0.2.0-draft` and `wasi:keyvalue/batch`, over the host's store.
//!
//! Written by hand instead of generated, so that keys and values are borrowed from the guest's
//! memory. Only what a component needs is there: `open`, `get`, `set`, `get-many` and `set-many`.

use bytes::Bytes;
use tracing::debug;
use wasmtime::component::{
    ComponentType, Linker, Lower, Resource, ResourceType, WasmList, WasmStr,
};

use crate::pool::Guest;
use crate::store::StoreError;

/// The only label a store is opened under.
pub(crate) const LABEL: &str = "default";

/// The resource `bucket`. There is one store, so a handle says nothing.
struct Bucket;

/// The variant `error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    #[allow(dead_code, reason = "a case of the interface")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// The guest sees that the store failed; the detail goes to the log.
impl From<StoreError> for Error {
    fn from(StoreError(detail): StoreError) -> Error {
        debug!("the store failed: {detail}");
        Error::Other("the store did not answer".to_owned())
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("wasi:keyvalue/store@0.2.0-draft")?;
    interface.resource("bucket", ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    interface.func_wrap("open", |store, (label,): (WasmStr,)| {
        let known = label.to_str(&store)? == LABEL;
        Ok((if known { Ok(Resource::<Bucket>::new_own(0)) } else { Err(Error::NoSuchStore) },))
    })?;
    interface.func_wrap_async(
        "[method]bucket.get",
        |guest, (_, key): (Resource<Bucket>, WasmStr)| {
            Box::new(async move {
                let store = guest.data().store.clone();
                let time_to_live = guest.data().time_to_live;
                let value = store.get(&key.to_str(&guest)?, time_to_live).await;
                Ok((value.map_err(Error::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.set",
        |guest, (_, key, value): (Resource<Bucket>, WasmStr, WasmList<u8>)| {
            Box::new(async move {
                let store = guest.data().store.clone();
                let time_to_live = guest.data().time_to_live;
                let value = Bytes::copy_from_slice(value.as_le_slice(&guest));
                let result = store.set(&key.to_str(&guest)?, value, time_to_live).await;
                Ok((result.map_err(Error::from),))
            })
        },
    )?;
    let mut interface = linker.instance("wasi:keyvalue/batch@0.2.0-draft")?;
    interface.func_wrap_async(
        "get-many",
        |guest, (_, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let store = guest.data().store.clone();
                let time_to_live = guest.data().time_to_live;
                let values = store.get_many(&keys, time_to_live).await;
                let pairs = values.map(|values| pairs(keys, values));
                Ok((pairs.map_err(Error::from),))
            })
        },
    )?;
    interface.func_wrap_async(
        "set-many",
        |guest, (_, pairs): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            Box::new(async move {
                let store = guest.data().store.clone();
                let time_to_live = guest.data().time_to_live;
                let entries =
                    pairs.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect();
                let result = store.set_many(entries, time_to_live).await;
                Ok((result.map_err(Error::from),))
            })
        },
    )?;
    Ok(())
}

/// Each key with its value, or none.
fn pairs(keys: Vec<String>, values: Vec<Option<Bytes>>) -> Vec<Option<(String, Bytes)>> {
    keys.into_iter().zip(values).map(|(key, value)| Some((key, value?))).collect()
}
