//! The circuit breaker, and the commands that go through it.
//!
//! A connection is expected to end: servers and load balancers close those that are quiet. Its end
//! is noticed when it happens, another one is made at once, and commands wait for that within
//! their time; only if that fails too it is an outage. A server that answers, but says that it is
//! the wrong one, gets a new connection as well: behind the same name there may be another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::store::backend::StoreError;
use crate::store::clock::SteadyClock;
use crate::store::redis::advice::explain;
use crate::store::redis::connection::dial::{CONNECT_TIMEOUT, SHORTEST_LIFE};
use crate::store::redis::connection::failure::{Failure, common_error};
use crate::store::redis::connection::generations::Epochs;
use crate::store::redis::connection::session::{NoSession, Opened, POLL_PAUSE, Session};
use crate::store::redis::connection::suspects::Suspects;
use crate::store::redis::error::{
    describe, is_away, is_cut, is_demoted, is_lost, is_outage, is_wrong_type,
};
use crate::store::redis::url::RedisUrl;

/// A server that is full refuses every write: one line in a while is enough.
const REFUSAL_LOG_PAUSE: Duration = Duration::from_secs(10);
/// What a command for many keys may take longer for each: several times what a server needs.
const TIME_PER_KEY: Duration = Duration::from_micros(20);
/// What a command for a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is replaced at most because the server is the wrong one.
const REPLACEMENT_PAUSE: Duration = Duration::from_secs(1);

/// What the store, its probe and its other tasks share.
pub(crate) struct Shared {
    pub(crate) url: RedisUrl,
    breaker: watch::Sender<Breaker>,
    pub(super) epochs: Epochs,
    /// When the log last said that the server refused a command.
    refusal_logged: Mutex<Option<Instant>>,
    /// When a connection was last replaced because the server is the wrong one.
    replaced: Mutex<Option<Instant>>,
    pub(crate) suspects: Suspects,
    /// Whether the log has said that generations are polled.
    polling_logged: AtomicBool,
    /// Whether there ever was a purge: then tags that are gone were lost.
    pub(super) purged: AtomicBool,
}

#[derive(Clone)]
pub(crate) enum Breaker {
    /// The server answered last time.
    Closed(Arc<Session>),
    /// The connection has ended, and another is being made: commands wait for it.
    Renewing {
        /// The server's time as it was known last.
        last_clock: SteadyClock,
        /// See [`Shared::epoch`].
        last_epoch: Option<u64>,
    },
    /// It did not; a probe is under way.
    Open {
        /// The server's time as it was known last.
        last_clock: Option<SteadyClock>,
        /// See [`Shared::epoch`].
        last_epoch: Option<u64>,
        reason: String,
    },
}

impl Breaker {
    /// There has been no connection yet.
    fn unconnected(reason: String) -> Breaker {
        Breaker::Open { last_clock: None, last_epoch: None, reason }
    }

    /// The connection, or why there is none; `None` while one is being made.
    fn session(&self) -> Option<Result<Arc<Session>, Failure>> {
        match self {
            Breaker::Closed(session) => Some(Ok(session.clone())),
            Breaker::Renewing { .. } => None,
            Breaker::Open { reason, .. } => Some(Err(Failure::Open(reason.clone()))),
        }
    }

    fn is_of(&self, session: &Arc<Session>) -> bool {
        matches!(self, Breaker::Closed(current) if Arc::ptr_eq(current, session))
    }

    /// The number of the generations as they are known, or were when the connection ended.
    fn epoch(&self) -> Option<u64> {
        match self {
            Breaker::Closed(session) => session.generations.view().map(|view| view.epoch()),
            Breaker::Renewing { last_epoch, .. } | Breaker::Open { last_epoch, .. } => *last_epoch,
        }
    }

    fn last_clock(&self) -> Option<SteadyClock> {
        match self {
            Breaker::Closed(session) => Some(session.clock),
            Breaker::Renewing { last_clock, .. } => Some(*last_clock),
            Breaker::Open { last_clock, .. } => *last_clock,
        }
    }
}

impl Shared {
    /// Connects; where the server does not answer, the breaker is open.
    ///
    /// # Errors
    /// If the server answers, but cannot have the layout.
    pub(crate) async fn connect(url: &RedisUrl) -> Result<Arc<Shared>, StoreError> {
        let shared = Arc::new(Shared {
            url: url.clone(),
            breaker: watch::Sender::new(Breaker::unconnected(String::new())),
            epochs: Epochs::default(),
            refusal_logged: Mutex::default(),
            replaced: Mutex::default(),
            suspects: Suspects::default(),
            polling_logged: AtomicBool::new(false),
            purged: AtomicBool::new(false),
        });
        if let Some(warning) = url.warning() {
            warn!("{warning}");
        }
        match shared.probe().await {
            Ok(()) => {}
            Err(NoSession::Unfit(reason)) => return Err(StoreError(reason)),
            Err(NoSession::Redis(error)) => {
                let reason = explain(&error, url);
                warn!("{url} does not answer ({reason}); predictions go on without a cache");
                shared.breaker.send_replace(Breaker::unconnected(reason));
            }
        }
        Ok(shared)
    }

