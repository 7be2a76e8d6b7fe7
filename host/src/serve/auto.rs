//! `--cache auto`: whether going to the store pays, judged from what requests report.
//!
//! A look-up over the network takes longer than many models do. With the medians of a window of
//! requests, per row, the store costs
//!
//! ```text
//! lookup + (1 - hit rate) * (model + set)
//! ```
//!
//! where no store costs `model`. A set is not measured: it is one step to the store, like a look-up,
//! and taken for as long.
//!
//! Nothing here reads a clock or knows a store: a few requests later the same reports give the same
//! decision.

use std::fmt;

use crate::guest::contract::Report;

/// Look-ups that are judged together.
const WINDOW: usize = 256;
/// Requests that go past the store to measure the model, where every one so far was a hit.
const MODEL_SAMPLES: u32 = 16;
/// Windows that a cache with too few hits gets: one that was just started is still empty.
const PATIENCE: u32 = 16;
/// Requests without the store until it is tried again: the first time, and at most. Each trial that
/// fails doubles it.
const FIRST_PAUSE: u32 = 1024;
const LONGEST_PAUSE: u32 = 65_536;
/// How much cheaper the store must be before it is used again, so that costs which are nearly the
/// same do not change the decision with every window.
const MARGIN: f64 = 0.8;

/// Decides for each request whether it goes to the store.
#[derive(Debug, Default)]
pub(crate) struct Auto {
    /// The decision, if it is to do without the store, and why.
    bypassed: Option<Reason>,
    /// Requests that still go without the store.
    pause_left: u32,
    /// Trials that failed, one after the other.
    failed_trials: u32,
    /// Windows with too few hits, one after the other.
    losing_windows: u32,
    /// Requests that still go past the store to measure the model.
    samples_left: u32,
    window: Window,
    /// Per row, as last measured.
    model_ns: Option<u64>,
}

/// What was seen since the last judgement: per row, each request with the same weight.
#[derive(Debug, Default)]
struct Window {
    lookups_ns: Vec<u64>,
    models_ns: Vec<u64>,
    /// The shares of rows that hit, added up.
    hit_rates: f64,
}

/// Why a request is to go past the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A look-up takes as long as the model or longer.
    ModelCheaper,
    /// Look-ups are cheaper than the model, but too few of them hit.
    HitsTooRare,
    /// Nobody knows yet what the model takes.
    Measuring,
}

impl Reason {
    /// The `detail` of the host's member in `Cache-Status`.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Reason::ModelCheaper => "model-cheaper-than-lookup",
            Reason::HitsTooRare => "hits-too-rare",
            Reason::Measuring => "measuring-model",
        }
    }
}

/// The decision changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// The store is not used until it has been tried again.
    Bypassed(Costs),
    /// It is used again.
    Used(Costs),
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    /// Median time of a look-up, per row.
    pub lookup_ns: u64,
    /// Median time of the model, per row.
    pub model_ns: u64,
    /// Mean share of the rows that hit, from 0 to 1.
    pub hit_rate: f64,
}

impl Auto {
    /// Why the next request is to go past the store, if it is.
    pub(crate) fn decide(&mut self) -> Option<Reason> {
        if self.pause_left > 0 {
            self.pause_left -= 1;
            return self.bypassed;
        }
        if self.samples_left > 0 {
            self.samples_left -= 1;
            return Some(Reason::Measuring);
        }
        None
    }

    /// Whether the decision is to do without the store; it stays so while the store is tried again.
    pub(crate) fn is_bypassed(&self) -> bool {
        self.bypassed.is_some()
    }

    /// Takes in what a request did. Look-ups that the store did not answer say nothing of what it
    /// costs when it does.
    pub(crate) fn observe(&mut self, report: &Report) -> Option<Change> {
        let Window { lookups_ns, models_ns, hit_rates } = &mut self.window;
        let computed = u64::from(report.misses) + u64::from(report.bypassed);
        if let Some(nanoseconds) = report.model_ns
            && computed > 0
            && models_ns.len() < WINDOW
        {
            models_ns.push(nanoseconds / computed);
        }
        let looked_up = u64::from(report.hits) + u64::from(report.misses);
        let (true, Some(nanoseconds)) =
            (looked_up > 0 && report.unavailable == 0, report.lookup_ns)
        else {
            return None;
        };
        lookups_ns.push(nanoseconds / looked_up);
        *hit_rates += f64::from(report.hits) / looked_up as f64;
        if lookups_ns.len() < WINDOW {
            return None;
        }
        let window = std::mem::take(&mut self.window);
        self.model_ns = median(window.models_ns).or(self.model_ns);
        let Some(model_ns) = self.model_ns else {
            self.samples_left = MODEL_SAMPLES;
            return None;
        };
        let hit_rate = window.hit_rates / WINDOW as f64;
        let lookup_ns = median(window.lookups_ns).unwrap_or(0);
        self.judge(Costs { lookup_ns, model_ns, hit_rate })
    }

