//! What is typed, and what it means.

pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod store;
