//! A node of the file in tract's graph, until its types and shapes are known.
//!
//! tract infers types and shapes by rules that may run in any direction. Here the inputs of a model
//! have known shapes, so it is enough to go forwards: once all inputs of a node are known, it is
//! built, and what it is built of says what its outputs are. That also leaves one place to check
//! attributes against shapes, before tract's operators see them: some of them panic.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use crate::error::LoadError;
use crate::graph::{node_name, operator_name};
use crate::node::{Node, Operand};
use crate::ops::{self, Built};
use crate::tensor::Fact;

#[derive(Clone, Debug)]
struct Operator {
    node: Arc<NodeProto>,
    opset: i64,
    ml_opset: i64,
    /// Which of the operator's outputs the node names.
    outputs: TVec<usize>,
    /// What it is built of, and for which inputs.
    built: Option<Arc<(TVec<Input>, Built)>>,
}

/// What is known of an input.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    fact: Fact,
    constant: Option<Arc<Tensor>>,
}

/// Makes a node of tract's graph; to be registered for every operator.
pub(crate) fn operator(
    context: &ParsingContext<'_>,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let named = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
    let ml_opset = context.model.opset_import.iter().find(|it| it.domain == ops::ML);
    let operator = Operator {
        node: Arc::new(node.clone()),
        opset: context.onnx_operator_set_version,
        ml_opset: ml_opset.map_or(1, |it| it.version),
        outputs: named.map(|(position, _)| position).collect(),
        built: None,
    };
    Ok((Box::new(operator), vec![]))
}

impl Operator {
    /// Builds the operator for its inputs, unless that has been done before.
    fn build(&mut self, inputs: TVec<Input>) -> TractResult<Arc<(TVec<Input>, Built)>> {
        if let Some(built) = &self.built
            && built.0 == inputs
        {
            return Ok(built.clone());
        }
        let failed = |reason| self.failed(reason);
        let mut known = inputs.iter();
        let operands = self.node.input.iter().map(|name| {
            let input = if name.is_empty() { None } else { known.next() };
            input.map(|it| Operand { fact: &it.fact, constant: it.constant.as_deref() })
        });
        let node = Node {
            proto: &self.node,
            opset: self.opset,
            ml_opset: self.ml_opset,
            operands: operands.collect(),
        };
        let build = ops::find(&self.node)?;
        let built = Arc::new((inputs.clone(), build(&node).map_err(failed)?));
        self.built = Some(built.clone());
        Ok(built)
    }

    fn failed(&self, reason: String) -> LoadError {
        LoadError::Node { operator: operator_name(&self.node), node: node_name(&self.node), reason }
    }

    /// Those outputs that the node names.
    fn named<T: Clone>(&self, all: &[T]) -> TractResult<TVec<T>> {
        let named = self.outputs.iter().map(|&position| all.get(position).cloned());
        let named: Option<TVec<T>> = named.collect();
        let found =
            || format!("{} outputs, expected at most {}", self.node.output.len(), all.len());
        named.ok_or_else(|| self.failed(found()).into())
    }

    fn wire(
        &self,
        built: &Built,
        name: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let wired = built.wire(&self.node.op_type, name, model, inputs);
        let wires = wired.map_err(|error| self.failed(format!("{error:#}")))?;
        self.named(&wires)
    }
}

impl Op for Operator {
    fn name(&self) -> StaticName {
        self.node.op_type.clone().into()
    }

    not_a_typed_op!();
}

impl PartialEq for Operator {
    fn eq(&self, _: &Operator) -> bool {
        false
    }
}

impl Eq for Operator {}

impl EvalOp for Operator {
    not_out_of_plan!();
}

impl InferenceOp for Operator {
    as_op!();

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.outputs.len())
    }

    fn infer_facts(
        &mut self,
        inputs: TVec<&InferenceFact>,
        outputs: TVec<&InferenceFact>,
        observed: TVec<&InferenceFact>,
    ) -> TractResult<(TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>)> {
        let known = inputs.iter().map(|it| {
            let constant = it.value.concretize();
            Fact::of_inferred(it).map(|fact| Input { fact, constant })
        });
        let known: Option<TVec<Input>> = known.collect();
        let owned = |facts: &[&InferenceFact]| facts.iter().copied().cloned().collect();
        let (inputs, observed): (TVec<_>, TVec<_>) = (owned(&inputs), owned(&observed));
        let Some(known) = known else { return Ok((inputs, owned(&outputs), observed)) };

        let mut model = TypedModel::default();
        let mut sources = tvec![];
        for (i, input) in known.iter().enumerate() {
            let name = format!("input{i}");
            sources.push(match &input.constant {
                Some(constant) => model.add_const(name, constant.clone())?,
                None => model.add_source(name, input.fact.typed())?,
            });
        }
        let built = self.build(known)?;
        let wires = self.wire(&built.1, "node", &mut model, &sources)?;
        let outputs = wires.iter().map(|wire| {
            let fact = model.outlet_fact(*wire)?;
            Fact::of(fact).map_err(|e| self.failed(format!("{e:#}")))?;
            Ok(InferenceFact::from(fact))
        });
        Ok((inputs, outputs.collect::<TractResult<_>>()?, observed))
    }

    fn to_typed(
        &self,
        _source: &InferenceModel,
        node: &InferenceNode,
        target: &mut TypedModel,
        mapping: &HashMap<OutletId, OutletId>,
    ) -> TractResult<TVec<OutletId>> {
        let inputs: TVec<OutletId> = node.inputs.iter().map(|input| mapping[input]).collect();
        let built = self.built.as_ref();
        let built = built.ok_or_else(|| self.failed("its inputs are not known".into()))?;
        // Names of nodes must differ in tract; in a file they need not.
        self.wire(&built.1, &format!("{}:{}", node.id, node.name), target, &inputs)
    }
}
