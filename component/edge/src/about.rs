//! What the component says of itself.

use foretold_core::http::REQUEST_HEADERS;
use foretold_inference::baked::Baked;

use crate::Component;
use crate::bake::baked;
use crate::bindings::exports::foretold::component::about::{Description, Guest};
use crate::handler;

impl Guest for Component {
    fn describe() -> Result<Description, String> {
        let Baked { service, id, .. } = baked()?;
        let manifest = service.manifest();
        let ttl_seconds =
            handler::with_instance(|instance| instance.settings.longest_seconds(manifest));
        Ok(Description {
            model: manifest.name.clone(),
            model_id: id.to_string(),
            ttl_seconds: ttl_seconds.ok_or("the host calls configure before describe")?,
            endpoints: manifest.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect(),
            request_headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
        })
    }

    fn manifest() -> Result<String, String> {
        Ok(baked()?.manifest.clone())
    }
}
