//! The rows of a request on their way from key to answer. One row is an array of one.
//!
//! Rows that are the same are looked up, computed and stored once.

use std::collections::BTreeMap;

use crate::cache::control::CacheControl;
use crate::cache::entry::Entry;
use crate::cache::python;
use crate::cache::reuse::Span;
use crate::cache::status::{CacheStatus, Miss};
use crate::http::problem::Problem;
use crate::model::answer::{Answer, Precision};
use crate::model::feature::Value;
use crate::model::manifest::Endpoint;
use crate::report::Report;
use crate::service::{Now, Service};
use crate::settings::{KeyFormat, Settings, fraction};
use crate::{Model, ModelError, Store};

/// In times of `early_refresh_seconds`: earlier than that, one look-up in a thousand million would
/// be drawn to refresh an entry.
const EARLIEST_REFRESH: u32 = 21;

/// The rows of one request.
pub(crate) struct Batch<'a> {
    service: &'a Service,
    settings: &'a Settings,
    /// Whose times to live count, of which the shortest; the model's own where none is meant. Under
    /// the keys of the only one a Python service keeps its answers.
    endpoints: &'a [usize],
    now: Now,
    /// For each row of the request its position among the distinct ones, or why it has no values.
    positions: Vec<Result<usize, Problem>>,
    rows: Vec<Row<'a>>,
}

/// One distinct row.
struct Row<'a> {
    key: String,
    packed: Vec<u8>,
    state: RowState<'a>,
}

/// Where the prediction for a row is from, so far.
enum RowState<'a> {
    /// Nothing that may be served; where there is an expired entry, it is kept for an emergency.
    Missing { miss: Miss, expired: Option<Entry> },
    /// From the cache.
    Cached {
        value: CachedValue<'a>,
        time: Option<(u32, i64)>,
        /// When it was written, if it is a fresh entry of ours.
        written_at: Option<u32>,
    },
    /// From the model.
    Computed { outputs: Vec<f32>, miss: Miss, stored: Option<bool> },
    /// From nowhere.
    Failed(Problem),
}

/// What an entry holds.
enum CachedValue<'a> {
    Outputs(Vec<f32>),
    /// A Python service keeps no outputs.
    Answer(Answer<'a>),
}

