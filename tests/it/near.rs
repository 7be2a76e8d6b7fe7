//! The near cache: the same request again, and the same row in another request.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foretold::unstable::{Inventory, Purge, in_front_of};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::process::Signal;

use crate::harness::answer::Answer;
use crate::harness::credit::{SAMPLE, aged, array, change, copy_of_credit, credit};
use crate::harness::host::Host;
use crate::harness::onnx::slow_model;
use crate::harness::redis::{Redis, free_port};
use crate::harness::wire::{SOON, connect, read};
use crate::stores::{LAYOUTS, MODEL, OTHER_MODEL, keys, open};
use crate::tools::json;

const JSON: (&str, &str) = ("content-type", "application/json");
const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];
const NO_NEAR_CACHE: [&str; 2] = ["--near-cache-mib", "0"];

/// Hits that were answered as the same request was before.
fn reused(host: &mut Host) -> f64 {
    host.metrics().value("foretold_hits_reused_total", &[])
}

/// The sample in another spelling, which only the component knows to be the same.
fn other_spelling() -> String {
    format!(" {SAMPLE}")
}

/// Asks twice in the same second, once for what is kept as an answer and once for what is not.
fn in_one_second(host: &Host) -> (Answer, Answer) {
    for n in 1.. {
        let again = host.post("/decisions", SAMPLE);
        // A spelling that was never sent before.
        let spelt = format!("{}{SAMPLE}", " ".repeat(n));
        let anew = host.post("/decisions", &spelt);
        let again_later = host.post("/decisions", SAMPLE);
        if again.header("age") == again_later.header("age") {
            return (again, anew);
        }
    }
    unreachable!()
}

