//! A node of the graph as an operator's builder sees it: its attributes and its typed inputs.

use std::cell::RefCell;

use tract_hir::internal::*;

use crate::proto::{AttributeProto, AttributeType, GraphProto, NodeProto};
use crate::tensor::{self, Element, Fact, Keys, View};

/// Makes tract's graph of a graph inside a node, with inputs of these types and shapes.
pub(crate) type WireBody<'a> = dyn Fn(&GraphProto, &[Fact]) -> Result<TypedModel, String> + 'a;

/// A node whose inputs have types and shapes.
pub(crate) struct Node<'a> {
    pub(crate) proto: &'a NodeProto,
    /// Version of the `ai.onnx` operator set.
    pub(crate) opset: i64,
    /// Version of the `ai.onnx.ml` operator set.
    pub(crate) ml_opset: i64,
    /// One per input of the node; `None` where an optional input is left out. The tensors of a
    /// sequence stand side by side.
    pub(crate) operands: Vec<Option<Operand<'a>>>,
    /// How many of them are those of a sequence that is the first input.
    pub(crate) sequence: Option<usize>,
    wire_body: &'a WireBody<'a>,
    /// What its builder looked at and did.
    notes: RefCell<Notes<'a>>,
}

#[derive(Default)]
struct Notes<'a> {
    /// Attributes that it asked for.
    attributes: Vec<&'a str>,
    /// Sizes that dimensions of 1, of inputs that depend on the request, were stretched to.
    stretched: Vec<usize>,
    /// The last input that depends on the request and whose value it asked for.
    needed_value: Option<usize>,
}

