//! The whole cache against a simple model of what may be answered: any order of requests, time that
//! passes or steps back, expiry by the store, purges, damage and values that change places.

use std::collections::BTreeMap;

use foretold_core::cache::control::CacheControl;
use foretold_core::cache::key::{KeyLayout, ModelId};
use foretold_core::http::request;
use foretold_core::http::{Headers, Request};
use foretold_core::model::manifest::Cache;
use foretold_core::settings::{Allowed, KeyFormat, Secret, Settings};
use proptest::prelude::*;

use crate::SAMPLE;
use crate::world::{World, header, post};

const AGES: std::ops::Range<i64> = 18..24;
const PATHS: [&str; 3] = ["/decisions", "/probabilities", "/risk_categories"];
/// Times to live of the endpoints.
const TTL_SECONDS: [u32; 3] = [50, 100, 200];

#[derive(Clone, Debug)]
enum Step {
    Ask {
        endpoint: usize,
        ages: Vec<i64>,
        cache_control: &'static str,
    },
    Wait {
        seconds: u32,
    },
    /// The clock of the host is set back; that of the store is not.
    SetBack {
        seconds: u32,
    },
    Purge,
    Damage {
        entry: prop::sample::Index,
        bit: prop::sample::Index,
    },
    Swap {
        one: prop::sample::Index,
        two: prop::sample::Index,
    },
    StoreFails(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let cache_control = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "no-cache",
        "no-store",
        "max-age=20",
        "only-if-cached",
        "only-if-cached, max-age=5",
    ]);
    let ages = prop::collection::vec(AGES, 1..4);
    let step = prop_oneof![
        10 => (0usize..3, ages, cache_control)
            .prop_map(|(endpoint, ages, cache_control)| Step::Ask { endpoint, ages, cache_control }),
        4 => (0u32..80).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0u32..300).prop_map(|seconds| Step::SetBack { seconds }),
        1 => Just(Step::Purge),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(entry, bit)| Step::Damage { entry, bit }),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(one, two)| Step::Swap { one, two }),
        1 => any::<bool>().prop_map(Step::StoreFails),
    ];
    prop::collection::vec(step, 1..60)
}

fn settings() -> impl Strategy<Value = Settings> {
    let keys = prop::sample::select(vec![
        (KeyFormat::Packed, None),
        (KeyFormat::Digest, None),
        (KeyFormat::Digest, Secret::for_keys(&[1; 16]).ok()),
        (KeyFormat::Readable, None),
    ]);
    let mac = prop::option::of(Just(Secret::for_entries(&[2; 16]).unwrap()));
    (keys, mac).prop_map(|((keys, key_secret), mac)| Settings {
        keys,
        key_secret,
        mac,
        ..Settings::default()
    })
}

/// What was stored for an applicant of some age.
struct Written {
    /// The bytes as they were written.
    value: Vec<u8>,
    /// When, by the clock of the host.
    at: u32,
}

/// The cache and, beside it, the model of what may be answered.
struct Model {
    world: World,
    keys: BTreeMap<i64, String>,
    /// For each age all that was ever stored: an old value may come back, also from another key,
    /// whose entry the store keeps longer.
    written: BTreeMap<i64, Vec<Written>>,
    /// When what the store has for an age was stored, by the clock of the store.
    stored_at: BTreeMap<i64, u32>,
    store_now: u32,
}

impl Model {
    fn new(settings: Settings) -> Model {
        let mut world = World { settings, ..World::default() };
        world.manifest.cache = Cache { ttl_seconds: 100, ..Cache::default() };
        for (endpoint, ttl_seconds) in world.manifest.endpoints.iter_mut().zip(TTL_SECONDS) {
            endpoint.ttl_seconds = Some(ttl_seconds);
        }
        world.now.set(10_000);
        let (manifest, settings) = (&world.manifest, &world.settings);
        let layout = KeyLayout::new(ModelId::new(b"model", manifest, 1), &manifest.features);
        let key = |age: i64| {
            let row = request::parse(aged(age).as_bytes(), &manifest.features).unwrap();
            let secret = settings.key_secret.as_ref();
            layout.key(settings.keys, secret, Some(&manifest.endpoints[0]), &layout.pack(&row))
        };
        let keys = AGES.map(|age| (age, key(age))).collect();
        let (written, stored_at) = (BTreeMap::new(), BTreeMap::new());
        Model { world, keys, written, stored_at, store_now: 10_000 }
    }

    /// The store's own expiry, by its own clock.
    fn expire(&mut self) {
        let longest = self.world.settings.longest_seconds(&self.world.manifest);
        let mut entries = self.world.store.entries.borrow_mut();
        self.stored_at.retain(|age, stored_at| {
            let keeps = self.store_now - *stored_at < longest;
            if !keeps {
                entries.remove(&self.keys[age]);
            }
            keeps
        });
    }

