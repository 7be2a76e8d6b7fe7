//! Random operations on two handles of one Redis, compared with what may be answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foretold::unstable::{Inventory, Purge, Selection};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::redis::Redis;
use crate::stores::{LAYOUTS, MODEL, OTHER_MODEL, keys, layouts, list, open};

const TIME_TO_LIVE: Duration = Duration::from_secs(600);

/// What a handle does; keys are indices.
#[derive(Clone, Debug)]
enum Operation {
    Set(usize, Vec<u8>),
    SetMany(Vec<(usize, Vec<u8>)>),
    Get(usize),
    GetMany(Vec<usize>),
    Remove(Vec<usize>),
    PurgeModel(bool),
    PurgeAll,
    List,
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = 0..keys().len();
    let value = prop::collection::vec(any::<u8>(), 1..20);
    let pairs = prop::collection::vec((key.clone(), value.clone()), 0..8);
    let some_keys = prop::collection::vec(key.clone(), 0..8);
    prop_oneof![
        6 => (key.clone(), value).prop_map(|(key, value)| Operation::Set(key, value)),
        3 => pairs.prop_map(Operation::SetMany),
        6 => key.prop_map(Operation::Get),
        3 => some_keys.clone().prop_map(Operation::GetMany),
        2 => some_keys.prop_map(Operation::Remove),
        1 => any::<bool>().prop_map(Operation::PurgeModel),
        1 => Just(Operation::PurgeAll),
        1 => Just(Operation::List),
    ]
}

/// The entries that there must be.
type Expected = BTreeMap<String, Bytes>;

/// Gets until there is what is expected: a handle that is reading the generations after a purge
/// may miss, but never answer anything else.
async fn check(store: &dyn Inventory, expected: &Expected, wanted: &[String]) {
    let start = Instant::now();
    loop {
        let values = if let [key] = wanted {
            vec![store.get(key, TIME_TO_LIVE).await.unwrap()]
        } else {
            store.get_many(wanted, TIME_TO_LIVE).await.unwrap()
        };
        let mut missed = false;
        for (key, value) in wanted.iter().zip(values) {
            match (value, expected.get(key)) {
                (None, Some(_)) => missed = true,
                (value, expected) => assert_eq!(value.as_ref(), expected, "{key}"),
            }
        }
        if !missed {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "lost one of {wanted:?}");
    }
}

async fn apply(store: &dyn Inventory, expected: &mut Expected, operation: &Operation) {
    let keys = keys();
    let names = |indices: &[usize]| indices.iter().map(|&key| keys[key].clone()).collect();
    match operation {
        Operation::Set(key, value) => {
            set(store, vec![(keys[*key].clone(), Bytes::from(value.clone()))], expected).await;
        }
        Operation::SetMany(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (keys[*key].clone(), value.clone().into()));
            set(store, pairs.collect(), expected).await;
        }
        Operation::Get(key) => check(store, expected, &[keys[*key].clone()]).await,
        Operation::GetMany(indices) => {
            let wanted: Vec<String> = names(indices);
            check(store, expected, &wanted).await;
        }
        Operation::Remove(indices) => {
            let mut wanted: Vec<String> = names(indices);
            // The handle knows the generation when it finds what is there.
            check(store, expected, &wanted).await;
            wanted.sort();
            wanted.dedup();
            let there = wanted.iter().filter(|key| expected.remove(*key).is_some()).count();
            assert_eq!(patient(|| store.remove(&wanted)).await, there as u64);
        }
        Operation::PurgeModel(first) => {
            let model = if *first { MODEL } else { OTHER_MODEL };
            let purge = Purge::Model(model.to_owned());
            patient(|| store.change_generation(&purge)).await;
            expected.retain(|key, _| !key.contains(model));
        }
        Operation::PurgeAll => {
            patient(|| store.change_generation(&Purge::All)).await;
            expected.retain(|key, _| !key.contains("model"));
        }
        Operation::List => {
            check(store, expected, &keys).await;
            let mut listed: Vec<Bytes> =
                list(store, &Selection::All).await.into_iter().map(|entry| entry.value).collect();
            listed.sort();
            let mut there: Vec<Bytes> = expected
                .iter()
                .filter(|(key, _)| key.contains("model"))
                .map(|(_, value)| value.clone())
                .collect();
            there.sort();
            assert_eq!(listed, there);
        }
    }
}

async fn set(store: &dyn Inventory, pairs: Vec<(String, Bytes)>, expected: &mut Expected) {
    patient(|| store.set_many(pairs.clone(), TIME_TO_LIVE)).await;
    expected.extend(pairs);
}

/// Tries again while the handle is reading the generations.
async fn patient<'a, T>(mut attempt: impl FnMut() -> foretold::unstable::StoreFuture<'a, T>) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(10), "{error}"),
        }
    }
}

fn run(layout: &str) {
    let redis = Redis::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = AtomicU32::new(0);
    let operations = prop::collection::vec((any::<bool>(), operation()), 1..40);
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&operations, |operations| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}?layout={layout}&capacity=1000&prefix={case}:", redis.url());
        runtime.block_on(async {
            let handles: [Arc<dyn Inventory>; 2] = [open(&url).await, open(&url).await];
            let mut expected = Expected::new();
            for (second, operation) in &operations {
                apply(&*handles[usize::from(*second)], &mut expected, operation).await;
            }
            for handle in &handles {
                check(&**handle, &expected, &keys()).await;
            }
        });
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("layout {layout}: {failure}"));
}

#[test]
fn the_layout_string_answers_only_what_it_may() {
    run(LAYOUTS[0]);
}

#[test]
fn the_layout_hash_answers_only_what_it_may() {
    if layouts().contains(&LAYOUTS[1]) {
        run(LAYOUTS[1]);
    }
}

#[test]
fn the_layout_packed_answers_only_what_it_may() {
    run(LAYOUTS[2]);
}
