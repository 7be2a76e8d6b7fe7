//! The commands, and their options.

pub(crate) mod cache;
pub(crate) mod options;
