//! Reads `[[feature]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use crate::model::feature::read;
use crate::model::feature::{Domain, Element, Feature, Place, Value};
use crate::model::manifest::read::toml::{Member, Reader, Table, json_number};
use crate::model::manifest::reference::{self, Kind};
use crate::model::step::{Step, StepError};

const MAX_CATEGORIES: usize = 1 << 16;
/// Elements of a vector: more than any usual embedding has.
const MAX_LENGTH: i64 = 1 << 14;

/// A column that is left out, until all features are read.
const NEXT_COLUMN: usize = usize::MAX;

impl<'a> Reader<'a> {
    /// Reads a member of requests: one feature, or the elements of a vector.
    pub(super) fn feature(
        &mut self,
        table: &Table<'_, 'a>,
    ) -> Option<(Range<usize>, String, Vec<Feature>)> {
        let found = self.string(table, "type")?;
        let kind = self.kind(table, "type", &found, &Kind::FEATURES)?;
        if kind == Kind::Category && table.table.contains_key("optional") {
            let message = "a category cannot be optional; add a category for the missing value";
            self.refuse(table, "optional", message);
            return None;
        }
        self.known(table, &reference::FEATURE, Some(kind));
        let name = self.string(table, "name");
        let place = self.place(table);
        let length = match kind {
            Kind::Vector => self.integer(table, "length", 1, MAX_LENGTH)? as usize,
            _ => 1,
        };
        let domain = match kind {
            Kind::Number => self.number(table),
            Kind::Integer => self.integers(table),
            Kind::Category => self.categories(table),
            Kind::Vector => self.elements(table),
            _ => Some(Domain::Boolean),
        };
        let optional = self.boolean(table, "optional").unwrap_or(false);
        let unknown = self.unknown(table, domain.as_ref());
        let unit = self.optional_string(table, "unit");
        let description = self.optional_string(table, "description").unwrap_or_default();
        let example = self.required(table, "example");
        let name = name?;
        let feature = Feature {
            name: name.clone(),
            element: None,
            place,
            domain: domain?,
            optional,
            unknown,
            unit,
            description,
            example: Value::Missing,
        };
        let mut features = match kind {
            Kind::Vector => (0..length).map(|index| feature.element(index, length)).collect(),
            _ => vec![feature],
        };
        self.examples(table, &mut features, example?)?;
        Some((table.span_of("name"), name, features))
    }

    /// The kind that a key names.
    fn kind(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        found: &str,
        known: &[Kind],
    ) -> Option<Kind> {
        let kind = known.iter().find(|kind| kind.name() == found);
        if kind.is_none() {
            let known: Vec<&str> = known.iter().map(|kind| kind.name()).collect();
            let message = format!("{key} {found:?} is not one of {}", known.join(", "));
            self.refuse(table, key, message);
        }
        kind.copied()
    }

    /// The values of a vector's elements.
    fn elements(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        let kind = match self.optional_string(table, "elements") {
            Some(found) => self.kind(table, "elements", &found, &[Kind::Number, Kind::Integer])?,
            None => Kind::Number,
        };
        if kind == Kind::Number {
            return self.number(table);
        }
        for key in ["step", "round"] {
            if table.table.contains_key(key) {
                self.refuse(table, key, format_args!("{key} is for elements that are numbers"));
            }
        }
        self.integers(table)
    }

    /// Where the value goes; without a column, [`Reader::place_features`] finds the next one.
    fn place(&mut self, table: &Table<'_, 'a>) -> Option<Place> {
        let column = self.optional_integer(table, "column", 0, i64::from(u32::MAX));
        let input = self.optional_string(table, "input");
        if column.is_some() && input.is_none() {
            self.refuse(table, "column", "a column needs an input; name the model's input");
        }
        let column = column.map_or(NEXT_COLUMN, |column| column as usize);
        input.map(|input| Place { input, column })
    }

    /// Gives a column to each feature that names an input alone: the one after the last column
    /// that a feature before it has. Refuses two features in one place.
    pub(super) fn place_features(
        &mut self,
        tables: &[Table<'_, 'a>],
        features: &mut [Vec<Feature>],
    ) {
        let mut next: BTreeMap<String, usize> = BTreeMap::new();
        let mut places: BTreeMap<(String, usize), String> = BTreeMap::new();
        for (table, features) in tables.iter().zip(features) {
            for feature in features {
                let Some(place) = &mut feature.place else { continue };
                let next = next.entry(place.input.clone()).or_default();
                if place.column == NEXT_COLUMN {
                    place.column = *next;
                }
                *next = place.column + 1;
                let place = (place.input.clone(), place.column);
                let (input, column) = place.clone();
                if let Some(other) = places.insert(place, feature.name.clone()) {
                    let message = format_args!(
                        "column {column} of {input:?} is the feature {other:?} already"
                    );
                    self.refuse(table, "input", message);
                }
            }
        }
    }

