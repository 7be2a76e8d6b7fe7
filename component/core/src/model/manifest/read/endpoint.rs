//! Reads `[[endpoint]]`.

use std::fmt;
use std::ops::Range;

use crate::http::paths;
use crate::model::manifest::read::toml::{Reader, Table};
use crate::model::manifest::reference::{self, Kind};
use crate::model::manifest::{Endpoint, MAX_TTL_SECONDS, Rule};

impl<'a> Reader<'a> {
    pub(super) fn endpoint(
        &mut self,
        table: &Table<'_, 'a>,
        outputs: &[String],
    ) -> Option<(Range<usize>, String, Endpoint)> {
        let is_there = |kind: &Kind| table.table.contains_key(kind.name());
        let mut kinds = Kind::RULES.into_iter().filter(is_there);
        let kind = kinds.next().unwrap_or(Kind::Output);
        if let Some(other) = kinds.next() {
            let (one, other) = (kind.name(), other.name());
            self.refuse(table, other, format_args!("{one} and {other} exclude each other"));
            return None;
        }
        let mut known = reference::names(&reference::ENDPOINT, Some(kind));
        if kind == Kind::Output {
            known.extend(Kind::RULES.map(Kind::name));
        }
        self.only(table, &known);
        let path = self.checked_string(table, "path", |path| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let segments = path.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
            let mut legal = segments.map(|segment| {
                !segment.is_empty()
                    && segment.bytes().all(legal)
                    && segment != "."
                    && segment != ".."
            });
            (path.starts_with('/') && legal.all(|legal| legal))
                .then_some(())
                .ok_or("must be like /decisions: letters, digits, _ - . after each slash")
        });
        if let Some(path) = &path
            && let Some(reserved) = paths::reserved(path)
        {
            let message = format_args!("every service has {reserved} already");
            self.refuse(table, "path", message);
        }
        let field = self.checked_string(table, "field", |field| {
            // A comma would part it in `include=`, where spaces around names do not count.
            (!field.is_empty() && !field.contains(',') && field.trim() == field)
                .then_some(())
                .ok_or("must not be empty, and have no comma and no space at its ends")
        });
        let rule = match kind {
            Kind::Threshold => self.threshold(table, outputs),
            Kind::Bands => self.bands(table, outputs),
            Kind::Classes => self.classes(table, outputs),
            _ => self.output_of(table, outputs).map(|output| Rule::Number { output }),
        };
        let description = self.optional_string(table, "description").unwrap_or_default();
        let ttl_seconds = self.optional_integer(table, "ttl_seconds", 1, MAX_TTL_SECONDS.into());
        let python_class = self.python_class(table);
        let endpoint = Endpoint {
            path: path?,
            field: field?,
            rule: rule?,
            ttl_seconds: ttl_seconds.map(|seconds| seconds as u32),
            python_class,
            description,
        };
        Some((table.span_of("path"), endpoint.path.clone(), endpoint))
    }

    fn python_class(&mut self, table: &Table<'_, 'a>) -> Option<String> {
        self.checked_optional(table, "python_class", |class| {
            let legal = |c: char| c == '_' || c.is_ascii_alphanumeric();
            (class.chars().all(legal) && class.starts_with(|c: char| !c.is_ascii_digit()))
                .then_some(())
                .ok_or("must be the name of a Python class, like DecisionRequest")
        })
    }

    /// The position of the output that a table names.
    fn output_of(&mut self, table: &Table<'_, 'a>, outputs: &[String]) -> Option<usize> {
        let output = self.string(table, "output")?;
        let position = outputs.iter().position(|name| *name == output);
        // Without any output there is an error already that says why.
        if position.is_none() && !outputs.is_empty() {
            let message =
                format_args!("{output:?} is not an output; the outputs are {}", outputs.join(", "));
            self.refuse(table, "output", message);
        }
        position
    }

    fn threshold(&mut self, table: &Table<'_, 'a>, outputs: &[String]) -> Option<Rule> {
        let output = self.output_of(table, outputs);
        let threshold = self.float(table, "threshold");
        let above = self.string(table, "above");
        let otherwise = self.string(table, "otherwise");
        Some(Rule::Threshold {
            output: output?,
            threshold: threshold?,
            above: above?,
            otherwise: otherwise?,
        })
    }

    fn bands(&mut self, table: &Table<'_, 'a>, outputs: &[String]) -> Option<Rule> {
        let output = self.output_of(table, outputs);
        let member = self.required(table, "bands")?;
        let tables = self.array_of_tables(member, "bands");
        let name = &table.name;
        if member.get_ref().as_array().is_some_and(|array| array.is_empty()) {
            self.refuse(table, "bands", "bands must have at least one member");
        }
        let last = tables.len().saturating_sub(1);
        let mut bands: Vec<(f64, String)> = Vec::new();
        let mut last_label = None;
        for (i, band) in tables.iter().enumerate() {
            self.known(band, &reference::BAND, None);
            let label = self.string(band, "label");
            let below = self.float(band, "below");
            let previous = bands.last().map(|(below, _)| *below as f32);
            let mut refuse = |message: fmt::Arguments<'_>| {
                self.error(band.span.clone(), format!("{name}: {message}"));
            };
            match below {
                None if i == last => last_label = label,
                None => refuse(format_args!("every band but the last needs below")),
                Some(_) if i == last => {
                    refuse(format_args!("the last band takes all the rest; leave below out"));
                }
                Some(below) if previous.is_some_and(|previous| previous >= below as f32) => {
                    refuse(format_args!("below = {below} must be above the previous band's"));
                }
                Some(below) => bands.extend(label.map(|label| (below, label))),
            }
        }
        Some(Rule::Bands { output: output?, bands, last: last_label? })
    }

    fn classes(&mut self, table: &Table<'_, 'a>, outputs: &[String]) -> Option<Rule> {
        let member = self.required(table, "classes")?;
        let tables = self.array_of_tables(member, "classes");
        let name = &table.name;
        if member.get_ref().as_array().is_some_and(|array| array.len() < 2) {
            self.refuse(table, "classes", "classes must have at least two members");
        }
        let mut classes: Vec<(usize, String)> = Vec::with_capacity(tables.len());
        for class in &tables {
            self.known(class, &reference::CLASS, None);
            let output = self.output_of(class, outputs);
            let label = self.string(class, "label");
            let (Some(output), Some(label)) = (output, label) else { continue };
            if classes.iter().any(|(other, _)| *other == output) {
                let message = format!("{name}: output {:?} has a class already", outputs[output]);
                self.error(class.span_of("output"), message);
            }
            classes.push((output, label));
        }
        Some(Rule::Classes { classes })
    }
}