/// What is predicted for one row.
#[derive(Clone, Copy)]
pub(crate) enum RowValue<'a, 'b> {
    Outputs(&'b [f32]),
    Answer(Answer<'a>),
}

/// What is predicted for one row and where it is from, or why there is nothing.
pub(crate) type RowResult<'a, 'b> = Result<(RowValue<'a, 'b>, CacheStatus), &'b Problem>;

impl<'a> Batch<'a> {
    /// Makes the keys.
    pub(crate) fn new(
        service: &'a Service,
        settings: &'a Settings,
        endpoints: &'a [usize],
        rows: Vec<Result<Vec<Value>, Problem>>,
        now: Now,
    ) -> Batch<'a> {
        let (layout, manifest) = (service.key_layout(), service.manifest());
        let mut distinct: Vec<Row<'a>> = Vec::with_capacity(rows.len());
        let mut known: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let several = rows.len() > 1;
        let is_python = settings.keys == KeyFormat::Repr;
        let mut position = |row: Vec<Value>| {
            let packed = layout.pack(&row);
            if let Some(position) = known.get(&packed) {
                return *position;
            }
            if several {
                known.insert(packed.clone(), distinct.len());
            }
            let key = |endpoint| {
                layout.key(settings.keys, settings.key_secret.as_ref(), endpoint, &packed)
            };
            let key = match (endpoints, is_python) {
                ([endpoint], _) => key(Some(&manifest.endpoints[*endpoint])),
                // It is not used: see `is_cacheable`.
                (_, true) => String::new(),
                _ => key(None),
            };
            let state = RowState::Missing { miss: Miss::Bypassed, expired: None };
            distinct.push(Row { key, packed, state });
            distinct.len() - 1
        };
        let positions = rows.into_iter().map(|row| row.map(&mut position)).collect();
        Batch { service, settings, endpoints, now, positions, rows: distinct }
    }

    /// Whether the store has a place for the answers: a Python service keeps one endpoint's.
    pub(crate) fn is_cacheable(&self) -> bool {
        self.settings.keys != KeyFormat::Repr || self.endpoints.len() == 1
    }

    /// Asks the store for all rows at once, and judges what it has.
    pub(crate) fn look_up(&mut self, store: &impl Store, control: &CacheControl) {
        if self.rows.is_empty() {
            return;
        }
        let keys: Vec<String> =
            self.rows.iter_mut().map(|row| std::mem::take(&mut row.key)).collect();
        // A store that gives another number of values is as good as none.
        let found = store.get(&keys).ok().filter(|values| values.len() == keys.len());
        let values =
            found.map_or(vec![Err(()); keys.len()], |found| found.into_iter().map(Ok).collect());
        for (position, (key, value)) in keys.into_iter().zip(values).enumerate() {
            let state = match value {
                Err(()) => RowState::missing(Miss::StoreUnavailable),
                Ok(None) => RowState::missing(Miss::Absent),
                Ok(Some(bytes)) => self.judge(&key, &bytes, control),
            };
            self.rows[position].key = key;
            self.rows[position].state = state;
        }
    }

    /// Whether the value under a key may be served.
    fn judge(&self, key: &str, bytes: &[u8], control: &CacheControl) -> RowState<'a> {
        if self.settings.keys == KeyFormat::Repr {
            return match python::answer(self.endpoint(), bytes) {
                None => RowState::missing(Miss::Corrupt),
                // Nobody knows its age.
                Some(_) if control.max_age.is_some() => RowState::missing(Miss::TooOld),
                Some(answer) => {
                    let value = CachedValue::Answer(answer);
                    RowState::Cached { value, time: None, written_at: None }
                }
            };
        }
        let outputs = self.service.manifest().outputs.len();
        let Some(entry) = Entry::decode(key, bytes, outputs, self.settings.mac.as_ref()) else {
            return RowState::missing(Miss::Corrupt);
        };
        let ttl_seconds = self.ttl_seconds(key);
        let age_seconds = entry.age_seconds(self.now.seconds);
        if !entry.is_fresh(self.now.seconds, ttl_seconds) {
            return RowState::Missing { miss: Miss::Expired, expired: Some(entry) };
        }
        let left_seconds = ttl_seconds - age_seconds;
        let miss = if control.max_age.is_some_and(|max_age| age_seconds > max_age) {
            Miss::TooOld
        } else if self.refreshes_early(key, left_seconds) {
            Miss::EarlyRefresh
        } else {
            let value = CachedValue::Outputs(entry.outputs);
            let time = Some((age_seconds, left_seconds.into()));
            return RowState::Cached { value, time, written_at: Some(entry.written_at) };
        };
        RowState::Missing { miss, expired: Some(entry) }
    }

    /// The time to live of a key, with its jitter.
    fn ttl_seconds(&self, key: &str) -> u32 {
        let manifest = self.service.manifest();
        let of = |endpoint| self.settings.key_ttl_seconds(manifest, endpoint, key);
        let shortest = self.endpoints.iter().map(|endpoint| of(Some(*endpoint))).min();
        shortest.unwrap_or_else(|| of(None))
    }

    /// XFetch (Vattani and others, 2015): refresh when `-beta * delta * ln(rand) >= time left`, with
    /// the manifest's `early_refresh_seconds` for `beta * delta`.
    fn refreshes_early(&self, key: &str, left_seconds: u32) -> bool {
        let scale = self.service.manifest().cache.early_refresh_seconds;
        if scale == 0 {
            return false;
        }
        let random = fraction(&[key.as_bytes(), &self.now.entropy.to_le_bytes()]);
        -f64::from(scale) * (1.0 - random).ln() >= f64::from(left_seconds)
    }

    /// Gives up on all that the cache does not have.
    pub(crate) fn refuse_missing(&mut self) {
        for row in &mut self.rows {
            if let RowState::Missing { .. } = row.state {
                row.state = RowState::Failed(Problem::NotCached);
            }
        }
    }

