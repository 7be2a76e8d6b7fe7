//! What the component says of itself.

use crate::Component;
use crate::bake::baked;
use crate::bindings::exports::foretold::component::about::{Description, Guest};
use crate::handler;

impl Guest for Component {
    fn describe() -> Result<Description, String> {
        let service = &baked()?.service;
        let description =
            handler::with_instance(|instance| service.description(&instance.settings));
        let description = description.ok_or("the host calls configure before describe")?;
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
