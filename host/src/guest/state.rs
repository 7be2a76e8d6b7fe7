//! What belongs to one instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::guest::access::StoreAccess;
use crate::guest::room::Taken;

/// What an instance may write to its standard error.
const MAX_LOG_BYTES: usize = 1 << 14;

/// What an instance takes besides its memories and tables: its stack, and what the engine keeps.
pub(crate) const OVERHEAD_BYTES: usize = 1 << 20;
/// Core instances, memories and tables of one component: several times what ours have. What they
/// take of the host is not counted otherwise.
const MAX_CORE_INSTANCES: usize = 64;
const MAX_MEMORIES: usize = 16;
const MAX_TABLES: usize = 64;

/// There was no room for an instance, or for its growing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRoom;

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instances take all the memory that they may")
    }
}

impl std::error::Error for NoRoom {}

/// What belongs to one instance.
pub(crate) struct Guest {
    pub(crate) store: Arc<StoreAccess>,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) memory: Memory,
    /// What it writes to its standard error, for the log.
    pub(crate) stderr: MemoryOutputPipe,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    resources: ResourceTable,
    /// Taken as long as it lives.
    _slot: Option<OwnedSemaphorePermit>,
}

impl Guest {
    /// What a new instance has: no files, no environment, no arguments, no sockets.
    pub(crate) fn new(
        store: Arc<StoreAccess>,
        variables: Arc<BTreeMap<String, String>>,
        memory: Memory,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Guest {
        let stderr = MemoryOutputPipe::new(MAX_LOG_BYTES);
        Guest {
            store,
            variables,
            memory,
            wasi: WasiCtx::builder().stderr(stderr.clone()).build(),
            stderr,
            http: WasiHttpCtx::new(),
            hooks: NoRequests,
            resources: ResourceTable::new(),
            _slot: slot,
        }
    }
}

/// What an instance's memories and tables take, together: not more than one instance may, and not
/// more than there is room for beside the others.
pub(crate) struct Memory {
    max_bytes: usize,
    used_bytes: usize,
    taken: Taken,
    found_no_room: bool,
}

impl Memory {
    /// For a new instance, with the room that it has already.
    pub(crate) fn new(max_bytes: usize, taken: Taken) -> Memory {
        Memory { max_bytes, used_bytes: 0, taken, found_no_room: false }
    }

    /// What it takes now, in bytes. Memories and tables never shrink.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Whether it could not grow for want of room, though it might have.
    pub(crate) fn found_no_room(&self) -> bool {
        self.found_no_room
    }

    fn take(&mut self, bytes: usize) -> bool {
        let used_bytes = self.used_bytes.saturating_add(bytes);
        if used_bytes > self.max_bytes {
            return false;
        }
        if !self.taken.try_reach(used_bytes.saturating_add(OVERHEAD_BYTES)) {
            self.found_no_room = true;
            return false;
        }
        self.used_bytes = used_bytes;
        true
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum)
            && self.take(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current).saturating_mul(size_of::<usize>());
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.take(bytes))
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// A component answers requests; it sends none.
pub(crate) struct NoRequests;

type Pending<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Pending<()>,
    ) -> Pending<(Response<WasiBody>, Pending<()>)> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Guest { http, hooks, resources, .. } = self;
        WasiHttpCtxView { ctx: http, table: resources, hooks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::room::Room;

    const MIB: usize = 1 << 20;

    #[test]
    fn an_instance_has_its_own_bound_and_that_of_all() {
        let room = Room::new(20 * MIB as u64);
        let mut first = Memory::new(10 * MIB, room.none());
        assert!(first.take(8 * MIB) && !first.take(3 * MIB));
        assert!(!first.found_no_room());
        let mut second = Memory::new(10 * MIB, room.none());
        assert!(second.take(10 * MIB));
        assert!(!first.take(MIB));
        assert!(first.found_no_room());
        drop(second);
        assert!(first.take(MIB));
        assert_eq!(first.used_bytes(), 9 * MIB);
        assert!(!first.take(usize::MAX));
    }
}
