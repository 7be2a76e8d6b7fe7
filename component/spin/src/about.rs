//! What the component says of itself, to our own host: Spin does not ask.

use crate::Component;
use crate::bake::baked;
use crate::bindings::exports::foretold::component::about::{Description, Guest};
use crate::instance::Instance;

impl Guest for Component {
    fn describe() -> Result<Description, String> {
        let Instance { baked, settings, .. } = Instance::new()?;
        let description = baked.service.description(&settings);
        Ok(Description {
            model: description.model,
            model_id: description.version,
            ttl_seconds: description.ttl_seconds,
            endpoints: description.endpoints,
            request_headers: description.request_headers,
        })
    }

    fn manifest() -> Result<String, String> {
        Ok(baked()?.manifest.clone())
    }
}
