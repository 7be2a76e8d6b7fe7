//! Predictions inside a program, with a store of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use foretold::CacheFolder;
use foretold::StoreError;
use foretold::Target;
use foretold::predictor::{AnswerValue, Domain, KeyValue, Predictor, RowError, Value};
use redis::Commands;
use serde_json::Value as Json;

use crate::harness::credit::{SAMPLE, credit};
use crate::harness::host::{Host, cache_folder};
use crate::harness::redis::Redis;
use crate::http_suite::baked;

type Row = Vec<(&'static str, Value)>;

fn predictor<S: KeyValue>(variables: &[(&str, &str)], store: S) -> anyhow::Result<Predictor<S>> {
    let component = std::fs::read(baked(Target::Library)).unwrap();
    Predictor::new(component, &CacheFolder::open(&cache_folder()).unwrap(), variables, store)
}

fn sample() -> Row {
    vec![
        ("installment_rate_in_percentage_of_disposable_income", 0.25.into()),
        ("age_in_years", 30.into()),
        ("foreign_worker", "yes".into()),
        ("present_employment_since", "unemployed".into()),
        ("personal_status_and_sex", "male: single".into()),
    ]
}

/// A store that several predictors share, and that can be away.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    entries: HashMap<String, Vec<u8>>,
    is_away: bool,
}

impl KeyValue for Shared {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Contents { entries, is_away } = &mut *self.0.lock().unwrap();
        if *is_away { Err(StoreError("away".into())) } else { KeyValue::get(entries, key) }
    }

    fn set(&mut self, key: &str, value: &[u8], time_to_live: Duration) -> Result<(), StoreError> {
        let Contents { entries, is_away } = &mut *self.0.lock().unwrap();
        if *is_away {
            return Err(StoreError("away".into()));
        }
        entries.set(key, value, time_to_live)
    }
}

/// A Redis, as a program would use it.
struct RedisStore(redis::Connection);

impl KeyValue for RedisStore {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Commands::get(&mut self.0, key).map_err(|error| StoreError(error.to_string()))
    }

    fn set(&mut self, key: &str, value: &[u8], time_to_live: Duration) -> Result<(), StoreError> {
        self.0
            .set_ex(key, value, time_to_live.as_secs())
            .map_err(|error| StoreError(error.to_string()))
    }
}

#[test]
fn the_second_prediction_is_from_the_store_and_so_is_every_endpoint() {
    let mut credit = predictor(&[], HashMap::new()).unwrap();
    let first = credit.predict(&sample()).unwrap();
    assert!(!first.cache.hit);
    assert_eq!(first.cache.status, "foretold; fwd=miss; stored");
    let second = credit.predict(&sample()).unwrap();
    assert!(second.cache.hit && second.cache.age_seconds.is_some_and(|age| age < 60));
    assert_eq!(second.outputs[0].to_bits(), first.outputs[0].to_bits());
    let value = |endpoint, credit: &mut Predictor<_>| {
        let answer = credit.answer(endpoint, &sample()).unwrap();
        assert!(answer.cache.hit);
        answer.value
    };
    assert_eq!(value("/decisions", &mut credit), AnswerValue::Label("ACCEPT".into()));
    assert_eq!(value("/probabilities", &mut credit), AnswerValue::Number(first.outputs[0]));
    assert_eq!(value("/risk_categories", &mut credit), AnswerValue::Label("MEDIUM".into()));
    assert_eq!(credit.into_store().len(), 1);
}

#[test]
fn it_describes_what_it_takes_and_gives() {
    let credit = predictor(&[("ttl_seconds", "60,/decisions=70")], HashMap::new()).unwrap();
    let description = credit.description();
    assert_eq!((&*description.model, description.ttl_seconds), ("credit", 70));
    assert_eq!(description.outputs, ["probability"]);
    assert_eq!(description.endpoints, ["/decisions", "/probabilities", "/risk_categories"]);
    let names: Vec<&str> = sample().iter().map(|(name, _)| *name).collect();
    assert!(description.features.iter().map(|feature| &*feature.name).eq(names));
    let worker = &description.features[2];
    assert_eq!(worker.domain, Domain::Category(vec!["yes".into(), "no".into()]));
    assert_eq!(worker.example, Value::Text("yes".into()));
}

