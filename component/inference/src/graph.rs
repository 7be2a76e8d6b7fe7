//! The graph of the file, checked and cut down before it is built.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::LoadError;
use crate::node::{node_name, operator_name};
use crate::ops;
use crate::proto::{GraphProto, NodeProto, TensorTypeProto, ValueInfoProto};
use crate::tensor::Element;

/// Cuts a graph down to what the wanted outputs depend on, and checks that it hangs together.
///
/// Inputs stay as they are. Gives the names of all tensors that are left.
pub(crate) fn prune(
    graph: &mut GraphProto,
    wanted: &[String],
) -> Result<BTreeSet<String>, LoadError> {
    let mut givers = BTreeMap::new();
    for (position, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if givers.insert(name.as_str(), position).is_some() {
                return Err(LoadError::Graph(format!("two nodes give the tensor '{name}'")));
            }
        }
    }
    let mut names: BTreeSet<String> = wanted.iter().cloned().collect();
    let mut open: Vec<String> = wanted.to_vec();
    let mut positions = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(&position) = givers.get(name.as_str()) else { continue };
        if positions.insert(position) {
            let inputs = reads(&graph.node[position]).into_iter().map(String::from);
            open.extend(inputs.filter(|input| names.insert(input.clone())));
        }
    }
    let mut position = 0;
    graph.node.retain(|_| {
        position += 1;
        positions.contains(&(position - 1))
    });
    graph.initializer.retain(|initializer| names.contains(&initializer.name));
    graph.output.retain(|output| wanted.contains(&output.name));
    check(graph)?;
    Ok(names)
}

/// The name of a node in tract's graph, by its position in the file's. Names of nodes must differ
/// there; in a file they need not.
pub(crate) fn typed_name(position: usize, node: &NodeProto) -> String {
    format!("{position}:{}", node.name)
}

/// Checks that every tensor is there before it is read, and that all operators are supported.
fn check(graph: &GraphProto) -> Result<(), LoadError> {
    let mut given: BTreeSet<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    let mut initialized = BTreeSet::new();
    for initializer in &graph.initializer {
        let name = &initializer.name;
        if !initialized.insert(name.clone()) {
            return Err(LoadError::Graph(format!("there are two initializers '{name}'")));
        }
        given.insert(name.clone());
    }
    for node in &graph.node {
        ops::find(node)?;
        let failed = |reason| LoadError::Node {
            operator: operator_name(node),
            node: node_name(node),
            reason,
        };
        if let Some(name) = reads(node).into_iter().find(|it| !given.contains(*it)) {
            let reason = format!("it reads '{name}', which no input or earlier node gives");
            return Err(failed(reason));
        }
        if let Some(name) = node.output.iter().find(|it| given.contains(*it)) {
            return Err(failed(format!("it gives '{name}', which is there already")));
        }
        given.extend(node.output.iter().filter(|name| !name.is_empty()).cloned());
    }
    match graph.output.iter().find(|output| !given.contains(&output.name)) {
        Some(output) => {
            Err(LoadError::Graph(format!("nothing in it gives the output '{}'", output.name)))
        }
        None => Ok(()),
    }
}

/// What an input or output is.
pub(crate) enum Kind<'a> {
    Tensor(&'a TensorTypeProto),
    /// A map from keys to single values, of these element types.
    Map {
        key: i32,
        value: i32,
    },
    /// A sequence, or what has no type.
    Other,
}

pub(crate) fn kind(info: &ValueInfoProto) -> Kind<'_> {
    let Some(r#type) = &info.r#type else { return Kind::Other };
    match (&r#type.tensor_type, &r#type.map_type) {
        (Some(tensor), _) => Kind::Tensor(tensor),
        (None, Some(map)) => match map.value_type.as_ref().and_then(|it| it.tensor_type.as_ref()) {
            Some(value) => Kind::Map { key: map.key_type, value: value.elem_type },
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// Name, type and shape for people, e.g. `'age' (float32, [?, 1])`.
pub(crate) fn show(info: &ValueInfoProto) -> String {
    let element = |number: i32| {
        Element::from_onnx(number)
            .map_or_else(|_| format!("type {number}"), |element| element.to_string())
    };
    let tensor = match kind(info) {
        Kind::Tensor(tensor) => tensor,
        Kind::Map { key, value } => {
            return format!("'{}' (a map from {} to {})", info.name, element(key), element(value));
        }
        Kind::Other => return format!("'{}' (a sequence)", info.name),
    };
    let shape = match &tensor.shape {
        None => "any shape".into(),
        Some(shape) => {
            let dims = shape.dim.iter().map(|dim| match (dim.dim_value, &*dim.dim_param) {
                (Some(size), _) => size.to_string(),
                (None, "") => "?".into(),
                (None, name) => name.into(),
            });
            format!("[{}]", dims.collect::<Vec<_>>().join(", "))
        }
    };
    format!("'{}' ({}, {shape})", info.name, element(tensor.elem_type))
}

/// The names of all tensors that a node reads: its inputs, and what graphs inside it read of the
/// graph around them.
pub(crate) fn reads(node: &NodeProto) -> Vec<&str> {
    let inputs = node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
    inputs.chain(captured(node)).collect()
}

/// What graphs inside a node read of the graph around them, each once.
pub(crate) fn captured(node: &NodeProto) -> Vec<&str> {
    let mut captured = BTreeSet::new();
    for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        let mut own: BTreeSet<&str> = body.input.iter().map(|it| &*it.name).collect();
        own.extend(body.initializer.iter().map(|it| &*it.name));
        own.extend(body.node.iter().flat_map(|it| &it.output).map(String::as_str));
        let outputs = body.output.iter().map(|it| &*it.name);
        let read = body.node.iter().flat_map(reads).chain(outputs);
        captured.extend(read.filter(|name| !own.contains(name)));
    }
    captured.into_iter().collect()
}
