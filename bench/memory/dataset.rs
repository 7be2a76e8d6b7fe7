//! The predictions that the benchmark stores: those of a model like the credit one.

use anyhow::Result;
use bytes::Bytes;
use foretold_core::cache::entry::Entry;
use foretold_core::cache::key::{KeyLayout, ModelId};
use foretold_core::cache::python;
use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::Manifest;
use foretold_core::settings::KeyFormat;

const MANIFEST: &str = include_str!("../../models/credit/manifest.toml");
/// Length of `pickle.dumps` of the sample request, as `tests/python/key_sizes.py` prints it.
const PICKLE_BYTES: usize = 334;

/// How a key is made.
#[derive(Clone)]
pub(super) enum Key {
    /// As Foretold does.
    Foretold(KeyFormat),
    /// As Python services do, one for each endpoint.
    Python(PythonKey),
}

#[derive(Clone, Copy)]
pub(super) enum PythonKey {
    /// `repr(request)`
    Repr,
    /// `str(request)`
    Str,
    /// `request.model_dump_json()`
    Json,
    /// `pickle.dumps(request)`
    Pickle,
}

/// Distinct rows with their keys and values.
pub(super) struct Dataset {
    manifest: Manifest,
    layout: KeyLayout,
    written_at: u32,
}

impl Dataset {
    pub(super) fn new(written_at: u32) -> Result<Dataset> {
        let manifest = Manifest::parse(MANIFEST)?;
        let id = ModelId::new(b"a model for the benchmark", &manifest, 0);
        let layout = KeyLayout::new(id, &manifest.features);
        Ok(Dataset { manifest, layout, written_at })
    }

    /// How many distinct rows there are.
    pub(super) fn len(&self) -> u64 {
        self.manifest.features.iter().map(values).product()
    }

    /// The key and the value of a row, by its number.
    pub(super) fn entry(&self, kind: &Key, number: u64) -> (String, Bytes) {
        let row = self.row(number);
        let endpoint = &self.manifest.endpoints[0];
        match kind {
            Key::Foretold(kind) => {
                let key = self.layout.key(*kind, None, Some(endpoint), &self.layout.pack(&row));
                let outputs = vec![number as f32 / self.len() as f32];
                let value = Entry { written_at: self.written_at, outputs }.encode(&key, None);
                (key, value.into())
            }
            Key::Python(kind) => {
                let class = endpoint.python_class.as_deref().unwrap_or_default();
                let features = &self.manifest.features;
                let key = match kind {
                    PythonKey::Repr => python::repr(class, features, &row),
                    PythonKey::Str => {
                        let fields = features.iter().zip(&row).map(|(feature, value)| {
                            let field = [feature.clone()];
                            let text = python::repr("", &field, &[*value]);
                            text.trim_matches(['(', ')']).to_owned()
                        });
                        fields.collect::<Vec<String>>().join(" ")
                    }
                    PythonKey::Json => self.layout.json(&row),
                    // What is in it does not matter to Redis, but that each is another.
                    PythonKey::Pickle => format!("{number:0>PICKLE_BYTES$}"),
                };
                (key, Bytes::from_static(b"ACCEPT"))
            }
        }
    }

    fn row(&self, mut number: u64) -> Vec<Value> {
        let values = self.manifest.features.iter().map(|feature| {
            let count = values(feature);
            let index = number % count;
            number /= count;
            match &feature.domain {
                Domain::Number { step, .. } => {
                    let value = step.as_ref().and_then(|step| step.value(index));
                    Value::Number(value.unwrap_or_default())
                }
                Domain::Integer { minimum, .. } => {
                    Value::Integer(minimum.wrapping_add_unsigned(index))
                }
                Domain::Boolean => Value::Boolean(index == 1),
                Domain::Category { .. } => Value::Category(index as usize),
            }
        });
        values.collect()
    }
}

/// How many values a feature of this model has.
fn values(feature: &Feature) -> u64 {
    match &feature.domain {
        Domain::Number { step, .. } => step.as_ref().map_or(1, |step| step.last_index() + 1),
        Domain::Integer { minimum, maximum } => maximum.abs_diff(*minimum) + 1,
        Domain::Boolean => 2,
        Domain::Category { categories } => categories.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python prints for the sample request, by `tests/python/key_sizes.py`.
    #[test]
    fn keys_of_python_have_their_lengths() {
        let data = Dataset::new(0).unwrap();
        // 0.25 of 0 to 4 by 0.01, 30 of 18 to 127, and the first of each category.
        let number = 25 + 401 * 12;
        let key = |kind| data.entry(&Key::Python(kind), number).0;
        assert!(key(PythonKey::Repr).starts_with("DecisionRequest(installment_rate"));
        assert!(key(PythonKey::Str).contains("=0.25 age_in_years=30 foreign_worker='yes' "));
        let lengths = [PythonKey::Repr, PythonKey::Str, PythonKey::Json, PythonKey::Pickle]
            .map(|kind| key(kind).len());
        assert_eq!(lengths, [191, 170, 182, PICKLE_BYTES]);
    }

    #[test]
    fn rows_are_distinct() {
        let data = Dataset::new(0).unwrap();
        let count = data.len();
        assert_eq!(count, 401 * 110 * 2 * 5 * 4);
        let keys: std::collections::BTreeSet<String> = (0..count)
            .step_by(101)
            .map(|number| data.entry(&Key::Foretold(KeyFormat::Packed), number).0)
            .collect();
        assert_eq!(keys.len() as u64, count.div_ceil(101));
    }
}
