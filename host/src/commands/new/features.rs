//! Features of a manifest, from what the model's file says and what a sample of the data has.

use foretold_core::model::step::Step;

use crate::artefact::draft::{DraftFeature, Kind};
use crate::commands::new::literal;
use crate::commands::new::sample::{Column, Element, Numbers};
use crate::commands::rows::cell;

/// Digits behind the point that are taken for a grid; more look like measurements.
const MAX_DECIMALS: usize = 4;
/// Columns of an input that are features of their own, where nothing tells how they are called; more
/// are a vector.
const MAX_NAMELESS_COLUMNS: usize = 64;
/// What stands for categories that nothing tells of.
const UNKNOWN_CATEGORY: &str = "example";

/// A feature as it is written.
pub(super) struct Feature {
    pub(super) name: String,
    /// The input and the column that it is, where its name does not say it.
    pub(super) place: Option<(String, u32)>,
    pub(super) domain: Domain,
    /// How many elements it has, if it is a vector.
    pub(super) length: Option<usize>,
    /// Whether the model takes its absence, and there were rows without it.
    pub(super) optional: bool,
    /// A value as TOML.
    pub(super) example: String,
    /// What is to be known of it, beside it in the manifest.
    pub(super) remarks: Vec<String>,
    /// What to look at after all.
    pub(super) notes: Vec<String>,
}

/// What values it has.
pub(super) enum Domain {
    Number { bounds: Option<(f64, f64)>, step: Option<String> },
    Integer { bounds: Option<(i64, i64)> },
    Boolean,
    Category { categories: Vec<String>, unknown: Vec<String> },
}

impl Feature {
    /// A feature without a sample.
    pub(super) fn of_file(draft: &DraftFeature) -> Feature {
        let mut feature = Feature::new(&draft.name, draft, file_domain(draft));
        if let (Some(_), Domain::Integer { .. }) = (draft.bounds, &feature.domain) {
            feature.remarks.push("the bounds are those that the model's file implies".to_owned());
        }
        if draft.takes_missing {
            let remark = "the model gives numbers without it, too: `optional = true` accepts that";
            feature.remarks.push(remark.to_owned());
        }
        feature.note_unknown();
        feature
    }

    /// All columns of an input as one feature, if they are many and alike.
    pub(super) fn of_input(columns: &[DraftFeature]) -> Option<Feature> {
        let [first, others @ ..] = columns else { return None };
        let what = |column: &DraftFeature| (column.kind, column.bounds, column.takes_missing);
        let are_alike = others.iter().all(|column| what(column) == what(first));
        let are_numbers = matches!(first.kind, Kind::Number | Kind::Integer);
        if columns.len() <= MAX_NAMELESS_COLUMNS || !are_alike || !are_numbers {
            return None;
        }
        let name = match &first.place {
            Some((input, _)) => input,
            None => first.name.strip_suffix("_0").unwrap_or(&first.name),
        };
        let (name, length) = (name.to_owned(), Some(columns.len()));
        Some(Feature { name, place: None, length, ..Feature::of_file(first) })
    }

    /// A feature of which a sample has a column.
    pub(super) fn of_sample(draft: &DraftFeature, column: &Column) -> Feature {
        let mut feature = Feature::new(&column.name, draft, Domain::Boolean);
        let name = literal::remark(&column.name);
        feature.domain = match draft.kind {
            Kind::Text => feature.categories(draft, column),
            Kind::Boolean => Domain::Boolean,
            Kind::Number if is_boolean(column) => Domain::Boolean,
            Kind::Number | Kind::Integer if column.numbers.count == 0 => file_domain(draft),
            Kind::Integer => integers(&column.numbers).unwrap_or_else(|| file_domain(draft)),
            Kind::Number => {
                let numbers = &column.numbers;
                integers(numbers).unwrap_or_else(|| numbers_of(numbers))
            }
        };
        let is_number = matches!(feature.domain, Domain::Number { .. } | Domain::Integer { .. });
        if let (true, Some((cell, line))) = (is_number, &column.no_number) {
            let cell = literal::remark(cell);
            feature.notes.push(format!("column {name}: {cell} in line {line} is no number"));
        }
        if is_number && column.missing > 0 {
            feature.optional = draft.takes_missing;
            let rows = column.missing;
            if !draft.takes_missing {
                let remark = format!("{rows} rows of the sample have none, and the model needs it");
                feature.notes.push(format!("{name}: {remark}"));
                feature.remarks.push(remark);
            }
        }
        if !is_number && column.empty > 0 && !feature.has_category("") {
            let rows = column.empty;
            feature.notes.push(format!("{name}: {rows} rows of the sample have none"));
        }
        feature.note_unknown();
        feature
    }

    /// A feature of which a sample has a vector: the columns of an input that its elements are.
    pub(super) fn of_vector(drafts: &[DraftFeature], columns: &[&Column]) -> Option<Feature> {
        let ([first, others @ ..], [column, ..]) = (drafts, columns) else { return None };
        let Element { vector, .. } = column.element.as_ref()?;
        let mut whole = first.clone();
        for other in others {
            whole.takes_missing &= other.takes_missing;
            let both = whole.bounds.zip(other.bounds);
            whole.bounds = both.map(|((low, high), (a, b))| (low.min(a), high.max(b)));
        }
        whole.place = first.place.clone().filter(|(input, column)| input != vector || *column > 0);
        let mut feature = Feature::of_sample(&whole, &Column::of_elements(vector, columns));
        feature.length = Some(columns.len());
        Some(feature)
    }