    /// Runs the model on all that is missing, as one batch.
    pub(crate) fn compute(&mut self, model: &impl Model) {
        let missing: Vec<usize> = (0..self.rows.len())
            .filter(|i| matches!(self.rows[*i].state, RowState::Missing { .. }))
            .collect();
        if missing.is_empty() {
            return;
        }
        // The row is that of the key, so that a hit and a miss cannot differ.
        let rows: Vec<Value> = missing
            .iter()
            .flat_map(|i| {
                let packed = &self.rows[*i].packed;
                self.service.key_layout().unpack(packed).expect("what was packed unpacks")
            })
            .collect();
        let results = self.run(model, &rows, missing.len());
        for (i, result) in missing.into_iter().zip(results) {
            let RowState::Missing { miss, expired } = &mut self.rows[i].state else { continue };
            let (miss, expired) = (*miss, expired.take());
            self.rows[i].state = match result {
                Ok(outputs) => RowState::Computed { outputs, miss, stored: None },
                Err(problem) => self
                    .stale_if_error(&self.rows[i].key, expired)
                    .unwrap_or(RowState::Failed(problem)),
            };
        }
    }

    /// The outputs of each row. Where the batch fails, each row is tried alone, so that one bad row
    /// does not take the others with it.
    fn run(
        &self,
        model: &impl Model,
        rows: &[Value],
        count: usize,
    ) -> Vec<Result<Vec<f32>, Problem>> {
        let width = self.service.manifest().outputs.len();
        match model.predict(rows) {
            Ok(outputs) if outputs.len() == count * width => {
                outputs.chunks_exact(width).map(finite).collect()
            }
            Ok(outputs) => {
                let (found, expected) = (outputs.len(), count * width);
                let reason = format!("expected {expected} outputs, got {found}");
                vec![Err(Problem::ModelFailed { reason }); count]
            }
            Err(ModelError(reason)) if count == 1 => vec![Err(Problem::ModelFailed { reason })],
            Err(_) => {
                let rows = rows.chunks_exact(rows.len() / count);
                rows.flat_map(|row| self.run(model, row, 1)).collect()
            }
        }
    }