#[test]
fn mistakes_name_field_and_value_and_leave_other_rows_alone() {
    let mut credit = predictor(&[], HashMap::new()).unwrap();
    let with = |name: &str, value: Value| -> Row {
        let put = |(known, old): (&'static str, Value)| {
            (known, if known == name { value.clone() } else { old })
        };
        sample().into_iter().map(put).collect()
    };
    for (name, value, shown) in [
        ("age_in_years", Value::Integer(17), "17"),
        ("age_in_years", Value::Number(30.5), "30.5"),
        ("age_in_years", Value::Number(f64::NAN), "NaN"),
        ("age_in_years", Value::Number(17.0), "17"),
        ("age_in_years", Value::Text("30".into()), "30"),
        ("foreign_worker", Value::Boolean(true), "true"),
        ("foreign_worker", Value::Text("may\"be\n".into()), "may\"be\n"),
    ] {
        let (wrong, right) = (with(name, value), sample());
        let rows = credit.predict_rows(&[&right, &wrong, &right]).unwrap();
        assert_eq!(rows[0].as_ref().unwrap().outputs, rows[2].as_ref().unwrap().outputs);
        let Err(RowError::Invalid(errors)) = &rows[1] else { panic!("{rows:?}") };
        assert_eq!((errors.len(), &*errors[0].field), (1, name));
        assert!(errors[0].value.as_ref().unwrap().contains(shown), "{errors:?}");
        assert!(errors[0].detail.contains("expected"), "{errors:?}");
        assert!(!errors[0].detail.contains("17.0"), "{errors:?}");
    }
    let missing = credit.predict(&with("age_in_years", Value::Missing)).unwrap_err().to_string();
    assert_eq!(missing, "age_in_years is missing: expected an integer from 18 to 127");
    let age = with("age_in_years", Value::Number(30.0));
    assert!(credit.predict(&age).unwrap().cache.hit);
    let error = credit.answer("/decide", &sample()).unwrap_err().to_string();
    assert!(error.contains("/decide") && error.contains("/decisions, /probabilities"), "{error}");
}

#[test]
fn a_store_that_is_away_costs_no_prediction() {
    let store = Shared::default();
    let mut credit = predictor(&[], store.clone()).unwrap();
    store.0.lock().unwrap().is_away = true;
    let prediction = credit.predict(&sample()).unwrap();
    assert_eq!(prediction.cache.status, "foretold; fwd=miss; detail=store-unavailable");
    store.0.lock().unwrap().is_away = false;
    assert!(!credit.predict(&sample()).unwrap().cache.hit);
    let mut other = credit.again(store.clone()).unwrap();
    assert!(other.predict(&sample()).unwrap().cache.hit);
    for value in store.0.lock().unwrap().entries.values_mut() {
        value[0] ^= 1;
    }
    let status = other.predict(&sample()).unwrap().cache.status;
    assert_eq!(status, "foretold; fwd=miss; stored; detail=corrupt-entry");
}

#[test]
fn an_entry_expires() {
    let mut credit = predictor(&[("ttl_seconds", "1")], HashMap::new()).unwrap();
    credit.predict(&sample()).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    assert!(!credit.predict(&sample()).unwrap().cache.hit);
    assert!(credit.predict(&sample()).unwrap().cache.hit);
}

#[test]
fn a_program_and_a_host_share_a_redis() {
    let redis = Redis::start();
    let store = redis.url();
    let host = Host::credit(&["--store", &store]);
    let connection = || RedisStore(redis.client().get_connection().unwrap());
    let mut credit = predictor(&[], connection()).unwrap();
    let probability = host.post("/probabilities", SAMPLE).json()["probability"].as_f64().unwrap();
    let prediction = credit.predict(&sample()).unwrap();
    assert!(prediction.cache.hit, "{prediction:?}");
    assert_eq!(prediction.outputs, [probability as f32]);
    let mut other = sample();
    other[1].1 = 50.into();
    assert!(!credit.predict(&other).unwrap().cache.hit);
    assert!(host.post("/decisions", &SAMPLE.replace("30", "50")).is_hit());
}

