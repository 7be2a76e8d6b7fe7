//! HTTP/1.1 in front of a pool of instances.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use foretold_core::http::problem::Problem;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::guest::contract::{self, Report};
use crate::guest::pool::{CallError, Called, Pool};
use crate::guest::room::{Room, Taken};
use crate::guest::state::NoRoom;
use crate::near::answers::{Answers, Question};
use crate::serve::accept::{self, Connection, Gate};
use crate::serve::auto::{Auto, Reason};
use crate::serve::body::{self, BodyLimits};
use crate::serve::bounds::{Bound, BoundCounts, ConnectionBounds};
use crate::serve::budget::{Budget, SMALL_BYTES};
use crate::serve::convert::{self, HttpResponse};
use crate::serve::cors;
use crate::serve::hosts::AllowedHosts;
use crate::serve::metrics::Metrics;
use crate::serve::refusal::Refusal;
use crate::serve::route::Route;
use crate::serve::slow_lane::SlowLane;
use crate::serve::statistics;
use crate::serve::trim;
use crate::text::shown;

/// How long a server that stops goes on accepting: clients with an open connection learn with their
/// next answer that it will be closed, instead of losing a request to it.
const DRAIN: Duration = Duration::from_millis(500);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// What the log shows of a path.
const MAX_PATH_CHARS: usize = 200;
/// And of an error of the component.
const MAX_ERROR_CHARS: usize = 500;
/// Paths that are answered whatever else is under way.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// What the server refuses.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfig {
    /// Longest body, and how long it may take.
    pub body: BodyLimits,
    /// Requests that may be under way at once; one more gets 503.
    pub max_concurrent_requests: usize,
    /// The pool's time limit, for the message.
    pub timeout: Duration,
    /// Connections, and how long clients may take.
    pub connections: ConnectionBounds,
    /// The memory that requests may take.
    pub budget: Budget,
    /// The names by which clients may ask.
    pub allowed_hosts: AllowedHosts,
    /// The web pages of other origins that may read refusals, by their origins; `*` for all.
    pub cors: Vec<String>,
    /// Whether clients may see how many predictions there were, and how many from the cache.
    pub shows_statistics: bool,
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
    /// Answers that may be given again.
    answers: Option<Answers>,
    /// The headers that the component reads.
    request_headers: Vec<HeaderName>,
}

struct Service {
    /// The route that is asked first comes first.
    mounts: Vec<Mount>,
    config: ServerConfig,
    permits: Semaphore,
    slow_lane: SlowLane,
    /// For the bodies of requests.
    bodies: Room,
    /// For answers that are not read yet.
    answers: Room,
    counts: Arc<BoundCounts>,
    stopping: AtomicBool,
}

/// A response, and the room that it takes.
struct Answer {
    response: HttpResponse,
    taken: Option<Taken>,
    /// Whether the request was left unread.
    is_unread: bool,
}

impl Mount {
    /// A component at a route.
    pub(crate) fn new(
        route: Route,
        pool: Pool,
        metrics: Arc<Metrics>,
        cache_use: CacheUse,
        answers: Option<Answers>,
    ) -> Mount {
        let auto = (cache_use == CacheUse::Auto).then(Mutex::default);
        // Without a report nothing says that an answer may be given again.
        let answers = answers.filter(|_| pool.reports());
        // What is no name of a header is in no request.
        let names = pool.description().request_headers.iter();
        let request_headers = names.filter_map(|name| name.parse().ok()).collect();
        Mount { route, pool, metrics, auto, answers, request_headers }
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
        counts: Arc<BoundCounts>,
    ) -> Result<Server> {
        let address = socket.local_addr()?;
        let listener =
            socket.listen(BACKLOG).with_context(|| format!("cannot listen on {address}"))?;
        let permits = Semaphore::new(config.max_concurrent_requests);
        let stopping = AtomicBool::new(false);
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.route.rank()));
        let (bodies, answers) = (Room::new(config.budget.bodies), Room::new(config.budget.answers));
        let slow_lane = SlowLane::new().context("cannot start threads for large requests")?;
        let service =
            Service { mounts, config, permits, slow_lane, bodies, answers, counts, stopping };
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
        let gate = Gate::new(service.config.connections, service.counts.clone());
        tokio::spawn(trim::run([service.bodies.clone(), service.answers.clone()]));
        let mut http = accept::http();
        http.half_close(true);
        let mut stop = std::pin::pin!(stop);
        loop {
            let connection = tokio::select! {
                connection = gate.accept(&listener) => connection,
                () = &mut stop => break,
            };
            serve_connection(&http, connection, &graceful, &service);
        }
        drop(listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            warn!("stopped with requests still under way after {} s", GRACE.as_secs());
        }
    }
}