    fn judge(&mut self, costs: Costs) -> Option<Change> {
        let Costs { lookup_ns, model_ns, .. } = costs;
        let margin = if self.is_bypassed() { MARGIN } else { 1.0 };
        if costs.with_store_ns() < model_ns as f64 * margin {
            (self.losing_windows, self.failed_trials) = (0, 0);
            return self.bypassed.take().map(|_| Change::Used(costs));
        }
        let reason = if lookup_ns >= model_ns { Reason::ModelCheaper } else { Reason::HitsTooRare };
        self.losing_windows += 1;
        if reason == Reason::HitsTooRare && self.losing_windows < PATIENCE {
            return None;
        }
        self.losing_windows = 0;
        let pause = FIRST_PAUSE.checked_shl(self.failed_trials).unwrap_or(LONGEST_PAUSE);
        self.pause_left = pause.min(LONGEST_PAUSE);
        self.failed_trials = (self.failed_trials + 1).min(LONGEST_PAUSE.ilog2());
        self.bypassed.replace(reason).is_none().then_some(Change::Bypassed(costs))
    }
}

impl Costs {
    fn with_store_ns(&self) -> f64 {
        let (lookup_ns, model_ns) = (self.lookup_ns as f64, self.model_ns as f64);
        lookup_ns + (1.0 - self.hit_rate) * (model_ns + lookup_ns)
    }
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// For the log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, costs) = match self {
            Change::Bypassed(costs) => {
                ("the cache costs more than it saves and is bypassed", costs)
            }
            Change::Used(costs) => ("the cache saves time again and is used", costs),
        };
        write!(
            f,
            "{what}: per row, a look-up takes {:.1} µs and the model {:.1} µs; {:.0} % hit",
            costs.lookup_ns as f64 / 1e3,
            costs.model_ns as f64 / 1e3,
            costs.hit_rate * 100.0
        )?;
        match self {
            Change::Bypassed(_) => write!(f, "; trying again after {FIRST_PAUSE} requests"),
            Change::Used(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache and a model with steady costs, in microseconds.
    #[derive(Clone, Copy)]
    struct World {
        lookup: u64,
        model: u64,
        /// Of ten requests.
        hits: u32,
    }

    /// Sends a number of requests; returns how many went to the store, and the changes.
    fn send(auto: &mut Auto, world: World, requests: u32) -> (u32, Vec<Change>) {
        let (mut used, mut changes) = (0, Vec::new());
        for i in 0..requests {
            let hit = i % 10 < world.hits;
            let report = match auto.decide() {
                Some(_) => Report { bypassed: 1, model_ns: Some(world.model * 1000), ..none() },
                None => {
                    used += 1;
                    Report {
                        hits: hit.into(),
                        misses: (!hit).into(),
                        lookup_ns: Some(world.lookup * 1000),
                        model_ns: (!hit).then_some(world.model * 1000),
                        ..none()
                    }
                }
            };
            changes.extend(auto.observe(&report));
        }
        (used, changes)
    }

    fn none() -> Report {
        Report::default()
    }

    #[test]
    fn the_cheaper_way_is_found() {
        // Look-up, model, hits of ten; whether the store is bypassed.
        let cases = [
            (3000, 10, 9, Some(Reason::ModelCheaper)),
            (3000, 10, 10, Some(Reason::ModelCheaper)),
            (10, 10, 10, Some(Reason::ModelCheaper)),
            (1, 10, 9, None),
            (9, 10, 10, None),
            (2, 10, 0, Some(Reason::HitsTooRare)),
            // 2 + 0.7 * 12 and 2 + 0.6 * 12: more and less than 10.
            (2, 10, 3, Some(Reason::HitsTooRare)),
            (2, 10, 4, None),
            (300, 20_000, 1, None),
            (300, 20_000, 0, Some(Reason::HitsTooRare)),
        ];
        for (lookup, model, hits, expected) in cases {
            let mut auto = Auto::default();
            let (_, changes) = send(&mut auto, World { lookup, model, hits }, 10_000);
            assert_eq!(auto.bypassed, expected, "{lookup} {model} {hits}");
            assert_eq!(changes.len(), usize::from(expected.is_some()), "{changes:?}");
        }
    }

    #[test]
    fn a_dear_look_up_is_found_after_one_window() {
        let mut auto = Auto::default();
        let world = World { lookup: 3000, model: 10, hits: 5 };
        assert_eq!(send(&mut auto, world, WINDOW as u32 - 1), (WINDOW as u32 - 1, vec![]));
        let (_, changes) = send(&mut auto, world, 1);
        let [Change::Bypassed(costs)] = changes[..] else { panic!("{changes:?}") };
        assert_eq!((costs.lookup_ns, costs.model_ns), (3_000_000, 10_000));
        assert_eq!(send(&mut auto, world, FIRST_PAUSE).0, 0);
        assert_eq!(auto.decide(), None);
    }

    #[test]
    fn an_empty_cache_has_time_to_fill() {
        let mut auto = Auto::default();
        send(&mut auto, World { lookup: 1, model: 10, hits: 0 }, (PATIENCE - 1) * WINDOW as u32);
        assert!(!auto.is_bypassed());
        let (_, changes) = send(&mut auto, World { lookup: 1, model: 10, hits: 9 }, 100_000);
        assert_eq!(changes, []);
    }

    #[test]
    fn the_model_is_measured_even_where_everything_hits() {
        let mut auto = Auto::default();
        let world = World { lookup: 1, model: 10, hits: 10 };
        let (used, _) = send(&mut auto, world, 10_000);
        assert_eq!(used, 10_000 - MODEL_SAMPLES);
    }

    #[test]
    fn trials_become_rarer_and_are_never_given_up() {
        let mut auto = Auto::default();
        let world = World { lookup: 3000, model: 10, hits: 5 };
        let (used, changes) = send(&mut auto, world, 10_000_000);
        assert_eq!(changes.len(), 1);
        let share = f64::from(used) / 1e7;
        let least = WINDOW as f64 / f64::from(LONGEST_PAUSE + WINDOW as u32);
        assert!(share >= least && share < 1.2 * least, "{share}, at least {least}");
    }

    #[test]
    fn a_store_that_became_quick_is_used_again() {
        let mut auto = Auto::default();
        send(&mut auto, World { lookup: 3000, model: 10, hits: 5 }, 50_000);
        assert!(auto.is_bypassed());
        let (_, changes) =
            send(&mut auto, World { lookup: 1, model: 10, hits: 9 }, 2 * LONGEST_PAUSE);
        assert!(matches!(changes[..], [Change::Used(_)]), "{changes:?}");
        assert!(!auto.is_bypassed());
    }

    #[test]
    fn costs_that_are_nearly_the_same_do_not_change_the_decision_back() {
        let mut auto = Auto::default();
        send(&mut auto, World { lookup: 11, model: 10, hits: 10 }, 1000);
        assert!(auto.is_bypassed());
        let (_, changes) = send(&mut auto, World { lookup: 9, model: 10, hits: 10 }, 1_000_000);
        assert_eq!(changes, []);
    }

    #[test]
    fn a_single_slow_look_up_decides_nothing() {
        let mut auto = Auto::default();
        let world = World { lookup: 1, model: 10, hits: 8 };
        for _ in 0..100 {
            let slow = World { lookup: 1_000_000, ..world };
            let changes = [send(&mut auto, slow, 1).1, send(&mut auto, world, 255).1].concat();
            assert_eq!(changes, []);
        }
    }

    #[test]
    fn rows_of_an_array_share_their_look_up() {
        let mut auto = Auto::default();
        // 3 ms over the network for 1000 rows are 3 µs each.
        let report = Report {
            hits: 900,
            misses: 100,
            lookup_ns: Some(3_000_000),
            model_ns: Some(1_000_000),
            ..none()
        };
        for _ in 0..100 * WINDOW {
            assert_eq!(auto.decide(), None);
            assert_eq!(auto.observe(&report), None);
        }
    }

    #[test]
    fn look_ups_that_were_not_answered_say_nothing() {
        let mut auto = Auto::default();
        let report = Report {
            misses: 1,
            unavailable: 1,
            lookup_ns: Some(25_000_000),
            model_ns: Some(10_000),
            ..none()
        };
        for _ in 0..100 * WINDOW {
            assert_eq!(auto.decide(), None);
            assert_eq!(auto.observe(&report), None);
        }
    }
}
