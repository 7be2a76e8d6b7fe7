//! Functions of a file, put in where they are called.
//!
//! A file may have functions of its own, which nodes call as if they were operators. Once their
//! nodes stand in place of each call there is one graph, and nothing else here has to know of them.
//! A short file can come to a billion nodes, where each function calls the next one twice, and to
//! gigabytes, where a large constant is copied with each call: so there are limits.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::error::LoadError;
use crate::node::{node_name, operator_name};
use crate::ops;
use crate::opset;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

/// Most nodes that all calls together are replaced by.
const MAX_NODES: usize = 1 << 14;
/// Most bytes that they have.
const MAX_BYTES: usize = 1 << 26;
/// What each input, output and attribute of a function counts in a call.
const ENTRY: usize = 1 << 6;
/// Most calls and graphs inside each other.
const MAX_DEPTH: usize = 32;
/// What the names inside functions begin with, so many times that no other name does.
const MARK: char = '~';

/// Reads a file and puts in its functions.
pub(crate) fn read(model: &[u8]) -> Result<ModelProto, LoadError> {
    let mut proto = ModelProto::decode(model).map_err(|e| LoadError::NotOnnx(e.to_string()))?;
    let functions = std::mem::take(&mut proto.functions);
    let Some(graph) = &mut proto.graph else { return Ok(proto) };
    if functions.is_empty() {
        return Ok(proto);
    }
    let mut known = BTreeMap::new();
    for function in &functions {
        let key = (ops::domain(&function.domain), &*function.name, &*function.overload);
        if known.insert(key, function).is_some() {
            let name = shown(function);
            return Err(LoadError::Graph(format!("there are two functions '{name}'")));
        }
    }
    let longest =
        marks(graph).max(functions.iter().map(|it| marks_of(&it.node)).max().unwrap_or(0));
    let mark = MARK.to_string().repeat(longest + 1);
    let mut inlining =
        Inlining { known, mark, open: Vec::new(), depth: 0, calls: 0, nodes: 0, bytes: 0 };
    graph.node = inlining.expand(std::mem::take(&mut graph.node))?;
    Ok(proto)
}

/// Domain, name and overload.
type Key<'a> = (&'a str, &'a str, &'a str);

struct Inlining<'a> {
    known: BTreeMap<Key<'a>, &'a FunctionProto>,
    mark: String,
    /// The functions that are being put in, each called by the one before it.
    open: Vec<&'a FunctionProto>,
    /// How many calls and graphs are around a node.
    depth: usize,
    calls: usize,
    nodes: usize,
    bytes: usize,
}

/// A call of a function.
struct Call<'a> {
    function: &'a FunctionProto,
    /// What the names of its inputs and outputs stand for.
    names: BTreeMap<&'a str, String>,
    attributes: BTreeMap<&'a str, &'a AttributeProto>,
    /// The names of those that it may have.
    declared: BTreeSet<&'a str>,
    /// What its other names begin with.
    prefix: String,
    opsets: (i64, i64),
}

