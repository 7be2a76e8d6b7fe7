//! The circuit breaker, and the commands that go through it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::{Duration, Instant};

use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tracing::{debug, info, warn};

use crate::store::StoreError;
use crate::store::clock::SteadyClock;
use crate::store::redis::connection::generations::{ALL, Tags, new_tag};
use crate::store::redis::connection::session::Session;
use crate::store::redis::error::{describe, is_wrong_type};
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;

/// First and longest pause between two probes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A server that is full refuses every write: one line in a while is enough.
const REFUSAL_LOG_PAUSE: Duration = Duration::from_secs(10);
/// How often the generations are read where the server does not tell of changes.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// What a command for many keys may take longer for each: several times what a server needs.
const TIME_PER_KEY: Duration = Duration::from_micros(20);
/// What a command for a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the store, its probe and its other tasks share.
pub(crate) struct Shared {
    pub(crate) url: RedisUrl,
    breaker: RwLock<Breaker>,
    /// When the log last said that the server refused a command.
    refusal_logged: Mutex<Option<Instant>>,
    /// Whether the log has said that generations are polled.
    polling_logged: AtomicBool,
    /// Whether there ever was a purge: then tags that are gone were lost.
    purged: AtomicBool,
}

enum Breaker {
    /// The server answered last time.
    Closed(Arc<Session>),
    /// It did not; a probe is under way.
    Open {
        /// The server's time as it was known last.
        last_clock: Option<SteadyClock>,
        reason: String,
    },
}

