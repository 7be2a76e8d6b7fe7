//! Asks Sentinel where the primary is: for every connection anew, since that is what changes.

use std::io;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisConnectionInfo, RedisError, RedisResult};
use tokio::task::JoinSet;

use crate::store::redis::connection::bound::{Bounded, Traffic};
use crate::store::redis::connection::stream::stream;
use crate::store::redis::connection::tls::Tls;
use crate::store::settings::Password;

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
    /// Host and port of the primary, from the sentinel that answers first.
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
        let mut last_error = None;
        while let Some(answer) = questions.join_next().await {
            match answer.unwrap_or_else(|error| Err(io::Error::other(error).into())) {
                Ok(Some(primary)) => return Ok(primary),
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
        let nobody = || (ErrorKind::EmptySentinelList, "no sentinel is named").into();
        Err(last_error.unwrap_or_else(nobody))
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
