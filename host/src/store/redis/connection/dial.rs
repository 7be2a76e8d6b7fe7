//! Makes a connection: finds the server, reads the password, and notices when it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisResult, Value,
};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::redis::connection::bound::{Bounded, Traffic};
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::connection::stream::stream;
use crate::store::redis::error::is_lost;
use crate::store::redis::url::RedisUrl;

/// A probe may take longer than a command: nobody waits for it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that may be under way on the connection: more than requests may be.
const PIPELINE_BUFFER: usize = 4096;

/// A connection that is kept until it is dropped.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    /// True once it has ended.
    ended: watch::Receiver<bool>,
    traffic: Arc<Traffic>,
}

impl Link {
    /// Connects: with RESP3 where changes of generations are to be told.
    pub(crate) async fn dial(
        url: &RedisUrl,
        generations: Option<Arc<Generations>>,
    ) -> RedisResult<Link> {
        let dialled = tokio::time::timeout(CONNECT_TIMEOUT, dial(url, generations)).await;
        dialled.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }

    /// Sends commands in one round trip. One that the server refused has an error in its place.
    pub(crate) async fn send(
        &self,
        mut pipeline: Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        self.traffic.note_sent(pipeline.len());
        let mut connection = self.connection.clone();
        connection.set_response_timeout(timeout);
        pipeline.ignore_errors().query_async(&mut connection).await
    }

    /// Says that what is asked from now on is asked for others.
    pub(crate) fn begin(&self) {
        self.traffic.begin();
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

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn dial(url: &RedisUrl, generations: Option<Arc<Generations>>) -> RedisResult<Link> {
    let mut login = login(url)?;
    let mut config = AsyncConnectionConfig::new().set_pipeline_buffer_size(PIPELINE_BUFFER);
    if let Some(generations) = generations {
        login = login.set_protocol(ProtocolVersion::RESP3);
        config = config.set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Invalidate {
                generations.invalidate();
            }
            Ok::<(), redis::aio::SendError>(())
        });
    }
    let traffic = Arc::new(Traffic::default());
    let (host, port) = match &url.sentinel {
        Some(sentinel) => sentinel.primary(url.tls.as_ref()).await?,
        None => (url.host.clone(), url.port),
    };
    let stream = stream(&host, port, url.tls.as_ref()).await?;
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
    Ok(Link { connection, driver, ended, traffic })
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
