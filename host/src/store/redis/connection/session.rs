//! One connection, and what was found out about the server when it was made.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value, from_redis_value};

use crate::store::clock::SteadyClock;
use crate::store::redis::connection::dial::CONNECT_TIMEOUT;
use crate::store::redis::connection::generations::{Generations, Reading, Tags};
use crate::store::redis::connection::link::Link;
use crate::store::redis::layout::arrangement::{Arrangement, Server};
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;
use crate::store::redis::url::location::Location;

/// How often the generations are read where the server does not tell of changes.
pub(crate) const POLL_PAUSE: Duration = Duration::from_secs(1);
/// The same in a cluster, where the node tells that has them, but others are read from, too.
const CLUSTER_POLL_PAUSE: Duration = Duration::from_millis(500);
/// How long generations hold in a cluster: some readings of them may fail.
const GENERATIONS_LIFE: Duration = Duration::from_secs(2);
/// A server's time that is further from this machine's is a mistake or malice.
const MAX_SKEW: Duration = Duration::from_secs(24 * 3600);
/// Of two servers, one may be behind by so much: then time stands still instead of going back.
const MAX_STEP_BACK: Duration = Duration::from_secs(60);

pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) generations: Arc<Generations>,
    /// How often the generations are read, where the server does not tell of changes.
    pub(crate) poll_pause: Option<Duration>,
    /// Whether one command may read names that a cluster would have in different places.
    pub(crate) reads_together: bool,
    /// The server's time, which all of its hosts share.
    pub(crate) clock: SteadyClock,
    pub(crate) layout: Box<dyn Arrangement>,
    began: Instant,
    /// When the server answered last.
    answered: Mutex<Instant>,
}

/// A session, and the generations as they were read when it began.
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) reading: Reading,
    pub(crate) tags: Option<Tags>,
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum NoSession {
    Redis(RedisError),
    /// The server answers, but lacks what the layout needs.
    Unfit(String),
}

impl From<RedisError> for NoSession {
    fn from(error: RedisError) -> NoSession {
        NoSession::Redis(error)
    }
}

impl Session {
    /// Connects and asks what there is to know, in one round trip.
    pub(crate) async fn connect(
        url: &RedisUrl,
        last_clock: Option<SteadyClock>,
    ) -> Result<Opened, NoSession> {
        let opened = Session::open(url, last_clock, false).await?;
        // The generations themselves are too long to be read: nobody can, until they are gone.
        if opened.tags.is_none() && opened.session.link.was_cut() {
            return Session::open(url, last_clock, true).await;
        }
        Ok(opened)
    }

    async fn open(
        url: &RedisUrl,
        last_clock: Option<SteadyClock>,
        generations_are_spoiled: bool,
    ) -> Result<Opened, NoSession> {
        let is_cluster = matches!(url.location, Location::Cluster(_));
        let generations = Arc::new(Generations::unknown(is_cluster.then_some(GENERATIONS_LIFE)));
        let link = Link::dial(url, &generations).await?;
        let hash_name = name::generations(&url.prefix);
        if generations_are_spoiled {
            let mut pipeline = redis::pipe();
            pipeline.cmd("UNLINK").arg(&hash_name);
            link.send(pipeline, CONNECT_TIMEOUT).await?;
        }
        let mut pipeline = redis::pipe();
        let reading = generations.begin_reading();
        pipeline.cmd("HGETALL").arg(&hash_name);
        pipeline.cmd("TIME");
        ask_for_slots(&mut pipeline, &url.prefix);
        let has_sentinel = matches!(url.location, Location::Sentinel(_));
        if has_sentinel {
            pipeline.cmd("ROLE");
        }
        let kind = url.layout.kind();
        (kind.ask)(&mut pipeline, &url.prefix);
        let replies = link.send(pipeline, CONNECT_TIMEOUT).await?;
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
        let tags = Tags::read(next())?.filter(|_| !generations_are_spoiled);
        let clock = SteadyClock::new(server_time(next(), last_clock));
        let reads_together = next().is_ok();
        // A sentinel may not know yet that another is the primary now.
        if has_sentinel && is_replica(next()) {
            let text = "the sentinel names a server that is a replica";
            return Err(RedisError::from((ErrorKind::Client, text)).into());
        }
        let server = Server { name: url, capacity: url.capacity };
        let layout = (kind.arrange)(&server, replies.collect()).map_err(NoSession::Unfit)?;
        link.begin();
        let poll_pause = match is_cluster {
            true => Some(CLUSTER_POLL_PAUSE),
            false => (!link.is_told()).then_some(POLL_PAUSE),
        };
        let session = Session {
            link,
            generations,
            poll_pause,
            reads_together,
            clock,
            layout,
            began: Instant::now(),
            answered: Mutex::new(Instant::now()),
        };
        Ok(Opened { session, reading, tags })
    }

