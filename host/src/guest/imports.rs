//! What a component may call.

pub(crate) mod keyvalue;
pub(crate) mod unavailable;
pub(crate) mod variables;