impl<'a> Inlining<'a> {
    /// Nodes without calls.
    fn expand(&mut self, nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>, LoadError> {
        let mut expanded = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for body in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
                self.deeper(&node.op_type)?;
                body.node = self.expand(std::mem::take(&mut body.node))?;
                self.depth -= 1;
            }
            let key = (ops::domain(&node.domain), &*node.op_type, &*node.overload);
            match self.known.get(&key).copied() {
                Some(function) => expanded.extend(self.call(&node, function)?),
                None => expanded.push(node),
            }
        }
        Ok(expanded)
    }

    /// The nodes of a function as a call needs them.
    fn call(
        &mut self,
        node: &NodeProto,
        function: &'a FunctionProto,
    ) -> Result<Vec<NodeProto>, LoadError> {
        let failed = |reason| LoadError::Node {
            operator: operator_name(node),
            node: node_name(node),
            reason,
        };
        for (what, found, expected) in [
            ("inputs", node.input.len(), function.input.len()),
            ("outputs", node.output.len(), function.output.len()),
        ] {
            if found > expected {
                let reason =
                    format!("{found} {what}, expected at most {expected}, as its function");
                return Err(failed(reason));
            }
        }
        if let Some(first) = self.open.iter().position(|open| std::ptr::eq(*open, function)) {
            let circle = self.open[first..].iter().chain([&function]).map(|it| shown(it));
            return Err(LoadError::Graph(format!(
                "the function '{}' calls itself: {}",
                shown(function),
                circle.collect::<Vec<_>>().join(", ")
            )));
        }
        self.calls += 1;
        let declared = function.attribute.len() + function.attribute_proto.len();
        let tables = declared + function.input.len() + function.output.len();
        self.spend(function, 1, tables * ENTRY)?;
        let mut attributes: BTreeMap<&str, &AttributeProto> =
            function.attribute_proto.iter().map(|it| (&*it.name, it)).collect();
        let defaults = function.attribute_proto.iter().map(|it| &*it.name);
        let declared = function.attribute.iter().map(|it| &**it).chain(defaults);
        let declared: BTreeSet<&str> = declared.collect();
        for attribute in &node.attribute {
            let name = &attribute.name;
            if !declared.contains(&**name) {
                return Err(failed(format!("the attribute '{name}', which its function has not")));
            }
            attributes.insert(name, attribute);
        }
        let mut names = BTreeMap::new();
        let outputs = function.output.iter().zip(&node.output);
        names.extend(outputs.filter(|(_, it)| !it.is_empty()).map(|(a, b)| (&**a, b.clone())));
        // Those that are left out at the end are left out inside, too.
        let inputs = node.input.iter().cloned().chain(std::iter::repeat(String::new()));
        names.extend(function.input.iter().map(|it| &**it).zip(inputs));
        let call = Call {
            function,
            names,
            attributes,
            declared,
            prefix: format!("{}{}:", self.mark, self.calls),
            opsets: opset::versions(&function.node, &function.opset_import)?,
        };
        self.deeper(&function.name)?;
        self.open.push(function);
        let body = self.copies(&function.node, &call)?;
        let body = self.expand(body)?;
        self.open.pop();
        self.depth -= 1;
        Ok(body)
    }

    fn copies(
        &mut self,
        nodes: &[NodeProto],
        call: &Call<'_>,
    ) -> Result<Vec<NodeProto>, LoadError> {
        nodes.iter().map(|node| self.copy(node, call)).collect()
    }

    fn copy(&mut self, node: &NodeProto, call: &Call<'_>) -> Result<NodeProto, LoadError> {
        let function = call.function;
        let name = format!("{}/{}", function.name, node_name(node));
        self.spend(function, 1, name.len())?;
        let mut attribute = Vec::with_capacity(node.attribute.len());
        for it in &node.attribute {
            attribute.extend(self.attribute(it, call)?);
        }
        Ok(NodeProto {
            input: self.names(&node.input, call)?,
            output: self.names(&node.output, call)?,
            name,
            op_type: node.op_type.clone(),
            attribute,
            domain: node.domain.clone(),
            overload: node.overload.clone(),
            opset: Some(call.opsets.0),
            ml_opset: Some(call.opsets.1),
        })
    }

    /// An attribute of a node in a function; `None` where it is one of the function's that the call
    /// leaves out.
    fn attribute(
        &mut self,
        attribute: &AttributeProto,
        call: &Call<'_>,
    ) -> Result<Option<AttributeProto>, LoadError> {
        let reference = &attribute.ref_attr_name;
        let function = call.function;
        if !reference.is_empty() {
            let Some(&given) = call.attributes.get(&**reference) else {
                if call.declared.contains(&**reference) {
                    return Ok(None);
                }
                return Err(LoadError::Graph(format!(
                    "the function '{}' reads its attribute '{reference}', which it has not",
                    shown(function)
                )));
            };
            self.spend(function, 0, given.encoded_len())?;
            return Ok(Some(AttributeProto { name: attribute.name.clone(), ..given.clone() }));
        }
        let Some(body) = &attribute.g else {
            self.spend(function, 0, attribute.encoded_len())?;
            return Ok(Some(attribute.clone()));
        };
        let infos = body.input.iter().chain(&body.output).map(Message::encoded_len);
        let initializers = body.initializer.iter().map(Message::encoded_len);
        self.spend(function, 0, infos.chain(initializers).sum())?;
        self.deeper(&function.name)?;
        let mut copy = GraphProto {
            node: self.copies(&body.node, call)?,
            initializer: body.initializer.clone(),
            input: body.input.clone(),
            output: body.output.clone(),
        };
        self.depth -= 1;
        let infos = copy.input.iter_mut().chain(&mut copy.output).map(|it| &mut it.name);
        for name in infos.chain(copy.initializer.iter_mut().map(|it| &mut it.name)) {
            *name = self.name(name, call)?;
        }
        Ok(Some(AttributeProto {
            name: attribute.name.clone(),
            g: Some(copy),
            r#type: attribute.r#type,
            ..AttributeProto::default()
        }))
    }

    fn names(&mut self, names: &[String], call: &Call<'_>) -> Result<Vec<String>, LoadError> {
        names.iter().map(|name| self.name(name, call)).collect()
    }

    /// What a name in a function is outside of it.
    fn name(&mut self, name: &str, call: &Call<'_>) -> Result<String, LoadError> {
        let name = match call.names.get(name) {
            _ if name.is_empty() => String::new(),
            Some(name) => name.clone(),
            None => format!("{}{name}", call.prefix),
        };
        self.spend(call.function, 0, name.len())?;
        Ok(name)
    }

    fn deeper(&mut self, around: &str) -> Result<(), LoadError> {
        self.depth += 1;
        match self.depth <= MAX_DEPTH {
            true => Ok(()),
            false => Err(LoadError::Graph(format!(
                "more than {MAX_DEPTH} calls of functions and graphs inside each other, the last of \
                 them in '{around}'; export it with fewer"
            ))),
        }
    }

    fn spend(
        &mut self,
        function: &FunctionProto,
        nodes: usize,
        bytes: usize,
    ) -> Result<(), LoadError> {
        self.nodes += nodes;
        self.bytes = self.bytes.saturating_add(bytes);
        let over = match (self.nodes > MAX_NODES, self.bytes > MAX_BYTES) {
            (true, _) => format!("more than {MAX_NODES} nodes"),
            (_, true) => format!("more than {MAX_BYTES} bytes"),
            _ => return Ok(()),
        };
        Err(LoadError::Graph(format!(
            "the calls of its functions come to {over}, which is the limit, in '{}'; export it with \
             fewer calls",
            shown(function)
        )))
    }
}

fn shown(function: &FunctionProto) -> String {
    match &*function.domain {
        "" => function.name.clone(),
        domain => format!("{domain}.{}", function.name),
    }
}

/// The most marks that a name in a graph begins with.
fn marks(graph: &GraphProto) -> usize {
    let infos = graph.input.iter().chain(&graph.output).map(|it| &it.name);
    let names = infos.chain(graph.initializer.iter().map(|it| &it.name));
    names.map(|name| leading(name)).max().unwrap_or(0).max(marks_of(&graph.node))
}

fn marks_of(nodes: &[NodeProto]) -> usize {
    let names = nodes.iter().flat_map(|it| it.input.iter().chain(&it.output));
    let names = names.map(|name| leading(name));
    let graphs = nodes.iter().flat_map(|it| &it.attribute).filter_map(|it| it.g.as_ref());
    names.chain(graphs.map(marks)).max().unwrap_or(0)
}

fn leading(name: &str) -> usize {
    name.chars().take_while(|it| *it == MARK).count()
}
