//! The operators, one file each or one per family; this file only registers them.
//!
//! Those that only move elements about are wired from tract's building blocks. All that compute are
//! this crate's own: tract's differ between processors in the last bits, drop NaN here and keep it
//! there, and are rewritten by its optimiser, which takes `x · 0` for 0.

mod array;
mod built;
pub(crate) mod kernel;
mod math;
mod ml;

use array::{cast, gather, shape};
use built::Built;
use math::{activation, arithmetic, logic, lp_normalization, matrix, reduction, softmax};
use ml::{
    array_feature_extractor, binarizer, feature_vectorizer, imputer, label_encoder,
    linear_classifier, linear_regressor, normalizer, one_hot_encoder, scaler,
    tree_ensemble_classifier, tree_ensemble_regressor,
};

use crate::error::LoadError;
use crate::node::{Node, node_name, operator_name};
use crate::proto::NodeProto;

/// Checks a node and turns it into something that can be added to a model.
type Build = fn(&Node<'_>) -> Result<Built, String>;

/// Domain of the standard operators, which files also write out as `ai.onnx`.
pub(crate) const ONNX: &str = "";
/// Domain of the operators for classical models.
pub(crate) const ML: &str = "ai.onnx.ml";

/// Domain, name and builder of every operator.
const OPERATORS: &[(&str, &str, Build)] = &[
    (ONNX, "Abs", arithmetic::abs),
    (ONNX, "Add", arithmetic::add),
    (ONNX, "And", logic::and),
    (ONNX, "ArgMax", reduction::arg_max),
    (ONNX, "ArgMin", reduction::arg_min),
    (ONNX, "Cast", cast::cast),
    (ONNX, "Clip", activation::clip),
    (ONNX, "Concat", shape::concat),
    (ONNX, "Constant", shape::constant),
    (ONNX, "ConstantOfShape", shape::constant_of_shape),
    (ONNX, "Div", arithmetic::div),
    (ONNX, "Dropout", shape::identity),
    (ONNX, "Elu", activation::elu),
    (ONNX, "Equal", logic::equal),
    (ONNX, "Erf", arithmetic::erf),
    (ONNX, "Exp", arithmetic::exp),
    (ONNX, "Expand", shape::expand),
    (ONNX, "Flatten", shape::flatten),
    (ONNX, "Gather", gather::gather),
    (ONNX, "Gemm", matrix::gemm),
    (ONNX, "Greater", logic::greater),
    (ONNX, "GreaterOrEqual", logic::greater_or_equal),
    (ONNX, "Identity", shape::identity),
    (ONNX, "IsNaN", logic::is_nan),
    (ONNX, "LeakyRelu", activation::leaky_relu),
    (ONNX, "Less", logic::less),
    (ONNX, "LessOrEqual", logic::less_or_equal),
    (ONNX, "Log", arithmetic::log),
    (ONNX, "LogSoftmax", softmax::log_softmax),
    (ONNX, "LpNormalization", lp_normalization::lp_normalization),
    (ONNX, "MatMul", matrix::mat_mul),
    (ONNX, "Max", arithmetic::max),
    (ONNX, "Min", arithmetic::min),
    (ONNX, "Mul", arithmetic::mul),
    (ONNX, "Neg", arithmetic::neg),
    (ONNX, "Not", logic::not),
    (ONNX, "Or", logic::or),
    (ONNX, "Pow", arithmetic::pow),
    (ONNX, "Reciprocal", arithmetic::reciprocal),
    (ONNX, "ReduceL2", reduction::l2),
    (ONNX, "ReduceLogSumExp", reduction::log_sum_exp),
    (ONNX, "ReduceMax", reduction::max),
    (ONNX, "ReduceMean", reduction::mean),
    (ONNX, "ReduceMin", reduction::min),
    (ONNX, "ReduceProd", reduction::product),
    (ONNX, "ReduceSum", reduction::sum),
    (ONNX, "ReduceSumSquare", reduction::sum_square),
    (ONNX, "Relu", activation::relu),
    (ONNX, "Reshape", shape::reshape),
    (ONNX, "Shape", shape::shape),
    (ONNX, "Sigmoid", activation::sigmoid),
    (ONNX, "Slice", shape::slice),
    (ONNX, "Softmax", softmax::softmax),
    (ONNX, "Softplus", activation::softplus),
    (ONNX, "Split", shape::split),
    (ONNX, "Sqrt", arithmetic::sqrt),
    (ONNX, "Squeeze", shape::squeeze),
    (ONNX, "Sub", arithmetic::sub),
    (ONNX, "Sum", arithmetic::sum),
    (ONNX, "Tanh", activation::tanh),
    (ONNX, "Transpose", shape::transpose),
    (ONNX, "Unsqueeze", shape::unsqueeze),
    (ONNX, "Where", logic::where_),
    (ML, "ArrayFeatureExtractor", array_feature_extractor::array_feature_extractor),
    (ML, "Binarizer", binarizer::binarizer),
    (ML, "FeatureVectorizer", feature_vectorizer::feature_vectorizer),
    (ML, "Imputer", imputer::imputer),
    (ML, "LabelEncoder", label_encoder::label_encoder),
    (ML, "LinearClassifier", linear_classifier::linear_classifier),
    (ML, "LinearRegressor", linear_regressor::linear_regressor),
    (ML, "Normalizer", normalizer::normalizer),
    (ML, "OneHotEncoder", one_hot_encoder::one_hot_encoder),
    (ML, "Scaler", scaler::scaler),
    (ML, "TreeEnsembleClassifier", tree_ensemble_classifier::tree_ensemble_classifier),
    (ML, "TreeEnsembleRegressor", tree_ensemble_regressor::tree_ensemble_regressor),
];

/// A domain by the name that [`OPERATORS`] has for it.
pub(crate) fn domain(name: &str) -> &str {
    if name == "ai.onnx" { ONNX } else { name }
}

/// The builder for a node's operator.
pub(crate) fn find(node: &NodeProto) -> Result<Build, LoadError> {
    let domain = domain(&node.domain);
    let found = OPERATORS.iter().find(|(of, name, _)| *of == domain && *name == node.op_type);
    if let Some((_, _, build)) = found {
        return Ok(*build);
    }
    let hint = if node.op_type == "ZipMap" {
        "it makes a list of maps; export the model with the option zipmap=False".into()
    } else {
        let names: Vec<&str> = OPERATORS.iter().map(|(_, name, _)| *name).collect();
        format!("the supported ones are {}", names.join(", "))
    };
    Err(LoadError::Operator { operator: operator_name(node), node: node_name(node), hint })
}
