//! Cache keys: which model, then the canonical input. Nothing else in Foretold builds keys.
//!
//! A row is packed to the bits that the declared domains need: an index on a grid of 401 points
//! takes 9 bits, one of five categories 3, a number without a step its 64 IEEE bits. Packing is
//! injective and reversible, and the model runs on what is unpacked again, so an answer from the
//! cache and a computed one cannot differ.
//!
//! Text form, by [`KeyFormat`]; `MODEL` is the [`ModelId`], what follows is base64url without padding:
//!
//! | format | key |
//! |---|---|
//! | packed | `foretold:MODEL:p…`: the packed row; where it has more than 16 bytes, as digest |
//! | digest | `foretold:MODEL:d…`: the first 16 bytes of its BLAKE3 hash; with a secret `k…`, keyed and over the bytes of the model id before it |
//! | readable | `foretold:MODEL:r{"age":30,"job":"none"}`: the row as JSON, floats with a point |
//! | repr | `DecisionRequest(age=30, job='none')`: what Python's `repr` gives, without a model |
//!
//! Packed and digest keys have at most 48 characters.

mod grammar;

use data_encoding::BASE64URL_NOPAD;

use crate::cache::key::grammar::MODEL_ID_BYTES;
use crate::cache::python;
use crate::http::request;
use crate::model::feature::{self, Domain, Feature, Value};
use crate::model::manifest::{Endpoint, Manifest};
use crate::settings::{KeyFormat, Secret};

pub use grammar::{Form, PREFIX, Parsed, is_model_id, join, parse, range};

/// Packed rows up to this many bytes are the key itself.
const MAX_PACKED_BYTES: usize = 16;
const DIGEST_BYTES: usize = 16;

/// A digest of everything that decides a model's outputs, 88 bits: with more, the shortest keys
/// would take another 16 bytes each in Redis.
///
/// It covers the model's bytes, the features with their domains and order, the outputs that are
/// kept, and the version of the inference code. Thresholds, labels, descriptions and the time to
/// live are left out: changing them keeps every entry valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelId([u8; MODEL_ID_BYTES]);

impl ModelId {
    /// The id of a model under a manifest. `semantics` is the version of the inference code: the
    /// same bytes may give other bits under another.
    pub fn new(model: &[u8], manifest: &Manifest, semantics: u32) -> ModelId {
        let mut hash = Fields(blake3::Hasher::new_derive_key("foretold model id, layout 1"));
        hash.number(u64::from(semantics));
        hash.bytes(model);
        hash.number(manifest.features.len() as u64);
        for feature in &manifest.features {
            hash.bytes(feature.name.as_bytes());
            match &feature.place {
                None => hash.number(u64::from(feature.optional)),
                Some(place) => {
                    hash.number(2 | u64::from(feature.optional));
                    hash.bytes(place.input.as_bytes());
                    hash.number(place.column as u64);
                }
            }
            hash.domain(&feature.domain);
        }
        hash.number(manifest.outputs.len() as u64);
        for output in &manifest.outputs {
            hash.bytes(output.tensor.as_bytes());
            hash.number(output.column as u64);
        }
        ModelId(first(hash.0.finalize()))
    }

    /// The id under which a host keeps the entries of a component that may lie about its model:
    /// `said` is the id that it tells, and `component` a digest of its bytes.
    pub fn of_untrusted(said: &str, component: &[u8; 32]) -> ModelId {
        let mut hash = Fields(blake3::Hasher::new_derive_key("foretold untrusted component 1"));
        hash.bytes(component);
        hash.bytes(said.as_bytes());
        ModelId(first(hash.0.finalize()))
    }
}

/// A text that is not a model id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIdError {
    /// What was found.
    pub found: String,
}

impl std::fmt::Display for ModelIdError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not a model id; expected 15 letters, digits, - and _", self.found)
    }
}

impl std::error::Error for ModelIdError {}

/// Reads what `Display` writes.
impl std::str::FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<ModelId, ModelIdError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let id = bytes.and_then(|bytes| bytes.try_into().ok()).map(ModelId);
        id.ok_or_else(|| ModelIdError { found: text.to_owned() })
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

/// The first bytes of a hash.
fn first<const N: usize>(hash: blake3::Hash) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&hash.as_bytes()[..N]);
    bytes
}

