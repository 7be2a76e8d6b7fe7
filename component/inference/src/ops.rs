//! The operators, one file each or one per family; this file only registers them.
//!
//! Those that only move elements about are wired from tract's building blocks. All that compute are
//! this crate's own: tract's differ between processors in the last bits, drop NaN here and keep it
//! there, and are rewritten by its optimiser, which takes `x · 0` for 0.

mod array;
mod built;
pub(crate) mod kernel;
mod math;
pub(crate) mod ml;

pub(crate) use array::choice::{BRANCHES, Choose};
use array::{
    cast, choice, gather, gather_elements, one_hot, scan, scatter, sequence, shape, take, text,
};
pub(crate) use built::Built;
pub(crate) use math::broadcast::Stretched;
use math::{
    activation, arithmetic, c_dist, cumulative, einsum, hardmax, logic, lp_normalization, matrix,
    normalization, pool, reduction, softmax, top_k,
};
use ml::{
    array_feature_extractor, binarizer, feature_vectorizer, imputer, label_encoder,
    linear_classifier, linear_regressor, maps, normalizer, one_hot_encoder, scaler, svm,
    tree_ensemble, tree_ensemble_classifier, tree_ensemble_regressor, zip_map,
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
/// Domain of what onnxruntime has beside the standard.
const MICROSOFT: &str = "com.microsoft";

/// Domain, name and builder of every operator.
const OPERATORS: &[(&str, &str, Build)] = &[
    (ONNX, "Abs", arithmetic::abs),
    (ONNX, "Acos", arithmetic::acos),
    (ONNX, "Acosh", arithmetic::acosh),
    (ONNX, "Add", arithmetic::add),
    (ONNX, "And", logic::and),
    (ONNX, "ArgMax", reduction::arg_max),
    (ONNX, "ArgMin", reduction::arg_min),
    (ONNX, "Asin", arithmetic::asin),
    (ONNX, "Asinh", arithmetic::asinh),
    (ONNX, "Atan", arithmetic::atan),
    (ONNX, "Atanh", arithmetic::atanh),
    (ONNX, "BatchNormalization", normalization::batch_normalization),
    (ONNX, "Cast", cast::cast),
    (ONNX, "CastLike", cast::cast_like),
    (ONNX, "Ceil", arithmetic::ceil),
    (ONNX, "Celu", activation::celu),
    (ONNX, "Clip", activation::clip),
    (ONNX, "Compress", take::compress),
    (ONNX, "Concat", shape::concat),
    (ONNX, "ConcatFromSequence", sequence::concat_from_sequence),
    (ONNX, "Constant", shape::constant),
    (ONNX, "ConstantOfShape", shape::constant_of_shape),
    (ONNX, "Cos", arithmetic::cos),
    (ONNX, "Cosh", arithmetic::cosh),
    (ONNX, "CumProd", cumulative::cum_prod),
    (ONNX, "CumSum", cumulative::cum_sum),
    (ONNX, "Div", arithmetic::div),
    (ONNX, "Dropout", shape::dropout),
    (ONNX, "Einsum", einsum::einsum),
    (ONNX, "Elu", activation::elu),
    (ONNX, "Equal", logic::equal),
    (ONNX, "Erf", arithmetic::erf),
    (ONNX, "Exp", arithmetic::exp),
    (ONNX, "Expand", shape::expand),
    (ONNX, "EyeLike", shape::eye_like),
    (ONNX, "Flatten", shape::flatten),
    (ONNX, "Floor", arithmetic::floor),
    (ONNX, "Gather", gather::gather),
    (ONNX, "GatherElements", gather_elements::gather_elements),
    (ONNX, "GatherND", gather_elements::gather_nd),
    (ONNX, "Gelu", activation::gelu),
    (ONNX, "Gemm", matrix::gemm),
    (ONNX, "GlobalAveragePool", pool::global_average_pool),
    (ONNX, "GlobalMaxPool", pool::global_max_pool),
    (ONNX, "Greater", logic::greater),
    (ONNX, "GreaterOrEqual", logic::greater_or_equal),
    (ONNX, "GroupNormalization", normalization::group_normalization),
    (ONNX, "HardSigmoid", activation::hard_sigmoid),
    (ONNX, "HardSwish", activation::hard_swish),
    (ONNX, "Hardmax", hardmax::hardmax),
    (ONNX, "Identity", shape::identity),
    (ONNX, "If", choice::if_),
    (ONNX, "InstanceNormalization", normalization::instance_normalization),
    (ONNX, "IsInf", logic::is_inf),
    (ONNX, "IsNaN", logic::is_nan),
    (ONNX, "LayerNormalization", normalization::layer_normalization),
    (ONNX, "LeakyRelu", activation::leaky_relu),
    (ONNX, "Less", logic::less),
    (ONNX, "LessOrEqual", logic::less_or_equal),
    (ONNX, "Log", arithmetic::log),
    (ONNX, "LogSoftmax", softmax::log_softmax),
    (ONNX, "LpNormalization", lp_normalization::lp_normalization),
    (ONNX, "MatMul", matrix::mat_mul),
    (ONNX, "Max", arithmetic::max),
    (ONNX, "Mean", arithmetic::mean),
    (ONNX, "MeanVarianceNormalization", normalization::mean_variance_normalization),
    (ONNX, "Min", arithmetic::min),
    (ONNX, "Mish", activation::mish),
    (ONNX, "Mod", arithmetic::modulo),
    (ONNX, "Mul", arithmetic::mul),
    (ONNX, "Neg", arithmetic::neg),
    (ONNX, "NonZero", shape::non_zero),
    (ONNX, "Not", logic::not),
    (ONNX, "OneHot", one_hot::one_hot),
    (ONNX, "Or", logic::or),
    (ONNX, "PRelu", activation::p_relu),
    (ONNX, "Pad", take::pad),
    (ONNX, "Pow", arithmetic::pow),
    (ONNX, "RMSNormalization", normalization::rms_normalization),
    (ONNX, "Range", shape::range),
    (ONNX, "Reciprocal", arithmetic::reciprocal),
    (ONNX, "ReduceL1", reduction::l1),
    (ONNX, "ReduceL2", reduction::l2),
    (ONNX, "ReduceLogSum", reduction::log_sum),
    (ONNX, "ReduceLogSumExp", reduction::log_sum_exp),
    (ONNX, "ReduceMax", reduction::max),
    (ONNX, "ReduceMean", reduction::mean),
    (ONNX, "ReduceMin", reduction::min),
    (ONNX, "ReduceProd", reduction::product),
    (ONNX, "ReduceSum", reduction::sum),
    (ONNX, "ReduceSumSquare", reduction::sum_square),
    (ONNX, "Relu", activation::relu),
    (ONNX, "Reshape", shape::reshape),
    (ONNX, "ReverseSequence", take::reverse_sequence),
    (ONNX, "Round", arithmetic::round),
    (ONNX, "Scan", scan::scan),
    (ONNX, "Scatter", scatter::scatter_elements),
    (ONNX, "ScatterElements", scatter::scatter_elements),
    (ONNX, "ScatterND", scatter::scatter_nd),
    (ONNX, "Selu", activation::selu),
    (ONNX, "SequenceAt", sequence::sequence_at),
    (ONNX, "SequenceConstruct", sequence::sequence_construct),
    (ONNX, "SequenceEmpty", sequence::sequence_empty),
    (ONNX, "SequenceErase", sequence::sequence_erase),
    (ONNX, "SequenceInsert", sequence::sequence_insert),
    (ONNX, "SequenceLength", sequence::sequence_length),
    (ONNX, "Shape", shape::shape),
    (ONNX, "Shrink", activation::shrink),
    (ONNX, "Sigmoid", activation::sigmoid),
    (ONNX, "Sign", arithmetic::sign),
    (ONNX, "Sin", arithmetic::sin),
    (ONNX, "Sinh", arithmetic::sinh),
    (ONNX, "Size", shape::size),
    (ONNX, "Slice", shape::slice),
    (ONNX, "Softmax", softmax::softmax),
    (ONNX, "Softplus", activation::softplus),
    (ONNX, "Softsign", activation::softsign),
    (ONNX, "Split", shape::split),
    (ONNX, "SplitToSequence", sequence::split_to_sequence),
    (ONNX, "Sqrt", arithmetic::sqrt),
    (ONNX, "Squeeze", shape::squeeze),
    (ONNX, "StringConcat", text::string_concat),
    (ONNX, "StringNormalizer", text::string_normalizer),
    (ONNX, "Sub", arithmetic::sub),
    (ONNX, "Sum", arithmetic::sum),
    (ONNX, "Swish", activation::swish),
    (ONNX, "Tan", arithmetic::tan),
    (ONNX, "Tanh", activation::tanh),
    (ONNX, "ThresholdedRelu", activation::thresholded_relu),
    (ONNX, "Tile", take::tile),
    (ONNX, "TopK", top_k::top_k),
    (ONNX, "Transpose", shape::transpose),
    (ONNX, "Trilu", take::trilu),
    (ONNX, "Unsqueeze", shape::unsqueeze),
    (ONNX, "Where", logic::where_),
    (ONNX, "Xor", logic::xor),
    (ML, "ArrayFeatureExtractor", array_feature_extractor::array_feature_extractor),
    (ML, "Binarizer", binarizer::binarizer),
    (ML, "CastMap", maps::cast_map),
    (ML, "CategoryMapper", label_encoder::category_mapper),
    (ML, "DictVectorizer", maps::dict_vectorizer),
    (ML, "FeatureVectorizer", feature_vectorizer::feature_vectorizer),
    (ML, "Imputer", imputer::imputer),
    (ML, "LabelEncoder", label_encoder::label_encoder),
    (ML, "LinearClassifier", linear_classifier::linear_classifier),
    (ML, "LinearRegressor", linear_regressor::linear_regressor),
    (ML, "Normalizer", normalizer::normalizer),
    (ML, "OneHotEncoder", one_hot_encoder::one_hot_encoder),
    (ML, "SVMClassifier", svm::svm_classifier),
    (ML, "SVMRegressor", svm::svm_regressor),
    (ML, "Scaler", scaler::scaler),
    (ML, "TreeEnsemble", tree_ensemble::tree_ensemble),
    (ML, "TreeEnsembleClassifier", tree_ensemble_classifier::tree_ensemble_classifier),
    (ML, "TreeEnsembleRegressor", tree_ensemble_regressor::tree_ensemble_regressor),
    (ML, "ZipMap", zip_map::zip_map),
    (MICROSOFT, "CDist", c_dist::c_dist),
    (MICROSOFT, "Gelu", activation::gelu),
];

/// A domain by the name that [`OPERATORS`] has for it.
pub(crate) fn domain(name: &str) -> &str {
    if name == "ai.onnx" { ONNX } else { name }
}

/// The builder for a node's operator.
pub(crate) fn find(node: &NodeProto) -> Result<Build, LoadError> {
    let domain = domain(&node.domain);
    let found = OPERATORS.iter().find(|(of, name, _)| *name == node.op_type && *of == domain);
    if let Some((_, _, build)) = found {
        return Ok(*build);
    }
    let names: Vec<&str> = OPERATORS.iter().map(|(_, name, _)| *name).collect();
    let hint = format!("the supported ones are {}", names.join(", "));
    Err(LoadError::Operator { operator: operator_name(node), node: node_name(node), hint })
}

/// Whether a node's operator chooses one of two graphs.
pub(crate) fn is_choice(node: &NodeProto) -> bool {
    domain(&node.domain) == ONNX && node.op_type == "If"
}

/// Whether what a node's operator gives has the type and shape of its first input, whatever the
/// others are.
pub(crate) fn keeps_shape(node: &NodeProto) -> bool {
    let names = ["Scatter", "ScatterElements", "ScatterND"];
    domain(&node.domain) == ONNX && names.contains(&&*node.op_type)
}

/// Whether a node's operator takes a map.
pub(crate) fn takes_maps(node: &NodeProto) -> bool {
    domain(&node.domain) == ML && ["CastMap", "DictVectorizer"].contains(&&*node.op_type)
}

/// Whether a node's operator takes a sequence as its first input.
pub(crate) fn takes_sequences(node: &NodeProto) -> bool {
    domain(&node.domain) == ONNX && sequence::TAKERS.contains(&&*node.op_type)
}
