//! What the tests start, and what they say of what comes back.

pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod scrape;
pub(crate) mod support;
