//! What the tests start, and what they say of what comes back.

pub(crate) mod answer;
pub(crate) mod cluster;
pub(crate) mod credit;
pub(crate) mod host;
pub(crate) mod load;
pub(crate) mod onnx;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod redis;
pub(crate) mod refusal;
pub(crate) mod run;
pub(crate) mod scrape;
pub(crate) mod secret;
pub(crate) mod wire;
