//! Makes a connection: finds the server, reads the password, and notices when it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, Value,
};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::redis::connection::bound::{Bounded, Traffic};
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::connection::stream::stream;
use crate::store::redis::error::{is_authentication, is_lost};
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;
use crate::store::redis::url::location::Location;

/// First and longest pause between two attempts to connect.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that did not last so long is not replaced at once, but after such a pause.
pub(crate) const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// A probe may take longer than a command: nobody waits for it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that may be under way on the connection: more than requests may be.
const PIPELINE_BUFFER: usize = 4096;

/// A connection to one server, kept until it is dropped.
pub(crate) struct Connection {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    /// True once it has ended.
    ended: watch::Receiver<bool>,
    traffic: Arc<Traffic>,
    /// Whether the server tells when the generations change.
    is_told: bool,
}

impl Connection {
    /// Connects to the server that the URL names, or that the sentinels name.
    pub(crate) async fn dial(
        url: &RedisUrl,
        generations: &Arc<Generations>,
    ) -> RedisResult<Connection> {
        let dialled = async {
            let (host, port) = match &url.location {
                Location::Sentinel(sentinel) => sentinel.primary(url.tls.as_ref()).await?,
                Location::Server { host, port } => (host.clone(), *port),
                Location::Cluster(_) => {
                    return Err((ErrorKind::InvalidClientConfig, "a cluster has many").into());
                }
            };
            connect(url, &host, port, generations).await
        };
        within_time(dialled).await
    }

    /// Connects to a server of several.
    pub(crate) async fn dial_to(
        url: &RedisUrl,
        host: &str,
        port: u16,
        generations: &Arc<Generations>,
    ) -> RedisResult<Connection> {
        within_time(connect(url, host, port, generations)).await
    }

    /// Whether the server tells when the generations change.
    pub(crate) fn is_told(&self) -> bool {
        self.is_told
    }

    /// Sends commands in one round trip. A reply may be an error.
    pub(crate) async fn exchange(
        &self,
        pipeline: &Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<Value>> {
        let count = pipeline.len();
        self.traffic.note_sent(count);
        let mut connection = self.connection.clone();
        connection.set_response_timeout(timeout);
        connection.req_packed_commands(pipeline, 0, count).await
    }

    /// The same; one that the server refused has an error in its place.
    pub(crate) async fn send(
        &self,
        pipeline: &Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let replies = self.exchange(pipeline, timeout).await?;
        Ok(replies.into_iter().map(Value::extract_error).collect())
    }

    /// Says that what is asked from now on is asked for others.
    pub(crate) fn begin(&self) {
        self.traffic.begin();
    }

    /// How long the server has owed an answer and given none.
    pub(crate) fn silent_for(&self) -> Duration {
        self.traffic.silent_for()
    }

    /// Ends it.
    pub(crate) fn give_up(&self) {
        self.driver.abort();
    }

    /// Whether it has been of use, and was given up only for a reply that is too long.
    pub(crate) fn was_cut_in_use(&self) -> bool {
        self.traffic.was_cut() && self.traffic.has_answered()
    }

    /// Waits for its end.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            // An error means that its task is gone.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Whether it was given up for a reply that is too long.
    pub(crate) fn was_cut(&self) -> bool {
        self.traffic.was_cut()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn within_time(
    dialled: impl Future<Output = RedisResult<Connection>>,
) -> RedisResult<Connection> {
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT, dialled).await;
    dialled.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// With RESP3 where the server has it, so that it can tell of changes.
async fn connect(
    url: &RedisUrl,
    host: &str,
    port: u16,
    generations: &Arc<Generations>,
) -> RedisResult<Connection> {
    let mut first = redis::pipe();
    let refusal = match open(url, host, port, Some(generations.clone())).await {
        Err(error) if lacks_resp3(&error) => error,
        connection => {
            let mut connection = connection?;
            let prefix = name::generations(&url.prefix);
            first.cmd("CLIENT").arg(&["TRACKING", "ON", "BCAST", "PREFIX"]).arg(prefix);
            let replies = connection.send(&first, CONNECT_TIMEOUT).await?;
            connection.is_told = replies.iter().all(Result::is_ok);
            return Ok(connection);
        }
    };
    let connection = open(url, host, port, None).await;
    let connection = connection.map_err(|error| the_plainer(&refusal, error))?;
    first.cmd("PING");
    let greeted = connection.send(&first, CONNECT_TIMEOUT).await;
    greeted.map_err(|error| the_plainer(&refusal, error))?;
    Ok(connection)
}

async fn open(
    url: &RedisUrl,
    host: &str,
    port: u16,
    generations: Option<Arc<Generations>>,
) -> RedisResult<Connection> {
    let mut login = login(url)?;
    let mut config = AsyncConnectionConfig::new().set_pipeline_buffer_size(PIPELINE_BUFFER);
    if let Some(generations) = generations {
        login = login.set_protocol(ProtocolVersion::RESP3);
        config = config.set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Invalidate {
                // Without names: the server was flushed.
                if push.data.iter().all(|data| *data == Value::Nil) {
                    generations.note_flush();
                }
                generations.invalidate();
            }
            Ok::<(), redis::aio::SendError>(())
        });
    }
    let traffic = Arc::new(Traffic::default());
    let stream = stream(host, port, url.tls.as_ref()).await?;
    let stream = Bounded::new(stream, traffic.clone());
    let setup = MultiplexedConnection::new_with_config(&login, stream, config).await;
    let (connection, driver) = setup.map_err(|error| match traffic.last_words() {
        Some(words) if is_lost(&error) => {
            (ErrorKind::Client, "the server hung up", words.to_owned()).into()
        }
        _ => error,
    })?;
    traffic.begin();
    let (sender, ended) = watch::channel(false);
    let driver = tokio::spawn(async move {
        driver.await;
        let _ = sender.send(true);
    })
    .abort_handle();
    Ok(Connection { connection, driver, ended, traffic, is_told: false })
}

/// Whether a server that answers refused the protocol, and not the user.
fn lacks_resp3(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::RESP3NotSupported => true,
        ErrorKind::Server(_) | ErrorKind::Extension => {
            !is_authentication(error) && matches!(error.code(), Some("ERR" | "NOPROTO" | "NOPERM"))
        }
        _ => false,
    }
}

/// Of two refusals the one that says more: a server that has too many clients says so and hangs up.
fn the_plainer(first: &RedisError, second: RedisError) -> RedisError {
    if is_lost(&second) { first.clone() } else { second }
}

/// User, password as it is now, and database.
fn login(url: &RedisUrl) -> RedisResult<RedisConnectionInfo> {
    let login = url.login.clone();
    let Some(password) = &url.password else { return Ok(login) };
    let password = password.read().map_err(|reason| {
        (ErrorKind::InvalidClientConfig, "the password cannot be read", reason)
    })?;
    Ok(login.set_password(password))
}
