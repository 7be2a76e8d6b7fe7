//! HTTP/1.1 in front of a pool of instances.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use foretold_core::http::problem::Problem;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::guest::contract::{self, Report};
use crate::guest::pool::{CallError, Pool};
use crate::serve::accept;
use crate::serve::auto::{Auto, Reason};
use crate::serve::convert::{self, HttpResponse};
use crate::serve::metrics::Metrics;
use crate::serve::route::Route;

/// How long a client may take to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server that stops goes on accepting: clients with an open connection learn with their
/// next answer that it will be closed, instead of losing a request to it.
const DRAIN: Duration = Duration::from_millis(500);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// Paths that are answered whatever else is under way.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// What the server refuses.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfig {
    /// Longest body.
    pub max_body_bytes: usize,
    /// Requests that may be under way at once; one more gets 503.
    pub max_concurrent_requests: usize,
    /// The pool's time limit, for the message.
    pub timeout: Duration,
}

/// When the store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheUse {
    /// For every request that does not ask otherwise.
    Always,
    /// While [`Auto`] finds that it saves time.
    Auto,
}

/// A server that listens but does not answer yet.
pub(crate) struct Server {
    listener: TcpListener,
    service: Arc<Service>,
}

/// A component at its route.
pub(crate) struct Mount {
    route: Route,
    pool: Pool,
    metrics: Arc<Metrics>,
    /// Where the store is used only while it saves time.
    auto: Option<Mutex<Auto>>,
    /// The headers that the component reads.
    request_headers: Vec<HeaderName>,
}

struct Service {
    /// The route that is asked first comes first.
    mounts: Vec<Mount>,
    config: ServerConfig,
    permits: Semaphore,
    stopping: AtomicBool,
}

impl Mount {
    /// A component at a route.
    pub(crate) fn new(
        route: Route,
        pool: Pool,
        metrics: Arc<Metrics>,
        cache_use: CacheUse,
    ) -> Mount {
        let auto = (cache_use == CacheUse::Auto).then(Mutex::default);
        // What is no name of a header is in no request.
        let names = pool.description().request_headers.iter();
        let request_headers = names.filter_map(|name| name.parse().ok()).collect();
        Mount { route, pool, metrics, auto, request_headers }
    }

    /// The paths that answer with predictions, as clients know them.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = String> {
        let endpoints = self.pool.description().endpoints().into_iter();
        endpoints.filter_map(|path| self.route.outer(path))
    }
}

impl Server {
    /// Takes an address without listening yet, so that what would keep the server from it is known
    /// before models are baked, and clients are refused until it can answer. Port 0 takes any free
    /// one.
    ///
    /// # Errors
    /// If the address is taken or not this machine's.
    pub(crate) fn reserve(listen: SocketAddr) -> Result<TcpSocket> {
        let reserve = || {
            let socket = match listen {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            // Else a server could not be started again while the last one's connections linger.
            socket.set_reuseaddr(true)?;
            socket.bind(listen)?;
            Ok::<TcpSocket, std::io::Error>(socket)
        };
        reserve().with_context(|| format!("cannot listen on {listen}"))
    }

    /// Listens at a reserved address.
    ///
    /// # Errors
    /// If another server has begun to since.
    pub(crate) fn new(
        socket: TcpSocket,
        mut mounts: Vec<Mount>,
        config: ServerConfig,
    ) -> Result<Server> {
        let address = socket.local_addr()?;
        let listener =
            socket.listen(BACKLOG).with_context(|| format!("cannot listen on {address}"))?;
        let permits = Semaphore::new(config.max_concurrent_requests);
        let stopping = AtomicBool::new(false);
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.route.rank()));
        let service = Service { mounts, config, permits, stopping };
        Ok(Server { listener, service: Arc::new(service) })
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers requests until `stop` is ready, then asks clients to close their connections, and
    /// finishes the requests that are under way.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Server { listener, service } = self;
        let graceful = GracefulShutdown::new();
        let stop = async {
            stop.await;
            service.stopping.store(true, Ordering::Relaxed);
            tokio::time::sleep(DRAIN).await;
        };
        let mut http = accept::http();
        http.half_close(true);
        let mut stop = std::pin::pin!(stop);
        loop {
            let stream = tokio::select! {
                stream = accept::accept(&listener) => stream,
                () = &mut stop => break,
            };
            serve_connection(&http, stream, &graceful, &service);
        }
        drop(listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            warn!("stopped with requests still under way after {} s", GRACE.as_secs());
        }
    }
}

fn serve_connection(
    http: &http1::Builder,
    stream: TcpStream,
    graceful: &GracefulShutdown,
    service: &Arc<Service>,
) {
    // Only a latency setting: a socket that is gone already fails soon enough.
    let _ = stream.set_nodelay(true);
    let service = service.clone();
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, std::convert::Infallible>(service.respond(request).await) }
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!("a connection ended: {error}");
        }
    });
}

