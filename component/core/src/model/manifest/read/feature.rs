//! Reads `[[feature]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use crate::model::feature::read;
use crate::model::feature::{Domain, Feature, Place, Value};
use crate::model::manifest::read::toml::{Member, Reader, Table, json_number};
use crate::model::manifest::reference::{self, Kind};
use crate::model::step::{Step, StepError};

const MAX_CATEGORIES: usize = 1 << 16;

/// A column that is left out, until all features are read.
const NEXT_COLUMN: usize = usize::MAX;

impl<'a> Reader<'a> {
    pub(super) fn feature(
        &mut self,
        table: &Table<'_, 'a>,
    ) -> Option<(Range<usize>, String, Feature)> {
        let found = self.string(table, "type")?;
        let Some(kind) = Kind::FEATURES.into_iter().find(|kind| kind.name() == found) else {
            let known = Kind::FEATURES.map(Kind::name).join(", ");
            let message = format!("type {found:?} is not one of {known}");
            self.refuse(table, "type", message);
            return None;
        };
        if kind == Kind::Category && table.table.contains_key("optional") {
            let message = "a category cannot be optional; add a category for the missing value";
            self.refuse(table, "optional", message);
            return None;
        }
        self.known(table, &reference::FEATURE, Some(kind));
        let name = self.string(table, "name");
        let place = self.place(table);
        let domain = match kind {
            Kind::Number => self.number(table),
            Kind::Integer => self.integers(table),
            Kind::Category => self.categories(table),
            _ => Some(Domain::Boolean),
        };
        let optional = self.boolean(table, "optional").unwrap_or(false);
        let unknown = self.unknown(table, domain.as_ref());
        let unit = self.optional_string(table, "unit");
        let description = self.optional_string(table, "description").unwrap_or_default();
        let example = self.required(table, "example");
        let mut feature = Feature {
            name: name?,
            place,
            domain: domain?,
            optional,
            unknown,
            unit,
            description,
            example: Value::Missing,
        };
        feature.example = self.example(table, &feature, example?)?;
        Some((table.span_of("name"), feature.name.clone(), feature))
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
    pub(super) fn place_features(&mut self, tables: &[Table<'_, 'a>], features: &mut [Feature]) {
        let mut next: BTreeMap<String, usize> = BTreeMap::new();
        let mut places: BTreeMap<(String, usize), String> = BTreeMap::new();
        for (table, feature) in tables.iter().zip(features) {
            let Some(place) = &mut feature.place else { continue };
            let next = next.entry(place.input.clone()).or_default();
            if place.column == NEXT_COLUMN {
                place.column = *next;
            }
            *next = place.column + 1;
            let place = (place.input.clone(), place.column);
            let (input, column) = place.clone();
            if let Some(other) = places.insert(place, feature.name.clone()) {
                let message =
                    format_args!("column {column} of {input:?} is the feature {other:?} already");
                self.refuse(table, "input", message);
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

    /// The example must be a value that a request could send.
    fn example(
        &mut self,
        table: &Table<'_, 'a>,
        feature: &Feature,
        member: Member<'_, 'a>,
    ) -> Option<Value> {
        let json = match member.get_ref() {
            DeValue::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) => json_number(member.get_ref())?,
            _ => {
                self.wrong_type(table, "example", member, "a string, a number or a boolean");
                return None;
            }
        };
        read::value(feature, &json)
            .map_err(|expected| {
                let message = format_args!("the example must be {expected}, not {json}");
                self.refuse(table, "example", message);
            })
            .ok()
    }
}
