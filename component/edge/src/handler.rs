//! The lean handler: `foretold:component/handler`, one record in and one record out.

use std::cell::OnceCell;

use foretold_core::cache::reuse::Reuse;
use foretold_core::http::{Headers, REQUEST_HEADERS, Request};
use foretold_core::service::Description;
use foretold_core::settings::{Allowed, KeyFormat, Secret, Settings, SettingsError};
use foretold_core::timed::{self, TimedResponse};
use foretold_inference::baked::Baked;
use foretold_inference::guest::store::LabelledStore;

use crate::bindings::exports::foretold::component::handler::{self, Guest, Header};
use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::{Component, baked, clock, store};

/// What an instance works with, made by `configure`.
pub(crate) struct Instance {
    baked: &'static Baked,
    store: LabelledStore<Bucket>,
    settings: Settings,
}

thread_local! {
    static INSTANCE: OnceCell<Instance> = const { OnceCell::new() };
}

/// Calls a function with the configured instance, if it is.
fn with_instance<T>(call: impl FnOnce(&Instance) -> T) -> Option<T> {
    INSTANCE.with(|cell| cell.get().map(call))
}

impl Instance {
    pub(crate) fn new(store: String, settings: Settings) -> Result<Instance, String> {
        let baked = baked()?;
        settings.check(baked.service.manifest()).map_err(|error| error.to_string())?;
        Ok(Instance { baked, store: LabelledStore::new(store, store::open), settings })
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request<'_>) -> TimedResponse {
        let Baked { service, model, .. } = self.baked;
        let clock = clock::nanoseconds;
        timed::answer(service, request, &self.store, model, &self.settings, clock::now(), clock)
    }
}

/// What the component says of itself.
pub(crate) fn describe() -> Result<Description, String> {
    let service = &baked()?.service;
    let description = with_instance(|instance| service.description(&instance.settings));
    description.ok_or_else(|| "the host calls configure before describe".to_owned())
}

impl Guest for Component {
    fn configure(settings: handler::Settings) -> Result<(), String> {
        let store = settings.store.clone();
        let settings = read(settings).map_err(|error| error.to_string())?;
        let instance = Instance::new(store, settings)?;
        let again = |_| "this instance is configured already".to_owned();
        INSTANCE.with(|cell| cell.set(instance).map_err(again))
    }

    fn handle(request: handler::Request) -> handler::Response {
        let headers = REQUEST_HEADERS.map(|name| {
            let header = request.headers.iter().find(|header| header.name == name);
            header.map(|header| header.value.as_str())
        });
        let request = Request {
            method: &request.method,
            target: &request.target,
            headers: Headers::from_values(headers),
            body: &request.body,
            bypass_store: request.bypass_store,
        };
        let TimedResponse { response, lookup_ns, model_ns } =
            with_instance(|instance| instance.answer(&request))
                .expect("the host calls configure before handle");
        let headers = response.headers.into_iter().map(|header| Header {
            name: header.name.to_owned(),
            value: header.value.into_owned(),
        });
        let reuse = response.reuse.map(|Reuse { span, cache_status }| handler::Reuse {
            written_at: span.written_at,
            expires_at: span.expires_at,
            until: span.until,
            cache_status,
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
            reuse,
        }
    }
}

/// The settings as the pipeline takes them.
fn read(settings: handler::Settings) -> Result<Settings, SettingsError> {
    let allowed = settings.allowed;
    Ok(Settings {
        ttl_seconds: settings.ttl_seconds,
        endpoint_ttl_seconds: settings.endpoint_ttl_seconds,
        keys: match settings.key_kind {
            handler::KeyKind::Packed => KeyFormat::Packed,
            handler::KeyKind::Digest => KeyFormat::Digest,
            handler::KeyKind::Readable => KeyFormat::Readable,
            handler::KeyKind::Repr => KeyFormat::Repr,
        },
        key_secret: settings.key_secret.as_deref().map(Secret::for_keys).transpose()?,
        mac: settings.mac_secret.as_deref().map(Secret::for_entries).transpose()?,
        allowed: Allowed {
            no_cache: allowed.no_cache,
            no_store: allowed.no_store,
            max_age: allowed.max_age,
            only_if_cached: allowed.only_if_cached,
            cache_status: allowed.cache_status,
            query: allowed.query,
        },
        cors: settings.cors,
    })
}
