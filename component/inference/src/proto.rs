//! The messages of an ONNX file, with those of their fields that are read.
//!
//! Names and numbers are those of the [specification][spec]; what is not here is skipped.
//!
//! [spec]: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

use std::fmt;

use prost::Message;
use prost::bytes::Bytes;

#[derive(Message)]
pub(crate) struct ModelProto {
    #[prost(string, tag = "2")]
    pub(crate) producer_name: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "25")]
    pub(crate) functions: Vec<FunctionProto>,
}

#[derive(Message)]
pub(crate) struct FunctionProto {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "4")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) output: Vec<String>,
    /// Names of the attributes that have no default.
    #[prost(string, repeated, tag = "6")]
    pub(crate) attribute: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) opset_import: Vec<OperatorSetIdProto>,
    #[prost(string, tag = "10")]
    pub(crate) domain: String,
    /// The attributes that have a default, which is their value.
    #[prost(message, repeated, tag = "11")]
    pub(crate) attribute_proto: Vec<AttributeProto>,
    #[prost(string, tag = "13")]
    pub(crate) overload: String,
}

#[derive(Clone, Message)]
pub(crate) struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

#[derive(Clone, Message)]
pub(crate) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<ValueInfoProto>,
}

#[derive(Clone, Message)]
pub(crate) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
    #[prost(string, tag = "8")]
    pub(crate) overload: String,
    /// Versions of the operator sets `ai.onnx` and `ai.onnx.ml` of a node that stood in a function,
    /// which may have others than the model. Not of the standard: it is kept for what is packed.
    #[prost(int64, optional, tag = "1000001")]
    pub(crate) opset: Option<i64>,
    #[prost(int64, optional, tag = "1000002")]
    pub(crate) ml_opset: Option<i64>,
}

#[derive(Clone, Message)]
pub(crate) struct AttributeProto {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, tag = "2")]
    pub(crate) f: f32,
    #[prost(int64, tag = "3")]
    pub(crate) i: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) s: Bytes,
    #[prost(message, optional, tag = "5")]
    pub(crate) t: Option<TensorProto>,
    #[prost(message, optional, tag = "6")]
    pub(crate) g: Option<GraphProto>,
    #[prost(float, repeated, tag = "7")]
    pub(crate) floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub(crate) ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub(crate) strings: Vec<Vec<u8>>,
    /// An [`AttributeType`], or another number.
    #[prost(int32, tag = "20")]
    pub(crate) r#type: i32,
    /// In a function, the name of the function's attribute that it is.
    #[prost(string, tag = "21")]
    pub(crate) ref_attr_name: String,
}

/// Those kinds of attributes that an operator here has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributeType {
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AttributeType::Float => "float",
            AttributeType::Int => "int",
            AttributeType::String => "string",
            AttributeType::Tensor => "tensor",
            AttributeType::Graph => "graph",
            AttributeType::Floats => "list of floats",
            AttributeType::Ints => "list of ints",
            AttributeType::Strings => "list of strings",
        })
    }
}

#[derive(Clone, Message)]
pub(crate) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(crate) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(crate) int32_data: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub(crate) string_data: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    pub(crate) int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) raw_data: Bytes,
    #[prost(double, repeated, tag = "10")]
    pub(crate) double_data: Vec<f64>,
    /// [`EXTERNAL`], or another number.
    #[prost(int32, tag = "14")]
    pub(crate) data_location: i32,
}

/// The [`TensorProto::data_location`] of data in another file.
pub(crate) const EXTERNAL: i32 = 1;

#[derive(Clone, Message)]
pub(crate) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) r#type: Option<TypeProto>,
}

/// One of its kinds; none of them for optional values and for sparse tensors.
#[derive(Clone, Message)]
pub(crate) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_type: Option<TensorTypeProto>,
    #[prost(message, optional, tag = "4")]
    pub(crate) sequence_type: Option<SequenceTypeProto>,
    #[prost(message, optional, tag = "5")]
    pub(crate) map_type: Option<MapTypeProto>,
}

/// `TypeProto.Sequence`, with nothing of what it is a sequence of.
#[derive(Clone, Message)]
pub(crate) struct SequenceTypeProto {}

/// `TypeProto.Map`
#[derive(Clone, Message)]
pub(crate) struct MapTypeProto {
    #[prost(int32, tag = "1")]
    pub(crate) key_type: i32,
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) value_type: Option<Box<TypeProto>>,
}

/// `TypeProto.Tensor`
#[derive(Clone, Message)]
pub(crate) struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub(crate) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShapeProto>,
}

#[derive(Clone, Message)]
pub(crate) struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<DimensionProto>,
}

/// `TensorShapeProto.Dimension`: a size, or the name of one that is not fixed, or neither.
#[derive(Clone, Message)]
pub(crate) struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub(crate) dim_value: Option<i64>,
    #[prost(string, tag = "2")]
    pub(crate) dim_param: String,
}

impl ModelProto {
    /// Writes zeros over what is long, when all is read: memory that is freed is part of a snapshot, and
    /// zeros take no room there.
    pub(crate) fn wipe(&mut self) {
        let Some(graph) = &mut self.graph else { return };
        graph.initializer.iter_mut().for_each(TensorProto::wipe);
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            wipe(&mut attribute.s);
            attribute.ints.fill(0);
            attribute.floats.fill(0.0);
            attribute.t.iter_mut().for_each(TensorProto::wipe);
        }
    }
}

/// Long ones are [`Bytes`], of which prost makes no copy beside the one that is wiped here.
fn wipe(bytes: &mut Bytes) {
    if let Ok(mut bytes) = std::mem::take(bytes).try_into_mut() {
        bytes.fill(0);
    }
}

impl TensorProto {
    fn wipe(&mut self) {
        wipe(&mut self.raw_data);
        self.float_data.fill(0.0);
    }
}
