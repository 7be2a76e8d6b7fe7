//! What the component says of itself, to our own host: Spin does not ask.

use foretold_core::http::REQUEST_HEADERS;
use foretold_inference::baked::Baked;

use crate::Component;
use crate::bake::baked;
use crate::bindings::exports::foretold::component::about::{Description, Guest};
use crate::instance::Instance;

impl Guest for Component {
    fn describe() -> Result<Description, String> {
        let Instance { baked, settings, .. } = Instance::new()?;
        let Baked { service, id, .. } = baked;
        let manifest = service.manifest();
        Ok(Description {
            model: manifest.name.clone(),
            model_id: id.to_string(),
            ttl_seconds: settings.longest_seconds(manifest),
            endpoints: manifest.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect(),
            request_headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
        })
    }

    fn manifest() -> Result<String, String> {
        Ok(baked()?.manifest.clone())
    }
}
