//! What a model takes: features, their declared domains, and the values they can have.

pub mod read;

use std::fmt;

use crate::http::excerpt::visible;
use crate::model::step::Step;

/// Categories that a message lists.
const MAX_SHOWN_CATEGORIES: usize = 30;

/// One number, text or truth value that the model takes, as the manifest declares it: a member of a
/// request, or an element of one that is a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Member of the JSON request, and name of the ONNX input where there is no `place`; of an
    /// element `NAME[INDEX]`.
    pub name: String,
    /// Of which vector it is which element, if it is one.
    pub element: Option<Element>,
    /// Where its value goes, if the manifest says it.
    pub place: Option<Place>,
    /// The values it can have.
    pub domain: Domain,
    /// Whether the request may leave it out or send `null`; the model then sees NaN.
    pub optional: bool,
    /// Those of its categories that the model's encoders need not know.
    pub unknown: Vec<String>,
    /// Unit of a number, for people.
    pub unit: Option<String>,
    /// What it means, for people.
    pub description: String,
    /// A legal value, for documentation and forms.
    pub example: Value,
}

/// An element of a vector. All elements of a vector follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Member of the JSON request, and name of the ONNX input where there is no place.
    pub vector: String,
    /// Position in the vector, from 0.
    pub index: usize,
    /// How many elements the vector has.
    pub length: usize,
}

/// A member of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'f> {
    /// Its name.
    pub name: &'f str,
    /// Position of the first of its features.
    pub first: usize,
    /// One, or the elements of a vector.
    pub features: &'f [Feature],
}

/// The members of a request for these features.
pub fn fields(features: &[Feature]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = features;
    std::iter::from_fn(move || {
        let first = features.len() - rest.len();
        let feature = rest.first()?;
        let (found, after) = rest.split_at(feature.field_len().clamp(1, rest.len()));
        rest = after;
        Some(Field { name: feature.field(), first, features: found })
    })
}

/// A column of one of the model's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the ONNX input.
    pub input: String,
    /// Its column, from 0.
    pub column: usize,
}

/// The set of values a feature can have. It decides how many bits the feature takes in a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// A 64-bit float; bounds are inclusive.
    Number {
        /// Smallest legal value.
        minimum: Option<f64>,
        /// Largest legal value.
        maximum: Option<f64>,
        /// The grid that values lie on, counted from `minimum`.
        step: Option<Step>,
        /// Whether a value off the grid is moved to the nearest point instead of being refused.
        round: bool,
    },
    /// A 64-bit signed integer; bounds are inclusive.
    Integer {
        /// Smallest legal value.
        minimum: i64,
        /// Largest legal value.
        maximum: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of a list of strings.
    Category {
        /// The strings, in the manifest's order: the position of each is part of every key.
        categories: Vec<String>,
    },
}

/// One validated value of a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// The value of an optional feature that was left out or `null`.
    Missing,
    /// Never NaN, never infinite, never `-0`.
    Number(f64),
    /// An integer within the feature's bounds.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// Position in the feature's list of categories.
    Category(usize),
}

impl<'f> Field<'f> {
    /// Whether it is a vector, which is an array in JSON, however short.
    pub fn is_vector(&self) -> bool {
        self.feature().element.is_some()
    }

    /// Its feature; of a vector the first element, which has what is said of all.
    pub fn feature(&self) -> &'f Feature {
        &self.features[0]
    }

    /// Its values as JSON text, by that of a single one.
    pub fn json(&self, row: &[Value], display: impl Fn(&Feature, Value) -> String) -> String {
        let values = self.features.iter().zip(&row[self.first..]);
        let mut values = values.map(|(feature, value)| display(feature, *value));
        match self.is_vector() {
            true => format!("[{}]", values.collect::<Vec<_>>().join(",")),
            false => values.next().unwrap_or_default(),
        }
    }
}

/// What is expected of a member, as the end of the sentence "expected …".
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Feature { domain, optional, .. } = self.feature();
        if !self.is_vector() {
            return domain.fmt(f);
        }
        let null = if *optional { " or null" } else { "" };
        write!(f, "an array of {} elements, each {domain}{null}", self.features.len())
    }
}

impl Feature {
    /// The member of a request that it is, or is an element of.
    pub fn field(&self) -> &str {
        self.element.as_ref().map_or(&self.name, |element| &element.vector)
    }

    /// How many features that member is.
    pub(crate) fn field_len(&self) -> usize {
        self.element.as_ref().map_or(1, |element| element.length)
    }

    /// The value as JSON text, e.g. `0.25`, `"male: single"` or `null`.
    ///
    /// # Panics
    /// If a category is not one of this feature's, which validation rules out.
    pub fn display(&self, value: Value) -> String {
        match (value, &self.domain) {
            (Value::Missing, _) => "null".into(),
            (Value::Number(number), _) => number.to_string(),
            (Value::Integer(integer), _) => integer.to_string(),
            (Value::Boolean(boolean), _) => boolean.to_string(),
            (Value::Category(index), Domain::Category { categories }) => {
                serde_json::Value::from(categories[index].as_str()).to_string()
            }
            (Value::Category(_), _) => {
                unreachable!("a category value of a feature without categories")
            }
        }
    }
}

/// What is expected of a value, as the end of the sentence "expected …".
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Number { minimum, maximum, step, round } => {
                f.write_str("a number")?;
                match (minimum, maximum) {
                    (Some(minimum), Some(maximum)) => write!(f, " from {minimum} to {maximum}")?,
                    (Some(minimum), None) => write!(f, " of at least {minimum}")?,
                    (None, Some(maximum)) => write!(f, " of at most {maximum}")?,
                    (None, None) => f.write_str(" within the range of 32-bit floats")?,
                }
                match step {
                    Some(step) if !round => write!(f, " in steps of {}", step.size()),
                    _ => Ok(()),
                }
            }
            Domain::Integer { minimum, maximum } => {
                write!(f, "an integer from {minimum} to {maximum}")
            }
            Domain::Boolean => f.write_str("true or false"),
            Domain::Category { categories } => {
                f.write_str("one of ")?;
                for (i, category) in categories.iter().take(MAX_SHOWN_CATEGORIES).enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    let category = serde_json::Value::from(category.as_str()).to_string();
                    write!(f, "{separator}{}", visible(&category))?;
                }
                match categories.len().saturating_sub(MAX_SHOWN_CATEGORIES) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}
