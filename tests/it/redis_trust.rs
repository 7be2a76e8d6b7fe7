//! Who can write to the server, or answers in its place, cannot switch the cache off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foretold::unstable::{Inventory, StoreSettings, StoreUrl};

use crate::harness::proxy::{Proxy, Trouble};
use crate::harness::redis::Redis;
use crate::stores::{MODEL, OTHER_MODEL, layouts, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(10);

/// Puts a value of so many bytes in the place of every entry, and says how many there were.
fn spoil(redis: &Redis, bytes: usize) -> usize {
    let mut connection = redis.client().get_connection().unwrap();
    let long = vec![b'x'; bytes];
    let mut spoiled = 0;
    for name in redis.cli(&["--scan"]) {
        let kind: String = redis::cmd("TYPE").arg(&name).query(&mut connection).unwrap();
        if kind == "string" {
            redis::cmd("SET").arg(&name).arg(&long).exec(&mut connection).unwrap();
            spoiled += 1;
        } else if !name.ends_with("generations") {
            let fields: Vec<Vec<u8>> =
                redis::cmd("HKEYS").arg(&name).query(&mut connection).unwrap();
            for field in fields {
                redis::cmd("HSET").arg(&name).arg(field).arg(&long).exec(&mut connection).unwrap();
                spoiled += 1;
            }
        }
    }
    spoiled
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_long_is_no_entry_and_is_written_over() {
    let redis = Redis::start();
    // One that is just not too long is read, and found out by who knows what an entry is.
    for (layout, bytes) in
        layouts().into_iter().flat_map(|layout| [(layout, 3 << 20), (layout, 16 << 20)])
    {
        redis.cli(&["FLUSHALL"]);
        let store = open(&format!("{}?layout={layout}&capacity=100", redis.url())).await;
        let keys = [1, 2, 3].map(|row| row_key(MODEL, row, 3));
        let other = row_key(OTHER_MODEL, 1, 3);
        let pairs = || keys.iter().map(|key| (key.clone(), value(1))).collect::<Vec<_>>();
        for round in 0..3 {
            store.set(&other, value(9), LONG).await.unwrap();
            store.set_many(pairs(), LONG).await.unwrap();
            assert_eq!(spoil(&redis, bytes), 4, "{layout}");
            // Others ask at the same time, and none of them is told that the store is away.
            let asking: Vec<_> = (0..20)
                .map(|row| {
                    let (store, key) = (store.clone(), row_key(OTHER_MODEL, 100 + row, 3));
                    tokio::spawn(async move { store.get(&key, LONG).await.unwrap() })
                })
                .collect();
            if round == 0 {
                let got = store.get_many(&keys, LONG).await.unwrap();
                assert_eq!(got[0].as_ref().map(Bytes::len), Some(0), "{layout} {bytes}");
                assert!(got.iter().flatten().all(Bytes::is_empty), "{layout} {bytes}");
            } else {
                for key in &keys {
                    let got = store.get(key, LONG).await.unwrap();
                    assert_eq!(got, Some(Bytes::new()), "{layout} {bytes}");
                    store.set(key, value(2), LONG).await.unwrap();
                    assert_eq!(store.get(key, LONG).await.unwrap(), Some(value(2)), "{layout}");
                }
            }
            for asked in asking {
                assert_eq!(asked.await.unwrap(), None, "{layout}");
            }
            store.set_many(pairs(), LONG).await.unwrap();
            let got = store.get_many(&keys, LONG).await.unwrap();
            assert_eq!(got, vec![Some(value(1)); 3], "{layout}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_so_long_that_it_comes_too_late_is_removed() {
    let redis = Redis::start();
    for layout in layouts() {
        redis.cli(&["FLUSHALL"]);
        let settings = StoreSettings { timeout: Duration::from_millis(25), ..settings() };
        let url = format!("{}?layout={layout}", redis.url());
        let store = StoreUrl::parse(&url, &settings).unwrap().open().await.unwrap();
        check(&store, layout).await;
        assert_eq!(spoil(&redis, 200 << 20), 1, "{layout}");
        let (key, start) = (row_key(MODEL, 1, 3), Instant::now());
        while store.get(&key, LONG).await.is_err() {
            assert!(start.elapsed() < LIMIT, "{layout}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        check(&store, layout).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_would_be_too_long_to_read_is_not_written() {
    let redis = Redis::start();
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}&prefix={layout}", redis.url())).await;
        let key = row_key(MODEL, 1, 3);
        let error = store.set(&key, vec![1; 1 << 20].into(), LONG).await.unwrap_err();
        assert!(error.to_string().contains("expected at most"), "{error}");
        let long = Bytes::from(vec![1; (1 << 20) - 4]);
        store.set(&key, long.clone(), LONG).await.unwrap();
        assert_eq!(store.get(&key, LONG).await.unwrap(), Some(long), "{layout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_that_are_too_long_to_read_are_made_anew() {
    let redis = Redis::start();
    let store = open(&redis.url()).await;
    let key = row_key(MODEL, 1, 3);
    store.set(&key, value(1), LONG).await.unwrap();
    let mut connection = redis.client().get_connection().unwrap();
    let long = vec![b'x'; 2 << 20];
    redis::cmd("HSET")
        .arg("foretold:generations")
        .arg("all")
        .arg(long)
        .exec(&mut connection)
        .unwrap();
    for store in [store, open(&redis.url()).await] {
        let start = Instant::now();
        while store.set(&key, value(2), LONG).await.is_err() {
            assert!(start.elapsed() < LIMIT);
            assert_eq!(store.get(&key, LONG).await.unwrap_or_default(), None);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_out_of_its_mind_is_not_believed() {
    let redis = Redis::start();
    for layout in layouts() {
        for seconds in [u64::MAX, 0, 9_999_999_999] {
            let proxy = Proxy::start(redis.port());
            proxy.make(Trouble::Time(seconds));
            let settings = StoreSettings { timeout: Duration::from_secs(1), ..settings() };
            let url = format!("{}?layout={layout}&prefix={layout}", proxy.url());
            let store = StoreUrl::parse(&url, &settings).unwrap().open().await.unwrap();
            check(&store, &format!("{layout} {seconds}")).await;
            assert!(proxy.troubles() > 0);
            // The probe lives on, too.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            check(&store, &format!("{layout} {seconds} again")).await;
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            tokio::time::sleep(Duration::from_millis(500)).await;
            check(&store, &format!("{layout} {seconds} after a probe")).await;
            // A host with the right time finds the entry.
            let other = open(&format!("{}?layout={layout}&prefix={layout}", redis.url())).await;
            let got = other.get(&row_key(MODEL, 1, 3), LONG).await.unwrap();
            assert_eq!(got, Some(value(1)), "{layout} {seconds}");
        }
    }
}

async fn check(store: &Arc<dyn Inventory>, what: &str) {
    let key = row_key(MODEL, 1, 3);
    let start = Instant::now();
    while store.set(&key, value(1), LONG).await.is_err() {
        assert!(start.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while store.get(&key, LONG).await.ok().flatten() != Some(value(1)) {
        assert!(start.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
