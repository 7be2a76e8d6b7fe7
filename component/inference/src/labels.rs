//! Classes that a model says itself, as numbers: what is stored are numbers, and a class may be a text
//! that follows from none of them.
//!
//! Of a class that is a text its number is the position among the classes that the file lists.

use crate::graph::{self, Kind};
use crate::ops;
use crate::proto::{
    AttributeProto, AttributeType, GraphProto, NodeProto, OperatorSetIdProto, ValueInfoProto,
};
use crate::tensor::{self, Element, View};
use crate::upstream::Givers;

/// The attributes that have class labels, of all operators.
const LABELS: [&str; 3] = ["classlabels_strings", "classlabels_ints", "classlabels_int64s"];
/// The version of `ai.onnx.ml` in a file that has no operator of it.
const ML_OPSET: i64 = 3;
/// What a text becomes that is no class: too large to be an output, so that it is an error.
const NO_CLASS: i64 = i64::MAX;

/// The class labels that a node has as an attribute.
pub(crate) fn of_classifier(node: &NodeProto) -> impl Iterator<Item = Vec<String>> {
    node.attribute.iter().filter(|it| LABELS.contains(&&*it.name)).map(texts)
}

/// The constant list of which a node picks an element.
pub(crate) fn list(graph: &GraphProto, node: &NodeProto) -> Option<Vec<String>> {
    if !["ArrayFeatureExtractor", "Gather"].contains(&&*node.op_type) {
        return None;
    }
    let list = graph.initializer.iter().find(|it| Some(&it.name) == node.input.first())?;
    let list = tensor::read(list).ok()?;
    match View::of(&list).ok()? {
        View::Text(texts) => Some(texts.to_vec()),
        view => (0..view.len()).map(|i| view.integer(i).map(|it| it.to_string())).collect(),
    }
}

/// Each number that a label may be, ascending, and the class that it stands for; empty where the
/// file does not list at least two.
pub(crate) fn numbered(graph: &GraphProto, givers: &Givers<'_>, label: &str) -> Vec<(i64, String)> {
    let classes = classes(graph, givers, label).unwrap_or_default();
    let is_text = graph.output.iter().any(|it| it.name == label && is_text(it));
    let numbers = classes.iter().enumerate().map(|(position, class)| match is_text {
        true => Some(position as i64),
        false => class.parse().ok(),
    });
    let Some(numbers) = numbers.collect::<Option<Vec<i64>>>() else { return Vec::new() };
    let mut numbered: Vec<(i64, String)> = numbers.into_iter().zip(classes).collect();
    numbered.sort_unstable();
    numbered.dedup_by_key(|(number, _)| *number);
    if numbered.len() > 1 { numbered } else { Vec::new() }
}

/// Makes numbers of those outputs that are classes and texts.
pub(crate) fn encode(
    graph: &mut GraphProto,
    operator_sets: &mut Vec<OperatorSetIdProto>,
    outputs: &[String],
) {
    for output in outputs {
        let found = graph.output.iter().find(|it| it.name == *output);
        if !found.is_some_and(is_text) {
            continue;
        }
        let Some(classes) = classes(graph, &Givers::of(graph), output) else { continue };
        // A graph inside a node knows it by its name.
        if graph.node.iter().any(|node| graph::captured(node).contains(&output.as_str())) {
            continue;
        }
        let mut text = format!("{output} as a text");
        while graph.node.iter().any(|node| node.output.contains(&text)) {
            text.push('_');
        }
        for node in &mut graph.node {
            let names = node.input.iter_mut().chain(&mut node.output);
            names.filter(|name| **name == *output).for_each(|name| name.clone_from(&text));
        }
        graph.node.push(encoder(&text, output, classes));
        if !operator_sets.iter().any(|it| ops::domain(&it.domain) == ops::ML) {
            let domain = ops::ML.to_owned();
            operator_sets.push(OperatorSetIdProto { domain, version: ML_OPSET });
        }
    }
}

/// The classes that a label is one of, in the order of the file: those of the classifier that gives
/// it, or of the list that it is picked from.
fn classes(graph: &GraphProto, givers: &Givers<'_>, label: &str) -> Option<Vec<String>> {
    let node = givers.origin(label)?;
    let classes = of_classifier(node).find(|classes| !classes.is_empty());
    classes.or_else(|| list(graph, node))
}

/// What makes positions of texts.
fn encoder(text: &str, output: &str, classes: Vec<String>) -> NodeProto {
    let strings = AttributeProto {
        name: "classes_strings".into(),
        strings: classes.into_iter().map(String::into_bytes).collect(),
        r#type: AttributeType::Strings as i32,
        ..AttributeProto::default()
    };
    let default = AttributeProto {
        name: "default_int64".into(),
        i: NO_CLASS,
        r#type: AttributeType::Int as i32,
        ..AttributeProto::default()
    };
    NodeProto {
        input: vec![text.to_owned()],
        output: vec![output.to_owned()],
        name: format!("{output} as a number"),
        op_type: "LabelEncoder".into(),
        attribute: vec![strings, default],
        domain: ops::ML.into(),
        ..NodeProto::default()
    }
}

fn is_text(info: &ValueInfoProto) -> bool {
    match graph::kind(info) {
        Kind::Tensor(tensor) => Element::from_onnx(tensor.elem_type) == Ok(Element::Text),
        Kind::Map { .. } | Kind::Other => false,
    }
}

fn texts(attribute: &AttributeProto) -> Vec<String> {
    let strings = attribute.strings.iter().map(|it| String::from_utf8_lossy(it).into_owned());
    let integers = attribute.ints.iter().map(i64::to_string);
    strings.chain(integers).collect()
}
