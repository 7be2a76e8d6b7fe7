//! Operators of `ai.onnx.ml`.

pub(super) mod array_feature_extractor;
pub(super) mod binarizer;
pub(super) mod feature_vectorizer;
pub(crate) mod forest;
pub(super) mod imputer;
pub(super) mod label_encoder;
pub(super) mod labels;
pub(super) mod linear_classifier;
pub(super) mod linear_regressor;
pub(super) mod maps;
pub(super) mod normalizer;
pub(super) mod one_hot_encoder;
pub(super) mod post_transform;
pub(super) mod product;
pub(super) mod scaler;
pub(super) mod svm;
pub(super) mod tree_ensemble;
pub(super) mod tree_ensemble_classifier;
pub(super) mod tree_ensemble_regressor;
pub(super) mod zip_map;
