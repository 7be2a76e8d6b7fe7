//! A cluster behind one endpoint: every name is there, but no command may have names of two slots.

use std::time::{Duration, Instant};

use foretold::unstable::{Purge, Selection};

use crate::harness::redis::{Redis, free_port};
use crate::stores::{LAYOUTS, MODEL, OTHER_MODEL, keys, list, open, row_key, value};

const LONG: Duration = Duration::from_secs(600);
const ALL_SLOTS: [&str; 2] = ["0", "16383"];
const LIMIT: Duration = Duration::from_secs(10);

fn start() -> Redis {
    let bus = free_port().to_string();
    let redis =
        Redis::start_with(free_port(), &["--cluster-enabled", "yes", "--cluster-port", &bus]);
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", ALL_SLOTS[0], ALL_SLOTS[1]]);
    wait_for_state(&redis, "ok");
    redis
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
    for layout in LAYOUTS {
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
    redis.cli(&["CLUSTER", "DELSLOTSRANGE", "5", "6"]);
    wait_for_state(&redis, "fail");
    let error = store.get(&key, LONG).await.unwrap_err().to_string();
    assert!(error.contains("CLUSTERDOWN"), "{error}");
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "5", "6"]);
    let start = Instant::now();
    while store.get(&key, LONG).await.ok().flatten() != Some(value(1)) {
        assert!(start.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