/// An input of a node.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) fact: &'a Fact,
    /// Its elements, if they do not depend on the request.
    pub(crate) constant: Option<&'a Tensor>,
    /// The keys of a map, of which the tensor has the values.
    pub(crate) keys: Option<&'a Keys>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(
        proto: &'a NodeProto,
        (opset, ml_opset): (i64, i64),
        operands: Vec<Option<Operand<'a>>>,
        sequence: Option<usize>,
        wire_body: &'a WireBody<'a>,
    ) -> Node<'a> {
        Node { proto, opset, ml_opset, operands, sequence, wire_body, notes: RefCell::default() }
    }

    /// The graph that is an attribute.
    pub(crate) fn graph(&self, name: &str) -> Result<&'a GraphProto, String> {
        let found = self.attribute(name, AttributeType::Graph)?;
        let graph = found.and_then(|it| it.g.as_ref());
        graph.ok_or_else(|| format!("it has no attribute '{name}'"))
    }

    /// tract's graph of the graph that is an attribute.
    pub(crate) fn body(&self, name: &str, inputs: &[Fact]) -> Result<TypedModel, String> {
        let body = self.graph(name)?;
        // Runs of runs could go on for ever.
        if body.node.iter().flat_map(|it| &it.attribute).any(|attribute| attribute.g.is_some()) {
            return Err(format!("a graph inside its graph '{name}'"));
        }
        (self.wire_body)(body, inputs).map_err(|e| format!("its graph '{name}': {e}"))
    }

    /// Refuses inputs beyond a number, and less.
    pub(crate) fn exactly(&self, inputs: usize) -> Result<(), String> {
        (0..inputs).try_for_each(|position| self.input(position).map(drop))?;
        match self.operands.len() {
            count if count > inputs => Err(format!("{count} inputs, expected {inputs}")),
            _ => Ok(()),
        }
    }

    /// Notes that operands are stretched to a shape.
    pub(crate) fn note_stretched(&self, operands: &[Operand<'_>], shape: &[usize]) {
        let mut notes = self.notes.borrow_mut();
        for operand in operands.iter().filter(|operand| operand.constant.is_none()) {
            let sizes = operand.fact.shape.iter().rev().zip(shape.iter().rev());
            let grown = sizes.filter(|&(&from, &to)| from == 1 && to > 1);
            notes.stretched.extend(grown.map(|(_, &to)| to));
        }
    }

    /// Notes that an input would have to be a constant, and gives the reason back.
    pub(crate) fn needs_value(&self, position: usize, reason: impl Into<String>) -> String {
        self.notes.borrow_mut().needed_value = Some(position);
        reason.into()
    }

    /// The input that would have to be a constant, if one was asked for.
    pub(crate) fn needed_value(&self) -> Option<usize> {
        self.notes.borrow().needed_value
    }

    /// The sizes that were noted.
    pub(crate) fn stretched(&self) -> Vec<usize> {
        self.notes.borrow().stretched.clone()
    }

    /// Attributes that make no difference to a prediction.
    pub(crate) fn ignore(&self, names: &[&'static str]) {
        self.notes.borrow_mut().attributes.extend(names);
    }

    /// Refuses an attribute that the builder did not ask for: what it means would be left out.
    pub(crate) fn refuse_unread(&self) -> Result<(), String> {
        let notes = self.notes.borrow();
        let unread = self.proto.attribute.iter().find(|it| !notes.attributes.contains(&&*it.name));
        match unread {
            Some(it) => Err(format!("the attribute '{}', which is not supported", it.name)),
            None => Ok(()),
        }
    }

    /// The attribute of a name, and notes that it was asked for.
    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        let found = self.proto.attribute.iter().find(|it| it.name == name)?;
        self.notes.borrow_mut().attributes.push(&found.name);
        Some(found)
    }

    /// An input that must be there.
    pub(crate) fn input(&self, position: usize) -> Result<Operand<'a>, String> {
        self.optional_input(position).ok_or_else(|| format!("input {position} is missing"))
    }

    pub(crate) fn optional_input(&self, position: usize) -> Option<Operand<'a>> {
        self.operands.get(position).copied().flatten()
    }

    /// All inputs, none of which may be left out, and at least one.
    pub(crate) fn all_inputs(&self) -> Result<Vec<Operand<'a>>, String> {
        if self.operands.is_empty() {
            return Err("it has no inputs".into());
        }
        (0..self.operands.len()).map(|position| self.input(position)).collect()
    }

    /// All inputs, which must have one type.
    pub(crate) fn uniform_inputs(&self) -> Result<(Vec<Operand<'a>>, Element), String> {
        let operands = self.all_inputs()?;
        let element = operands[0].fact.element;
        match operands.iter().find(|operand| operand.fact.element != element) {
            Some(other) => Err(format!(
                "inputs of types {element} and {}, expected one type",
                other.fact.element
            )),
            None => Ok((operands, element)),
        }
    }

    /// The elements of an input that must be a constant list of integers, if it is there.
    pub(crate) fn constant_integers(&self, position: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(operand) = self.optional_input(position) else { return Ok(None) };
        let constant = operand.constant.ok_or_else(|| {
            self.needs_value(
                position,
                format!("input {position} depends on the request, expected a constant"),
            )
        })?;
        let view = View::of(constant).map_err(|e| e.to_string())?;
        let integers: Option<Vec<i64>> = (0..view.len()).map(|i| view.integer(i)).collect();
        let found = || format!("input {position} is {}, expected integers", operand.fact.element);
        integers.ok_or_else(found).map(Some)
    }

    fn attribute(
        &self,
        name: &str,
        kind: AttributeType,
    ) -> Result<Option<&'a AttributeProto>, String> {
        let Some(attribute) = self.find(name) else { return Ok(None) };
        if attribute.r#type != kind as i32 {
            return Err(format!(
                "the attribute '{name}' is of kind {}, expected {kind}",
                attribute.r#type
            ));
        }
        Ok(Some(attribute))
    }

    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, String> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|it| it.i))
    }

    pub(crate) fn float(&self, name: &str) -> Result<Option<f32>, String> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|it| it.f))
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(it) = self.attribute(name, AttributeType::String)? else { return Ok(None) };
        let value = std::str::from_utf8(&it.s)
            .map_err(|_| format!("the attribute '{name}' is not UTF-8"))?;
        Ok(Some(value))
    }

    /// Empty where the attribute is left out.
    pub(crate) fn ints(&self, name: &str) -> Result<&'a [i64], String> {
        Ok(self.attribute(name, AttributeType::Ints)?.map_or(&[], |it| &it.ints))
    }

    /// Empty where the attribute is left out.
    pub(crate) fn floats(&self, name: &str) -> Result<&'a [f32], String> {
        Ok(self.attribute(name, AttributeType::Floats)?.map_or(&[], |it| &it.floats))
    }

    /// Empty where the attribute is left out.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, String> {
        let Some(it) = self.attribute(name, AttributeType::Strings)? else { return Ok(Vec::new()) };
        it.strings
            .iter()
            .map(|bytes| tensor::text(bytes).map_err(|e| format!("the attribute '{name}': {e}")))
            .collect()
    }

    /// The bytes of a text, which need not be one.
    pub(crate) fn raw(&self, name: &str) -> Result<Option<&'a [u8]>, String> {
        Ok(self.attribute(name, AttributeType::String)?.map(|it| &it.s[..]))
    }

    /// The bytes of a tensor of uint8.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(it) = self.attribute(name, AttributeType::Tensor)? else { return Ok(None) };
        let value = it.t.as_ref().ok_or_else(|| format!("the attribute '{name}' has no tensor"))?;
        tensor::read_bytes(value).map(Some).map_err(|e| format!("the attribute '{name}': {e}"))
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>, String> {
        let Some(it) = self.attribute(name, AttributeType::Tensor)? else { return Ok(None) };
        let value = it.t.as_ref().ok_or_else(|| format!("the attribute '{name}' has no tensor"))?;
        tensor::read(value).map(Some).map_err(|e| format!("the attribute '{name}': {e}"))
    }
}

impl Operand<'_> {
    /// The type, if it is a number and not a truth value.
    pub(crate) fn numeric(&self) -> Result<Element, String> {
        match self.fact.element {
            Element::Bool | Element::Text => {
                Err(format!("an input of type {}, expected numbers", self.fact.element))
            }
            element => Ok(element),
        }
    }

    /// The type, if it is a float.
    pub(crate) fn float(&self) -> Result<Element, String> {
        match self.fact.element {
            element if element.is_float() => Ok(element),
            element => Err(format!("an input of type {element}, expected float32 or float64")),
        }
    }
}

/// The operator with its domain, e.g. `Add` or `ai.onnx.ml.Scaler`.
pub(crate) fn operator_name(node: &NodeProto) -> String {
    match &*node.domain {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// The node's name, or that of its first output.
pub(crate) fn node_name(node: &NodeProto) -> String {
    if node.name.is_empty() {
        node.output.first().cloned().unwrap_or_default()
    } else {
        node.name.clone()
    }
}

/// A dimension's position, counted from the end where it is negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let signed = rank as i64;
    let position = if axis < 0 { axis.saturating_add(signed) } else { axis };
    usize::try_from(position)
        .ok()
        .filter(|&position| position < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor with {rank} dimensions"))
}
