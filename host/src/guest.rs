//! Components that run: their instances, and what they import.

pub(crate) mod access;
pub(crate) mod contract;
pub(crate) mod imports;
pub(crate) mod own_keys;
pub(crate) mod pool;
pub(crate) mod room;
pub(crate) mod slots;
pub(crate) mod standard;
pub(crate) mod state;