impl Service {
    async fn respond(&self, request: Request<Incoming>) -> HttpResponse {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mounted =
            self.mounts.iter().find_map(|mount| Some((mount, mount.route.target(target)?)));
        let mut response = match mounted {
            None => {
                let endpoints = self.mounts.iter().flat_map(Mount::endpoints).collect();
                let path = head.uri.path().to_owned();
                convert::problem_response(&Problem::NotFound { path, endpoints }, target)
            }
            Some((mount, target)) => {
                let predicted = self.predict(mount, &head, target, body).await;
                let (response, report) = predicted.unwrap_or_else(|problem| {
                    (convert::problem_response(&problem, target), mount.refused(target))
                });
                mount.metrics.count(&report, response.status().as_u16());
                response
            }
        };
        if self.stopping.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let cache = response.headers().get("cache-status");
        debug!("{} {}: {}, cache: {cache:?}", head.method, head.uri.path(), response.status());
        response
    }

    async fn predict(
        &self,
        mount: &Mount,
        head: &Parts,
        target: &str,
        body: Incoming,
    ) -> Result<(HttpResponse, Report), Problem> {
        let body = self.read(body).await?;
        let permit = self.permits.try_acquire();
        // A busy host is alive, and must not be restarted for it.
        if permit.is_err() && !HEALTH.contains(&target) {
            let max_concurrent_requests = self.config.max_concurrent_requests;
            return Err(Problem::Overloaded { max_concurrent_requests });
        }
        let names = mount.request_headers.iter();
        let values: Vec<(&str, Cow<'_, str>)> = names
            .filter_map(|name| Some((name.as_str(), convert::header_value(&head.headers, name)?)))
            .collect();
        let headers: Vec<contract::RequestHeader<'_>> =
            values.iter().map(|(name, value)| contract::RequestHeader { name, value }).collect();
        let bypass = mount.bypass(target);
        let request = contract::Request {
            method: head.method.as_str(),
            target,
            headers: &headers,
            body: &body,
            bypass_store: bypass.is_some(),
        };
        let response = mount.pool.call(request).await.map_err(|error| match error {
            CallError::TimedOut => {
                let timeout_ms = self.config.timeout.as_millis() as u64;
                warn!("{} {} was not answered within {timeout_ms} ms", head.method, head.uri);
                Problem::TimedOut { timeout_ms }
            }
            CallError::Failed(error) => {
                warn!("the component broke down on {} {}: {error:#}", head.method, head.uri);
                Problem::ComponentFailed
            }
        })?;
        let mut report = response.report;
        report.endpoint = report.endpoint.or_else(|| mount.endpoint(target));
        let mut response = convert::component_response(response).map_err(|error| {
            warn!("the component's answer to {} {} is unusable: {error}", head.method, head.uri);
            Problem::ComponentFailed
        })?;
        if let Some(reason) = bypass {
            convert::explain_bypass(&mut response, reason);
        }
        mount.observe(&report);
        Ok((response, report))
    }

    /// The whole body, if it is not too long and comes in time.
    async fn read(&self, body: Incoming) -> Result<Bytes, Problem> {
        let max_body_bytes = self.config.max_body_bytes;
        let too_large = || Problem::BodyTooLarge { max_body_bytes };
        if body.size_hint().lower() > max_body_bytes as u64 {
            return Err(too_large());
        }
        let collected = Limited::new(body, max_body_bytes).collect();
        match tokio::time::timeout(BODY_TIMEOUT, collected).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Problem::BodyIncomplete { timeout_ms: None }),
            Err(_) => {
                let timeout_ms = Some(BODY_TIMEOUT.as_millis() as u64);
                Err(Problem::BodyIncomplete { timeout_ms })
            }
        }
    }
}

impl Mount {
    /// Why this request is to go past the store, if it is.
    fn bypass(&self, target: &str) -> Option<Reason> {
        let auto = self.auto.as_ref()?;
        // Only predictions are measured.
        self.endpoint(target)?;
        auto.lock().expect("nobody panics while holding it").decide()
    }

    /// Lets `--cache auto` learn from a request.
    fn observe(&self, report: &Report) {
        let Some(auto) = &self.auto else { return };
        let mut auto = auto.lock().expect("nobody panics while holding it");
        if let Some(change) = auto.observe(report) {
            info!("{change}");
            self.metrics.set_cache_bypassed(auto.is_bypassed());
        }
    }

    /// The report of a request that the host itself refused.
    fn refused(&self, target: &str) -> Report {
        Report { endpoint: self.endpoint(target), refused: 1, ..Report::default() }
    }

    /// The endpoint that a target means.
    fn endpoint(&self, target: &str) -> Option<u32> {
        self.pool.description().endpoint(target.split('?').next().unwrap_or_default())
    }
}
