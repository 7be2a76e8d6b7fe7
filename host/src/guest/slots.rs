//! Slots for instances that answer one request each.
//!
//! To map the memory of such an instance, to touch it for the first time and to unmap it again costs
//! several times what it computes. A slot's memory stays mapped; what an instance has written in it
//! is reset after the request, page by page, and the next one finds it as a fresh one is.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use crate::artefact::program;
use crate::guest::room::{PATIENCE, Room, Taken};

/// Instances at once: each uses a core, or waits for the store.
const MAX_SLOTS: usize = 128;
/// An instance's permit is given back a moment before its slot is.
const SPARE_SLOTS: u32 = 8;
/// What a free slot keeps of its memory: of what was written, where the kernel tells (PAGEMAP_SCAN,
/// since Linux 6.7), else from the beginning on.
const KEPT_WRITTEN_BYTES: usize = 1 << 20;
const KEPT_FIRST_BYTES: usize = 8 << 20;
/// And of each of its tables.
const KEPT_TABLE_BYTES: usize = 64 << 10;
/// And of all else, its stack above all.
const KEPT_OTHER_BYTES: usize = 1 << 20;
/// What a component may have to fit in: several times what ours have. One that has more gets its
/// memory mapped for each request.
const MAX_CORE_INSTANCES: u32 = 8;
const MAX_TABLES: u32 = 4;
const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Slots that the components of a host share.
pub(crate) struct Slots {
    engine: Engine,
    free: Arc<Semaphore>,
    /// The part of the room for instances that free slots keep.
    _kept: Taken,
}

impl Slots {
    /// As many as a quarter of the room is enough for, where an instance of full size has room
    /// beside what they keep; none where it has not.
    ///
    /// # Errors
    /// If there is no address space for them.
    pub(crate) fn new(room: &Room, max_memory_bytes: usize) -> Result<Option<Slots>> {
        let with = |scan, kept_bytes| Slots::keeping(room, max_memory_bytes, scan, kept_bytes);
        with(Enabled::Yes, KEPT_WRITTEN_BYTES).or_else(|_| with(Enabled::No, KEPT_FIRST_BYTES))
    }

    fn keeping(
        room: &Room,
        max_memory_bytes: usize,
        scan: Enabled,
        kept_bytes: usize,
    ) -> Result<Option<Slots>> {
        let slot_bytes = kept_bytes + MAX_TABLES as usize * KEPT_TABLE_BYTES + KEPT_OTHER_BYTES;
        let bytes = room.free_bytes();
        let count = (bytes / 4).min(bytes.saturating_sub(max_memory_bytes)) / slot_bytes;
        let count = count.min(MAX_SLOTS);
        let mut kept = room.none();
        if count == 0 || !kept.try_reach(count * slot_bytes) {
            return Ok(None);
        }
        let engine = engine(count as u32 + SPARE_SLOTS, max_memory_bytes, scan, kept_bytes)?;
        Ok(Some(Slots { engine, free: Arc::new(Semaphore::new(count)), _kept: kept }))
    }

    /// What compiles and runs components in them.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A slot, if one is free in a moment.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let slot = self.free.clone().acquire_owned();
        tokio::time::timeout(PATIENCE, slot).await.ok()?.ok()
    }
}

fn engine(count: u32, max_memory_bytes: usize, scan: Enabled, kept_bytes: usize) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count)
        .total_core_instances(count * MAX_CORE_INSTANCES)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .total_memories(count)
        .max_memories_per_component(1)
        .max_memory_size(max_memory_bytes)
        .total_tables(count * MAX_TABLES)
        .max_tables_per_component(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .total_stacks(count)
        .pagemap_scan(scan)
        .linear_memory_keep_resident(kept_bytes)
        .table_keep_resident(KEPT_TABLE_BYTES);
    let mut config = program::config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