    fn new(name: &str, draft: &DraftFeature, domain: Domain) -> Feature {
        Feature {
            name: name.to_owned(),
            place: draft.place.clone(),
            domain,
            length: None,
            optional: false,
            example: String::new(),
            remarks: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The categories that the model's encoders know, and those of the sample beside them.
    fn categories(&mut self, draft: &DraftFeature, column: &Column) -> Domain {
        let known = &draft.categories;
        if known.is_empty() {
            return Domain::Category { categories: column.texts.clone(), unknown: Vec::new() };
        }
        let is_new = |text: &&String| !known.contains(text);
        let new: Vec<String> = column.texts.iter().filter(is_new).cloned().collect();
        let mut categories = known.clone();
        if !new.is_empty() {
            let shown: Vec<String> = new.iter().take(3).map(|text| literal::remark(text)).collect();
            let more = if new.len() > shown.len() { ", …" } else { "" };
            let what = if draft.refuses_others {
                "the model fails on these of the sample"
            } else {
                "the model's encoder does not know these of the sample"
            };
            let remark = format!("{what}: {}{more}", shown.join(", "));
            self.notes.push(format!("{}: {remark}", literal::remark(&self.name)));
            self.remarks.push(remark);
        }
        let unknown = if draft.refuses_others { Vec::new() } else { new };
        categories.extend(unknown.iter().cloned());
        Domain::Category { categories, unknown }
    }

    fn has_category(&self, text: &str) -> bool {
        matches!(&self.domain, Domain::Category { categories, .. } if categories.iter().any(|it| it == text))
    }

    /// A manifest needs a category, where nothing tells of any.
    fn note_unknown(&mut self) {
        if let Domain::Category { categories, .. } = &mut self.domain
            && categories.is_empty()
        {
            categories.push(UNKNOWN_CATEGORY.to_owned());
            self.remarks.push("what categories there are is not in the model's file".to_owned());
            self.notes.push(format!("the categories of {}", literal::remark(&self.name)));
        }
    }

    /// Makes it one that must be there.
    pub(super) fn demand(&mut self) {
        if std::mem::take(&mut self.optional) {
            let remark = "the sample has rows without it, and the model takes those for others";
            self.notes.push(format!("{}: {remark}", literal::remark(&self.name)));
            self.remarks.push(remark.to_owned());
        }
    }

    /// The cells of a row as an example, if they are a value of the feature.
    pub(super) fn example_of(&self, cells: &[&str]) -> Option<String> {
        let values: Option<Vec<String>> = cells.iter().map(|cell| self.value(cell)).collect();
        match self.length {
            Some(_) => values.map(|values| format!("[{}]", values.join(", "))),
            None => values?.into_iter().next(),
        }
    }

    /// A cell as TOML, if it is a value of the feature or of an element of it.
    fn value(&self, text: &str) -> Option<String> {
        match &self.domain {
            Domain::Number { bounds, .. } => {
                let number: f64 = cell::number(text)?.parse().ok()?;
                let is_legal = bounds.is_none_or(|(low, high)| (low..=high).contains(&number));
                is_legal.then(|| literal::number(number))
            }
            Domain::Integer { bounds } => {
                let text = cell::number(text)?;
                let number = text.parse().ok().or_else(|| {
                    let number: f64 = text.parse().ok()?;
                    (number.fract() == 0.0).then_some(number as i64)
                })?;
                let is_legal = bounds.is_none_or(|(low, high)| (low..=high).contains(&number));
                is_legal.then(|| number.to_string())
            }
            Domain::Boolean => cell::boolean(text).map(|boolean| boolean.to_string()),
            Domain::Category { .. } => self.has_category(text).then(|| literal::text(text)),
        }
    }

    /// An example where no cell is one.
    pub(super) fn any_example(&self) -> String {
        match &self.domain {
            Domain::Number { bounds, .. } => literal::number(bounds.map_or(0.0, |(low, _)| low)),
            Domain::Integer { bounds } => {
                let within = |(low, high)| 0_i64.clamp(low, high);
                bounds.map_or(0, within).to_string()
            }
            Domain::Boolean => "false".to_owned(),
            Domain::Category { categories, .. } => {
                categories.first().map_or_else(String::new, |first| literal::text(first))
            }
        }
    }
}

/// What the model's file says of the values.
fn file_domain(draft: &DraftFeature) -> Domain {
    match (draft.kind, draft.bounds) {
        (Kind::Boolean, _) => Domain::Boolean,
        (Kind::Number, None) => Domain::Number { bounds: None, step: None },
        (Kind::Number | Kind::Integer, bounds) => Domain::Integer { bounds },
        (Kind::Text, _) => {
            Domain::Category { categories: draft.categories.clone(), unknown: Vec::new() }
        }
    }
}

/// Whether all that a column has are truth values.
fn is_boolean(column: &Column) -> bool {
    let all_known = column.texts.iter().all(|text| cell::boolean(text).is_some());
    column.booleans > 0 && column.missing == 0 && all_known
}

/// Integers, if all are.
fn integers(numbers: &Numbers) -> Option<Domain> {
    let bounds = (numbers.minimum as i64, numbers.maximum as i64);
    numbers.are_integers.then_some(Domain::Integer { bounds: Some(bounds) })
}

/// Numbers, on a grid if they have few digits behind the point.
fn numbers_of(numbers: &Numbers) -> Domain {
    let bounds = (numbers.minimum, numbers.maximum);
    let decimals = numbers.decimals.filter(|decimals| *decimals <= MAX_DECIMALS);
    let step = decimals.map(|decimals| format!("0.{}1", "0".repeat(decimals.saturating_sub(1))));
    let is_grid =
        |step: &String| step.parse().is_ok_and(|size| Step::new(bounds.0, bounds.1, size).is_ok());
    Domain::Number { bounds: Some(bounds), step: step.filter(is_grid) }
}
