//! The nodes of a cluster that have been heard of, and what is known of all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, RwLock, Weak};
use std::time::{Duration, Instant};

use redis::RedisError;
use redis::cluster::NodeAddress;
use tokio::sync::Notify;

use crate::store::redis::connection::cluster::node::{Dialler, Node};
use crate::store::redis::connection::cluster::topology::Topology;
use crate::store::redis::connection::generations::Generations;
use crate::store::redis::url::RedisUrl;

/// How often a node that does not answer has the others asked for the slots: after a fail-over
/// another has its own.
const QUESTION_PAUSE: Duration = Duration::from_millis(200);

/// The nodes by number of the cluster: redis-rs makes connections with a function that knows
/// nothing but an address, a user and a password.
static CLUSTERS: LazyLock<Mutex<HashMap<u64, Weak<Nodes>>>> = LazyLock::new(Mutex::default);
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Nodes {
    pub(crate) number: u64,
    dialler: Arc<Dialler>,
    nodes: Mutex<HashMap<NodeAddress, Weak<Node>>>,
    topology: RwLock<Arc<Topology>>,
    /// When the slots were last asked for.
    asked: Mutex<Option<Instant>>,
}

impl Nodes {
    pub(crate) fn new(
        url: &RedisUrl,
        reads_replicas: bool,
        generations: Arc<Generations>,
    ) -> Arc<Nodes> {
        let dialler = Arc::new(Dialler {
            url: url.clone(),
            reads_replicas,
            generations,
            changed: Notify::new(),
            is_in_use: AtomicBool::new(false),
            was_cut: AtomicBool::new(false),
        });
        let nodes = Arc::new(Nodes {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            dialler,
            nodes: Mutex::default(),
            topology: RwLock::new(Arc::new(Topology::unknown())),
            asked: Mutex::default(),
        });
        let mut clusters = CLUSTERS.lock().expect("nobody panics while holding it");
        clusters.insert(nodes.number, Arc::downgrade(&nodes));
        nodes
    }

    /// Those of a cluster, by its number.
    pub(crate) fn find(number: &str) -> Option<Arc<Nodes>> {
        let clusters = CLUSTERS.lock().expect("nobody panics while holding it");
        clusters.get(&number.parse().ok()?)?.upgrade()
    }

    /// The node at an address; it connects with the first command.
    pub(crate) fn node(&self, address: &NodeAddress) -> Arc<Node> {
        let mut nodes = self.nodes.lock().expect("nobody panics while holding it");
        if let Some(node) = nodes.get(address).and_then(Weak::upgrade) {
            return node;
        }
        nodes.retain(|_, node| node.strong_count() > 0);
        let node = Arc::new(Node::new(address.clone(), self.dialler.clone()));
        nodes.insert(address.clone(), Arc::downgrade(&node));
        node
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.topology.read().expect("nobody panics while holding it").clone()
    }

    pub(crate) fn learn(&self, topology: Topology) {
        *self.topology.write().expect("nobody panics while holding it") = Arc::new(topology);
    }

    /// Whether it is time to ask for the slots, for a node that does not answer.
    pub(crate) fn is_time_to_ask(&self) -> bool {
        let mut asked = self.asked.lock().expect("nobody panics while holding it");
        let is_time = asked.is_none_or(|asked| asked.elapsed() >= QUESTION_PAUSE);
        if is_time {
            *asked = Some(Instant::now());
        }
        is_time
    }

    /// Gives up the connections that owe an answer for so long.
    pub(crate) fn give_up_silent(&self, patience: Duration) {
        self.all().iter().for_each(|node| node.give_up_if_silent(patience));
    }

    /// Says that from now on single nodes are worth a line in the log.
    pub(crate) fn begin(&self) {
        self.dialler.is_in_use.store(true, Ordering::Relaxed);
    }

    /// Whether a node does not answer.
    pub(crate) fn is_away(&self, address: &NodeAddress) -> bool {
        let nodes = self.nodes.lock().expect("nobody panics while holding it");
        let node = nodes.get(address).and_then(Weak::upgrade);
        drop(nodes);
        node.is_some_and(|node| node.trouble().is_some())
    }

    /// Why none answers, if none does.
    pub(crate) fn trouble(&self) -> Option<RedisError> {
        let nodes = self.all();
        let troubles = nodes.iter().filter(|node| node.is_wanted()).map(|node| node.trouble());
        let troubles: Vec<_> = troubles.collect::<Option<_>>()?;
        // A certificate or a password, if it is that, rather than that one seed is not there.
        let says_more = |error: &RedisError| !error.is_connection_refusal() && !error.is_timeout();
        troubles.into_iter().max_by_key(says_more)
    }

    /// Waits until none answers.
    pub(crate) async fn ended(&self) {
        while self.trouble().is_none() {
            self.dialler.changed.notified().await;
        }
    }

    /// Whether a reply that is too long has ended a connection.
    pub(crate) fn was_cut(&self) -> bool {
        self.dialler.was_cut.load(Ordering::Relaxed) || self.all().iter().any(|node| node.was_cut())
    }

    fn all(&self) -> Vec<Arc<Node>> {
        let nodes = self.nodes.lock().expect("nobody panics while holding it");
        nodes.values().filter_map(Weak::upgrade).collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        CLUSTERS.lock().expect("nobody panics while holding it").remove(&self.number);
    }
}