/// Why commands gave nothing.
pub(crate) enum Failure {
    /// They were not sent: the breaker is open.
    Open(String),
    Redis(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Failure {
        Failure::Redis(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        StoreError(match failure {
            Failure::Open(reason) => format!("the circuit breaker is open: {reason}"),
            Failure::Redis(error) => describe(&error),
        })
    }
}

impl Shared {
    /// Connects, or starts probing where the server does not answer.
    pub(crate) async fn connect(url: &RedisUrl) -> Arc<Shared> {
        let shared = Arc::new(Shared {
            url: url.clone(),
            breaker: RwLock::new(Breaker::Open { last_clock: None, reason: String::new() }),
            refusal_logged: Mutex::default(),
            polling_logged: AtomicBool::new(false),
            purged: AtomicBool::new(false),
        });
        if let Err(error) = shared.probe().await {
            let reason = describe(&error);
            warn!("{url} does not answer ({reason}); predictions go on without a cache");
            shared.open(None, reason);
        }
        shared
    }

    /// The connection, unless the breaker is open.
    pub(crate) fn session(&self) -> Result<Arc<Session>, Failure> {
        match &*self.breaker.read().expect("nobody panics while holding it") {
            Breaker::Closed(session) => Ok(session.clone()),
            Breaker::Open { reason, .. } => Err(Failure::Open(reason.clone())),
        }
    }

    /// Sends commands that concern so many keys, in one round trip. A command that the server
    /// refused has an error in its place.
    pub(crate) async fn run(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        pipeline: Pipeline,
        keys: usize,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let keys = u32::try_from(keys).unwrap_or(u32::MAX);
        self.run_within(session, pipeline, self.url.timeout + TIME_PER_KEY * keys.saturating_sub(1))
            .await
    }

    /// Sends commands that may take as long as a tool's user waits.
    pub(crate) async fn run_tool(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        pipeline: Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        self.run_within(session, pipeline, TOOL_TIMEOUT.max(self.url.timeout)).await
    }

    async fn run_within(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        mut pipeline: Pipeline,
        timeout: Duration,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let mut connection = session.connection.clone();
        connection.set_response_timeout(timeout);
        let replies: RedisResult<Vec<RedisResult<Value>>> =
            pipeline.ignore_errors().query_async(&mut connection).await;
        let replies = replies.inspect_err(|error| self.judge(session, error))?;
        session.note_answer();
        for error in replies.iter().filter_map(|reply| reply.as_ref().err()) {
            self.judge(session, error);
        }
        Ok(replies)
    }

    /// Opens the breaker or writes to the log, as an error demands.
    fn judge(self: &Arc<Shared>, session: &Arc<Session>, error: &RedisError) {
        // While others get their answers, it is this host that is late: behind many rows, say.
        let is_late = error.is_timeout() && session.has_answered_within(self.url.timeout / 2);
        if is_late {
            debug!("{} answers others, but one command was late", self.url);
        } else if is_outage(error) {
            self.trip(session, error);
        } else if !is_wrong_type(error) {
            self.log_refusal(error);
        }
    }

    /// Opens the breaker, unless the connection that failed has been replaced since.
    fn trip(self: &Arc<Shared>, failed: &Arc<Session>, error: &RedisError) {
        if self.open(Some(failed), describe(error)) {
            let url = &self.url;
            warn!("{url} failed ({}); predictions go on without a cache", describe(error));
        }
    }

    /// Opens the breaker, and starts the probe that closes it again, unless the session is not the
    /// current one.
    fn open(self: &Arc<Shared>, failed: Option<&Arc<Session>>, reason: String) -> bool {
        let mut breaker = self.breaker.write().expect("nobody panics while holding it");
        let last_clock = match (&*breaker, failed) {
            (Breaker::Closed(session), Some(failed)) if Arc::ptr_eq(session, failed) => {
                Some(session.clock)
            }
            (Breaker::Open { .. }, None) => None,
            _ => return false,
        };
        *breaker = Breaker::Open { last_clock, reason };
        tokio::spawn(probe_until_closed(Arc::downgrade(self)));
        true
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
    async fn probe(self: &Arc<Shared>) -> Result<(), RedisError> {
        let last_clock = match &*self.breaker.read().expect("nobody panics while holding it") {
            Breaker::Open { last_clock, .. } => *last_clock,
            Breaker::Closed(session) => Some(session.clock),
        };
        let (session, changes, tags) = Session::connect(&self.url, last_clock).await?;
        let session = Arc::new(session);
        if !session.is_told && !self.polling_logged.swap(true, Ordering::Relaxed) {
            let seconds = POLL_PAUSE.as_secs();
            info!("{} does not tell of purges; asking every {seconds} s", self.url);
        }
        self.take_tags(&session, changes, tags).await;
        tokio::spawn(keep_current(Arc::downgrade(self), session.clone()));
        let mut breaker = self.breaker.write().expect("nobody panics while holding it");
        if let Breaker::Open { .. } = &*breaker {
            *breaker = Breaker::Closed(session);
        }
        Ok(())
    }

    /// Reads the generations again; `false` where they are still not known.
    pub(crate) async fn refresh(self: &Arc<Shared>, session: &Arc<Session>) -> bool {
        let changes = session.generations.changes();
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGETALL").arg(name::generations(&self.url.prefix));
        let Ok(mut replies) = self.run(session, pipeline, 1).await else { return false };
        let Some(Ok(tags)) = replies.pop().map(Tags::read) else { return false };
        self.take_tags(session, changes, tags).await
    }

    /// Takes tags that were read; where they were lost or spoiled, new ones are made, so that no
    /// entry from before a purge comes back.
    async fn take_tags(
        self: &Arc<Shared>,
        session: &Arc<Session>,
        changes: u64,
        tags: Option<Tags>,
    ) -> bool {
        match tags {
            Some(tags) if !tags.is_empty() || !self.purged.load(Ordering::Relaxed) => {
                self.purged.fetch_or(!tags.is_empty(), Ordering::Relaxed);
                session.generations.learn(changes, tags);
                true
            }
            tags => {
                let generations = name::generations(&self.url.prefix);
                let mut pipeline = redis::pipe();
                if tags.is_none() {
                    pipeline.cmd("DEL").arg(&generations);
                }
                // Of several hosts that find it so, the first sets the tag.
                pipeline.cmd("HSETNX").arg(&generations).arg(ALL).arg(new_tag());
                pipeline.cmd("HGETALL").arg(&generations);
                let Ok(mut replies) = self.run(session, pipeline, 1).await else { return false };
                match replies.pop().map(Tags::read) {
                    Some(Ok(Some(tags))) if !tags.is_empty() => {
                        self.purged.store(true, Ordering::Relaxed);
                        session.generations.learn(changes, tags);
                        true
                    }
                    _ => false,
                }
            }
        }
    }
}

/// The one probe that runs while the breaker is open. It ends with the store.
async fn probe_until_closed(shared: Weak<Shared>) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(shared) = shared.upgrade() else { return };
        if shared.probe().await.is_ok() {
            info!("{} answers again", shared.url);
            return;
        }
    }
}

/// Reads the generations when they have changed. It ends with the connection.
async fn keep_current(shared: Weak<Shared>, session: Arc<Session>) {
    let generations = session.generations.clone();
    let is_told = session.is_told;
    let session = {
        let weak = Arc::downgrade(&session);
        drop(session);
        weak
    };
    loop {
        let wait = !is_told || generations.view().is_none();
        tokio::select! {
            () = generations.changed.notified() => {}
            () = tokio::time::sleep(POLL_PAUSE), if wait => {}
        }
        let (Some(shared), Some(session)) = (shared.upgrade(), session.upgrade()) else { return };
        shared.refresh(&session).await;
    }
}

/// Whether the server, and not the command, is the trouble. A refused command (out of memory,
/// read-only replica, wrong type) leaves the connection good for others.
fn is_outage(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}
