//! Reads a manifest from TOML, and finds everything that is wrong with it in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::http::paths;
use crate::model::feature::read;
use crate::model::feature::{Domain, Feature, Value};
use crate::model::manifest::reference::{self, Key};
use crate::model::manifest::{
    Cache, Endpoint, MAX_TTL_SECONDS, Manifest, ManifestError, ManifestErrors, Output, Rule,
};
use crate::model::step::Step;

const MAX_SECONDS: i64 = MAX_TTL_SECONDS as i64;
const MAX_CATEGORIES: usize = 1 << 16;

pub(super) fn manifest(text: &str) -> Result<Manifest, ManifestErrors> {
    let mut reader = Reader { text, errors: Vec::new() };
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    for error in syntax_errors {
        reader.error(error.span().unwrap_or(0..0), error.message());
    }
    let manifest = match reader.errors.is_empty() {
        true => reader.manifest(document.get_ref(), document.span()),
        false => None,
    };
    let mut errors = reader.errors;
    match manifest {
        Some(manifest) if errors.is_empty() => Ok(manifest),
        _ => {
            errors.sort();
            errors.dedup();
            Err(ManifestErrors(errors))
        }
    }
}

/// The text, for line numbers, and what was found wrong so far.
struct Reader<'a> {
    text: &'a str,
    errors: Vec<ManifestError>,
}

/// A table and where it stands.
#[derive(Clone)]
struct Table<'t, 'a> {
    table: &'t DeTable<'a>,
    span: Range<usize>,
    /// How messages call it, e.g. "feature `age`".
    name: String,
}

type Member<'t, 'a> = &'t Spanned<DeValue<'a>>;

