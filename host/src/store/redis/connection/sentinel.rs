//! Asks Sentinel where the primary is: for every connection anew, since that is what changes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisConnectionInfo, RedisError, RedisResult};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::store::redis::connection::bound::{Bounded, Traffic};
use crate::store::redis::connection::stream::stream;
use crate::store::redis::connection::tls::Tls;
use crate::store::settings::Password;

/// Less than connecting may take as a whole, so that it is known what took so long.
const ANSWER_LIMIT: Duration = Duration::from_millis(700);
/// How long the others are waited for after the first answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// The sentinels of a service.
#[derive(Clone)]
pub(crate) struct Sentinel {
    /// Host and port of each.
    pub(crate) nodes: Vec<(String, u16)>,
    /// What they call the primary and its replicas.
    pub(crate) service: String,
    /// The sentinels' own; they need not have that of the servers.
    pub(crate) password: Option<Password>,
}

impl Sentinel {
    /// Host and port of the primary, as most of the sentinels say that answer at about the same
    /// time: one that is cut off from the others still names the one before a fail-over.
    pub(crate) async fn primary(&self, tls: Option<&Tls>) -> RedisResult<(String, u16)> {
        let mut login = RedisConnectionInfo::default();
        if let Some(password) = &self.password {
            let password = password.read().map_err(|reason| {
                (ErrorKind::InvalidClientConfig, "the sentinels' password cannot be read", reason)
            })?;
            login = login.set_password(password);
        }
        let mut questions = JoinSet::new();
        for (host, port) in self.nodes.clone() {
            questions.spawn(ask(host, port, tls.cloned(), login.clone(), self.service.clone()));
        }
        let (votes, last_error) = self.count(questions).await;
        let nobody = || (ErrorKind::EmptySentinelList, "no sentinel is named").into();
        votes.winner().ok_or_else(|| last_error.unwrap_or_else(nobody))
    }

    /// Counts the answers until most sentinels name one server, or the last are late.
    async fn count(
        &self,
        mut questions: JoinSet<RedisResult<Option<(String, u16)>>>,
    ) -> (Votes, Option<RedisError>) {
        let (mut votes, mut last_error) = (Votes::default(), None);
        let mut last_call = Instant::now() + ANSWER_LIMIT;
        while let Ok(Some(answer)) = timeout_at(last_call, questions.join_next()).await {
            match answer.unwrap_or_else(|error| Err(io::Error::other(error).into())) {
                Ok(Some(primary)) => {
                    if votes.add(primary) * 2 > self.nodes.len() {
                        break;
                    }
                    last_call = last_call.min(Instant::now() + PATIENCE);
                }
                Ok(None) => {
                    let reason = format!("no service of the name {:?}", self.service);
                    let error = (ErrorKind::Client, "the sentinel knows", reason);
                    last_error = Some(RedisError::from(error));
                }
                Err(error) => {
                    last_error.get_or_insert(error);
                }
            }
        }
        (votes, last_error)
    }
}

/// How many sentinels name each server, those that were named first in front.
#[derive(Default)]
struct Votes(Vec<((String, u16), usize)>);

impl Votes {
    /// Counts one, and gives how many there are for this server.
    fn add(&mut self, primary: (String, u16)) -> usize {
        if let Some((_, votes)) = self.0.iter_mut().find(|(named, _)| *named == primary) {
            *votes += 1;
            return *votes;
        }
        self.0.push((primary, 1));
        1
    }

    fn winner(self) -> Option<(String, u16)> {
        // Of several with the same number, `max_by_key` would give the last.
        self.0.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(primary, _)| primary)
    }
}

/// Asks one sentinel.
async fn ask(
    host: String,
    port: u16,
    tls: Option<Tls>,
    login: RedisConnectionInfo,
    service: String,
) -> RedisResult<Option<(String, u16)>> {
    let stream = Bounded::new(stream(&host, port, tls.as_ref()).await?, Arc::<Traffic>::default());
    let (mut connection, driver) = MultiplexedConnection::new(&login, stream).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    tokio::select! {
        answer = question.query_async(&mut connection) => answer,
        () = driver => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
    }
}
