//! The lean handler: `foretold:component/handler`, one record in and one record out.

use std::cell::OnceCell;

use foretold_core::http::{Request, Response};
use foretold_core::pipeline;
use foretold_core::settings::{Allowed, KeyKind, Secret, Settings};
use foretold_core::timed::{Timed, server_timing};

use crate::Component;
use crate::bake::{Baked, baked};
use crate::bindings::exports::foretold::component::handler::{self, Description, Guest, Header};
use crate::clock;
use crate::store::LabelledStore;

/// The request headers that the pipeline reads.
pub(crate) const REQUEST_HEADERS: [&str; 3] = ["content-type", "cache-control", "if-none-match"];

/// What an instance works with, made by `configure`.
pub(crate) struct Instance {
    baked: &'static Baked,
    store: LabelledStore,
    settings: Settings,
}

thread_local! {
    static INSTANCE: OnceCell<Instance> = const { OnceCell::new() };
}

/// What an instance gives for a request.
pub(crate) struct Answered {
    pub(crate) response: Response,
    /// Time that the look-up and the model took, where there was one.
    lookup_ns: Option<u64>,
    model_ns: Option<u64>,
}

impl Instance {
    pub(crate) fn new(store: String, settings: Settings) -> Result<Instance, String> {
        let baked = baked()?;
        settings.check(baked.service.manifest())?;
        Ok(Instance { baked, store: LabelledStore::new(store), settings })
    }

    /// Answers a request and adds what the look-up and the model took.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Answered {
        let store = Timed::new(&self.store, clock::nanoseconds);
        let model = Timed::new(&self.baked.model, clock::nanoseconds);
        let moment = clock::now();
        let settings = &self.settings;
        let mut response =
            pipeline::answer(&self.baked.service, request, &store, &model, settings, moment);
        let (lookup_ns, model_ns) = (store.nanoseconds(), model.nanoseconds());
        // It tells a hit from a miss, too.
        if settings.allowed.cache_status {
            response.headers.extend(server_timing(lookup_ns, model_ns));
        }
        Answered { response, lookup_ns, model_ns }
    }
}

impl Guest for Component {
    fn configure(settings: handler::Settings) -> Result<Description, String> {
        let store = settings.store.clone();
        let instance = Instance::new(store, read(settings)?)?;
        let Baked { service, id, .. } = instance.baked;
        let manifest = service.manifest();
        let description = Description {
            model: manifest.name.clone(),
            model_id: id.to_string(),
            ttl_seconds: instance.settings.longest_seconds(manifest),
            endpoints: manifest.endpoints.iter().map(|endpoint| endpoint.path.clone()).collect(),
            request_headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
        };
        if INSTANCE.with(|cell| cell.set(instance).is_err()) {
            return Err("this instance is configured already".to_owned());
        }
        Ok(description)
    }

    fn handle(request: handler::Request) -> handler::Response {
        let [content_type, cache_control, if_none_match] = REQUEST_HEADERS.map(|name| {
            let header = request.headers.iter().find(|header| header.name == name);
            header.map(|header| header.value.as_str())
        });
        let request = Request {
            method: &request.method,
            target: &request.target,
            content_type,
            cache_control,
            if_none_match,
            body: &request.body,
            bypass_store: request.bypass_store,
        };
        let Answered { response, lookup_ns, model_ns } = INSTANCE.with(|cell| {
            cell.get().expect("the host calls configure before handle").answer(&request)
        });
        let headers = response.headers.into_iter().map(|header| Header {
            name: header.name.to_owned(),
            value: header.value.into_owned(),
        });
        let report = response.report;
        handler::Response {
            status: response.status,
            headers: headers.collect(),
            body: response.body,
            log: response.log,
            report: handler::Report {
                endpoint: report.endpoint.map(|endpoint| endpoint as u32),
                hits: report.hits,
                misses: report.misses,
                bypassed: report.bypassed,
                refused: report.refused,
                stored: report.stored,
                dropped: report.dropped,
                corrupt: report.corrupt,
                expired: report.expired,
                unavailable: report.unavailable,
                lookup_ns,
                model_ns,
            },
        }
    }

    fn manifest() -> Result<String, String> {
        Ok(baked()?.manifest.clone())
    }
}

/// The settings as the pipeline takes them.
fn read(settings: handler::Settings) -> Result<Settings, String> {
    let secret = settings.key_secret.as_deref().map(Secret::for_keys).transpose()?;
    let kind = match settings.key_kind {
        handler::KeyKind::Packed => "packed",
        handler::KeyKind::Digest => "digest",
        handler::KeyKind::Readable => "readable",
        handler::KeyKind::Repr => "repr",
    };
    let allowed = settings.allowed;
    Ok(Settings {
        ttl_seconds: settings.ttl_seconds,
        endpoint_ttl_seconds: settings.endpoint_ttl_seconds,
        keys: KeyKind::new(kind, secret)?,
        mac: settings.mac_secret.as_deref().map(Secret::for_entries).transpose()?,
        allowed: Allowed {
            no_cache: allowed.no_cache,
            no_store: allowed.no_store,
            max_age: allowed.max_age,
            only_if_cached: allowed.only_if_cached,
            cache_status: allowed.cache_status,
            query: allowed.query,
        },
    })
}
