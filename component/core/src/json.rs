//! JSON as it is read piece by piece.

use std::borrow::Cow;

use serde::Deserialize;

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);
