//! The graph of the file, checked and cut down before it is built.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::LoadError;
use crate::node::{node_name, operator_name};
use crate::ops;
use crate::proto::{GraphProto, TensorTypeProto, ValueInfoProto};
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
            let inputs = graph.node[position].input.iter().filter(|input| !input.is_empty());
            open.extend(inputs.filter(|&input| names.insert(input.clone())).cloned());
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
        if let Some(name) = node.input.iter().find(|it| !it.is_empty() && !given.contains(*it)) {
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

/// The type of a tensor; `None` for sequences and maps.
pub(crate) fn tensor_type(info: &ValueInfoProto) -> Option<&TensorTypeProto> {
    info.r#type.as_ref()?.tensor_type.as_ref()
}

/// Name, type and shape for people, e.g. `'age' (float32, [?, 1])`.
pub(crate) fn show(info: &ValueInfoProto) -> String {
    let Some(tensor) = tensor_type(info) else {
        return format!("'{}' (not a tensor)", info.name);
    };
    let element = Element::from_onnx(tensor.elem_type)
        .map_or_else(|_| format!("type {}", tensor.elem_type), |element| element.to_string());
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
    format!("'{}' ({element}, {shape})", info.name)
}