impl<'a> Reader<'a> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.errors.push(ManifestError { line, message: message.into() });
    }

    fn manifest(&mut self, table: &DeTable<'a>, span: Range<usize>) -> Option<Manifest> {
        let document = Table { table, span, name: "the manifest".into() };
        self.only(&document, &["model", "cache", "feature", "output", "endpoint"]);
        let model = self.table(&document, "model");
        let cache = self.table(&document, "cache");
        let features = self.tables(&document, "feature");
        let output_tables = self.tables(&document, "output");
        let endpoint_tables = self.tables(&document, "endpoint");

        let [name, description, license, contact, file] =
            model.map_or_else(Default::default, |model| self.model(&model));
        let cache = cache.and_then(|cache| self.cache(&cache));
        let features = self.each(&features, Reader::feature);
        let outputs = self.each(&output_tables, Reader::output);
        let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let endpoints = self.each(&endpoint_tables, |reader, table| reader.endpoint(table, &names));
        if self.errors.is_empty() {
            self.distinct_classes(&endpoint_tables, &endpoints);
            self.distinct_fields(&endpoint_tables, &endpoints);
            self.distinct_outputs(&output_tables, &outputs);
            for (i, (table, name)) in output_tables.iter().zip(&names).enumerate() {
                if endpoints.iter().all(|endpoint| !endpoint.rule.outputs().contains(&i)) {
                    let message = format!("output {name:?} is used by no endpoint; remove it");
                    self.error(table.span.clone(), message);
                }
            }
        }
        Some(Manifest {
            name: name?,
            description: description.unwrap_or_default(),
            license,
            contact,
            file: file?,
            cache: cache?,
            features,
            outputs,
            endpoints,
        })
    }

    /// Name, description, licence, contact and file.
    fn model(&mut self, model: &Table<'_, 'a>) -> [Option<String>; 5] {
        self.known(model, &reference::MODEL, "");
        let name = self.checked_string(model, "name", |name| {
            let legal =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (!name.is_empty() && name.len() <= 64 && name.bytes().all(legal))
                .then_some(())
                .ok_or("must be 1 to 64 lower-case letters, digits or hyphens")
        });
        let description = self.optional_string(model, "description");
        let file = self.checked_string(model, "file", |file| {
            let plain =
                !file.is_empty() && !file.contains(['/', '\\']) && file != "." && file != "..";
            plain.then_some(()).ok_or("must be the name of a file beside the manifest")
        });
        let license = self.checked_optional(model, "license", |license| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.+() ".contains(&byte);
            (!license.is_empty() && license.bytes().all(legal))
                .then_some(())
                .ok_or("must be an SPDX identifier, like Apache-2.0")
        });
        let contact = self.checked_optional(model, "contact", |contact| {
            let rest = contact.strip_prefix("https://").or_else(|| contact.strip_prefix("http://"));
            let is_url = rest.is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())
            });
            is_url.then_some(()).ok_or("must be a URL, like https://example.com/help")
        });
        [name, description, license, contact, file]
    }

    fn cache(&mut self, table: &Table<'_, 'a>) -> Option<Cache> {
        let optional = ["jitter_percent", "early_refresh_seconds", "stale_if_error_seconds"];
        self.known(table, &reference::CACHE, "");
        let ttl_seconds = self.integer(table, "ttl_seconds", 1, MAX_SECONDS);
        let [jitter, early, stale] = optional.map(|key| {
            let maximum = if key == "jitter_percent" { 50 } else { MAX_SECONDS };
            self.optional_integer(table, key, 0, maximum).unwrap_or(0) as u32
        });
        Some(Cache {
            ttl_seconds: ttl_seconds? as u32,
            jitter_percent: jitter,
            early_refresh_seconds: early,
            stale_if_error_seconds: stale,
        })
    }

    fn feature(&mut self, table: &Table<'_, 'a>) -> Option<(Range<usize>, String, Feature)> {
        let kind = self.string(table, "type");
        if let Some(other) = kind.as_deref()
            && !["number", "integer", "boolean", "category"].contains(&other)
        {
            let message = format!(
                "{}: type {other:?} is not one of number, integer, boolean, category",
                table.name
            );
            self.error(self.span(table, "type"), message);
            return None;
        }
        let kind = kind?;
        if kind == "category" && table.table.contains_key("optional") {
            let message = format!(
                "{}: a category cannot be optional; add a category for the missing value",
                table.name
            );
            self.error(self.span(table, "optional"), message);
            return None;
        }
        self.known(table, &reference::FEATURE, &kind);
        let name = self.string(table, "name");
        let domain = match kind.as_str() {
            "number" => self.number(table),
            "integer" => self.integers(table),
            "category" => self.categories(table),
            _ => Some(Domain::Boolean),
        };
        let optional = self.boolean(table, "optional").unwrap_or(false);
        let unknown = self.unknown(table, domain.as_ref());
        let unit = self.optional_string(table, "unit");
        let description = self.optional_string(table, "description").unwrap_or_default();
        let example = self.required(table, "example");
        let mut feature = Feature {
            name: name?,
            domain: domain?,
            optional,
            unknown,
            unit,
            description,
            example: Value::Missing,
        };
        feature.example = self.example(table, &feature, example?)?;
        Some((self.span(table, "name"), feature.name.clone(), feature))
    }

    fn number(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        let minimum = self.float(table, "minimum");
        let maximum = self.float(table, "maximum");
        let round = self.boolean(table, "round").unwrap_or(false);
        let size = self.float(table, "step");
        if let (Some(low), Some(high)) = (minimum, maximum)
            && low > high
        {
            self.error(self.span(table, "minimum"), above_maximum(table, low, high));
            return None;
        }
        let step = match (size, minimum, maximum) {
            (None, ..) if round => {
                let message = format!("{}: round = true needs a step", table.name);
                self.error(self.span(table, "round"), message);
                return None;
            }
            (None, ..) => None,
            (Some(size), Some(minimum), Some(maximum)) => match Step::new(minimum, maximum, size) {
                Ok(step) => Some(step),
                Err(message) => {
                    self.error(self.span(table, "step"), format!("{}: {message}", table.name));
                    return None;
                }
            },
            (Some(_), ..) => {
                let message = format!("{}: a step needs a minimum and a maximum", table.name);
                self.error(self.span(table, "step"), message);
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
            self.error(self.span(table, "minimum"), above_maximum(table, minimum, maximum));
            return None;
        }
        Some(Domain::Integer { minimum, maximum })
    }

    fn categories(&mut self, table: &Table<'_, 'a>) -> Option<Domain> {
        let member = self.required(table, "categories")?;
        let categories = self.strings(table, "categories")?;
        if categories.is_empty() || categories.len() > MAX_CATEGORIES {
            let message = format!(
                "{}: categories must have 1 to {MAX_CATEGORIES} members, not {}",
                table.name,
                categories.len()
            );
            self.error(member.span(), message);
        }
        Some(Domain::Category { categories })
    }

    /// The categories that the model's encoders need not know.
    fn unknown(&mut self, table: &Table<'_, 'a>, domain: Option<&Domain>) -> Vec<String> {
        let Some(unknown) = self.strings(table, "unknown") else { return vec![] };
        if let Some(Domain::Category { categories }) = domain
            && let Some(other) = unknown.iter().find(|it| !categories.contains(it))
        {
            let message = format!("{}: {other:?} is none of the categories", table.name);
            self.error(self.span(table, "unknown"), message);
        }
        unknown
    }

    /// An array of distinct strings, or `None` where it is not there or is wrong.
    fn strings(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<Vec<String>> {
        let member = table.table.get(key)?;
        let Some(array) = member.get_ref().as_array() else {
            self.wrong_type(table, key, member, "an array of strings");
            return None;
        };
        let mut strings: Vec<String> = Vec::with_capacity(array.len());
        let mut known = BTreeSet::new();
        for item in array {
            match item.get_ref().as_str() {
                None => self.wrong_type(table, key, item, "strings"),
                Some(text) if !known.insert(text) => {
                    let message = format!("{}: {key} has {text:?} twice", table.name);
                    self.error(item.span(), message);
                }
                Some(text) => strings.push(text.to_owned()),
            }
        }
        (strings.len() == array.len()).then_some(strings)
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
            .map_err(|error| {
                let message =
                    format!("{}: the example must be {}, not {json}", table.name, error.expected);
                self.error(member.span(), message);
            })
            .ok()
    }

    fn output(&mut self, table: &Table<'_, 'a>) -> Option<(Range<usize>, String, Output)> {
        self.known(table, &reference::OUTPUT, "");
        let name = self.string(table, "name");
        let tensor = self.string(table, "tensor");
        let column = self.optional_integer(table, "column", 0, i64::from(u32::MAX)).unwrap_or(0);
        let description = self.optional_string(table, "description").unwrap_or_default();
        let output = Output { name: name?, tensor: tensor?, column: column as usize, description };
        Some((self.span(table, "name"), output.name.clone(), output))
    }

    fn endpoint(
        &mut self,
        table: &Table<'_, 'a>,
        outputs: &[String],
    ) -> Option<(Range<usize>, String, Endpoint)> {
        const KINDS: [&str; 3] = ["threshold", "bands", "classes"];
        let mut kinds = KINDS.into_iter().filter(|kind| table.table.contains_key(*kind));
        let kind = kinds.next().unwrap_or_default();
        if let Some(other) = kinds.next() {
            let message = format!("{}: {kind} and {other} exclude each other", table.name);
            self.error(self.span(table, other), message);
            return None;
        }
        let mut known = reference::names(&reference::ENDPOINT, kind);
        if kind.is_empty() {
            known.extend(KINDS);
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
            let message = format!("{}: every service has {reserved} already", table.name);
            self.error(self.span(table, "path"), message);
        }
        let field = self.checked_string(table, "field", |field| {
            // A comma would part it in `include=`, where spaces around names do not count.
            (!field.is_empty() && !field.contains(',') && field.trim() == field)
                .then_some(())
                .ok_or("must not be empty, and have no comma and no space at its ends")
        });
        let rule = match kind {
            "threshold" => self.threshold(table, outputs),
            "bands" => self.bands(table, outputs),
            "classes" => self.classes(table, outputs),
            _ => self.output_of(table, outputs).map(|output| Rule::Number { output }),
        };
        let description = self.optional_string(table, "description").unwrap_or_default();
        let ttl_seconds = self.optional_integer(table, "ttl_seconds", 1, MAX_SECONDS);
        let python_class = self.python_class(table);
        let endpoint = Endpoint {
            path: path?,
            field: field?,
            rule: rule?,
            ttl_seconds: ttl_seconds.map(|seconds| seconds as u32),
            python_class,
            description,
        };
        Some((self.span(table, "path"), endpoint.path.clone(), endpoint))
    }

    fn python_class(&mut self, table: &Table<'_, 'a>) -> Option<String> {
        self.checked_optional(table, "python_class", |class| {
            let legal = |c: char| c == '_' || c.is_ascii_alphanumeric();
            (class.chars().all(legal) && class.starts_with(|c: char| !c.is_ascii_digit()))
                .then_some(())
                .ok_or("must be the name of a Python class, like DecisionRequest")
        })
    }

    /// A text that may be left out, and is checked where it is there.
    fn checked_optional(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        table.table.get(key)?;
        self.checked_string(table, key, check)
    }

    /// Two endpoints with one class would read each other's answers.
    fn distinct_classes(&mut self, tables: &[Table<'_, 'a>], endpoints: &[Endpoint]) {
        let mut classes = BTreeSet::new();
        for (table, endpoint) in tables.iter().zip(endpoints) {
            if let Some(class) = &endpoint.python_class
                && !classes.insert(class)
            {
                let message =
                    format!("{}: python_class {class:?} is another endpoint's too", table.name);
                self.error(self.span(table, "python_class"), message);
            }
        }
    }

    /// Of two names for one number, one is meant for another.
    fn distinct_outputs(&mut self, tables: &[Table<'_, 'a>], outputs: &[Output]) {
        let mut places = BTreeMap::new();
        for (table, Output { name, tensor, column, .. }) in tables.iter().zip(outputs) {
            if let Some(other) = places.insert((tensor, column), name) {
                let message = format!(
                    "{}: column {column} of {tensor:?} is the output {other:?} already",
                    table.name
                );
                self.error(self.span(table, "column"), message);
            }
        }
    }

    /// `/predictions` has the fields of all endpoints side by side.
    fn distinct_fields(&mut self, tables: &[Table<'_, 'a>], endpoints: &[Endpoint]) {
        let mut fields = BTreeSet::new();
        for (table, endpoint) in tables.iter().zip(endpoints) {
            if !fields.insert(&endpoint.field) {
                let message =
                    format!("{}: field {:?} is another endpoint's too", table.name, endpoint.field);
                self.error(self.span(table, "field"), message);
            }
        }
    }

    /// The position of the output that a table names.
    fn output_of(&mut self, table: &Table<'_, 'a>, outputs: &[String]) -> Option<usize> {
        let output = self.string(table, "output")?;
        let position = outputs.iter().position(|name| *name == output);
        // Without any output there is an error already that says why.
        if position.is_none() && !outputs.is_empty() {
            let message = format!(
                "{}: {output:?} is not an output; the outputs are {}",
                table.name,
                outputs.join(", ")
            );
            self.error(self.span(table, "output"), message);
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
            self.error(member.span(), format!("{name}: bands must have at least one member"));
        }
        let last = tables.len().saturating_sub(1);
        let mut bands: Vec<(f64, String)> = Vec::new();
        let mut last_label = None;
        for (i, band) in tables.iter().enumerate() {
            self.known(band, &reference::BAND, "");
            let label = self.string(band, "label");
            let below = self.float(band, "below");
            match below {
                None if i == last => last_label = label,
                None => self.error(
                    band.span.clone(),
                    format!("{name}: every band but the last needs below"),
                ),
                Some(_) if i == last => {
                    let message =
                        format!("{name}: the last band takes all the rest; leave below out");
                    self.error(band.span.clone(), message);
                }
                Some(below)
                    if bands.last().is_some_and(|(last, _)| *last as f32 >= below as f32) =>
                {
                    let message =
                        format!("{name}: below = {below} must be above the previous band's");
                    self.error(band.span.clone(), message);
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
            let message = format!("{name}: classes must have at least two members");
            self.error(member.span(), message);
        }
        let mut classes: Vec<(usize, String)> = Vec::with_capacity(tables.len());
        for class in &tables {
            self.known(class, &reference::CLASS, "");
            let output = self.output_of(class, outputs);
            let label = self.string(class, "label");
            let (Some(output), Some(label)) = (output, label) else { continue };
            if classes.iter().any(|(other, _)| *other == output) {
                let message = format!("{name}: output {:?} has a class already", outputs[output]);
                self.error(self.span(class, "output"), message);
            }
            classes.push((output, label));
        }
        Some(Rule::Classes { classes })
    }

    /// Reads each table, and refuses a name that was there before.
    fn each<'t, T>(
        &mut self,
        tables: &[Table<'t, 'a>],
        mut read: impl FnMut(&mut Self, &Table<'t, 'a>) -> Option<(Range<usize>, String, T)>,
    ) -> Vec<T> {
        let mut names = BTreeSet::new();
        let mut items = Vec::with_capacity(tables.len());
        for table in tables {
            let Some((span, name, item)) = read(self, table) else { continue };
            if names.insert(name.clone()) {
                items.push(item);
            } else {
                self.error(span, format!("{} is there twice", table.name));
            }
        }
        items
    }

    /// Refuses members that a table of a kind does not have.
    fn known(&mut self, table: &Table<'_, 'a>, keys: &'static [Key], kind: &str) {
        self.only(table, &reference::names(keys, kind));
    }

    /// Refuses members that are not known, with the list of those that are.
    fn only(&mut self, table: &Table<'_, 'a>, known: &[&str]) {
        for (key, _) in table.table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message = format!(
                    "{}: {:?} is not known here; known are {}",
                    table.name,
                    key.get_ref(),
                    known.join(", ")
                );
                self.error(key.span(), message);
            }
        }
    }

    fn table<'t>(&mut self, parent: &Table<'t, 'a>, key: &str) -> Option<Table<'t, 'a>> {
        let member = self.required(parent, key)?;
        match member.get_ref().as_table() {
            Some(table) => Some(Table { table, span: member.span(), name: format!("[{key}]") }),
            None => {
                self.wrong_type(parent, key, member, "a table");
                None
            }
        }
    }

    /// The tables of `[[key]]`, at least one.
    fn tables<'t>(&mut self, parent: &Table<'t, 'a>, key: &str) -> Vec<Table<'t, 'a>> {
        match parent.table.get(key) {
            Some(member) => self.array_of_tables(member, key),
            None => {
                self.error(
                    parent.span.clone(),
                    format!("{} has no [[{key}]]; add at least one", parent.name),
                );
                Vec::new()
            }
        }
    }

    fn array_of_tables<'t>(&mut self, member: Member<'t, 'a>, key: &str) -> Vec<Table<'t, 'a>> {
        let Some(array) = member.get_ref().as_array() else {
            let found = member.get_ref().type_str();
            self.error(member.span(), format!("{key} must be an array of tables, not {found}"));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(array.len());
        for (i, item) in array.iter().enumerate() {
            match item.get_ref().as_table() {
                Some(table) => {
                    let name = ["name", "path", "label"]
                        .iter()
                        .find_map(|id| table.get(*id)?.get_ref().as_str())
                        .map_or(format!("{key} {}", i + 1), |name| format!("{key} {name:?}"));
                    tables.push(Table { table, span: item.span(), name });
                }
                None => self.error(item.span(), format!("{key} must be an array of tables")),
            }
        }
        tables
    }

    fn required<'t>(&mut self, table: &Table<'t, 'a>, key: &str) -> Option<Member<'t, 'a>> {
        let member = table.table.get(key);
        if member.is_none() {
            self.error(table.span.clone(), format!("{} has no {key}; add it", table.name));
        }
        member
    }

    /// Where a member stands, or else its table.
    fn span(&self, table: &Table<'_, 'a>, key: &str) -> Range<usize> {
        table.table.get(key).map_or(table.span.clone(), Spanned::span)
    }

    fn wrong_type(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        member: Member<'_, 'a>,
        expected: &str,
    ) {
        let found = member.get_ref().type_str();
        self.error(member.span(), format!("{}: {key} must be {expected}, not {found}", table.name));
    }

    fn string(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<String> {
        self.required(table, key)?;
        self.optional_string(table, key)
    }

    fn optional_string(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<String> {
        self.typed(table, key, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn boolean(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<bool> {
        self.typed(table, key, "true or false", DeValue::as_bool)
    }

    /// A member that may be left out, but must be of a type if it is there.
    fn typed<T>(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        expected: &str,
        read: impl Fn(&DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let member = table.table.get(key)?;
        let value = read(member.get_ref());
        if value.is_none() {
            self.wrong_type(table, key, member, expected);
        }
        value
    }

    fn checked_string(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        let text = self.string(table, key)?;
        match check(&text) {
            Ok(()) => Some(text),
            Err(message) => {
                self.error(
                    self.span(table, key),
                    format!("{}: {key} {text:?} {message}", table.name),
                );
                None
            }
        }
    }

    fn integer(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        minimum: i64,
        maximum: i64,
    ) -> Option<i64> {
        self.required(table, key)?;
        self.optional_integer(table, key, minimum, maximum)
    }

    fn optional_integer(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        minimum: i64,
        maximum: i64,
    ) -> Option<i64> {
        let member = table.table.get(key)?;
        let Some(integer) = member.get_ref().as_integer() else {
            self.wrong_type(table, key, member, "an integer");
            return None;
        };
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.filter(|value| (minimum..=maximum).contains(value));
        if value.is_none() {
            let text = integer.as_str();
            let message =
                format!("{}: {key} must be from {minimum} to {maximum}, not {text}", table.name);
            self.error(member.span(), message);
        }
        value
    }

    fn float(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<f64> {
        let member = table.table.get(key)?;
        let value: Option<f64> = match member.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => {
                json_number(member.get_ref()).and_then(|text| text.parse().ok())
            }
            _ => {
                self.wrong_type(table, key, member, "a number");
                return None;
            }
        };
        let value = value.filter(|value| value.is_finite());
        if value.is_none() {
            self.error(member.span(), format!("{}: {key} must be a finite number", table.name));
        }
        // Adding zero turns -0 into 0.
        value.map(|value| value + 0.0)
    }
}

fn above_maximum(table: &Table<'_, '_>, minimum: impl ToString, maximum: impl ToString) -> String {
    let (minimum, maximum) = (minimum.to_string(), maximum.to_string());
    format!("{}: minimum {minimum} is above maximum {maximum}", table.name)
}

/// The JSON text of a TOML number, or `None` where it has none (`inf`, `nan`, beyond 64 bits).
fn json_number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(integer) => {
            let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            Some(value.to_string())
        }
        DeValue::Float(float) => {
            let value: f64 = float.as_str().parse().ok()?;
            value.is_finite().then(|| value.to_string())
        }
        _ => None,
    }
}