/// Feeds a hasher so that no two sequences of fields give the same bytes.
struct Fields(blake3::Hasher);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn bound(&mut self, bound: Option<f64>) {
        self.number(u64::from(bound.is_some()));
        self.number(bound.unwrap_or_default().to_bits());
    }

    fn domain(&mut self, domain: &Domain) {
        match domain {
            Domain::Number { minimum, maximum, step, round: _ } => {
                self.number(0);
                self.bound(*minimum);
                self.bound(*maximum);
                self.bound(step.as_ref().map(|step| step.size()));
            }
            Domain::Integer { minimum, maximum } => {
                self.number(1);
                self.number(minimum.cast_unsigned());
                self.number(maximum.cast_unsigned());
            }
            Domain::Boolean => self.number(2),
            Domain::Category { categories } => {
                self.number(3);
                self.number(categories.len() as u64);
                for category in categories {
                    self.bytes(category.as_bytes());
                }
            }
        }
    }
}

/// How the rows of one model are packed, and the start of all its keys.
#[derive(Clone, Debug)]
pub struct KeyLayout {
    model: ModelId,
    prefix: String,
    features: Vec<Feature>,
    columns: Vec<Column>,
    packed_bytes: usize,
}

/// How one feature is packed.
#[derive(Clone, Debug)]
struct Column {
    domain: Domain,
    /// 1 where the feature is optional: state 0 is then the missing value.
    offset: u128,
    /// How many states there are: at most 2^64 + 1.
    states: u128,
    bits: u32,
}

impl KeyLayout {
    /// The layout for a model's features, in their order.
    pub fn new(model: ModelId, features: &[Feature]) -> KeyLayout {
        let columns: Vec<Column> = features.iter().map(Column::new).collect();
        let bits: usize = columns.iter().map(|column| column.bits as usize).sum();
        KeyLayout {
            model,
            prefix: join(&model.to_string(), ""),
            features: features.to_vec(),
            columns,
            packed_bytes: bits.div_ceil(8),
        }
    }

    /// Packs a row, one valid value per feature.
    pub fn pack(&self, row: &[Value]) -> Vec<u8> {
        let mut writer =
            BitWriter { bytes: Vec::with_capacity(self.packed_bytes), ..Default::default() };
        for (column, value) in self.columns.iter().zip(row) {
            writer.push(column.state(*value), column.bits);
        }
        writer.finish()
    }

    /// The row that packs to these bytes, or `None` where no valid row does.
    pub fn unpack(&self, bytes: &[u8]) -> Option<Vec<Value>> {
        if bytes.len() != self.packed_bytes {
            return None;
        }
        let mut reader = BitReader { bytes: bytes.iter(), pending: 0, pending_bits: 0 };
        let row = self
            .columns
            .iter()
            .map(|column| column.value(reader.take(column.bits)))
            .collect::<Option<Vec<Value>>>()?;
        reader.rest_is_zero().then_some(row)
    }

    /// The key of a packed row, as text. Only the format `repr` tells endpoints apart, and only
    /// digests are made with a secret.
    ///
    /// # Panics
    /// If the bytes are no packed row, or if the format is `repr` and there is no endpoint or it
    /// has no class, which the check of the settings rules out.
    pub fn key(
        &self,
        format: KeyFormat,
        secret: Option<&Secret>,
        endpoint: Option<&Endpoint>,
        packed: &[u8],
    ) -> String {
        let row = || self.unpack(packed).expect("what was packed unpacks");
        match (format, secret) {
            (KeyFormat::Packed, _) if packed.len() <= MAX_PACKED_BYTES => self.text('p', packed),
            (KeyFormat::Digest, Some(secret)) => {
                let mut hash = secret.hasher();
                // Or a row would have one digest in all models, and a person could be followed.
                hash.update(&self.model.0).update(packed);
                self.text('k', &first::<DIGEST_BYTES>(hash.finalize()))
            }
            (KeyFormat::Packed | KeyFormat::Digest, _) => {
                self.text('d', &first::<DIGEST_BYTES>(blake3::hash(packed)))
            }
            (KeyFormat::Readable, _) => format!("{}r{}", self.prefix, self.json(&row())),
            (KeyFormat::Repr, _) => {
                let class = endpoint.and_then(|endpoint| endpoint.python_class.as_deref());
                python::repr(class.expect("the settings were checked"), &self.features, &row())
            }
        }
    }

