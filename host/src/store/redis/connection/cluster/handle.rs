//! A node as redis-rs sees it: what it sends goes to the node's one connection, and what comes
//! back is put so that redis-rs follows the cluster, and leaves connections to the node.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::cluster::NodeAddress;
use redis::cluster_async::Connect;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult,
    ServerErrorKind, Value,
};

use crate::store::redis::connection::cluster::node::Node;
use crate::store::redis::connection::cluster::nodes::Nodes;
use crate::store::redis::error::{away, error_value, refused};

/// A node has to tell the slots so soon: all commands wait while it is asked.
const SLOTS_TIMEOUT: Duration = Duration::from_millis(400);
/// Between two questions for the slots where no node answers.
const QUESTION_PAUSE: Duration = Duration::from_millis(100);
/// The code of the error in the place of a reply that names another node. redis-rs would send all
/// commands there for the sake of one.
pub(crate) const ELSEWHERE: &str = "ELSEWHERE";

/// One command's or many commands' way to a node.
pub(crate) struct Handle {
    nodes: Arc<Nodes>,
    node: Arc<Node>,
    /// Whether the node is only about to have the slot of the next commands.
    is_asking: bool,
}

impl Clone for Handle {
    /// One that asks for nothing: that is for the next commands alone.
    fn clone(&self) -> Handle {
        Handle { nodes: self.nodes.clone(), node: self.node.clone(), is_asking: false }
    }
}

impl Connect for Handle {
    fn connect_with_config<'a, T>(info: T, _: AsyncConnectionConfig) -> RedisFuture<'a, Handle>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async move {
            let info = info.into_connection_info()?;
            let nodes = info.redis_settings().username().and_then(Nodes::find);
            let nodes = nodes.ok_or((ErrorKind::Client, "the cluster is not kept any more"))?;
            let node = nodes.node(&NodeAddress::try_from(info.addr())?);
            Ok(Handle { nodes, node, is_asking: false })
        })
    }
}

impl ConnectionLike for Handle {
    /// Only redis-rs itself sends commands by themselves; ours are in pipelines.
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match first_word(cmd) {
                Some(b"ASKING") => {
                    self.is_asking = true;
                    Ok(Value::Okay)
                }
                // Whether there is a connection is the node's affair, and so is what it needs.
                Some(b"PING" | b"READONLY") => Ok(Value::Okay),
                _ => self.ask_for_slots(cmd).await,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let is_one = pipeline.cmd_iter().next().and_then(first_word) == Some(b"MULTI");
            let replies = if std::mem::take(&mut self.is_asking) {
                self.exchange_asking(pipeline, is_one).await?
            } else {
                self.exchange(pipeline).await?
            };
            Ok(put_for_redis_rs(replies, is_one))
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Handle {
    async fn exchange(&self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        self.node.exchange(pipeline).await.map_err(|error| {
            if self.nodes.is_time_to_ask() {
                // This is what has redis-rs ask for the slots.
                (ErrorKind::from(ServerErrorKind::ReadOnly), "the node does not answer").into()
            } else {
                error
            }
        })
    }

    /// In one round trip, so that the node does not take another's command for the one meant.
    async fn exchange_asking(&self, pipeline: &Pipeline, is_one: bool) -> RedisResult<Vec<Value>> {
        let mut asking = redis::pipe();
        let is_asked = |position| position == 0 || !is_one;
        for (position, cmd) in pipeline.cmd_iter().enumerate() {
            if is_asked(position) {
                asking.cmd("ASKING");
            }
            asking.add_command(cmd.clone());
        }
        let mut replies = self.exchange(&asking).await?.into_iter();
        let mut answers = Vec::with_capacity(pipeline.len());
        for position in 0..pipeline.len() {
            if is_asked(position) {
                replies.next();
            }
            answers.extend(replies.next());
        }
        Ok(answers)
    }

    async fn ask_for_slots(&self, cmd: &Cmd) -> RedisResult<Value> {
        let mut question = redis::pipe();
        question.add_command(cmd.clone());
        let answer = tokio::time::timeout(SLOTS_TIMEOUT, self.node.exchange(&question)).await;
        let answer = answer.unwrap_or_else(|_| {
            self.node.give_up_if_silent(SLOTS_TIMEOUT / 2);
            Err(away("it does not tell the slots in time"))
        });
        // redis-rs would ask the same nodes again at once.
        if answer.is_err() && self.nodes.trouble().is_some() {
            tokio::time::sleep(QUESTION_PAUSE).await;
        }
        answer?.pop().ok_or_else(|| away("it does not tell the slots"))
    }
}

fn first_word(cmd: &Cmd) -> Option<&[u8]> {
    match cmd.args_iter().next() {
        Some(redis::Arg::Simple(word)) => Some(word),
        _ => None,
    }
}

/// Leaves in place what redis-rs has to act upon: that other nodes have the slots.
fn put_for_redis_rs(replies: Vec<Value>, is_one: bool) -> Vec<Value> {
    let are_all_elsewhere = replies.iter().all(is_elsewhere);
    let put = |reply: Value| match &reply {
        Value::ServerError(_) if is_elsewhere(&reply) && !are_all_elsewhere && !is_one => {
            error_value(refused(ELSEWHERE, ""))
        }
        Value::ServerError(error) => {
            let text = error.details().unwrap_or_default();
            match error.kind() {
                // redis-rs would wait, and send them again.
                Some(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
                    error_value(away(&format!("{} {text}", error.code())))
                }
                Some(ServerErrorKind::ClusterDown) if text.contains("not served") => {
                    error_value(away(text))
                }
                Some(ServerErrorKind::ClusterDown) => error_value(refused(error.code(), text)),
                _ => reply,
            }
        }
        _ => reply,
    };
    replies.into_iter().map(put).collect()
}

fn is_elsewhere(reply: &Value) -> bool {
    use ServerErrorKind::{Ask, Moved, TryAgain};
    matches!(reply, Value::ServerError(error) if matches!(error.kind(), Some(Moved | Ask | TryAgain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(replies: &str, is_one: bool) -> Vec<String> {
        let replies = redis::parse_redis_value(replies.as_bytes()).unwrap();
        let Value::Array(replies) = replies else { panic!("{replies:?}") };
        let code = |reply: Value| match reply.extract_error() {
            Ok(_) => "OK".to_owned(),
            Err(error) => error.code().unwrap().to_owned(),
        };
        put_for_redis_rs(replies, is_one).into_iter().map(code).collect()
    }

    #[test]
    fn redis_rs_hears_that_another_node_has_the_slot_if_that_is_so_for_all_commands() {
        for (replies, is_one, expected) in [
            ("*2\r\n-MOVED 1 a:1\r\n-ASK 2 b:1\r\n", false, ["MOVED", "ASK"]),
            ("*2\r\n-MOVED 1 a:1\r\n+OK\r\n", false, ["ELSEWHERE", "OK"]),
            ("*2\r\n+OK\r\n-MOVED 1 a:1\r\n", true, ["OK", "MOVED"]),
            ("*2\r\n-LOADING x\r\n-MASTERDOWN x\r\n", false, ["AWAY", "AWAY"]),
            (
                "*2\r\n-CLUSTERDOWN Hash slot not served\r\n-CLUSTERDOWN The cluster is down\r\n",
                false,
                ["AWAY", "CLUSTERDOWN"],
            ),
            ("*2\r\n-READONLY x\r\n-WRONGTYPE x\r\n", false, ["READONLY", "WRONGTYPE"]),
        ] {
            assert_eq!(codes(replies, is_one), expected, "{replies}");
        }
    }
}
