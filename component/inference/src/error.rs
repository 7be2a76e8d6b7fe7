//! Why a model cannot be loaded.

use std::fmt;

use tract_hir::internal::TractError;

/// A model cannot be run with a manifest. Each text says what was found, what was expected, and
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are not an ONNX model.
    NotOnnx(String),
    /// The graph is not a legal one, or is larger than this crate accepts.
    Graph(String),
    /// The graph has an operator that this crate does not have, on the way to an output in use.
    Operator {
        /// Name of the operator, with its domain unless that is `ai.onnx`.
        operator: String,
        /// Name of the node, or of its first output where it has none.
        node: String,
        /// What to do.
        hint: String,
    },
    /// A node's attributes or inputs are not what its operator takes.
    Node {
        /// Name of the operator.
        operator: String,
        /// Name of the node, or of its first output where it has none.
        node: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// The manifest's features do not fit the graph's inputs.
    Input(String),
    /// The manifest's outputs do not fit the graph's outputs.
    Output(String),
    /// Categories that the model's encoders do not know; a text per feature.
    Unknown(Vec<String>),
    /// An optional feature whose absence the model takes for a value.
    Missing(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NotOnnx(reason) => write!(f, "not an ONNX model: {reason}"),
            LoadError::Graph(reason) => write!(f, "the ONNX graph cannot be used: {reason}"),
            LoadError::Operator { operator, node, hint } => {
                write!(
                    f,
                    "node '{node}' has the operator {operator}, which is not supported: {hint}"
                )
            }
            LoadError::Node { operator, node, reason } => {
                write!(f, "node '{node}' ({operator}): {reason}")
            }
            LoadError::Missing(reason) => f.write_str(reason),
            LoadError::Input(reason) => {
                write!(f, "the features do not fit the model's inputs: {reason}")
            }
            LoadError::Output(reason) => {
                write!(f, "the outputs do not fit the model's outputs: {reason}")
            }
            LoadError::Unknown(features) => {
                write!(
                    f,
                    "{}\nSpell categories as in training. Where the model is meant to see one that \
                     it was not trained with, list that in the feature's `unknown`.",
                    features.join("\n")
                )
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// What tract says.
pub(crate) fn failed(error: TractError) -> LoadError {
    LoadError::Graph(format!("{error:#}"))
}