    fn number(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        let minimum = self.float(table, "minimum");
        let maximum = self.float(table, "maximum");
        let round = self.boolean(table, "round").unwrap_or(false);
        let size = self.float(table, "step");
        if let (Some(low), Some(high)) = (minimum, maximum)
            && low > high
        {
            self.refuse(table, "minimum", StepError::Empty { minimum: low, maximum: high });
            return None;
        }
        let step = match (size, minimum, maximum) {
            (None, ..) if round => {
                self.refuse(table, "round", "round = true needs a step");
                return None;
            }
            (None, ..) => None,
            (Some(size), Some(minimum), Some(maximum)) => match Step::new(minimum, maximum, size) {
                Ok(step) => Some(step),
                Err(error) => {
                    self.refuse(table, "step", error);
                    return None;
                }
            },
            (Some(_), ..) => {
                self.refuse(table, "step", "a step needs a minimum and a maximum");
                return None;
            }
        };
        Some(Domain::Number { minimum, maximum, step, round })
    }

    fn integers(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        let minimum =
            self.optional_integer(table, "minimum", i64::MIN, i64::MAX).unwrap_or(i64::MIN);
        let maximum =
            self.optional_integer(table, "maximum", i64::MIN, i64::MAX).unwrap_or(i64::MAX);
        if minimum > maximum {
            let message = format_args!("minimum {minimum} is above maximum {maximum}");
            self.refuse(table, "minimum", message);
            return None;
        }
        Some(Domain::Integer { minimum, maximum })
    }

    fn categories(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        self.required(table, "categories")?;
        let categories = self.strings(table, "categories")?;
        if categories.is_empty() || categories.len() > MAX_CATEGORIES {
            let found = categories.len();
            let message =
                format_args!("categories must have 1 to {MAX_CATEGORIES} members, not {found}");
            self.refuse(table, "categories", message);
        }
        Some(Domain::Category { categories })
    }

    /// The categories that the model's encoders need not know.
    fn unknown(&mut self, table: &Table<'_, 'a>, domain: Option<&Domain>) -> Vec<String> {
        let Some(unknown) = self.strings(table, "unknown") else { return vec![] };
        if let Some(Domain::Category { categories }) = domain
            && let Some(other) = unknown.iter().find(|it| !categories.contains(it))
        {
            let message = format_args!("{other:?} is not one of the categories");
            self.refuse(table, "unknown", message);
        }
        unknown
    }

    /// The examples must be values that a request could send. One number is that of all elements of
    /// a vector.
    fn examples(
        &mut self,
        table: &Table<'_, 'a>,
        features: &mut [Feature],
        member: Member<'_, 'a>,
    ) -> Option<()> {
        let is_vector = features[0].element.is_some();
        let items: Vec<Member<'_, 'a>> = match member.get_ref() {
            DeValue::Array(items) if is_vector => items.iter().collect(),
            _ => vec![member; features.len()],
        };
        if items.len() != features.len() {
            let (found, expected) = (items.len(), features.len());
            let message = format_args!("the example has {found} elements; expected {expected}");
            self.refuse(table, "example", message);
            return None;
        }
        for (feature, item) in features.iter_mut().zip(items) {
            let json = match item.get_ref() {
                DeValue::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
                DeValue::Boolean(boolean) => boolean.to_string(),
                DeValue::Float(float) if float.as_str().ends_with("nan") => "null".to_owned(),
                DeValue::Float(float) => {
                    json_number(item.get_ref()).unwrap_or_else(|| float.as_str().to_owned())
                }
                DeValue::Integer(integer) => {
                    json_number(item.get_ref()).unwrap_or_else(|| integer.as_str().to_owned())
                }
                _ if is_vector => {
                    self.wrong_type(table, "example", item, "a number or an array of numbers");
                    return None;
                }
                _ => {
                    self.wrong_type(table, "example", item, "a string, a number or a boolean");
                    return None;
                }
            };
            match read::value(feature, &json) {
                Ok(value) => feature.example = value,
                Err(expected) => {
                    let message = format_args!("the example must be {expected}, not {json}");
                    self.refuse(table, "example", message);
                    return None;
                }
            }
        }
        Some(())
    }
}

impl Feature {
    /// An element of a vector, from what is said of the whole. Only the first describes it.
    fn element(&self, index: usize, length: usize) -> Feature {
        let vector = self.name.clone();
        let place = self.place.as_ref().map(|Place { input, column }| {
            let column = if *column == NEXT_COLUMN { NEXT_COLUMN } else { column + index };
            Place { input: input.clone(), column }
        });
        let description = if index == 0 { self.description.clone() } else { String::new() };
        Feature {
            name: format!("{vector}[{index}]"),
            element: Some(Element { vector, index, length }),
            place,
            description,
            ..self.clone()
        }
    }
}
