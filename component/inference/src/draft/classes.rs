//! Which class each column of a classifier's output is for.

use crate::labels;
use crate::proto::{GraphProto, NodeProto};
use crate::upstream::Givers;

/// The classes of a tensor with so many columns, in their order; of one column both of two.
///
/// The nearest classifier before it has them, or else what makes the label of the position of the
/// largest column.
pub(super) fn find(
    graph: &GraphProto,
    givers: &Givers<'_>,
    tensor: &str,
    columns: usize,
) -> Option<Vec<String>> {
    let fits = |labels: &Vec<String>| labels.len() == columns.max(2);
    let nodes = givers.nodes(tensor);
    let of_node = nodes.into_iter().find_map(|node| labels::of_classifier(node).find(fits));
    of_node.or_else(|| graph.node.iter().find_map(|node| picked(graph, givers, node).filter(fits)))
}

/// The elements of a list of which a node picks the one at the position of the largest column.
fn picked(graph: &GraphProto, givers: &Givers<'_>, node: &NodeProto) -> Option<Vec<String>> {
    let list = labels::list(graph, node)?;
    let nodes = givers.nodes(node.input.get(1)?);
    nodes.iter().any(|node| node.op_type == "ArgMax").then_some(list)
}
