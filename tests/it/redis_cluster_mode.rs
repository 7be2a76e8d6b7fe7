//! A cluster behind one endpoint: every name is there, but no command may have names of two slots.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use foretold::unstable::{Purge, Selection};

use crate::harness::redis::{Redis, free_port};
use crate::stores::{MODEL, OTHER_MODEL, keys, layouts, list, open, row_key, value};

const LONG: Duration = Duration::from_secs(600);
const SLOTS: usize = 16_384;
/// What a server adds to its port.
const BUS_OFFSET: u16 = 10_000;
const LIMIT: Duration = Duration::from_secs(10);

/// Without the commands and options for clusters that came with Redis 7.
fn start() -> Redis {
    let redis = Redis::start_with(port_with_bus(), &["--cluster-enabled", "yes"]);
    let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
    let slots = slots.iter().map(String::as_str);
    redis.cli(&["CLUSTER", "ADDSLOTS"].into_iter().chain(slots).collect::<Vec<_>>());
    wait_for_state(&redis, "ok");
    redis
}

/// A free port; the one of its bus, which the server derives from it, is free too.
fn port_with_bus() -> u16 {
    let has_bus = |port: &u16| {
        port.checked_add(BUS_OFFSET)
            .is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok())
    };
    std::iter::repeat_with(free_port).find(has_bus).unwrap()
}

fn wait_for_state(redis: &Redis, state: &str) {
    let (start, line) = (Instant::now(), format!("cluster_state:{state}"));
    while !redis.cli(&["CLUSTER", "INFO"]).iter().any(|found| found.trim() == line) {
        assert!(start.elapsed() < LIMIT, "not {line}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_and_tools_work_as_single_rows_do() {
    let redis = start();
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}&prefix=p*[{layout}]", redis.url())).await;
        let keys = keys();
        let pairs = || keys.iter().enumerate().map(|(n, key)| (key.clone(), value(n))).collect();
        let all: Vec<_> = (0..keys.len()).map(|number| Some(value(number))).collect();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), vec![None; keys.len()], "{layout}");
        store.set_many(pairs(), LONG).await.unwrap();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), all, "{layout}");
        // Another type in our places.
        for name in redis.cli(&["--scan"]) {
            redis.cli(&["DEL", &name]);
            redis.cli(&["LPUSH", &name, "x"]);
        }
        store.set_many(pairs(), LONG).await.unwrap();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), all, "{layout}");
        let listed = list(&*store, &Selection::All).await;
        assert_eq!(listed.len(), 16, "{layout}");
        let counts = store.statistics().await.unwrap().models;
        let counted =
            |model: &str| counts.iter().find(|count| count.model == model).unwrap().entries;
        assert_eq!((counted(MODEL), counted(OTHER_MODEL)), (8, 8), "{layout}");
        assert_eq!(store.remove(&keys[..4]).await.unwrap(), 4, "{layout}");
        store.change_generation(&Purge::All).await.unwrap();
        let freed = store.free_old_generations(&mut |_| ()).await.unwrap();
        assert_eq!(freed, 12, "{layout}");
        let found = store.get_many(&keys[..16], LONG).await.unwrap();
        assert_eq!(found, vec![None; 16], "{layout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_down_is_found_again() {
    let redis = start();
    let store = open(&redis.url()).await;
    let key = row_key(MODEL, 1, 3);
    store.set(&key, value(1), LONG).await.unwrap();
    redis.cli(&["CLUSTER", "DELSLOTS", "5", "6"]);
    wait_for_state(&redis, "fail");
    let error = store.get(&key, LONG).await.unwrap_err().to_string();
    assert!(error.contains("CLUSTERDOWN"), "{error}");
    redis.cli(&["CLUSTER", "ADDSLOTS", "5", "6"]);
    let start = Instant::now();
    while store.get(&key, LONG).await.ok().flatten() != Some(value(1)) {
        assert!(start.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
