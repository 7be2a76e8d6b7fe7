//! What is cached under which key, and what requests ask of the cache.

pub mod control;
pub mod entry;
pub mod key;
pub mod python;
pub mod reuse;
pub mod status;
