//! The lean handler: `foretold:component/handler`, one record in and one record out.

use std::cell::OnceCell;

use foretold_core::http::{Request, Response};
use foretold_core::pipeline::{self, Settings};
use foretold_core::timed::{Timed, server_timing};

use crate::Component;
use crate::bake::{Baked, baked};
use crate::bindings::exports::foretold::component::handler::{self, Description, Guest, Header};
use crate::clock;
use crate::store::LabelledStore;

/// The request headers that the pipeline reads.
const REQUEST_HEADERS: [&str; 1] = ["content-type"];

/// What an instance works with, made by `configure`.
pub(crate) struct Instance {
    baked: &'static Baked,
    store: LabelledStore,
    settings: Settings,
}

thread_local! {
    static INSTANCE: OnceCell<Instance> = const { OnceCell::new() };
}

impl Instance {
    pub(crate) fn new(store: String, settings: Settings) -> Result<Instance, String> {
        Ok(Instance { baked: baked()?, store: LabelledStore::new(store), settings })
    }

    /// Answers a request and adds what the lookup and the model took.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Response {
        let store = Timed::new(&self.store, clock::nanoseconds);
        let model = Timed::new(&self.baked.model, clock::nanoseconds);
        let now = clock::now_seconds();
        let mut response =
            pipeline::answer(&self.baked.service, request, &store, &model, &self.settings, now);
        response.headers.extend(server_timing(store.nanoseconds(), model.nanoseconds()));
        response
    }
}

impl Guest for Component {
    fn configure(settings: handler::Settings) -> Result<Description, String> {
        let instance =
            Instance::new(settings.store, Settings { ttl_seconds: settings.ttl_seconds })?;
        let Baked { service, id, .. } = instance.baked;
        let manifest = service.manifest();
        let description = Description {
            model: manifest.name.clone(),
            model_id: id.to_string(),
            ttl_seconds: service.ttl_seconds(&instance.settings),
            endpoints: manifest.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect(),
            request_headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
        };
        INSTANCE
            .with(|cell| cell.set(instance))
            .map_err(|_| "this instance is configured already".to_owned())?;
        Ok(description)
    }

    fn handle(request: handler::Request) -> handler::Response {
        let content_type = request.headers.iter().find(|header| header.name == REQUEST_HEADERS[0]);
        let request = Request {
            method: &request.method,
            target: &request.target,
            content_type: content_type.map(|header| header.value.as_str()),
            body: &request.body,
        };
        let response = INSTANCE.with(|cell| {
            cell.get().expect("the host calls configure before handle").answer(&request)
        });
        let headers = response.headers.into_iter().map(|header| Header {
            name: header.name.to_owned(),
            value: header.value.into_owned(),
        });
        handler::Response {
            status: response.status,
            headers: headers.collect(),
            body: response.body,
            log: response.log,
        }
    }
}