    /// The expired entry instead of a prediction that failed, where the manifest allows it.
    fn stale_if_error(&self, key: &str, expired: Option<Entry>) -> Option<RowState<'a>> {
        let entry = expired?;
        let allowed_seconds = self.service.manifest().cache.stale_if_error_seconds;
        let ttl_seconds = self.ttl_seconds(key);
        let longest = ttl_seconds.saturating_add(allowed_seconds);
        entry.is_fresh(self.now.seconds, longest).then(|| {
            let age_seconds = entry.age_seconds(self.now.seconds);
            let left = i64::from(ttl_seconds) - i64::from(age_seconds);
            RowState::Cached {
                value: CachedValue::Outputs(entry.outputs),
                time: Some((age_seconds, left)),
                written_at: None,
            }
        })
    }

    /// Puts all that was computed into the store, at once. A store that did not answer a moment ago
    /// is not asked again for this request.
    pub(crate) fn store(&mut self, store: &impl Store) {
        let computed = self.rows.iter().filter_map(|row| match &row.state {
            RowState::Computed { miss: Miss::StoreUnavailable, .. } => None,
            RowState::Computed { outputs, .. } => Some((&row.key, outputs)),
            _ => None,
        });
        let entries: Vec<(String, Vec<u8>)> = computed
            .map(|(key, outputs)| {
                let value = match self.settings.keys {
                    KeyFormat::Repr => {
                        python::value(Answer::new(self.endpoint(), outputs, self.precision()))
                    }
                    _ => Entry { written_at: self.now.seconds, outputs: outputs.clone() }
                        .encode(key, self.settings.mac.as_ref()),
                };
                (key.clone(), value)
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let confirmed = store.set(&entries).is_ok();
        for row in &mut self.rows {
            if let RowState::Computed { miss, stored, .. } = &mut row.state
                && *miss != Miss::StoreUnavailable
            {
                *stored = Some(confirmed);
            }
        }
    }

    /// What became of each row, in order.
    pub(crate) fn results(&self) -> impl Iterator<Item = RowResult<'a, '_>> {
        self.positions.iter().map(move |position| match position {
            Err(problem) => Err(problem),
            Ok(position) => match &self.rows[*position].state {
                RowState::Cached { value, time, .. } => {
                    let value = match value {
                        CachedValue::Outputs(outputs) => RowValue::Outputs(outputs),
                        CachedValue::Answer(answer) => RowValue::Answer(*answer),
                    };
                    Ok((value, CacheStatus::Hit { time: *time }))
                }
                RowState::Computed { outputs, miss, stored } => {
                    let status = CacheStatus::Miss { miss: *miss, stored: *stored };
                    Ok((RowValue::Outputs(outputs), status))
                }
                RowState::Failed(problem) => Err(problem),
                RowState::Missing { .. } => {
                    unreachable!("every missing row was computed or refused")
                }
            },
        })
    }

    /// How long the same rows would be the same hits, if all of them are: without a look whether
    /// one is refreshed early, which only the component can draw.
    pub(crate) fn span(&self, control: &CacheControl) -> Option<Span> {
        let now = self.now.seconds;
        let mut span = Span { written_at: now, expires_at: u32::MAX, until: u32::MAX };
        if self.positions.is_empty() || self.positions.iter().any(Result::is_err) {
            return None;
        }
        for row in &self.rows {
            let RowState::Cached { time: Some((_, left)), written_at: Some(written_at), .. } =
                row.state
            else {
                return None;
            };
            // Dated by a clock that is ahead: its age stands still until this one has caught up.
            if written_at > now {
                return None;
            }
            let left = u32::try_from(left).ok()?;
            span.written_at = span.written_at.min(written_at);
            span.expires_at = span.expires_at.min(now.saturating_add(left));
        }
        let scale = self.service.manifest().cache.early_refresh_seconds;
        span.until = span.expires_at.saturating_sub(scale.saturating_mul(EARLIEST_REFRESH));
        if let Some(max_age) = control.max_age {
            let too_old = span.written_at.saturating_add(max_age).saturating_add(1);
            span.until = span.until.min(too_old);
        }
        (span.until > now).then_some(span)
    }

    /// Seconds that a prediction which is computed now will be served: of the keys here the least.
    pub(crate) fn fresh_seconds(&self) -> u32 {
        let all = self.rows.iter().map(|row| self.ttl_seconds(&row.key));
        all.min().unwrap_or(0)
    }

    /// What outputs are compared in.
    pub(crate) fn precision(&self) -> Precision {
        self.settings.keys.precision()
    }

    /// Counts what happened.
    pub(crate) fn count(&self, report: &mut Report) {
        for result in self.results() {
            *match result {
                Ok((_, CacheStatus::Hit { .. })) => &mut report.hits,
                Ok((_, CacheStatus::Miss { miss: Miss::Bypassed, .. })) => &mut report.bypassed,
                Ok((_, CacheStatus::Miss { .. })) => &mut report.misses,
                Err(_) => &mut report.refused,
            } += 1;
        }
        for row in &self.rows {
            let RowState::Computed { miss, stored, .. } = &row.state else { continue };
            report.stored += u32::from(*stored == Some(true));
            report.dropped += u32::from(*stored == Some(false));
            report.corrupt += u32::from(*miss == Miss::Corrupt);
            report.expired += u32::from(*miss == Miss::Expired);
            report.unavailable += u32::from(*miss == Miss::StoreUnavailable);
        }
    }

    /// The endpoint that is meant, where it is one.
    fn endpoint(&self) -> &'a Endpoint {
        let [endpoint] = self.endpoints else { unreachable!("repr keys are one endpoint's") };
        &self.service.manifest().endpoints[*endpoint]
    }
}

impl<'a> RowValue<'a, '_> {
    /// What the endpoint that was meant makes of it.
    pub(crate) fn answer(self, endpoint: &'a Endpoint, precision: Precision) -> Answer<'a> {
        match self {
            RowValue::Outputs(outputs) => Answer::new(endpoint, outputs, precision),
            RowValue::Answer(answer) => answer,
        }
    }
}

impl RowState<'_> {
    fn missing(miss: Miss) -> Self {
        RowState::Missing { miss, expired: None }
    }
}

fn finite(outputs: &[f32]) -> Result<Vec<f32>, Problem> {
    if outputs.iter().all(|output| output.is_finite()) {
        return Ok(outputs.to_vec());
    }
    let expected = outputs.len();
    let reason = format!("expected {expected} finite outputs, got {outputs:?}");
    Err(Problem::ModelFailed { reason })
}