    fn text(&self, letter: char, bytes: &[u8]) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 23);
        key.push_str(&self.prefix);
        key.push(letter);
        BASE64URL_NOPAD.encode_append(bytes, &mut key);
        key
    }

    /// A row as a JSON object: a request that gives it. Floats have a point or an exponent, so that
    /// their type shows.
    pub fn json(&self, row: &[Value]) -> String {
        let display = |feature: &Feature, value| match value {
            Value::Number(number) => format!("{number:?}"),
            _ => feature.display(value),
        };
        let members = feature::fields(&self.features).map(|field| {
            let name = serde_json::Value::from(field.name);
            format!("{name}:{}", field.json(row, display))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// The row behind a key of this model, or `None` where the key is another model's, a digest,
    /// or no key at all.
    pub fn row(&self, key: &str) -> Option<Vec<Value>> {
        match Form::parse(key.strip_prefix(&self.prefix)?)? {
            Form::Packed(bytes) => self.unpack(&bytes),
            Form::Readable(json) => {
                let row = request::parse(json.as_bytes(), &self.features).ok()?;
                (self.json(&row) == json).then_some(row)
            }
            Form::Digest(_) | Form::KeyedDigest(_) => None,
        }
    }
}

impl Column {
    fn new(feature: &Feature) -> Column {
        let values = match &feature.domain {
            Domain::Number { step: Some(step), .. } => u128::from(step.last_index()) + 1,
            Domain::Number { step: None, .. } => 1 << 64,
            Domain::Integer { minimum, maximum } => u128::from(maximum.abs_diff(*minimum)) + 1,
            Domain::Boolean => 2,
            Domain::Category { categories } => categories.len() as u128,
        };
        let offset = u128::from(feature.optional);
        let states = values + offset;
        let bits = u128::BITS - (states - 1).leading_zeros();
        Column { domain: feature.domain.clone(), offset, states, bits }
    }

    /// The number of a value among the column's states.
    fn state(&self, value: Value) -> u128 {
        let index = match (&self.domain, value) {
            (_, Value::Missing) => return 0,
            (Domain::Number { step: Some(step), .. }, Value::Number(number)) => {
                step.nearest(number)
            }
            (_, Value::Number(number)) => number.to_bits(),
            (Domain::Integer { minimum, .. }, Value::Integer(integer)) => {
                integer.abs_diff(*minimum)
            }
            (_, Value::Integer(integer)) => integer.cast_unsigned(),
            (_, Value::Boolean(boolean)) => u64::from(boolean),
            (_, Value::Category(index)) => index as u64,
        };
        u128::from(index) + self.offset
    }

    /// The value that a state stands for, or `None` where it stands for none.
    fn value(&self, state: u128) -> Option<Value> {
        if state >= self.states {
            return None;
        }
        let Some(index) = state.checked_sub(self.offset) else { return Some(Value::Missing) };
        let index = index as u64;
        match &self.domain {
            Domain::Number { step: Some(step), .. } => step.value(index).map(Value::Number),
            Domain::Number { step: None, minimum, maximum, .. } => {
                let number = f64::from_bits(index);
                let canonical = number.is_finite() && !(number == 0.0 && number.is_sign_negative());
                let within = minimum.is_none_or(|minimum| number >= minimum)
                    && maximum.is_none_or(|maximum| number <= maximum);
                (canonical && within).then_some(Value::Number(number))
            }
            Domain::Integer { minimum, .. } => {
                Some(Value::Integer(minimum.wrapping_add_unsigned(index)))
            }
            Domain::Boolean => Some(Value::Boolean(index == 1)),
            Domain::Category { .. } => Some(Value::Category(index as usize)),
        }
    }
}

/// Writes bits, least significant first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    pending_bits: u32,
}

impl BitWriter {
    /// Appends up to 65 bits.
    fn push(&mut self, value: u128, bits: u32) {
        self.pending |= value << self.pending_bits;
        self.pending_bits += bits;
        while self.pending_bits >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.pending_bits -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Reads what [`BitWriter`] wrote.
struct BitReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    pending: u128,
    pending_bits: u32,
}

impl BitReader<'_> {
    /// The next bits, at most 65; the caller has checked that there are enough.
    fn take(&mut self, bits: u32) -> u128 {
        while self.pending_bits < bits {
            let byte = self.bytes.next().copied().unwrap_or(0);
            self.pending |= u128::from(byte) << self.pending_bits;
            self.pending_bits += 8;
        }
        let value = self.pending & ((1 << bits) - 1);
        self.pending >>= bits;
        self.pending_bits -= bits;
        value
    }

    fn rest_is_zero(&mut self) -> bool {
        self.pending == 0 && self.bytes.all(|byte| *byte == 0)
    }
}
