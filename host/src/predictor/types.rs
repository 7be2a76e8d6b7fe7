//! What goes into a predictor and comes out of it: the records of `wit/component.wit`.

use std::fmt;

use wasmtime::component::{ComponentType, Lift, Lower};

/// One value of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lower, Lift)]
#[component(variant)]
pub enum Value {
    /// For a feature that is optional; the same as leaving it out.
    #[component(name = "missing")]
    Missing,
    /// A number; an integer may be given so too.
    #[component(name = "number")]
    Number(f64),
    /// A truth value.
    #[component(name = "boolean")]
    Boolean(bool),
    /// An integer.
    #[component(name = "integer")]
    Integer(i64),
    /// One of the categories.
    #[component(name = "text")]
    Text(String),
    /// The elements of a vector; NaN is one that is missing.
    #[component(name = "vector")]
    Vector(Vec<f64>),
}

macro_rules! value_from {
    ($($from:ty => $case:ident),*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Value {
                Value::$case(value.into())
            }
        })*
    };
}

value_from!(f32 => Number, f64 => Number, i32 => Integer, u32 => Integer, i64 => Integer,
            bool => Boolean, &str => Text, String => Text, Vec<f64> => Vector, &[f64] => Vector);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Missing, T::into)
    }
}

/// The record `field`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// The values that a feature can have, or an element of one that is a vector; bounds are inclusive.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum Domain {
    /// A 64-bit float.
    #[component(name = "number")]
    Number(NumberDomain),
    /// A 64-bit integer.
    #[component(name = "integer")]
    Integer(IntegerDomain),
    /// `true` or `false`.
    #[component(name = "boolean")]
    Boolean,
    /// One of these texts.
    #[component(name = "category")]
    Category(Vec<String>),
}

/// Bounds of a number.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct NumberDomain {
    /// Smallest legal value.
    pub minimum: Option<f64>,
    /// Largest legal value.
    pub maximum: Option<f64>,
    /// The grid that values lie on, counted from the minimum.
    pub step: Option<f64>,
    /// Whether a value off the grid is moved to the nearest point instead of being refused.
    pub round: bool,
}

/// Bounds of an integer.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct IntegerDomain {
    /// Smallest legal value.
    pub minimum: i64,
    /// Largest legal value.
    pub maximum: i64,
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// The values it can have.
    pub domain: Domain,
    /// How many elements it has, if it is a vector.
    pub length: Option<u32>,
    /// Whether it may be left out; of a vector elements, too.
    pub optional: bool,
    /// Unit of a number.
    pub unit: Option<String>,
    /// What it means.
    pub description: String,
    /// A legal value.
    pub example: Value,
}

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// Digest of everything that decides the model's outputs, as it stands in the keys.
    #[component(name = "model-id")]
    pub model_id: String,
    /// What it predicts.
    pub description: String,
    /// Longest that an entry may be served, in seconds.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: u32,
    /// The inputs.
    pub features: Vec<Feature>,
    /// Names of the outputs, in the order of [`Prediction::outputs`].
    pub outputs: Vec<String>,
    /// What `Predictor::answer` knows, e.g. `/decisions`.
    pub endpoints: Vec<String>,
}

/// What is wrong with one field of a row.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct FieldError {
    /// Its name; empty where the whole row is meant.
    pub field: String,
    /// What was found.
    pub value: Option<String>,
    /// What is expected, e.g. `an integer from 18 to 127`.
    pub expected: String,
    /// The whole sentence.
    pub detail: String,
}

/// Why a row gets no prediction.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub enum RowError {
    /// All that is wrong with its fields.
    #[component(name = "invalid")]
    Invalid(Vec<FieldError>),
    /// The model could not be run on it.
    #[component(name = "failed")]
    Failed(String),
}

/// A sentence per mistake.
impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::Failed(reason) => f.write_str(reason),
            RowError::Invalid(errors) => {
                let details: Vec<&str> = errors.iter().map(|error| &*error.detail).collect();
                f.write_str(&details.join("; "))
            }
        }
    }
}

impl std::error::Error for RowError {}

/// What the cache did for a row.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct Cache {
    /// Whether the outputs are those of an entry.
    pub hit: bool,
    /// Seconds since they were computed, on a hit.
    #[component(name = "age-seconds")]
    pub age_seconds: Option<u32>,
    /// Seconds that the entry will still be served, on a hit; below 0 where the model failed and
    /// the manifest allows an expired entry instead.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: Option<i64>,
    /// The same as the header `Cache-Status` says it, e.g. `foretold; fwd=miss; stored`.
    pub status: String,
}

/// What the model says of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Prediction {
    /// As [`Description::outputs`] names them.
    pub outputs: Vec<f32>,
    /// Where they are from.
    pub cache: Cache,
}

/// What an endpoint makes of the outputs.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum AnswerValue {
    /// An output itself.
    #[component(name = "number")]
    Number(f32),
    /// A label of the endpoint.
    #[component(name = "label")]
    Label(String),
}

/// What an endpoint says of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Answer {
    /// The number or the label.
    pub value: AnswerValue,
    /// Where it is from.
    pub cache: Cache,
}
