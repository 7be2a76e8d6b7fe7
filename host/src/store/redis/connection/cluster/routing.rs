//! Which of a shard's nodes reads go to; besides, redis-rs tells here what it finds out.

use std::sync::{Arc, Weak};

use redis::cluster::NodeAddress;
use redis::cluster_read_routing::{
    ClusterTopology, RandomReplicaStrategy, ReadCandidates, ReadRoutingStrategy,
    ReadRoutingStrategyFactory,
};

use crate::store::redis::connection::cluster::nodes::Nodes;
use crate::store::redis::connection::cluster::topology::Topology;

#[derive(Clone)]
pub(crate) struct Routing {
    nodes: Weak<Nodes>,
    reads_replicas: bool,
}

impl Routing {
    pub(crate) fn new(nodes: &Arc<Nodes>, reads_replicas: bool) -> Routing {
        Routing { nodes: Arc::downgrade(nodes), reads_replicas }
    }
}

impl ReadRoutingStrategyFactory for Routing {
    fn create_strategy(&self) -> Box<dyn ReadRoutingStrategy> {
        Box::new(self.clone())
    }
}

impl ReadRoutingStrategy for Routing {
    fn on_topology_changed(&self, topology: ClusterTopology) {
        if let Some(nodes) = self.nodes.upgrade() {
            nodes.learn(Topology::new(topology));
        }
    }

    fn route_read<'a>(&self, candidates: &ReadCandidates<'a>) -> &'a NodeAddress {
        let primary = match candidates {
            ReadCandidates::AnyNode(candidates) => candidates.primary(),
            other => return RandomReplicaStrategy.route_read(other),
        };
        if !self.reads_replicas {
            return primary;
        }
        let replica = RandomReplicaStrategy.route_read(candidates);
        // While it does not answer, the primary does.
        match self.nodes.upgrade().is_some_and(|nodes| nodes.is_away(replica)) {
            true => primary,
            false => replica,
        }
    }
}
