//! An instance in which a model is loaded once, to look at it: it lives for moments, and gets nothing
//! from outside.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::guest::imports::unavailable;

/// A store for such an instance. Its memories and tables may take so many bytes together.
pub(crate) fn store(engine: &Engine, max_bytes: usize) -> Store<Scratch> {
    let mut store = Store::new(engine, Scratch::new(max_bytes));
    store.limiter(|scratch| &mut scratch.memory);
    // It bounds what the host copies for a component. Here that is a snapshot or a description, and
    // both have a bound.
    store.set_hostcall_fuel(usize::MAX);
    store
}

/// Interrupts what runs when its time is up, unless what this returns is dropped before.
pub(crate) fn interrupt_after(engine: &Engine, limit: Duration) -> Sender<()> {
    let (running, ended) = channel();
    let engine = engine.weak();
    std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout)
            && let Some(engine) = engine.upgrade()
        {
            engine.increment_epoch();
        }
    });
    running
}

/// Loading a model needs nothing from outside but a seed for Rust's hash maps, and a snapshot must
/// not hold anything of it: the seed is fixed, so that the same model gives the same component.
pub(crate) fn isolated(component: &Component) -> wasmtime::Result<InstancePre<Scratch>> {
    let mut linker = Linker::new(component.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    unavailable::add_to_linker(&mut linker, component, "wasi:http/")?;
    unavailable::add_to_linker(&mut linker, component, "wasi:keyvalue/")?;
    unavailable::add_to_linker(&mut linker, component, "fermyon:spin/")?;
    linker.instantiate_pre(component)
}

/// What belongs to the instance.
pub(crate) struct Scratch {
    wasi: WasiCtx,
    resources: ResourceTable,
    pub(crate) memory: ScratchMemory,
}

impl Scratch {
    fn new(max_bytes: usize) -> Scratch {
        let wasi = WasiCtx::builder().insecure_random_seed(0).build();
        let memory = ScratchMemory { bytes: 0, max_bytes, was_refused: false };
        Scratch { wasi, resources: ResourceTable::new(), memory }
    }
}

/// What the instance's memories and tables take, together. They never shrink.
pub(crate) struct ScratchMemory {
    pub(crate) bytes: usize,
    pub(crate) max_bytes: usize,
    pub(crate) was_refused: bool,
}

impl ScratchMemory {
    fn take(&mut self, bytes: usize, is_legal: bool) -> bool {
        let sum = self.bytes.saturating_add(bytes);
        if sum > self.max_bytes {
            self.was_refused = true;
        } else if is_legal {
            self.bytes = sum;
        }
        is_legal && sum <= self.max_bytes
    }
}

impl ResourceLimiter for ScratchMemory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.take(desired - current, maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = (desired - current).saturating_mul(size_of::<usize>());
        Ok(self.take(bytes, maximum.is_none_or(|maximum| desired <= maximum)))
    }
}

impl WasiView for Scratch {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}