#[test]
fn the_same_request_gets_the_same_answer_without_the_component() {
    let redis = Redis::start();
    for store in ["memory", &redis.url()] {
        let mut host = Host::credit(&[&METRICS[..], &["--store", store]].concat());
        assert!(!host.post("/decisions", SAMPLE).is_hit());
        let first = host.post("/decisions", SAMPLE);
        assert!(first.is_hit() && reused(&mut host) == 0.0);
        let again = host.post("/decisions", SAMPLE);
        assert!(again.is_hit() && reused(&mut host) == 1.0);
        assert_eq!(again.body, first.body);
        for name in ["content-type", "etag", "cache-control", "x-content-type-options"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_eq!(again.header("server-timing"), "", "nothing was looked up");
        // Whatever differs is another request.
        let others = [
            host.post("/probabilities", SAMPLE),
            host.post("/decisions", &other_spelling()),
            host.send("POST", "/decisions", &[JSON, ("accept", "application/json")], SAMPLE),
            host.send("QUERY", "/decisions", &[JSON], SAMPLE),
        ];
        assert!(others.iter().all(Answer::is_hit) && reused(&mut host) == 1.0, "{store}");
        // What the component does not read is no difference.
        let unread = host.send("POST", "/decisions", &[JSON, ("x-trace", "1")], SAMPLE);
        assert!(unread.is_hit(), "{unread:?}");
        let metrics = host.metrics();
        let count = |name: &str| metrics.value(&format!("foretold_{name}_total"), &[]);
        assert_eq!(count("requests"), count("hits") + count("misses"));
    }
}

#[test]
fn age_and_time_left_are_those_of_the_entry_to_the_second() {
    let host = Host::credit(&["--ttl", "100"]);
    let rows = array(3);
    for _ in 0..2 {
        host.post("/decisions", SAMPLE);
        host.post("/decisions", &rows);
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3200) {
        let (again, anew) = in_one_second(&host);
        for name in ["age", "cache-status"] {
            assert_eq!(again.header(name), anew.header(name), "{name}");
        }
        let of_rows = host.post("/decisions", &rows);
        let detail = "; detail=\"3 hits, 0 misses, 0 refused\"";
        let ttl = of_rows.header("cache-status").strip_prefix("foretold; hit; ttl=").unwrap();
        let ttl: u32 = ttl.strip_suffix(detail).unwrap().parse().unwrap();
        let age: u32 = of_rows.header("age").parse().unwrap();
        assert_eq!(age + ttl, 100);
        std::thread::sleep(Duration::from_millis(130));
    }
}

#[test]
fn nothing_is_given_again_after_its_time() {
    let mut host = Host::credit(&[&METRICS[..], &["--ttl", "2"]].concat());
    let start = Instant::now();
    host.post("/decisions", SAMPLE);
    let mut hits = 0;
    loop {
        let answer = host.post("/decisions", SAMPLE);
        if !answer.is_hit() {
            assert_eq!(answer.header("cache-status"), "foretold; fwd=stale; stored");
            break;
        }
        hits += 1;
        let age: u32 = answer.header("age").parse().unwrap();
        assert!(age < 2 && start.elapsed() < Duration::from_secs(4), "{answer:?}");
    }
    assert!(hits > 1 && reused(&mut host) == f64::from(hits - 1));
}

#[test]
fn a_client_that_wants_no_old_answer_gets_none() {
    let host = Host::credit(&[]);
    host.post("/decisions", SAMPLE);
    let ask =
        |control| host.send("POST", "/decisions", &[JSON, ("cache-control", control)], SAMPLE);
    let start = Instant::now();
    while ask("max-age=1").is_hit() {
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    for control in ["no-cache", "no-store"] {
        for _ in 0..3 {
            let status = ask(control).header("cache-status").to_owned();
            assert!(status.starts_with("foretold; fwd=bypass"), "{status}");
        }
    }
}

#[test]
fn who_may_not_see_the_cache_sees_nothing_of_the_near_one() {
    let mut host = Host::credit(&[&METRICS[..], &["--allow", "max-age"]].concat());
    let first = host.post("/decisions", SAMPLE);
    for _ in 0..3 {
        let again = host.post("/decisions", SAMPLE);
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("date");
            headers
        };
        assert_eq!((without_date(&again), &again.body), (without_date(&first), &first.body));
    }
    assert_eq!(reused(&mut host), 2.0);
}

#[test]
fn entries_that_are_refreshed_early_are_drawn_by_the_component() {
    let folder = copy_of_credit();
    let (before, now) = ("# early_refresh_seconds = 30 ", "early_refresh_seconds = 200 ");
    change(folder.path(), "manifest.toml", before, now);
    let options = [&METRICS[..], &["--no-snapshot"]].concat();
    let mut host = Host::start(folder.path(), &options);
    for _ in 0..4 {
        host.post("/decisions", SAMPLE);
    }
    // Of 3600 s, 21 times 200 are not left at any time.
    assert_eq!(reused(&mut host), 0.0);
}

#[test]
fn a_purge_by_a_tool_ends_both_tiers_of_every_host() {
    let redis = Redis::start();
    let store = redis.url();
    let model = credit();
    let hosts = [(); 2].map(|()| Host::credit(&["--store", &store]));
    let purges: [&dyn Fn(); 5] = [
        &|| drop(json("purge", &store, &["--all"])),
        &|| drop(json("purge", &store, &["--model", model.to_str().unwrap()])),
        &|| drop(json("purge", &store, &["--older-than", "0s"])),
        &|| drop(redis.cli(&["FLUSHALL"])),
        // An operator's own.
        &|| drop(redis.cli(&["HSET", "foretold:generations", "all", "AAAAAA"])),
    ];
    for (position, purge) in purges.iter().enumerate() {
        // Rows of its own for each host: else one would find what the other has computed since.
        for (host, age) in hosts.iter().zip([30, 50]) {
            for (row, spaces) in [(aged(age), 0), (aged(age + 1), 1), (aged(age + 1), 2)] {
                let request = format!("{}{row}", " ".repeat(spaces));
                host.wait_for_hit(&request, Duration::from_secs(10));
                assert!(host.post("/decisions", &request).is_hit());
            }
        }
        purge();
        // What the docs promise: a message of the server's.
        std::thread::sleep(Duration::from_millis(300));
        for (host, age) in hosts.iter().zip([30, 50]) {
            let again = host.post("/decisions", &aged(age));
            let spelt = host.post("/decisions", &format!("   {}", aged(age + 1)));
            assert!(!again.is_hit() && !spelt.is_hit(), "{position}: {again:?} {spelt:?}");
        }
    }
}

#[test]
fn the_near_cache_goes_on_while_the_store_is_away_and_obeys_a_purge_that_it_missed() {
    let port = free_port();
    let redis = Redis::start_on(port);
    let mut host = Host::credit(&[&METRICS[..], &["--store", &redis.url()]].concat());
    host.post("/decisions", SAMPLE);
    for _ in 0..2 {
        assert!(host.post("/decisions", SAMPLE).is_hit());
    }
    drop(redis);
    // Both tiers, and other rows are computed.
    for n in 1..4 {
        assert!(host.post("/decisions", SAMPLE).is_hit());
        let spelt = format!("{}{SAMPLE}", "\t".repeat(n));
        assert!(host.post("/probabilities", &spelt).is_hit());
        let missed = host.post("/decisions", &aged(20 + n));
        assert!(missed.header("cache-status").contains("store-unavailable"), "{missed:?}");
    }
    let redis = Redis::start_on(port);
    assert_eq!(json("purge", &redis.url(), &["--all"])["removed"], 0);
    host.wait_for_log("answers again", Duration::from_secs(20));
    assert!(!host.post("/decisions", SAMPLE).is_hit());
}

#[test]
fn entries_of_a_python_service_are_asked_for_each_time() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url(), "--keys", "repr"]);
    host.post("/decisions", SAMPLE);
    for _ in 0..3 {
        assert!(
            host.post("/decisions", SAMPLE).header("cache-status").starts_with("foretold; hit")
        );
    }
    // The service that shares them removes it.
    redis.cli(&["FLUSHALL"]);
    let status = host.post("/decisions", SAMPLE).header("cache-status").to_owned();
    assert!(status.starts_with("foretold; fwd=miss"), "{status}");
}