#[test]
fn every_golden_row_has_the_bits_of_the_native_build() {
    let read = |path: std::path::PathBuf| -> Json {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let golden = read(credit().join("golden.json"));
    let bits = &read(crate::harness::credit::root().join("component/inference/tests/it/bits.json"))
        ["credit"];
    let names: Vec<&str> =
        golden["features"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut credit = predictor(&[], HashMap::new()).unwrap();
    for (i, row) in golden["rows"].as_array().unwrap().iter().enumerate() {
        let values = row["features"].as_array().unwrap().iter().map(|value| match value {
            Json::String(text) => text.as_str().into(),
            value => Value::Number(value.as_f64().unwrap()),
        });
        let row: Vec<(&str, Value)> = names.iter().copied().zip(values).collect();
        let found = credit.predict(&row).unwrap().outputs[0];
        assert_eq!(u64::from(found.to_bits()), bits[i].as_u64().unwrap(), "{row:?}");
    }
}

#[test]
fn what_is_no_library_or_no_variable_is_refused_with_what_to_do() {
    let folder = CacheFolder::open(&cache_folder()).unwrap();
    let of = |component: Vec<u8>| {
        let result = Predictor::new(component, &folder, &[], HashMap::new());
        format!("{:#}", result.err().expect("it is refused"))
    };
    for target in [Target::Edge, Target::Spin] {
        let error = of(std::fs::read(baked(target)).unwrap());
        assert!(error.contains(&format!("for the target {}", target.name())), "{error}");
        assert!(error.contains("--target library"), "{error}");
    }
    let error = of(Target::Library.generic().unwrap().to_vec());
    assert!(error.contains("no model yet") && error.contains("--target library"), "{error}");
    assert!(of(b"no wasm".to_vec()).contains("cannot read the component"));
    for (name, value, expected) in [
        ("ttl", "60", "\"ttl\" is no variable; expected ttl_seconds"),
        ("ttl_seconds", "soon", "ttl_seconds: \"soon\""),
        ("ttl_seconds", "/nowhere=5", "/nowhere"),
        ("keys", "repr", "keys: expected packed, digest or readable"),
        ("mac_secret", "short", "mac_secret: "),
        ("mac_secret", "", "mac_secret: it is empty"),
    ] {
        let error = predictor(&[(name, value)], HashMap::new()).err().expect("it is refused");
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}

#[test]
fn a_predictor_reads_plain_files_only() {
    let error = Predictor::from_file("/dev/zero", HashMap::new()).err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("/dev/zero") && error.contains("no plain file"), "{error}");
}

/// What an example of the crate prints.
fn example(name: &str, arguments: &[&str]) -> String {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().nth(2).unwrap().join("examples");
    let mut command = std::process::Command::new(folder.join(name));
    let done = command.arg(baked(Target::Library)).args(arguments).output();
    let done =
        done.expect("`cargo test` has built it; with `--test`, `cargo build --examples` does");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_examples_of_stores_answer_again_from_them() {
    let redis = Redis::start();
    let predicted = "[0.30381715], hit: ";
    let miss_and_hit = format!("{predicted}false\n{predicted}true\n");
    assert_eq!(example("store-moka", &[]), miss_and_hit);
    assert_eq!(example("store-redis", &[&redis.url()]), miss_and_hit);
    // It is there for a host, and for the next program.
    let host = Host::credit(&["--store", &redis.url()]);
    assert!(host.post("/decisions", SAMPLE).is_hit());
    drop(host);
    assert_eq!(
        example("store-redis", &[&redis.url()]),
        format!("{predicted}true\n{predicted}true\n")
    );
}
