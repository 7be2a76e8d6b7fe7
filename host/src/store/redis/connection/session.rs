//! One connection, and what was found out about the server when it was made.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo, PushKind,
    RedisError, RedisResult, Value, from_redis_value,
};

use crate::store::clock::SteadyClock;
use crate::store::redis::connection::generations::{Generations, Tags};
use crate::store::redis::error::is_authentication;
use crate::store::redis::layout::arrangement::{Arrangement, Server};
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;

/// A probe may take longer than a command: nobody waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that may be under way on the connection: more than requests may be.
const PIPELINE_BUFFER: usize = 4096;

pub(crate) struct Session {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) generations: Arc<Generations>,
    /// Whether the server tells when the generations change.
    pub(crate) is_told: bool,
    /// The server's time, which all of its hosts share.
    pub(crate) clock: SteadyClock,
    pub(crate) layout: Box<dyn Arrangement>,
    /// When the server answered last.
    answered: Mutex<Instant>,
}

impl Session {
    /// Connects and asks what there is to know, in one round trip. Besides the session it gives
    /// the tags that it read, and the number of changes that they include.
    pub(crate) async fn connect(
        url: &RedisUrl,
        last_clock: Option<SteadyClock>,
    ) -> Result<(Session, u64, Option<Tags>), RedisError> {
        let generations = Arc::new(Generations::unknown());
        let (mut connection, can_push) = match dial(url, Some(generations.clone())).await {
            Err(error) if lacks_resp3(&error) => (dial(url, None).await?, false),
            connection => (connection?, true),
        };
        let hash_name = name::generations(&url.prefix);
        let mut pipeline = redis::pipe();
        let changes = generations.changes();
        if can_push {
            pipeline.cmd("CLIENT").arg(&["TRACKING", "ON", "BCAST", "PREFIX"]).arg(&hash_name);
        } else {
            pipeline.cmd("PING");
        }
        pipeline.cmd("HGETALL").arg(&hash_name);
        pipeline.cmd("TIME");
        let kind = url.layout.kind();
        (kind.ask)(&mut pipeline);
        let replies: Vec<RedisResult<Value>> =
            pipeline.ignore_errors().query_async(&mut connection).await?;
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
        let is_told = next().is_ok() && can_push;
        let tags = Tags::read(next())?;
        let clock = SteadyClock::new(server_time(next(), last_clock));
        let server = Server { name: url, capacity: url.capacity };
        let layout = (kind.arrange)(&server, replies.collect());
        let session = Session {
            connection,
            generations,
            is_told,
            clock,
            layout,
            answered: Mutex::new(Instant::now()),
        };
        Ok((session, changes, tags))
    }

    /// Notes that the server has answered.
    pub(crate) fn note_answer(&self) {
        *self.answered.lock().expect("nobody panics while holding it") = Instant::now();
    }

    /// Whether the server has answered within a time.
    pub(crate) fn has_answered_within(&self, time: Duration) -> bool {
        self.answered.lock().expect("nobody panics while holding it").elapsed() < time
    }
}

impl Drop for Session {
    /// Ends the task that watches it.
    fn drop(&mut self) {
        self.generations.changed.notify_one();
    }
}

/// Makes a connection: with RESP3 where changes of generations are to be told.
async fn dial(
    url: &RedisUrl,
    generations: Option<Arc<Generations>>,
) -> Result<MultiplexedConnection, RedisError> {
    let mut config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(url.timeout))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_pipeline_buffer_size(PIPELINE_BUFFER);
    let mut info = ConnectionInfo::clone(&url.info);
    if let Some(generations) = generations {
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        info = info.set_redis_settings(redis);
        config = config.set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Invalidate {
                generations.invalidate();
            }
            Ok::<(), redis::aio::SendError>(())
        });
    }
    let client = Client::open(info)?;
    client.get_multiplexed_async_connection_with_config(&config).await
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

/// The server's time, or this machine's where it does not tell; never before an earlier reading.
fn server_time(reply: RedisResult<Value>, last: Option<SteadyClock>) -> Duration {
    let time = reply.ok().and_then(|reply| from_redis_value::<(u64, u32)>(reply).ok());
    let now = match time {
        Some((seconds, micros)) => Duration::new(seconds, micros % 1_000_000 * 1000),
        None => SteadyClock::from_wall_clock().now(),
    };
    last.map_or(now, |last| last.now().max(now))
}
