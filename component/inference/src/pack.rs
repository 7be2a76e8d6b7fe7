//! Large forests in a small form.
//!
//! An ONNX file has a dozen lists of 64-bit numbers for its trees, which take twenty times what the
//! nodes take that are made of them, and WebAssembly gives no memory back: an instance in which such
//! a file was read stays as large for ever. So the file is read in one instance, which is thrown
//! away, and the model that is kept is made of this form in another.

use foretold_core::cache::key::ModelId;
use foretold_core::model::manifest::Manifest;
use prost::Message;

use crate::SEMANTICS;
use crate::error::LoadError;
use crate::functions;
use crate::graph;
use crate::model::Parts;
use crate::ops::kernel::KernelOp;
use crate::ops::ml::forest::PACKED;
use crate::proto::{AttributeProto, AttributeType, NodeProto};

/// A model in its small form.
#[derive(Debug)]
pub struct Packed {
    /// For [`OnnxModel::load`](crate::OnnxModel::load), with the manifest that it was packed for.
    pub model: Vec<u8>,
    /// The id of the file that it was.
    pub id: ModelId,
}

/// The small form of a model, if it has trees for which there is one.
///
/// # Errors
/// As [`OnnxModel::load`](crate::OnnxModel::load).
pub fn pack(model: &[u8], manifest: &Manifest) -> Result<Option<Packed>, LoadError> {
    let id = ModelId::new(model, manifest, SEMANTICS);
    let mut proto = functions::read(model)?;
    let parts = Parts::of(&mut proto, manifest)?;
    let Some(graph) = &mut proto.graph else { return Ok(None) };
    let mut is_smaller = false;
    for (position, node) in graph.node.iter_mut().enumerate() {
        let name = graph::typed_name(position, node);
        let typed = parts.typed.nodes.iter().find(|typed| typed.name == name);
        let packed = typed.and_then(|typed| typed.op_as::<KernelOp>()?.kernel().packed());
        if let Some(packed) = packed.filter(|_| has_lists(node)) {
            replace_lists(node, packed);
            is_smaller = true;
        }
    }
    Ok(is_smaller.then(|| Packed { model: proto.encode_to_vec(), id }))
}

/// Whether it is one of the operators that have their trees in these lists, and not packed already.
fn has_lists(node: &NodeProto) -> bool {
    matches!(&*node.op_type, "TreeEnsemble" | "TreeEnsembleClassifier" | "TreeEnsembleRegressor")
        && node.attribute.iter().any(|attribute| attribute.name == "nodes_featureids")
}

fn replace_lists(node: &mut NodeProto, packed: Vec<u8>) {
    node.attribute.retain_mut(|attribute| match &*attribute.name {
        // Which classes have votes, and whether a vote is negative, decides more than the sums.
        "class_ids" => {
            attribute.ints.sort_unstable();
            attribute.ints.dedup();
            true
        }
        "class_weights" => {
            let weights = &mut attribute.floats;
            let decides = |weight: &f32| *weight < 0.0 || weight.is_nan();
            let decisive = weights.iter().position(decides).unwrap_or(0);
            *weights = weights.get(decisive).copied().into_iter().collect();
            true
        }
        "class_weights_as_tensor" => true,
        name => {
            let lists = [
                "nodes_",
                "class_nodeids",
                "class_treeids",
                "target_",
                "leaf_",
                "membership_values",
                "tree_roots",
            ];
            !lists.iter().any(|list| name.starts_with(list))
        }
    });
    node.attribute.push(AttributeProto {
        name: PACKED.to_owned(),
        s: packed.into(),
        r#type: AttributeType::String as i32,
        ..AttributeProto::default()
    });
}