    /// Notes that the server has answered.
    pub(crate) fn note_answer(&self) {
        *self.answered.lock().expect("nobody panics while holding it") = Instant::now();
    }

    /// How long the server has not answered.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.answered.lock().expect("nobody panics while holding it").elapsed()
    }

    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Session {
    /// Ends the task that watches it.
    fn drop(&mut self) {
        self.generations.changed.notify_one();
    }
}

/// Asks whether one command may have two names. A cluster refuses that where their slots differ,
/// as those of two names do that differ in the last letter.
fn ask_for_slots(pipeline: &mut Pipeline, prefix: &str) {
    pipeline.cmd("MGET").arg(name::probe(prefix, 'a')).arg(name::probe(prefix, 'b'));
}

/// Whether a server answered ROLE, and is none that takes writes.
fn is_replica(reply: RedisResult<Value>) -> bool {
    let role = reply.ok().and_then(|reply| from_redis_value::<Vec<Value>>(reply).ok());
    let role = role.and_then(|role| from_redis_value::<String>(role.into_iter().next()?).ok());
    role.is_some_and(|role| role != "master")
}

/// The server's time, or this machine's where it does not tell, or is too far from it; not a
/// little before an earlier reading, since entries would then live longer than they may.
fn server_time(reply: RedisResult<Value>, last: Option<SteadyClock>) -> Duration {
    let here = SteadyClock::from_wall_clock().now();
    let now = reply
        .ok()
        .and_then(|reply| from_redis_value::<(u64, u32)>(reply).ok())
        .map(|(seconds, micros)| Duration::new(seconds, micros % 1_000_000 * 1000))
        .filter(|time| time.abs_diff(here) <= MAX_SKEW)
        .unwrap_or(here);
    match last.map(|last| last.now()) {
        Some(last) if last > now && last - now <= MAX_STEP_BACK => last,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_from_the_wall_clock_is_none() {
        let here = SteadyClock::from_wall_clock().now();
        let reply = |seconds: i128| {
            let text = |number: String| Value::BulkString(number.into_bytes());
            Ok(Value::Array(vec![text(seconds.to_string()), text("999999".to_owned())]))
        };
        let is_near = |time: Duration, other: Duration| {
            assert!(time.abs_diff(other) < Duration::from_secs(30), "{time:?} {other:?}");
        };
        let ten_years = 10 * 365 * 86_400;
        for seconds in [0, u64::MAX.into(), here.as_secs() as i128 + ten_years, -1] {
            is_near(server_time(reply(seconds), None), here);
        }
        let an_hour = Duration::from_secs(3600);
        is_near(server_time(reply(here.as_secs() as i128 + 3600), None), here + an_hour);
        // A reading that is older by little is not taken, one by much is.
        let last = |ahead| Some(SteadyClock::new(here + ahead));
        let now = here.as_secs() as i128;
        is_near(
            server_time(reply(now), last(Duration::from_secs(59))),
            here + Duration::from_secs(59),
        );
        is_near(server_time(reply(now), last(an_hour)), here);
        is_near(server_time(reply(now), Some(SteadyClock::new(Duration::MAX))), here);
    }
}
