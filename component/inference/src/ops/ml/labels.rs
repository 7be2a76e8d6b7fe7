//! The class labels of a classifier.

use crate::node::Node;
use crate::tensor::{Element, ViewMut};

#[derive(Debug)]
pub(crate) enum Labels {
    Text(Vec<String>),
    Integer(Vec<i64>),
}

impl Labels {
    /// Reads strings, or integers from the attribute that an operator has for them.
    pub(crate) fn of(node: &Node<'_>, integers: &str) -> Result<Labels, String> {
        Ok(if node.has_attribute("classlabels_strings") {
            Labels::Text(node.strings("classlabels_strings")?)
        } else {
            Labels::Integer(node.ints(integers)?.to_vec())
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Labels::Text(labels) => labels.len(),
            Labels::Integer(labels) => labels.len(),
        }
    }

    pub(crate) fn element(&self) -> Element {
        match self {
            Labels::Text(_) => Element::Text,
            Labels::Integer(_) => Element::I64,
        }
    }

    /// Writes the label of a class as the element of a row, unless nothing reads labels.
    pub(crate) fn put(&self, class: usize, target: &mut ViewMut<'_>, row: usize) {
        if target.len() == 0 {
            return;
        }
        match (self, target) {
            (Labels::Text(labels), ViewMut::Text(target)) => target[row].clone_from(&labels[class]),
            (Labels::Integer(labels), ViewMut::I64(target)) => target[row] = labels[class],
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
    }
}
