//! Which class each column of a classifier's output is for.

use crate::draft::upstream::Givers;
use crate::proto::{AttributeProto, GraphProto, NodeProto};
use crate::tensor::{self, View};

/// The attributes that have class labels, of all operators.
const LABELS: [&str; 3] = ["classlabels_strings", "classlabels_ints", "classlabels_int64s"];

/// The classes of a tensor with so many columns, in their order.
///
/// The nearest classifier before it has them, or else what makes the label of the position of the
/// largest column.
pub(super) fn find(
    graph: &GraphProto,
    givers: &Givers<'_>,
    tensor: &str,
    columns: usize,
) -> Option<Vec<String>> {
    let fits = |labels: &Vec<String>| labels.len() == columns && columns > 1;
    let labels = |node: &NodeProto| {
        let attributes = node.attribute.iter().filter(|it| LABELS.contains(&&*it.name));
        attributes.map(texts).find(fits)
    };
    let nodes = givers.nodes(tensor);
    let of_node = nodes.into_iter().find_map(labels);
    of_node.or_else(|| graph.node.iter().find_map(|node| picked(graph, givers, node).filter(fits)))
}

fn texts(attribute: &AttributeProto) -> Vec<String> {
    let strings = attribute.strings.iter().map(|it| String::from_utf8_lossy(it).into_owned());
    let integers = attribute.ints.iter().map(i64::to_string);
    strings.chain(integers).collect()
}

/// The elements of a list of which a node picks the one at the position of the largest column.
fn picked(graph: &GraphProto, givers: &Givers<'_>, node: &NodeProto) -> Option<Vec<String>> {
    if !["ArrayFeatureExtractor", "Gather"].contains(&&*node.op_type) {
        return None;
    }
    let [list, position] = &node.input[..] else { return None };
    let list = graph.initializer.iter().find(|initializer| initializer.name == *list)?;
    let nodes = givers.nodes(position);
    nodes.iter().find(|node| node.op_type == "ArgMax")?;
    let list = tensor::read(list).ok()?;
    match View::of(&list).ok()? {
        View::Text(texts) => Some(texts.to_vec()),
        view => (0..view.len()).map(|i| view.integer(i).map(|it| it.to_string())).collect(),
    }
}
