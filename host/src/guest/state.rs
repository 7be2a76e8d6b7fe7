//! What belongs to one instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::{Request, Response};
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::guest::imports::keyvalue::StoreAccess;

/// What an instance may write to its standard error.
const MAX_LOG_BYTES: usize = 1 << 14;

/// Core instances, memories and tables of a component, each; ours have less than ten.
const MAX_PARTS: usize = 16;

/// What belongs to one instance.
pub(crate) struct Guest {
    pub(crate) store: StoreAccess,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) memory: Memory,
    /// What it writes to its standard error, for the log.
    pub(crate) stderr: MemoryOutputPipe,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    resources: ResourceTable,
}

impl Guest {
    /// What a new instance has: no files, no environment, no arguments, no sockets.
    pub(crate) fn new(
        store: StoreAccess,
        variables: Arc<BTreeMap<String, String>>,
        max_memory_bytes: usize,
    ) -> Guest {
        let stderr = MemoryOutputPipe::new(MAX_LOG_BYTES);
        Guest {
            store,
            variables,
            memory: Memory { free_bytes: max_memory_bytes },
            wasi: WasiCtx::builder().stderr(stderr.clone()).build(),
            stderr,
            http: WasiHttpCtx::new(),
            hooks: NoRequests,
            resources: ResourceTable::new(),
        }
    }
}

/// What an instance's memories and tables may still take, together.
pub(crate) struct Memory {
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

    /// Each takes memory of the host's for its globals and functions, which is not counted:
    /// `artefact::modules` bounds it.
    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
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
