//! What a request is answered with: the model, the store, and settings from Spin's variables.

use std::time::Instant;

use foretold_core::http::Request;
use foretold_core::service::Description;
use foretold_core::settings::{KeyFormat, Settings};
use foretold_core::timed::{self, TimedResponse};
use foretold_inference::baked::Baked;
use foretold_inference::guest::clock;
use spin_sdk::variables::{self, Error};

use crate::baked;
use crate::store::DefaultStore;

/// The model, the store and the settings.
pub(crate) struct Instance {
    baked: &'static Baked,
    settings: Settings,
    store: DefaultStore,
}

impl Instance {
    pub(crate) fn new() -> Result<Instance, String> {
        let baked = baked()?;
        let settings = Settings::from_variables(variable).map_err(|error| error.to_string())?;
        if let KeyFormat::Readable | KeyFormat::Repr = settings.keys {
            return Err("keys: expected packed or digest: readable and repr keys can be longer \
                        than the 255 bytes that Spin's stores guarantee"
                .to_owned());
        }
        settings.check(baked.service.manifest()).map_err(|error| error.to_string())?;
        Ok(Instance { baked, settings, store: DefaultStore::default() })
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request<'_>) -> TimedResponse {
        let Baked { service, model, .. } = self.baked;
        let start = Instant::now();
        let clock = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        timed::answer(service, request, &self.store, model, &self.settings, clock::now(), clock)
    }
}

/// What the component says of itself.
pub(crate) fn describe() -> Result<Description, String> {
    let Instance { baked, settings, .. } = Instance::new()?;
    Ok(baked.service.description(&settings))
}

/// A variable of the component; the manifest need not declare all.
fn variable(name: &str) -> Result<Option<String>, String> {
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined(_)) => Ok(None),
        Err(error) => Err(format!("the host cannot read this variable: {error}")),
    }
}