fn serve_connection(
    http: &http1::Builder,
    connection: Connection,
    graceful: &GracefulShutdown,
    service: &Arc<Service>,
) {
    let Connection { stream, exchange, place } = connection;
    let service = service.clone();
    let service = service_fn(move |request| {
        let (service, exchange) = (service.clone(), exchange.clone());
        let has_two_lengths = exchange.begin();
        async move {
            let answer = if SlowLane::is_for(request.headers()) {
                let there = service.clone();
                let work = async move { there.respond(request, has_two_lengths).await };
                service.slow_lane.run(work).await
            } else {
                service.respond(request, has_two_lengths).await
            };
            let Answer { response, taken, is_unread } = answer;
            let response = response.map(|body| exchange.answer(body, taken, is_unread));
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            debug!("a connection ended: {error}");
        }
    });
}

impl Service {
    async fn respond(&self, request: Request<Incoming>, has_two_lengths: bool) -> Answer {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let allowed_hosts = &self.config.allowed_hosts;
        let mut answer = match check_head(&head, has_two_lengths, allowed_hosts) {
            Err(refusal) => self.refuse(&refusal, &head, target),
            Ok(()) => self.route(&head, target, body).await,
        };
        let response = &mut answer.response;
        convert::forbid_sniffing(response.headers_mut());
        if self.stopping.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let cache = response.headers().get("cache-status");
        debug!("{}: {}, cache: {cache:?}", asked(&head), response.status());
        answer
    }

    async fn route(&self, head: &Parts, target: &str, body: Incoming) -> Answer {
        let mounted =
            self.mounts.iter().find_map(|mount| Some((mount, mount.route.target(target)?)));
        let Some((mount, target)) = mounted else {
            if let Some(place) = self.mounts.iter().find_map(|mount| mount.route.with_slash(target))
            {
                return redirect(&place);
            }
            let endpoints = self.mounts.iter().flat_map(Mount::endpoints).collect();
            let path = head.uri.path().to_owned();
            return self.refuse(&Problem::NotFound { path, endpoints }.into(), head, target);
        };
        match self.predict(mount, head, target, body).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let answer = self.refuse(&refusal, head, target);
                mount.metrics.count(&mount.refused(target), answer.response.status().as_u16());
                answer
            }
        }
    }

    /// What the host answers itself.
    fn refuse(&self, refusal: &Refusal, head: &Parts, target: &str) -> Answer {
        if let Some(bound) = refusal.bound {
            self.counts.reached(bound);
        }
        let mut response = refusal.response(target);
        cors::allow(&self.config.cors, &head.headers, response.headers_mut());
        Answer { response, taken: None, is_unread: refusal.is_unread() }
    }

    async fn predict(
        &self,
        mount: &Mount,
        head: &Parts,
        target: &str,
        body: Incoming,
    ) -> Result<Answer, Refusal> {
        let body = body::read(body, self.config.body, &self.bodies).await?;
        if self.config.shows_statistics
            && let Some(mut response) = statistics::answer(&mount.metrics, &head.method, target)
        {
            cors::allow(&self.config.cors, &head.headers, response.headers_mut());
            return Ok(Answer { response, taken: None, is_unread: false });
        }
        let names = mount.request_headers.iter();
        let values: Vec<Option<Cow<'_, str>>> =
            names.map(|name| convert::header_value(&head.headers, name)).collect();
        let mut question = mount.question(head, &values, &body.bytes);
        if let Some((response, report)) = mount.find(question.as_mut()) {
            let taken = self.room_for(&response)?;
            mount.metrics.count_reused(&report, response.status().as_u16());
            return Ok(Answer { response, taken: Some(taken), is_unread: false });
        }
        let permit = self.permits.try_acquire();
        // A busy host is alive, and must not be restarted for it.
        if permit.is_err() && !HEALTH.contains(&target) {
            let max_concurrent_requests = self.config.max_concurrent_requests;
            let problem = Problem::Overloaded { max_concurrent_requests };
            return Err(Refusal::new(problem).at(Bound::Requests));
        }
        let headers = mount.request_headers.iter().zip(&values).filter_map(|(name, value)| {
            Some(contract::RequestHeader { name: name.as_str(), value: value.as_deref()? })
        });
        let headers: Vec<contract::RequestHeader<'_>> = headers.collect();
        let bypass = mount.bypass(target);
        let request = contract::Request {
            method: head.method.as_str(),
            target,
            headers: &headers,
            body: &body.bytes,
            bypass_store: bypass.is_some(),
        };
        let called = mount.pool.call(request).await.map_err(|error| self.failure(error, head))?;
        let Called { response, ended } = called;
        let mut report = response.report;
        if ended.is_queued {
            // The component takes it for stored; the queue counts what becomes of it.
            report.stored = 0;
        }
        report.endpoint = report.endpoint.or_else(|| mount.endpoint(target));
        let reuse = response.reuse.clone();
        let mut response = convert::component_response(response).map_err(|error| {
            warn!("the component's answer to {} is unusable: {error}", asked(head));
            Problem::ComponentFailed
        })?;
        let taken = self.room_for(&response)?;
        if let Some(reason) = bypass {
            convert::explain_bypass(&mut response, reason);
        } else if ended.is_collapsed {
            convert::explain_collapse(&mut response);
        } else if ended.is_queued {
            convert::explain_queue(&mut response);
        }
        mount.observe(&report);
        mount.metrics.count(&report, response.status().as_u16());
        if let (Some(answers), Some(question), Some(reuse)) = (&mount.answers, question, reuse) {
            answers.keep(question, &response, &report, reuse);
        }
        Ok(Answer { response, taken: Some(taken), is_unread: false })
    }

    /// Room for an answer until it is read.
    fn room_for(&self, response: &HttpResponse) -> Result<Taken, Refusal> {
        let bytes = response.body().size_hint().lower() as usize;
        let mut taken = self.answers.none();
        if bytes > SMALL_BYTES && !taken.try_reach(bytes) {
            let refusal = Refusal::busy("answers that are not read take all the memory they may");
            return Err(refusal.at(Bound::AnswerMemory));
        }
        Ok(taken)
    }

    /// Why a component gave no answer. The log has the cause; how the component got there is for
    /// who debugs it.
    fn failure(&self, error: CallError, head: &Parts) -> Refusal {
        match error {
            CallError::TimedOut => {
                let timeout_ms = self.config.timeout.as_millis() as u64;
                warn!("{} was not answered within {timeout_ms} ms", asked(head));
                Refusal::new(Problem::TimedOut { timeout_ms }).at(Bound::RequestTime)
            }
            CallError::Failed(error) if error.is::<NoRoom>() => {
                Refusal::busy("instances take all the memory that they may")
                    .at(Bound::InstanceMemory)
            }
            CallError::Failed(error) => {
                let cause = error.root_cause().to_string();
                let cause = shown(&cause, MAX_ERROR_CHARS);
                warn!("the component broke down on {}: {cause}", asked(head));
                debug!("{error:?}");
                Refusal::new(Problem::ComponentFailed)
            }
        }
    }
}

