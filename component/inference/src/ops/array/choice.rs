//! `If`: the outputs of one of two graphs.
//!
//! Where the condition depends on the request, both are computed and one is taken, so that what a
//! model knows of categories and missing values is seen in both.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::tensor::{Element, View, ViewMut, same_type};

/// The graphs for true and for false.
pub(crate) const BRANCHES: [&str; 2] = ["then_branch", "else_branch"];

pub(crate) fn if_(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(1)?;
    for branch in BRANCHES {
        node.graph(branch)?;
    }
    let condition = node.input(0)?;
    let fact = condition.fact;
    if fact.element != Element::Bool || fact.shape.iter().any(|&size| size != 1) {
        let (element, shape) = (fact.element, &fact.shape);
        return Err(format!(
            "a condition of type {element} and shape {shape:?}, expected one bool"
        ));
    }
    let known = condition.constant.map(View::of).transpose().map_err(|e| e.to_string())?;
    Ok(Built::Choice(known.map(|view| view.number(0) != 0.0)))
}

/// The second input where the first one is true, else the third.
#[derive(Debug)]
pub(crate) struct Choose;

impl Kernel for Choose {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let chosen = if inputs[0].number(0) != 0.0 { inputs[1] } else { inputs[2] };
        same_type!(chosen, &mut outputs[0], |source, target| target.clone_from_slice(source));
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}