#[test]
fn without_a_near_cache_each_request_is_the_components() {
    let mut host = Host::credit(&[&METRICS[..], &NO_NEAR_CACHE[..]].concat());
    for _ in 0..4 {
        host.post("/decisions", SAMPLE);
    }
    assert_eq!(reused(&mut host), 0.0);
    assert_eq!(host.metrics().value("foretold_near_cache_bytes", &[]), 0.0);
}

/// So many functions of a long row take some 50 ms.
const SLOW_STEPS: usize = 40;

#[test]
fn of_many_requests_for_the_same_new_row_one_runs_the_model() {
    const CLIENTS: usize = 400;
    let redis = Redis::start();
    let folder = slow_model(SLOW_STEPS);
    for options in [&[][..], &["--store", &redis.url()], &NO_NEAR_CACHE] {
        let more = ["--timeout-ms", "60000", "--memory-mib", "8000"];
        let options = [&METRICS[..], options, &more].concat();
        let mut host = Host::start(folder.path(), &options);
        for row in 1..4 {
            let request = post("/numbers", &format!("{{\"x\":{row}}}"));
            let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(&host)).collect();
            clients.iter_mut().for_each(|client| client.write_all(request.as_bytes()).unwrap());
            let answers: Vec<String> =
                clients.iter_mut().map(|client| read(client, SOON).text).collect();
            assert!(
                answers.iter().all(|answer| answer.ends_with("{\"number\":0.0}")),
                "{answers:?}"
            );
            let waited =
                answers.iter().filter(|answer| answer.contains("foretold-host; collapsed"));
            assert!(waited.count() > 1, "{answers:?}");
            let metrics = host.metrics();
            let count = |name: &str| metrics.value(&format!("foretold_{name}_total"), &[]);
            assert_eq!(count("misses"), f64::from(row), "{options:?}");
            assert_eq!(count("hits"), (CLIENTS as f64 - 1.0) * f64::from(row));
        }
    }
}