    /// Whether the prediction may, and must, come from the cache.
    fn hits(&self, age: i64, endpoint: usize, control: &CacheControl) -> bool {
        let entries = self.world.store.entries.borrow();
        let Some(value) = entries.get(&self.keys[&age]) else { return false };
        // What was damaged, or belongs to another key, is none of them.
        let mut written = self.written.get(&age).into_iter().flatten();
        let Some(written) = written.find(|written| written.value == *value) else {
            return false;
        };
        let now = self.world.now.get();
        let age_seconds = now.saturating_sub(written.at);
        !self.world.store.fails.get()
            && control.looks_up()
            && age_seconds < TTL_SECONDS[endpoint]
            && written.at <= now + 60
            && control.max_age.is_none_or(|max_age| age_seconds <= max_age)
    }

    fn ask(&mut self, endpoint: usize, ages: &[i64], cache_control: &str) {
        self.expire();
        let control = CacheControl::parse(cache_control, Allowed::ALL);
        let hits: Vec<bool> = ages.iter().map(|age| self.hits(*age, endpoint, &control)).collect();
        let rows: Vec<String> = ages.iter().map(|age| aged(*age)).collect();
        let body = format!("[{}]", rows.join(","));
        let (target, body) = (PATHS[endpoint], body.as_bytes());
        let headers = Headers { cache_control: Some(cache_control), ..post(target).headers };
        let response = self.world.answer(&Request { headers, body, ..post(target) });
        let answers: Vec<serde_json::Value> = serde_json::from_slice(&response.body).unwrap();
        for ((age, hit), answer) in ages.iter().zip(&hits).zip(&answers) {
            if !hit && control.only_if_cached {
                assert_eq!(answer["status"], 504);
            } else {
                assert_eq!(answer.to_string(), right_answer(endpoint, *age));
            }
        }
        let report = response.report;
        assert_eq!(report.hits as usize, hits.iter().filter(|hit| **hit).count());
        let all = report.hits + report.misses + report.bypassed + report.refused;
        assert_eq!(all as usize, ages.len());
        if let Some(seconds) = header(&response, "age") {
            assert!(seconds.parse::<u32>().unwrap() < TTL_SECONDS[endpoint]);
        }
        let stores = !control.no_store && !control.only_if_cached;
        if stores && !self.world.store.fails.get() {
            for (age, _) in ages.iter().zip(&hits).filter(|(_, hit)| !**hit) {
                let value = self.world.store.entries.borrow()[&self.keys[age]].clone();
                let at = self.world.now.get();
                self.written.entry(*age).or_default().push(Written { value, at });
                self.stored_at.insert(*age, self.store_now);
            }
        }
        assert_eq!(self.world.store.entries.borrow().len(), self.stored_at.len());
    }

    fn spoil(&self, one: prop::sample::Index, two: prop::sample::Index, swap: bool) {
        let mut entries = self.world.store.entries.borrow_mut();
        let keys: Vec<String> = entries.keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        let (one, other) = (one.get(&keys), two.get(&keys));
        if swap {
            let (a, b) = (entries[one].clone(), entries[other].clone());
            entries.insert(one.clone(), b);
            entries.insert(other.clone(), a);
        } else {
            let value = entries.get_mut(one).unwrap();
            let bit = two.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

fn aged(age: i64) -> String {
    SAMPLE.replace("30", &age.to_string())
}

fn right_answer(endpoint: usize, age: i64) -> String {
    match endpoint {
        0 => r#"{"decision":"ACCEPT"}"#.into(),
        1 => format!("{{\"probability\":{}}}", age as f32 / 100.0),
        _ if age < 20 => r#"{"risk_category":"LOW"}"#.into(),
        _ => r#"{"risk_category":"MEDIUM"}"#.into(),
    }
}

proptest! {
    #[test]
    fn exactly_what_may_be_answered_from_the_cache_is(steps in steps(), settings in settings()) {
        let mut model = Model::new(settings);
        for step in steps {
            let now = model.world.now.get();
            match step {
                Step::Ask { endpoint, ages, cache_control } => {
                    model.ask(endpoint, &ages, cache_control);
                }
                Step::Wait { seconds } => {
                    model.world.now.set(now + seconds);
                    model.store_now += seconds;
                }
                Step::SetBack { seconds } => model.world.now.set(now - seconds),
                Step::Purge => {
                    model.world.store.entries.borrow_mut().clear();
                    model.stored_at.clear();
                }
                Step::Damage { entry, bit } => model.spoil(entry, bit, false),
                Step::Swap { one, two } => model.spoil(one, two, true),
                Step::StoreFails(fails) => model.world.store.fails.set(fails),
            }
        }
    }
}
