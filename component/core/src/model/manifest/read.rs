//! Reads a manifest from TOML, and finds everything that is wrong with it in one go.

mod endpoint;
mod feature;
mod toml;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ::toml::de::DeTable;

use crate::model::feature::Feature;
use crate::model::manifest::read::toml::{Reader, Table};
use crate::model::manifest::reference::{self, Key, Kind};
use crate::model::manifest::{Cache, Endpoint, MAX_TTL_SECONDS, Manifest, ManifestErrors, Output};

/// `[model]`
#[derive(Default)]
struct Model {
    name: Option<String>,
    description: Option<String>,
    license: Option<String>,
    contact: Option<String>,
    file: Option<String>,
}

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

impl<'a> Reader<'a> {
    fn manifest(&mut self, table: &DeTable<'a>, span: Range<usize>) -> Option<Manifest> {
        let document = Table { table, span, name: "the manifest".into() };
        self.only(&document, &["model", "cache", "feature", "output", "endpoint"]);
        let model = self.table(&document, "model");
        let cache = self.table(&document, "cache");
        let feature_tables = self.tables(&document, "feature");
        let output_tables = self.tables(&document, "output");
        let endpoint_tables = self.tables(&document, "endpoint");

        let Model { name, description, license, contact, file } =
            model.map_or_else(Model::default, |model| self.model(&model));
        let cache = cache.and_then(|cache| self.cache(&cache));
        let mut features = self.each(&feature_tables, Reader::feature);
        let outputs = self.each(&output_tables, Reader::output);
        let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let endpoints = self.each(&endpoint_tables, |reader, table| reader.endpoint(table, &names));
        if self.errors.is_empty() {
            self.place_features(&feature_tables, &mut features);
            self.distinct_elements(&feature_tables, &features);
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
            features: features.into_iter().flatten().collect(),
            outputs,
            endpoints,
        })
    }

    fn model(&mut self, model: &Table<'_, 'a>) -> Model {
        self.known(model, &reference::MODEL, None);
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
        Model { name, description, license, contact, file }
    }

    fn cache(&mut self, table: &Table<'_, 'a>) -> Option<Cache> {
        let optional = ["jitter_percent", "early_refresh_seconds", "stale_if_error_seconds"];
        self.known(table, &reference::CACHE, None);
        let ttl_seconds = self.integer(table, "ttl_seconds", 1, MAX_TTL_SECONDS.into());
        let [jitter, early, stale] = optional.map(|key| {
            let maximum = if key == "jitter_percent" { 50 } else { i64::from(MAX_TTL_SECONDS) };
            self.optional_integer(table, key, 0, maximum).unwrap_or(0) as u32
        });
        Some(Cache {
            ttl_seconds: ttl_seconds? as u32,
            jitter_percent: jitter,
            early_refresh_seconds: early,
            stale_if_error_seconds: stale,
        })
    }

    fn output(&mut self, table: &Table<'_, 'a>) -> Option<(Range<usize>, String, Output)> {
        self.known(table, &reference::OUTPUT, None);
        let name = self.string(table, "name");
        let tensor = self.string(table, "tensor");
        let column = self.optional_integer(table, "column", 0, i64::from(u32::MAX)).unwrap_or(0);
        let description = self.optional_string(table, "description").unwrap_or_default();
        let output = Output { name: name?, tensor: tensor?, column: column as usize, description };
        Some((table.span_of("name"), output.name.clone(), output))
    }

    /// Columns of a file are told apart by the names of elements.
    fn distinct_elements(&mut self, tables: &[Table<'_, 'a>], features: &[Vec<Feature>]) {
        let mut names = BTreeSet::new();
        for (table, features) in tables.iter().zip(features) {
            if let Some(twice) = features.iter().find(|feature| !names.insert(&feature.name)) {
                let message = format_args!("{:?} is the name of another feature", twice.name);
                self.refuse(table, "name", message);
            }
        }
    }

    /// Two endpoints with one class would read each other's answers.
    fn distinct_classes(&mut self, tables: &[Table<'_, 'a>], endpoints: &[Endpoint]) {
        let mut classes = BTreeSet::new();
        for (table, endpoint) in tables.iter().zip(endpoints) {
            if let Some(class) = &endpoint.python_class
                && !classes.insert(class)
            {
                let message = format_args!("python_class {class:?} is another endpoint's too");
                self.refuse(table, "python_class", message);
            }
        }
    }

    /// Of two names for one number, one is meant for another.
    fn distinct_outputs(&mut self, tables: &[Table<'_, 'a>], outputs: &[Output]) {
        let mut places = BTreeMap::new();
        for (table, Output { name, tensor, column, .. }) in tables.iter().zip(outputs) {
            if let Some(other) = places.insert((tensor, column), name) {
                let message =
                    format_args!("column {column} of {tensor:?} is the output {other:?} already");
                self.refuse(table, "column", message);
            }
        }
    }

    /// `/predictions` has the fields of all endpoints side by side.
    fn distinct_fields(&mut self, tables: &[Table<'_, 'a>], endpoints: &[Endpoint]) {
        let mut fields = BTreeSet::new();
        for (table, endpoint) in tables.iter().zip(endpoints) {
            if !fields.insert(&endpoint.field) {
                let message = format_args!("field {:?} is another endpoint's too", endpoint.field);
                self.refuse(table, "field", message);
            }
        }
    }

    /// Refuses members that a table of a kind does not have.
    pub(super) fn known(
        &mut self,
        table: &Table<'_, 'a>,
        keys: &'static [Key],
        kind: Option<Kind>,
    ) {
        self.only(table, &reference::names(keys, kind));
    }
}
