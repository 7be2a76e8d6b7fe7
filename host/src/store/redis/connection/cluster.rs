//! A Redis Cluster of several nodes. redis-rs knows which node has which slots, and follows them;
//! here commands are sorted by node, and sent together to each.

mod handle;
mod node;
mod nodes;
mod routing;
mod topology;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::cluster::{ClusterClient, NodeAddress};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::{Arg, Cmd, ConnectionAddr, Pipeline, RedisResult, Value};
use tokio::task::JoinSet;

use self::handle::{ELSEWHERE, Handle};
use self::nodes::Nodes;
use self::routing::Routing;
use self::topology::Topology;
use crate::store::redis::connection::dial::CONNECT_TIMEOUT;
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::error::{away, late};
use crate::store::redis::name;
use crate::store::redis::url::RedisUrl;
use crate::store::redis::url::location::Seeds;

/// How often a command is sent on to the node that another names.
const REDIRECTIONS: u32 = 4;
/// Pauses between them, where a slot is just being moved.
const REDIRECTION_PAUSE_MS: (u64, u64) = (1, 8);
/// Commands that replicas may answer, where the operator allows it. None is about generations.
const READS: [&[u8]; 3] = [b"GET", b"MGET", b"HMGET"];

/// Those that concern no key.
const KEYLESS: [&[u8]; 8] =
    [b"COMMAND", b"CONFIG", b"EXEC", b"MULTI", b"PING", b"ROLE", b"TIME", b"WAIT"];

/// A cluster, as long as it is kept.
#[derive(Clone)]
pub(crate) struct Cluster {
    connection: ClusterConnection<Handle>,
    nodes: Arc<Nodes>,
    /// The slot of the generations: its node is asked what concerns the cluster as a whole.
    home: Slot,
    reads_replicas: bool,
    /// How long a node may owe an answer.
    patience: Duration,
}

