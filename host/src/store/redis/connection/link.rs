//! The way to the data: one server, or a cluster of several.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};

use crate::store::redis::connection::cluster::Cluster;
use crate::store::redis::connection::dial::Connection;
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::url::RedisUrl;
use crate::store::redis::url::location::Location;

/// What is kept until it is dropped.
pub(crate) enum Link {
    Server(Connection),
    Cluster(Cluster),
}

impl Link {
    pub(crate) async fn dial(url: &RedisUrl, generations: &Arc<Generations>) -> RedisResult<Link> {
        match &url.location {
            Location::Cluster(seeds) => {
                Cluster::dial(url, seeds, generations.clone()).await.map(Link::Cluster)
            }
            _ => Connection::dial(url, generations).await.map(Link::Server),
        }
    }

    /// Sends commands in one round trip, in a cluster in one to each node. One that was refused
    /// has an error in its place, and in a cluster one whose node does not answer.
    pub(crate) async fn send(
        &self,
        pipeline: Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Link::Server(connection) => connection.send(&pipeline, timeout).await,
            Link::Cluster(cluster) => Ok(cluster.send(pipeline, timeout).await),
        }
    }

    /// The servers that take writes. Each has names of its own.
    pub(crate) fn servers(&self) -> Vec<String> {
        match self {
            // There is but one: it needs no name.
            Link::Server(_) => vec![String::new()],
            Link::Cluster(cluster) => cluster.servers(),
        }
    }

    /// Sends commands to one of [`Link::servers`], for those that are not about a name.
    pub(crate) async fn send_to(
        &self,
        server: &str,
        pipeline: Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Link::Server(connection) => connection.send(&pipeline, timeout).await,
            Link::Cluster(cluster) => cluster.send_to(server, pipeline, timeout).await,
        }
    }

    /// Whether changes of generations are told before any later answer.
    pub(crate) fn is_told(&self) -> bool {
        match self {
            Link::Server(connection) => connection.is_told(),
            Link::Cluster(_) => false,
        }
    }

    /// Says that what is asked from now on is asked for others.
    pub(crate) fn begin(&self) {
        match self {
            Link::Server(connection) => connection.begin(),
            Link::Cluster(cluster) => cluster.begin(),
        }
    }

    /// Waits for its end: in a cluster, until no node answers.
    pub(crate) fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Link::Server(connection) => Box::pin(connection.ended()),
            Link::Cluster(cluster) => Box::pin(cluster.ended()),
        }
    }

    /// Whether it was given up for a reply that is too long.
    pub(crate) fn was_cut(&self) -> bool {
        match self {
            Link::Server(connection) => connection.was_cut(),
            Link::Cluster(cluster) => cluster.was_cut(),
        }
    }

    /// Whether it has been of use, and was given up only for a reply that is too long.
    pub(crate) fn was_cut_in_use(&self) -> bool {
        match self {
            Link::Server(connection) => connection.was_cut_in_use(),
            Link::Cluster(_) => false,
        }
    }
}
