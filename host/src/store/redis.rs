//! Redis or Valkey, behind a circuit breaker.
//!
//! A prediction never waits long for a server that is away: every command has a short time limit,
//! and the first that fails for want of a connection or an answer opens the breaker. While it is
//! open, commands fail at once and one probe at a time tries to connect. Opening it for a mere
//! hiccup costs little, since the answer to a miss is a computation of microseconds.

use std::fmt;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError,
};
use tracing::{info, warn};

use super::{Store, StoreError, StoreFuture};

/// First and longest pause between two probes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A probe may take longer than a command: nobody waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A server that is full refuses every write: one line in a while is enough.
const REFUSAL_LOG_PAUSE: Duration = Duration::from_secs(10);
/// Commands that may be under way on the connection: more than requests may be.
const PIPELINE_BUFFER: usize = 4096;

/// Where a server is, and how long a command to it may take.
#[derive(Clone)]
pub struct RedisUrl {
    info: ConnectionInfo,
    timeout: Duration,
}

impl RedisUrl {
    /// Reads `redis://[user:password@]host[:port][/database]`.
    ///
    /// # Errors
    /// If it is not such a URL; the message does not repeat it, since it may hold a password.
    pub fn parse(url: &str, timeout: Duration) -> Result<RedisUrl, String> {
        let info = url.into_connection_info().map_err(|error| {
            format!("expected redis://[user:password@]host[:port][/database]; {}", describe(&error))
        })?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(RedisUrl { info, timeout })
    }
}

/// Address and database; never user and password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis at {}, database {}", self.info.addr(), self.info.redis_settings().db())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Entries in a Redis server, one string key each, with the server's own expiry.
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    url: RedisUrl,
    config: AsyncConnectionConfig,
    breaker: RwLock<Breaker>,
    /// When the log last said that the server refused a command.
    refusal_logged: Mutex<Option<Instant>>,
}

enum Breaker {
    /// The server answered last time.
    Closed {
        connection: MultiplexedConnection,
        /// Which connection this is, so that a late failure of an old one does no harm.
        number: u64,
    },
    /// It did not; a probe is under way.
    Open { last_number: u64 },
}

/// Why a command gave nothing.
enum Failure {
    /// It was not sent: the breaker is open.
    Open,
    Redis(RedisError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        StoreError(match failure {
            Failure::Open => "the circuit breaker is open".to_owned(),
            Failure::Redis(error) => describe(&error),
        })
    }
}

impl RedisStore {
    /// Connects, or starts probing where the server does not answer.
    pub async fn connect(url: &RedisUrl) -> RedisStore {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(url.timeout))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let breaker = RwLock::new(Breaker::Open { last_number: 0 });
        let refusal_logged = Mutex::default();
        let shared = Arc::new(Shared { url: url.clone(), config, breaker, refusal_logged });
        if let Err(error) = shared.probe().await {
            warn!(
                "{url} does not answer ({}); predictions go on without a cache",
                describe(&error)
            );
            tokio::spawn(probe_until_closed(Arc::downgrade(&shared)));
        }
        RedisStore { shared }
    }

    async fn run<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Failure> {
        let (mut connection, number) = match &*self.shared.read() {
            Breaker::Closed { connection, number } => (connection.clone(), *number),
            Breaker::Open { .. } => return Err(Failure::Open),
        };
        command.query_async(&mut connection).await.map_err(|error| {
            if is_outage(&error) {
                self.trip(number, &error);
            } else if !is_wrong_type(&error) {
                self.shared.log_refusal(&error);
            }
            Failure::Redis(error)
        })
    }

    /// Opens the breaker, unless the connection that failed has been replaced since.
    fn trip(&self, failed: u64, error: &RedisError) {
        let mut breaker = self.shared.breaker.write().expect("nobody panics while holding it");
        if matches!(&*breaker, Breaker::Closed { number, .. } if *number == failed) {
            *breaker = Breaker::Open { last_number: failed };
            drop(breaker);
            let url = &self.shared.url;
            warn!("{url} failed ({}); predictions go on without a cache", describe(error));
            tokio::spawn(probe_until_closed(Arc::downgrade(&self.shared)));
        }
    }
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Breaker> {
        self.breaker.read().expect("nobody panics while holding it")
    }

    /// Says that the server refused a command, unless the log has said so a moment ago.
    fn log_refusal(&self, error: &RedisError) {
        let mut logged = self.refusal_logged.lock().expect("nobody panics while holding it");
        if logged.is_none_or(|logged| logged.elapsed() >= REFUSAL_LOG_PAUSE) {
            *logged = Some(Instant::now());
            warn!("{} refuses commands ({}); predictions go on", self.url, describe(error));
        }
    }

    /// Tries to connect, and closes the breaker if the server answers.
    async fn probe(&self) -> Result<(), RedisError> {
        let client = Client::open(self.url.info.clone())?;
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&self.config).await?;
        redis::cmd("PING").exec_async(&mut connection).await?;
        let mut breaker = self.breaker.write().expect("nobody panics while holding it");
        if let Breaker::Open { last_number } = &*breaker {
            *breaker = Breaker::Closed { connection, number: last_number + 1 };
        }
        Ok(())
    }
}

/// The one probe that runs while the breaker is open. It ends with the store.
async fn probe_until_closed(shared: std::sync::Weak<Shared>) {
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

/// Whether the server, and not the command, is the trouble. A refused command (out of memory,
/// read-only replica, wrong type) leaves the connection good for others.
fn is_outage(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// Whether another program keeps a list or the like under this key.
fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// The error without anything of the URL in it.
fn describe(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        let mut command = redis::cmd("GET");
        command.arg(key);
        Box::pin(async {
            match self.run::<Option<Vec<u8>>>(command).await {
                Ok(value) => Ok(value.map(Bytes::from)),
                // There is something, but no entry: it will be overwritten.
                Err(Failure::Redis(error)) if is_wrong_type(&error) => Ok(Some(Bytes::new())),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn set<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> StoreFuture<'a, ()> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(&value[..]).arg("EX").arg(time_to_live.as_secs().max(1));
        Box::pin(async { Ok(self.run(command).await?) })
    }
}
