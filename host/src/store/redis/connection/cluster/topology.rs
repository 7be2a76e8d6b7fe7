//! Which node has which slots, as redis-rs found it out.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use redis::cluster::NodeAddress;
use redis::cluster_read_routing::ClusterTopology;
use redis::cluster_routing::Slot;

/// As every cluster has them.
const SLOTS: u16 = 16384;

/// The slots' owners at some moment.
pub(crate) struct Topology(Option<ClusterTopology>);

impl Topology {
    /// Nothing is known yet.
    pub(crate) fn unknown() -> Topology {
        Topology(None)
    }

    pub(crate) fn new(topology: ClusterTopology) -> Topology {
        Topology(Some(topology))
    }

    /// The nodes that take writes, in the order of their addresses.
    pub(crate) fn primaries(&self) -> Vec<NodeAddress> {
        let shards = self.0.iter().flat_map(ClusterTopology::shards);
        let primaries: BTreeSet<_> = shards.map(|shard| shard.primary().clone()).collect();
        primaries.into_iter().collect()
    }

    /// Positions in a list of slots, grouped by the node that has them; by slot where it is not
    /// known.
    pub(crate) fn group(&self, slots: &[Slot]) -> Vec<Vec<usize>> {
        #[derive(PartialEq, Eq, Hash)]
        enum Owner<'a> {
            Node(&'a NodeAddress),
            Unknown(Slot),
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<Owner<'_>, usize> = HashMap::new();
        for (position, slot) in slots.iter().enumerate() {
            let shard = self.0.as_ref().and_then(|it| it.shard_for_slot(number(*slot)));
            let owner = shard.map_or(Owner::Unknown(*slot), |shard| Owner::Node(shard.primary()));
            let group = *known.entry(owner).or_insert_with(|| {
                groups.push(vec![]);
                groups.len() - 1
            });
            groups[group].push(position);
        }
        groups
    }
}

/// The number of a slot, which redis-rs takes but does not tell.
fn number(slot: Slot) -> u16 {
    static NUMBERS: OnceLock<HashMap<Slot, u16>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        (0..SLOTS).filter_map(|number| Some((Slot::new(number)?, number))).collect()
    });
    numbers[&slot]
}

#[cfg(test)]
mod tests {
    use redis::cluster_read_routing::Shard;

    use super::*;

    #[test]
    fn slots_are_grouped_by_their_primary() {
        let address = |port| NodeAddress::new("host", port);
        let shard = |ranges: &[(u16, u16)], port| Shard::new(ranges, address(port), vec![]);
        let shards = vec![shard(&[(0, 99), (200, 299)], 2), shard(&[(100, 199)], 1)];
        let topology = Topology::new(ClusterTopology::from_shards(shards));
        assert_eq!(topology.primaries(), [address(1), address(2)]);
        let slots = [250, 150, 0, 16383, 199, 16383, 5000].map(|slot| Slot::new(slot).unwrap());
        let groups = topology.group(&slots);
        assert_eq!(groups, [vec![0, 2], vec![1, 4], vec![3, 5], vec![6]]);
    }
}