    /// The connection, unless the breaker is open. Where a connection is being made, it is waited
    /// for until a moment.
    pub(crate) async fn session_until(&self, deadline: Instant) -> Result<Arc<Session>, Failure> {
        if let Some(session) = self.breaker.borrow().session() {
            return session;
        }
        let mut breaker = self.breaker.subscribe();
        let settled = breaker.wait_for(|breaker| breaker.session().is_some());
        let settled = tokio::time::timeout_at(deadline.into(), settled).await;
        let session = settled.ok().and_then(Result::ok).and_then(|breaker| breaker.session());
        session.unwrap_or_else(|| Err(Failure::Open("it is connecting".to_owned())))
    }

    /// The same for who can wait.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Failure> {
        self.session_until(Instant::now() + CONNECT_TIMEOUT).await
    }

    /// A number that is another one after a purge: while the server is away that of the last
    /// connection, until another one has read the generations. `None` where they are being read.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.breaker.borrow().epoch()
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(*self.breaker.borrow(), Breaker::Closed(_))
    }

    /// Whether there ever was a connection.
    pub(crate) fn was_connected(&self) -> bool {
        self.breaker.borrow().last_clock().is_some()
    }

    /// When commands that concern so many keys have to be answered.
    pub(crate) fn deadline(&self, keys: usize) -> Instant {
        let keys = u32::try_from(keys).unwrap_or(u32::MAX);
        let time = TIME_PER_KEY.saturating_mul(keys.saturating_sub(1));
        Instant::now() + self.url.timeout + time
    }

    /// Sends commands, in one round trip. A command that the server refused has an error in its
    /// place.
    pub(crate) async fn run_until(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        pipeline: Pipeline,
        deadline: Instant,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        self.run_within(session, pipeline, timeout).await
    }

    /// Sends commands that may take as long as a tool's user waits.
    pub(crate) async fn run_tool(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        pipeline: Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        self.run_within(session, pipeline, self.tool_timeout()).await
    }

    /// The same for one of the servers that there are ([`Link::servers`]).
    ///
    /// [`Link::servers`]: crate::store::redis::connection::link::Link::servers
    pub(crate) async fn run_tool_on(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        server: &str,
        pipeline: Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let replies = session.link.send_to(server, pipeline, self.tool_timeout()).await;
        self.judge_all(session, replies)
    }

    fn tool_timeout(&self) -> Duration {
        TOOL_TIMEOUT.max(self.url.timeout)
    }

    async fn run_within(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        pipeline: Pipeline,
        timeout: Duration,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let replies = session.link.send(pipeline, timeout).await;
        self.judge_all(session, replies)
    }

    fn judge_all(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        replies: RedisResult<Vec<RedisResult<Value>>>,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let replies = replies.inspect_err(|error| self.judge(session, error))?;
        if let Some(error) = common_error(&replies, is_away) {
            return Err(error.clone().into());
        }
        session.note_answer();
        for error in replies.iter().filter_map(|reply| reply.as_ref().err()) {
            self.judge(session, error);
        }
        if common_error(&replies, is_cut).is_some() {
            return Err(Failure::Lost("a reply was too long".to_owned()));
        }
        Ok(replies)
    }

    /// Opens the breaker, asks for another connection or writes to the log, as an error demands.
    fn judge(self: &Arc<Shared>, session: &Arc<Session>, error: &RedisError) {
        // While others get their answers, it is this host that is late: behind many rows, say.
        let is_late = error.is_timeout() && session.quiet_for() < self.url.timeout / 2;
        if is_away(error) {
            debug!("{} does not answer some commands ({})", self.url, describe(error));
        } else if is_late {
            debug!("{} answers others, but one command was late", self.url);
        } else if is_lost(error) {
            self.renew(session, &describe(error));
        } else if is_outage(error) {
            self.trip(session, &explain(error, &self.url));
        } else if is_demoted(error) {
            self.log_refusal(error);
            self.replace(session);
        } else if !is_wrong_type(error) {
            self.log_refusal(error);
        }
    }

    /// Makes another connection for one that has ended, unless it has been replaced since.
    pub(crate) fn renew(self: &Arc<Shared>, ended: &Arc<Session>, reason: &str) {
        if ended.age() < SHORTEST_LIFE && !ended.link.was_cut_in_use() {
            return self.trip(ended, reason);
        }
        let begins = self.breaker.send_if_modified(|breaker| {
            let is_current = breaker.is_of(ended);
            if is_current {
                let last_epoch = breaker.epoch();
                *breaker = Breaker::Renewing { last_clock: ended.clock, last_epoch };
            }
            is_current
        });
        if begins {
            debug!("the connection to {} has ended ({reason})", self.url);
        }
    }

    /// Opens the breaker, unless the connection that failed has been replaced since.
    fn trip(self: &Arc<Shared>, failed: &Arc<Session>, reason: &str) {
        self.open(reason, |breaker| breaker.is_of(failed));
    }

    /// Opens the breaker, where the connection that was to replace another was not made in time.
    pub(crate) fn give_up_renewal(self: &Arc<Shared>, reason: &str) {
        self.open(reason, |breaker| matches!(breaker, Breaker::Renewing { .. }));
    }

    /// Opens the breaker, if it still is as it has to be.
    fn open(self: &Arc<Shared>, reason: &str, is_due: impl FnOnce(&Breaker) -> bool) {
        let opens = self.breaker.send_if_modified(|breaker| {
            let is_due = is_due(breaker);
            if is_due {
                let (last_clock, last_epoch) = (breaker.last_clock(), breaker.epoch());
                *breaker = Breaker::Open { last_clock, last_epoch, reason: reason.to_owned() };
            }
            is_due
        });
        if opens {
            warn!("{} failed ({reason}); predictions go on without a cache", self.url);
        }
    }

    /// Notes another reason why the breaker is open.
    pub(crate) fn note_reason(&self, reason: &str) {
        self.breaker.send_modify(|breaker| {
            if let Breaker::Open { reason: known, .. } = breaker {
                reason.clone_into(known);
            }
        });
    }

    /// Makes another connection while this one is used on, if it is time for that.
    fn replace(self: &Arc<Shared>, session: &Arc<Session>) {
        {
            let mut replaced = self.replaced.lock().expect("nobody panics while holding it");
            if replaced.is_some_and(|replaced| replaced.elapsed() < REPLACEMENT_PAUSE)
                || !self.breaker.borrow().is_of(session)
            {
                return;
            }
            *replaced = Some(Instant::now());
        }
        let (shared, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            if let Ok(other) = shared.open_session().await {
                shared.install(other, |breaker| breaker.is_of(&session));
            }
        });
    }

    /// Says that the server refused a command, unless the log has said so a moment ago.
    pub(crate) fn log_refusal(&self, error: &RedisError) {
        let mut logged = self.refusal_logged.lock().expect("nobody panics while holding it");
        if logged.is_none_or(|logged| logged.elapsed() >= REFUSAL_LOG_PAUSE) {
            *logged = Some(Instant::now());
            warn!("{} refuses commands ({}); predictions go on", self.url, describe(error));
        }
    }

    /// Tries to connect, and closes the breaker if the server answers.
    pub(crate) async fn probe(self: &Arc<Shared>) -> Result<(), NoSession> {
        let session = self.open_session().await?;
        self.install(session, |breaker| !matches!(breaker, Breaker::Closed(_)));
        Ok(())
    }

    async fn open_session(self: &Arc<Shared>) -> Result<Arc<Session>, NoSession> {
        let last_clock = self.breaker.borrow().last_clock();
        let Opened { session, reading, tags } = Session::connect(&self.url, last_clock).await?;
        let session = Arc::new(session);
        if session.poll_pause == Some(POLL_PAUSE)
            && !self.polling_logged.swap(true, Ordering::Relaxed)
        {
            let seconds = POLL_PAUSE.as_secs();
            info!("{} does not tell of purges; asking every {seconds} s", self.url);
        }
        self.take_tags(&session, reading, tags).await;
        self.suspects.remove_too_long(&session, &self.url).await;
        Ok(session)
    }

    /// Closes the breaker with a session, if it still is as it has to be.
    fn install(self: &Arc<Shared>, session: Arc<Session>, is_due: impl FnOnce(&Breaker) -> bool) {
        self.breaker.send_if_modified(|breaker| {
            let is_due = is_due(breaker);
            if is_due {
                *breaker = Breaker::Closed(session);
            }
            is_due
        });
    }

    /// What becomes of the breaker.
    pub(crate) fn states(&self) -> watch::Receiver<Breaker> {
        self.breaker.subscribe()
    }

    pub(crate) fn reason(&self, failure: &NoSession) -> String {
        match failure {
            NoSession::Redis(error) => explain(error, &self.url),
            NoSession::Unfit(reason) => reason.clone(),
        }
    }
}
