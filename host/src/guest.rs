//! Components that run: their instances, and what they import.

pub(crate) mod imports;
pub mod pool;
pub(crate) mod standard;