#[test]
fn hosts_wait_for_each_other_where_they_are_told_to() {
    const ROWS: u32 = 5;
    let redis = Redis::start();
    // Long enough to be killed in the middle of it, however fast the machine is.
    let folder = slow_model(5 * SLOW_STEPS);
    let url = redis.url();
    let start = |more: &[&str]| {
        let options = ["--store", &url, "--timeout-ms", "20000", "--near-cache-mib", "0"];
        Host::start(folder.path(), &[&METRICS[..], &options, more].concat())
    };
    let mut hosts = [(); 2].map(|()| start(&["--wait-for-hosts-ms", "5000"]));
    for row in 0..ROWS {
        let request = post("/numbers", &format!("{{\"x\":{}}}", row + 20));
        let mut clients: Vec<TcpStream> =
            hosts.iter().flat_map(|host| [connect(host), connect(host)]).collect();
        clients.iter_mut().for_each(|client| client.write_all(request.as_bytes()).unwrap());
        let answers: Vec<String> =
            clients.iter_mut().map(|client| read(client, SOON).text).collect();
        assert!(answers.iter().all(|it| it.ends_with("{\"number\":0.0}")), "{answers:?}");
        let misses = answers.iter().filter(|it| it.contains("foretold; fwd=miss")).count();
        assert_eq!(misses, 1, "{answers:?}");
    }
    let misses = hosts.each_mut().map(|host| host.metrics().value("foretold_misses_total", &[]));
    assert_eq!(misses[0] + misses[1], f64::from(ROWS));
    // Whoever took the lease and does not compute gives it back.
    let alone = ("cache-control", "only-if-cached");
    let [first, second] = &hosts;
    let body = r#"{"x":40}"#;
    assert_eq!(first.send("POST", "/numbers", &[alone], body).status, 504);
    let before = Instant::now();
    assert_eq!(second.post("/numbers", body).status, 200);
    assert!(before.elapsed() < Duration::from_secs(4), "it waited for nobody");
    // One that is killed in the middle is waited for as long as was said, and no longer.
    let killed = start(&["--wait-for-hosts-ms", "1500"]);
    let mut client = connect(&killed);
    client.write_all(post("/numbers", r#"{"x":41}"#).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(25));
    killed.signal(Signal::KILL);
    let answer = second.post("/numbers", r#"{"x":41}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("cache-status").contains("fwd=miss"), "{answer:?}");
}

/// A request whose connection ends with its answer.
fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// What a handle does in the test against a model; keys are indices.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Set(usize),
    Get(usize),
    GetAll,
    Remove(usize),
    PurgeModel(bool),
    PurgeAll,
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = 0..keys().len();
    prop_oneof![
        5 => key.clone().prop_map(Operation::Set),
        8 => key.clone().prop_map(Operation::Get),
        2 => Just(Operation::GetAll),
        1 => key.prop_map(Operation::Remove),
        1 => any::<bool>().prop_map(Operation::PurgeModel),
        1 => Just(Operation::PurgeAll),
    ]
}

/// Waits until all handles have heard of a purge.
async fn until_heard(handles: &[Arc<dyn Inventory>], before: &[Option<u64>]) {
    let start = Instant::now();
    for (handle, before) in handles.iter().zip(before) {
        while handle.epoch().is_none() || handle.epoch() == *before {
            assert!(start.elapsed() < Duration::from_secs(10), "not told of a purge");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Runs operations on handles with little memory. `purges` has for each key how many purges there
/// were, which is what values say: an older one may never be answered.
async fn run(handles: &[Arc<dyn Inventory>], operations: &[(bool, Operation)]) {
    const TIME_TO_LIVE: Duration = Duration::from_secs(600);
    let keys = keys();
    let mut purges = vec![0_u8; keys.len()];
    let mut stored = vec![false; keys.len()];
    for (second, operation) in operations {
        let store = &handles[usize::from(*second)];
        let check = |key: usize, value: Option<Bytes>, stored: bool, purges: u8| {
            let fits = value.as_deref().is_none_or(|value| stored && value == [purges]);
            assert!(fits, "{key}: {value:?} after {purges} purges");
        };
        let purged: &dyn Fn(&str) -> bool = match operation {
            Operation::Set(key) => {
                let value = Bytes::copy_from_slice(&[purges[*key]]);
                // One that fails may have been written all the same.
                stored[*key] = true;
                let _ = store.set(&keys[*key], value, TIME_TO_LIVE).await;
                continue;
            }
            Operation::Get(key) => {
                let value = store.get(&keys[*key], TIME_TO_LIVE).await.unwrap();
                check(*key, value, stored[*key], purges[*key]);
                continue;
            }
            Operation::GetAll => {
                let values = store.get_many(&keys, TIME_TO_LIVE).await.unwrap();
                for (key, value) in values.into_iter().enumerate() {
                    check(key, value, stored[key], purges[key]);
                }
                continue;
            }
            Operation::Remove(key) => &|name| name == keys[*key],
            Operation::PurgeModel(first) => {
                let model = if *first { MODEL } else { OTHER_MODEL };
                &move |name| name.contains(model)
            }
            Operation::PurgeAll => &|name| name.contains("model"),
        };
        let before: Vec<Option<u64>> = handles.iter().map(|handle| handle.epoch()).collect();
        let done = match operation {
            Operation::Remove(key) => {
                let removed = store.remove(&keys[*key..=*key]).await;
                store.tell_of_removal().await.unwrap();
                removed
            }
            Operation::PurgeModel(true) => {
                store.change_generation(&Purge::Model(MODEL.into())).await
            }
            Operation::PurgeModel(false) => {
                store.change_generation(&Purge::Model(OTHER_MODEL.into())).await
            }
            _ => store.change_generation(&Purge::All).await,
        };
        done.unwrap();
        for (key, name) in keys.iter().enumerate().filter(|(_, name)| purged(name)) {
            stored[key] = false;
            purges[key] = purges[key].wrapping_add(1);
            assert!(!name.is_empty());
        }
        until_heard(handles, &before).await;
    }
}

#[test]
fn what_was_purged_is_never_answered_whatever_happens() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = AtomicU32::new(0);
    let operations = prop::collection::vec((any::<bool>(), operation()), 1..60);
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&operations, |operations| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let layout = LAYOUTS[case as usize % LAYOUTS.len()];
        let url = format!("{}?layout={layout}&capacity=1000&prefix={case}:", redis.url());
        runtime.block_on(async {
            // So little that not all fit.
            let handles = [open(&url).await, open(&url).await];
            let handles = handles.map(|handle| in_front_of(handle, 4096));
            run(&handles, &operations).await;
        });
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