/// Method and path, for the log: a query may hold what a prediction is about.
fn asked(head: &Parts) -> String {
    format!("{} {}", shown(head.method.as_str(), 20), shown(head.uri.path(), MAX_PATH_CHARS))
}

/// Refuses heads that another server may read in another way (RFC 9112, sections 3.2 and 6.3).
fn check_head(
    head: &Parts,
    has_two_lengths: bool,
    allowed_hosts: &AllowedHosts,
) -> Result<(), Refusal> {
    if has_two_lengths {
        return Err(Refusal::bad_request(
            "the request has both a Content-Length and a Transfer-Encoding",
        ));
    }
    // The form that is for tunnels only.
    if head.uri.path_and_query().is_none() && head.method != Method::CONNECT {
        return Err(Refusal::bad_request("the target of the request is not a path"));
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let why = match (hosts.next(), hosts.next()) {
        (None, _) if head.version == Version::HTTP_11 => "the request has no header Host",
        (_, Some(_)) => "the request has more than one header Host",
        (None, _) => return Ok(()),
        (Some(host), None) => match host.to_str() {
            Ok(host) if is_host(host) && allowed_hosts.allows(host) => return Ok(()),
            Ok(host) if is_host(host) => return Err(Refusal::misdirected()),
            _ => "the header Host is not a host and a port",
        },
    };
    Err(Refusal::bad_request(why))
}

fn is_host(host: &str) -> bool {
    host.is_empty() || host.parse::<Authority>().is_ok_and(|_| !host.contains('@'))
}

fn redirect(place: &str) -> Answer {
    let mut response = HttpResponse::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    // A part of a request's target, so it can be one of a response's header.
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Answer { response, taken: None, is_unread: false }
}

impl Mount {
    /// What a request asks, where its answer may have been given before.
    fn question(
        &self,
        head: &Parts,
        values: &[Option<Cow<'_, str>>],
        body: &[u8],
    ) -> Option<Question> {
        let target = head.uri.path_and_query()?.as_str();
        let values = values.iter().map(Option::as_deref);
        self.answers.as_ref()?.question(head.method.as_str(), target, values, body)
    }

    /// The answer that was given to the same request before.
    fn find(&self, question: Option<&mut Question>) -> Option<(HttpResponse, Report)> {
        self.answers.as_ref()?.find(question?)
    }

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
