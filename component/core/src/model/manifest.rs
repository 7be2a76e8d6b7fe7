//! The manifest: what a model takes, which of its outputs are kept, and what is answered.

mod read;
mod reference;

use std::fmt;

use crate::model::feature::{Feature, Value};

/// Longest time to live, in seconds: ten years. More is a slip, and would not fit every store's clock.
pub const MAX_TTL_SECONDS: u32 = 315_360_000;

/// A checked manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Lower-case name of the model.
    pub name: String,
    /// What the model predicts, for people.
    pub description: String,
    /// SPDX identifier of the licence under which the service is offered.
    pub license: Option<String>,
    /// URL of those who answer questions about it.
    pub contact: Option<String>,
    /// File name of the ONNX model, beside the manifest.
    pub file: String,
    /// How long cached predictions are served.
    pub cache: Cache,
    /// The model's inputs, in key order.
    pub features: Vec<Feature>,
    /// The model's outputs that are kept.
    pub outputs: Vec<Output>,
    /// What is answered where.
    pub endpoints: Vec<Endpoint>,
}

/// How long cached predictions are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Seconds that a prediction is served.
    pub ttl_seconds: u32,
    /// By how much the time to live is shortened at most, in percent: each key by another part of
    /// it, so that what was stored together does not expire together.
    pub jitter_percent: u32,
    /// Scale of early refresh, in seconds: the product of XFetch's beta and delta. 0 turns it off.
    pub early_refresh_seconds: u32,
    /// Seconds that an expired prediction is still served where the model fails.
    pub stale_if_error_seconds: u32,
}

/// One number that the model gives for a row, and that the cache keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Name that endpoints use.
    pub name: String,
    /// Name of the ONNX output.
    pub tensor: String,
    /// Column of the ONNX output, from 0.
    pub column: usize,
    /// What it means, for people.
    pub description: String,
}

/// A path that answers one member, derived from the outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Path of the URL, e.g. `/decisions`.
    pub path: String,
    /// Member of the JSON answer, e.g. `decision`.
    pub field: String,
    /// How it derives from the outputs.
    pub rule: Rule,
    /// Seconds that it serves a cached prediction, where it differs from the model's.
    pub ttl_seconds: Option<u32>,
    /// Name of the Python class whose `repr` is the key of this endpoint, to share a Redis with a
    /// Python service.
    pub python_class: Option<String>,
    /// What it means, for people.
    pub description: String,
}

/// How an answer derives from the outputs, which it names by their positions.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// An output itself, as a JSON number.
    Number {
        /// The output.
        output: usize,
    },
    /// One label strictly above a threshold, another otherwise.
    Threshold {
        /// The output that is compared.
        output: usize,
        /// The threshold.
        threshold: f64,
        /// Answer strictly above it.
        above: String,
        /// Answer at it and below.
        otherwise: String,
    },
    /// The label of the first band whose upper bound is above the output.
    Bands {
        /// The output that is compared.
        output: usize,
        /// Exclusive upper bounds, rising, and their labels.
        bands: Vec<(f64, String)>,
        /// The label from the last bound up.
        last: String,
    },
    /// The label of the class whose output is the largest; of equal ones the first.
    Classes {
        /// The output of each class and its label; at least two.
        classes: Vec<(usize, String)>,
    },
}

impl Rule {
    /// The outputs that an answer derives from.
    pub fn outputs(&self) -> Vec<usize> {
        match self {
            Rule::Number { output }
            | Rule::Threshold { output, .. }
            | Rule::Bands { output, .. } => vec![*output],
            Rule::Classes { classes } => classes.iter().map(|(output, _)| *output).collect(),
        }
    }

    /// Whether the answer is a number, and not a label.
    pub fn is_number(&self) -> bool {
        matches!(self, Rule::Number { .. })
    }

    /// All labels that there can be, each once; none where the answer is a number.
    pub fn labels(&self) -> Vec<&str> {
        let labels: Vec<&String> = match self {
            Rule::Number { .. } => vec![],
            Rule::Threshold { above, otherwise, .. } => vec![otherwise, above],
            Rule::Bands { bands, last, .. } => {
                bands.iter().map(|(_, label)| label).chain([last]).collect()
            }
            Rule::Classes { classes } => classes.iter().map(|(_, label)| label).collect(),
        };
        let mut distinct: Vec<&str> = Vec::with_capacity(labels.len());
        for label in labels {
            if !distinct.contains(&label.as_str()) {
                distinct.push(label);
            }
        }
        distinct
    }
}

impl Manifest {
    /// Reads a manifest from its TOML text and checks it as a whole.
    ///
    /// # Errors
    /// With everything that is wrong, each with its line.
    pub fn parse(text: &str) -> Result<Manifest, ManifestErrors> {
        read::manifest(text)
    }

    /// The row of all features' examples.
    pub fn example(&self) -> Vec<Value> {
        self.features.iter().map(|feature| feature.example).collect()
    }

    /// The reference of all keys, as Markdown.
    pub fn reference() -> String {
        reference::markdown()
    }
}

/// Everything that is wrong with a manifest, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// What was found, what was expected, and what to do.
    pub message: String,
}

/// A line per error: `line 12: …`.
impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, ManifestError { line, message }) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}line {line}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}