impl Cluster {
    /// Asks the seeds, which are some of its nodes, for the others.
    pub(crate) async fn dial(
        url: &RedisUrl,
        seeds: &Seeds,
        generations: Arc<Generations>,
    ) -> RedisResult<Cluster> {
        let reads_replicas = seeds.reads_replicas;
        let nodes = Nodes::new(url, reads_replicas, generations);
        let address = |(host, port): &(String, u16)| ConnectionAddr::Tcp(host.clone(), *port);
        let addresses: Vec<_> = seeds.nodes.iter().map(address).collect();
        let seeds =
            addresses.iter().map(|address| Ok(nodes.node(&NodeAddress::try_from(address)?)));
        let seeds: Vec<_> = seeds.collect::<RedisResult<_>>()?;
        let (shortest, longest) = REDIRECTION_PAUSE_MS;
        let client = ClusterClient::builder(addresses)
            .username(nodes.number.to_string())
            .read_routing_strategy(Routing::new(&nodes, reads_replicas))
            .retries(REDIRECTIONS)
            .min_retry_wait(shortest)
            .max_retry_wait(longest)
            .overall_response_timeout(None)
            .build()?;
        let dialled = client.get_async_generic_connection::<Handle>();
        let error = match tokio::time::timeout(CONNECT_TIMEOUT, dialled).await {
            Ok(Ok(connection)) => {
                let home = Slot::for_key(name::generations(&url.prefix));
                let patience = url.timeout / 2;
                return Ok(Cluster { connection, nodes, home, reads_replicas, patience });
            }
            Ok(Err(error)) => error,
            Err(_) => io::Error::from(io::ErrorKind::TimedOut).into(),
        };
        // redis-rs tells of the seed that it asked last, which may be the one that is switched off.
        let settled = async {
            for seed in &seeds {
                seed.settle().await;
            }
        };
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, settled).await;
        Err(nodes.trouble().unwrap_or(error))
    }

    /// Sends commands, in one round trip to each node. Each has a result of its own: where a node
    /// does not answer, it is an error for its commands.
    pub(crate) async fn send(
        &self,
        pipeline: Pipeline,
        timeout: Duration,
    ) -> Vec<RedisResult<Value>> {
        let deadline = Instant::now() + timeout;
        let slots: Vec<Slot> = pipeline.cmd_iter().map(|cmd| self.slot(cmd)).collect();
        let groups = self.nodes.topology().group(&slots);
        if let [_] = &groups[..] {
            let route = self.route(&pipeline, slots[0]);
            let replies = self.exchange(pipeline.clone(), route, deadline).await;
            if !replies.iter().any(is_elsewhere) {
                return replies;
            }
        }
        let mut replies: Vec<_> = slots.iter().map(|_| Err(away("it was not asked"))).collect();
        self.send_groups(&pipeline, &slots, groups, deadline, &mut replies).await;
        let positions = 0..replies.len();
        let moved: Vec<usize> = positions.filter(|at| is_elsewhere(&replies[*at])).collect();
        if !moved.is_empty() {
            // redis-rs follows a slot that is elsewhere, if it is the only one.
            let moved_slots: Vec<Slot> = moved.iter().map(|at| slots[*at]).collect();
            let groups = Topology::unknown().group(&moved_slots);
            let groups =
                groups.into_iter().map(|group| group.iter().map(|at| moved[*at]).collect());
            self.send_groups(&pipeline, &slots, groups.collect(), deadline, &mut replies).await;
        }
        replies
    }

    /// Sends commands to one of [`Cluster::servers`].
    pub(crate) async fn send_to(
        &self,
        server: &str,
        pipeline: Pipeline,
        timeout: Duration,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let address = NodeAddress::try_from(server)?;
        let (host, port) = (address.host().to_owned(), address.port());
        let route = SingleNodeRoutingInfo::ByAddress { host, port };
        Ok(self.exchange(pipeline, route, Instant::now() + timeout).await)
    }

    /// The nodes that take writes.
    pub(crate) fn servers(&self) -> Vec<String> {
        self.nodes.topology().primaries().iter().map(NodeAddress::to_string).collect()
    }

    /// Says that what is asked from now on is asked for others.
    pub(crate) fn begin(&self) {
        self.nodes.begin();
    }

    /// Waits until no node answers.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let nodes = self.nodes.clone();
        async move { nodes.ended().await }
    }

    /// Whether a reply that is too long has ended a connection.
    pub(crate) fn was_cut(&self) -> bool {
        self.nodes.was_cut()
    }

    /// Sends groups of commands at the same time, and puts the replies into their places.
    async fn send_groups(
        &self,
        pipeline: &Pipeline,
        slots: &[Slot],
        groups: Vec<Vec<usize>>,
        deadline: Instant,
        replies: &mut [RedisResult<Value>],
    ) {
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let mut exchanges = JoinSet::new();
        for positions in groups {
            let mut part = redis::pipe();
            for position in &positions {
                part.add_command(commands[*position].clone());
            }
            let route = self.route(&part, slots[positions[0]]);
            let cluster = self.clone();
            exchanges
                .spawn(async move { (positions, cluster.exchange(part, route, deadline).await) });
        }
        while let Some(done) = exchanges.join_next().await {
            let Ok((positions, answers)) = done else { continue };
            for (position, answer) in positions.into_iter().zip(answers) {
                replies[position] = answer;
            }
        }
    }

    /// Has redis-rs send commands to one node.
    async fn exchange(
        &self,
        pipeline: Pipeline,
        route: SingleNodeRoutingInfo,
        deadline: Instant,
    ) -> Vec<RedisResult<Value>> {
        let count = pipeline.len();
        let mut connection = self.connection.clone();
        let answers = connection.route_pipeline(pipeline, 0, count, route);
        let error = match tokio::time::timeout_at(deadline.into(), answers).await {
            Ok(Ok(answers)) if answers.len() == count => {
                return answers.into_iter().map(Value::extract_error).collect();
            }
            Ok(Ok(_)) => away("it does not answer each command"),
            Ok(Err(error)) => error,
            Err(_) => {
                self.nodes.give_up_silent(self.patience);
                late()
            }
        };
        vec![Err(error); count]
    }

    fn route(&self, pipeline: &Pipeline, slot: Slot) -> SingleNodeRoutingInfo {
        let are_reads = pipeline.cmd_iter().all(|cmd| READS.contains(&word(cmd, 0)));
        let node = match are_reads && self.reads_replicas {
            true => SlotAddr::ReplicaOptional,
            false => SlotAddr::Master,
        };
        SingleNodeRoutingInfo::SpecificNode(Route::with_slot(slot, node))
    }

    /// The slot of a command's first key.
    fn slot(&self, cmd: &Cmd) -> Slot {
        match word(cmd, 0) {
            command if KEYLESS.contains(&command) => self.home,
            b"MEMORY" => Slot::for_key(word(cmd, 2)),
            _ => Slot::for_key(word(cmd, 1)),
        }
    }
}

fn word(cmd: &Cmd, index: usize) -> &[u8] {
    match cmd.args_iter().nth(index) {
        Some(Arg::Simple(word)) => word,
        _ => &[],
    }
}

/// Whether another node has to be asked.
fn is_elsewhere(reply: &RedisResult<Value>) -> bool {
    reply.as_ref().is_err_and(|error| error.code() == Some(ELSEWHERE))
}
