//! Components that run: their instances, and what they import.

pub mod contract;
pub(crate) mod imports;
pub mod pool;
pub(crate) mod standard;
pub(crate) mod state;
