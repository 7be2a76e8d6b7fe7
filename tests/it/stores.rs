//! Every store and layout through the trait, on a real server or file.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use foretold::unstable::{Cursor, Entry, Inventory, Purge, Selection, StoreSettings, StoreUrl};
use tempfile::TempDir;

use crate::harness::redis::{Redis, free_port};

pub(crate) const MODEL: &str = "modelAAAAAAAAAA";
pub(crate) const OTHER_MODEL: &str = "modelBBBBBBBBBB";
const LONG: Duration = Duration::from_secs(600);
pub(crate) const LAYOUTS: [&str; 3] = ["string", "hash", "packed"];

/// Those of them that the server under test can have: it is asked as an operator would ask.
pub(crate) fn layouts() -> Vec<&'static str> {
    static HAS_CONDITIONS: OnceLock<bool> = OnceLock::new();
    let ask = || Redis::start().cli(&["EXPIRE", "nothing", "1", "GT"]) == ["0"];
    let has_conditions = *HAS_CONDITIONS.get_or_init(ask);
    LAYOUTS.into_iter().filter(|layout| *layout != "hash" || has_conditions).collect()
}

/// Opens a store whose server may be slow, as on a busy test machine.
pub(crate) async fn open(url: &str) -> Arc<dyn Inventory> {
    StoreUrl::parse(url, &settings()).unwrap().open().await.unwrap()
}

pub(crate) fn settings() -> StoreSettings {
    StoreSettings {
        max_bytes: 64 << 20,
        timeout: Duration::from_secs(5),
        layout: None,
        password: None,
    }
}

/// What the tests of all stores run on; the guards keep it alive.
struct Stores {
    stores: Vec<(String, Arc<dyn Inventory>)>,
    _redis: Redis,
    _folder: TempDir,
}

/// One store of every kind.
async fn stores() -> Stores {
    let redis = Redis::start();
    let folder = TempDir::new().unwrap();
    let mut urls =
        vec!["memory:".to_owned(), format!("file:{}", folder.path().join("entries").display())];
    for layout in layouts() {
        urls.push(format!("{}/3?layout={layout}&prefix=p*[{layout}]", redis.url()));
    }
    let mut stores = vec![];
    for url in urls {
        let store = open(&url).await;
        stores.push((url, store));
    }
    Stores { stores, _redis: redis, _folder: folder }
}

/// A key with a packed row of so many bytes.
pub(crate) fn row_key(model: &str, row: u32, bytes: usize) -> String {
    let mut packed = vec![7; bytes];
    let row = row.to_be_bytes();
    let digits = bytes.min(4);
    packed[..digits].copy_from_slice(&row[4 - digits..]);
    format!("foretold:{model}:p{}", BASE64URL_NOPAD.encode(&packed))
}

/// A key of every kind.
pub(crate) fn keys() -> Vec<String> {
    let mut keys = vec![];
    for model in [MODEL, OTHER_MODEL] {
        keys.extend([1, 3, 12, 13, 16].map(|bytes| row_key(model, 5, bytes)));
        keys.push(format!("foretold:{model}:dAAAAAAAAAAAAAAAAAAAAAA"));
        keys.push(format!("foretold:{model}:kAAAAAAAAAAAAAAAAAAAAAA"));
        keys.push(format!("foretold:{model}:r{{\"age\":30,\"job\":\"c\u{f6}ok: a*b\"}}"));
    }
    keys.push("DecisionRequest(age=30, job='it''s')".to_owned());
    keys.push("foretold:short:p".to_owned());
    keys
}

pub(crate) fn value(number: usize) -> Bytes {
    let bytes = format!("\u{1}value\0{number}\u{ff}");
    Bytes::from(bytes)
}

/// All entries that a store lists.
pub(crate) async fn list(store: &dyn Inventory, selection: &Selection) -> Vec<Entry> {
    let (mut entries, mut cursor) = (vec![], Some(Cursor::default()));
    while let Some(at) = cursor {
        let page = store.page(selection, at).await.unwrap();
        entries.extend(page.entries);
        cursor = page.next;
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries.dedup_by(|a, b| a.key == b.key);
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_is_got_one_by_one_and_together() {
    for (url, store) in &stores().await.stores {
        let keys = keys();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), vec![None; keys.len()], "{url}");
        let (first, rest) = keys.split_at(5);
        for (number, key) in first.iter().enumerate() {
            assert_eq!(store.get(key, LONG).await.unwrap(), None, "{url}: {key}");
            store.set(key, value(number), LONG).await.unwrap();
        }
        let many = rest.iter().enumerate().map(|(n, key)| (key.clone(), value(5 + n)));
        store.set_many(many.collect(), LONG).await.unwrap();
        let expected: Vec<_> = (0..keys.len()).map(|number| Some(value(number))).collect();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), expected, "{url}");
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(store.get(key, LONG).await.unwrap(), Some(value(number)), "{url}: {key}");
        }
        // The last of two values counts, and a key may be asked for twice.
        store.set(&keys[0], value(99), LONG).await.unwrap();
        let twice = [keys[0].clone(), keys[1].clone(), keys[0].clone()];
        let expected = vec![Some(value(99)), Some(value(1)), Some(value(99))];
        assert_eq!(store.get_many(&twice, LONG).await.unwrap(), expected, "{url}");
        assert_eq!(store.get_many(&[], LONG).await.unwrap(), vec![], "{url}");
        store.set_many(vec![], LONG).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_listed_and_removed_by_their_keys() {
    for (url, store) in &stores().await.stores {
        let keys = keys();
        let entries = keys.iter().enumerate().map(|(number, key)| (key.clone(), value(number)));
        store.set_many(entries.collect(), LONG).await.unwrap();
        let listed = list(&**store, &Selection::All).await;
        assert_eq!(listed.len(), 16, "{url}: {listed:#?}");
        let of_model = list(&**store, &Selection::Model(MODEL.to_owned())).await;
        assert_eq!(of_model.len(), 8, "{url}");
        let plain = list(&**store, &Selection::Prefix("DecisionRequest(".to_owned())).await;
        assert_eq!(plain.len(), 1, "{url}");
        assert_eq!((&plain[0].key, &plain[0].value), (&keys[16], &value(16)), "{url}");
        for entry in &listed {
            // A key that is known, or the form that stands for it.
            let got = store.get(&entry.key, LONG).await.unwrap();
            assert_eq!(got.as_ref(), Some(&entry.value), "{url}: {}", entry.key);
            let left = entry.time_left.unwrap();
            assert!(left > LONG - Duration::from_secs(60) && left <= LONG * 2, "{url}: {left:?}");
        }
        let statistics = store.statistics().await.unwrap();
        let counts: Vec<(&str, u64)> = statistics
            .models
            .iter()
            .filter(|count| !count.model.is_empty())
            .map(|count| (&*count.model, count.entries))
            .collect();
        assert_eq!(counts, [(MODEL, 8), (OTHER_MODEL, 8)], "{url}");
        assert!(statistics.bytes > 0, "{url}");
        let removed: Vec<String> =
            of_model.iter().chain(&plain).map(|entry| entry.key.clone()).collect();
        assert_eq!(store.remove(&removed).await.unwrap(), 9, "{url}");
        assert_eq!(store.remove(&removed).await.unwrap(), 0, "{url}");
        for (number, key) in keys.iter().enumerate() {
            let expected = (8..16).contains(&number) || number == 17;
            let expected = expected.then(|| value(number));
            assert_eq!(store.get(key, LONG).await.unwrap(), expected, "{url}: {key}");
        }
        // By the keys as the component gives them, too.
        assert_eq!(store.remove(&keys).await.unwrap(), 9, "{url}");
        assert_eq!(list(&**store, &Selection::All).await, [], "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_forgets_a_model_or_all_at_once() {
    for (url, store) in &stores().await.stores {
        let keys = keys();
        let structured = &keys[..16];
        let set_all = || {
            let pairs = structured.iter().map(|key| (key.clone(), value(1)));
            store.set_many(pairs.collect(), LONG)
        };
        let found = async || {
            let values = store.get_many(structured, LONG).await.unwrap();
            values.iter().map(Option::is_some).collect::<Vec<bool>>()
        };
        for _ in 0..2 {
            set_all().await.unwrap();
            assert_eq!(found().await, vec![true; 16], "{url}");
            store.change_generation(&Purge::Model(MODEL.to_owned())).await.unwrap();
            let expected = [vec![false; 8], vec![true; 8]].concat();
            assert_eq!(found().await, expected, "{url}");
            assert_eq!(list(&**store, &Selection::All).await.len(), 8, "{url}");
            set_all().await.unwrap();
            store.change_generation(&Purge::All).await.unwrap();
            assert_eq!(found().await, vec![false; 16], "{url}");
            assert_eq!(list(&**store, &Selection::All).await, [], "{url}");
        }
        set_all().await.unwrap();
        let mut told = vec![];
        let freed = store.free_old_generations(&mut |count| told.push(count)).await.unwrap();
        assert_eq!(told.last().copied().unwrap_or_default(), freed, "{url}");
        assert!(freed > 0 || !url.starts_with("redis"), "{url}");
        assert_eq!(found().await, vec![true; 16], "{url}");
        assert_eq!(store.free_old_generations(&mut |_| ()).await.unwrap(), 0, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_outlives_its_time() {
    let stores = stores().await;
    let time_to_live = Duration::from_secs(2);
    let keys = keys();
    for (url, store) in &stores.stores {
        for key in &keys {
            store.set(key, value(1), time_to_live).await.unwrap();
        }
        assert_eq!(store.get(&keys[0], time_to_live).await.unwrap(), Some(value(1)), "{url}");
    }
    // The layout `packed` frees an entry once twice its time is over at the latest.
    for (is_packed, wait) in [(false, time_to_live), (true, time_to_live)] {
        tokio::time::sleep(wait + Duration::from_millis(20)).await;
        for (url, store) in &stores.stores {
            if url.contains("packed") == is_packed {
                for key in &keys {
                    let got = store.get(key, time_to_live).await.unwrap();
                    assert_eq!(got, None, "{url}: {key}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_see_each_others_purges_at_once() {
    let redis = Redis::start();
    for layout in layouts() {
        let url = format!("{}?layout={layout}", redis.url());
        let (one, two) = (open(&url).await, open(&url).await);
        let key = row_key(MODEL, 1, 3);
        for purge in [Purge::Model(MODEL.to_owned()), Purge::All].iter().cycle().take(40) {
            // Two may still be reading the new generation.
            while two.set(&key, value(1), LONG).await.is_err() {}
            let start = Instant::now();
            while one.get(&key, LONG).await.unwrap().is_none() {
                assert!(start.elapsed() < Duration::from_secs(10), "{layout}");
            }
            assert_eq!(two.get(&key, LONG).await.unwrap(), Some(value(1)), "{layout}");
            one.change_generation(purge).await.unwrap();
            assert_eq!(two.get(&key, LONG).await.unwrap(), None, "{layout}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_not_told_of_purges_asks() {
    let redis = Redis::start();
    redis.cli(&["ACL", "SETUSER", "limited", "on", ">sesame", "~*", "+@all", "-client"]);
    let limited = redis.url().replace("redis://", "redis://limited:sesame@");
    // A server that speaks only the old protocol.
    let old = Redis::start_with(free_port(), &["--rename-command", "HELLO", ""]);
    for (url, limited) in [(redis.url(), limited), (old.url(), old.url())] {
        for layout in layouts() {
            let with_layout = |url: &str| format!("{url}?layout={layout}&prefix={layout}");
            let (one, limited) =
                (open(&with_layout(&url)).await, open(&with_layout(&limited)).await);
            let key = row_key(MODEL, 1, 3);
            limited.set(&key, value(1), LONG).await.unwrap();
            assert_eq!(limited.get(&key, LONG).await.unwrap(), Some(value(1)), "{layout}");
            one.change_generation(&Purge::All).await.unwrap();
            let start = Instant::now();
            while limited.get(&key, LONG).await.unwrap().is_some() {
                assert!(start.elapsed() < Duration::from_secs(10), "{url}, {layout}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_spoiled_generation_brings_nothing_back() {
    let redis = Redis::start();
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}", redis.url())).await;
        let key = row_key(MODEL, 1, 3);
        // From before the first purge: without a tag.
        store.set(&key, value(1), LONG).await.unwrap();
        store.change_generation(&Purge::All).await.unwrap();
        let spoilers: [&[&str]; 4] = [
            &["DEL", "foretold:generations"],
            &["SET", "foretold:generations", "x"],
            &["HSET", "foretold:generations", "all", "no tag"],
            &["HSET", "foretold:generations", "x", "abcdef"],
        ];
        for spoiler in spoilers {
            if spoiler[0] == "SET" {
                redis.cli(&["DEL", "foretold:generations"]);
            }
            redis.cli(spoiler);
            assert_eq!(store.get(&key, LONG).await.unwrap(), None, "{layout}: {spoiler:?}");
            let start = Instant::now();
            while store.set(&key, value(2), LONG).await.is_err() {
                assert!(start.elapsed() < Duration::from_secs(10), "{layout}: {spoiler:?}");
            }
            assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(2)), "{layout}");
        }
        redis.cli(&["FLUSHALL"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_in_our_place_is_overwritten() {
    let redis = Redis::start();
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}", redis.url())).await;
        let foreign: [&[&str]; 3] = [&["LPUSH"], &["SADD"], &["SET"]];
        for command in foreign {
            redis.cli(&["FLUSHALL"]);
            let keys = [row_key(MODEL, 1, 3), row_key(MODEL, 2, 3)];
            let pairs = || keys.iter().map(|key| (key.clone(), value(3))).collect::<Vec<_>>();
            let start = Instant::now();
            while store.set_many(pairs(), LONG).await.is_err() {
                assert!(start.elapsed() < Duration::from_secs(10), "{layout}");
            }
            let names = redis.cli(&["--scan"]);
            for name in &names {
                redis.cli(&["DEL", name]);
                redis.cli(&[command, &[name, "x"]].concat());
            }
            let damaged = if layout == "string" && command == ["SET"] { "x" } else { "" };
            let got = store.get(&keys[0], LONG).await.unwrap();
            assert_eq!(got, Some(Bytes::from(damaged)), "{layout} {command:?}");
            store.set(&keys[0], value(4), LONG).await.unwrap();
            assert_eq!(store.get(&keys[0], LONG).await.unwrap(), Some(value(4)), "{layout}");
            store.set_many(pairs(), LONG).await.unwrap();
            let got = store.get_many(&keys, LONG).await.unwrap();
            assert_eq!(got, vec![Some(value(3)); 2], "{layout} {command:?}");
            for name in redis.cli(&["--scan"]) {
                let left: i64 = redis.cli(&["TTL", &name])[0].parse().unwrap();
                assert!((500..=1201).contains(&left), "{layout}: {name} {left}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_freed_after_expiry() {
    let redis = Redis::start();
    let used = || redis.memory_bytes("used_memory");
    for layout in layouts() {
        let store =
            open(&format!("{}?layout={layout}&capacity=30000&prefix={layout}", redis.url())).await;
        // It keeps the hash as a whole.
        store.set(&row_key(MODEL, 0, 5), value(0), LONG).await.unwrap();
        let before = used();
        let time_to_live = Duration::from_secs(1);
        let entries = (1..30_000).map(|row| (row_key(MODEL, row, 4), value(1)));
        store.set_many(entries.collect(), time_to_live).await.unwrap();
        let taken = used() - before;
        let start = Instant::now();
        while used() - before > taken / 5 {
            assert!(start.elapsed() < Duration::from_secs(60), "{layout}: {taken} bytes taken");
            // Valkey 8 makes the table of a hash smaller only while the hash is used.
            for _ in 0..200 {
                store.get(&row_key(MODEL, 0, 5), LONG).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(store.get(&row_key(MODEL, 0, 5), LONG).await.unwrap(), Some(value(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_and_the_file_store_free_what_has_expired() {
    let folder = TempDir::new().unwrap();
    for url in ["memory:", &format!("file:{}", folder.path().join("entries").display())] {
        let store = open(url).await;
        store.set(&row_key(OTHER_MODEL, 0, 4), value(0), LONG).await.unwrap();
        let entries = (0..20_000).map(|row| (row_key(MODEL, row, 4), value(1)));
        store.set_many(entries.collect(), Duration::from_secs(1)).await.unwrap();
        if url == "memory:" {
            // The weight of what is kept, expired or not.
            let full = store.statistics().await.unwrap().bytes;
            let start = Instant::now();
            while store.statistics().await.unwrap().bytes > full / 100 {
                assert!(start.elapsed() < Duration::from_secs(60), "{url}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        } else {
            // A file does not shrink, but the same again fits into it.
            let full = store.statistics().await.unwrap().bytes;
            tokio::time::sleep(Duration::from_secs(5)).await;
            for _ in 0..3 {
                let entries = (20_000..40_000).map(|row| (row_key(MODEL, row, 4), value(1)));
                store.set_many(entries.collect(), LONG).await.unwrap();
            }
            let bytes = store.statistics().await.unwrap().bytes;
            assert!(bytes < full * 2, "{url}: {full} bytes, then {bytes}");
        }
        assert_eq!(store.get(&row_key(OTHER_MODEL, 0, 4), LONG).await.unwrap(), Some(value(0)));
    }
}

/// Writes many entries into an empty server of its own, and gives the bytes that each takes.
async fn bytes_per_entry(layout: &str, row_bytes: usize, entries: u32) -> f64 {
    let redis = Redis::start();
    let store = open(&format!("{}?layout={layout}&capacity={entries}", redis.url())).await;
    let before = redis.memory_bytes("used_memory");
    let rows: Vec<u32> = (0..entries).collect();
    for rows in rows.chunks(10_000) {
        // What a prediction with one output takes.
        let value = Bytes::from_static(b"v1234567890ab");
        let pairs = rows.iter().map(|&row| (row_key(MODEL, row, row_bytes), value.clone()));
        store.set_many(pairs.collect(), LONG).await.unwrap();
    }
    let counted: u64 = store.statistics().await.unwrap().models.iter().map(|m| m.entries).sum();
    assert_eq!(counted, u64::from(entries), "{layout}");
    (redis.memory_bytes("used_memory") - before) as f64 / f64::from(entries)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_prediction_takes_at_most_30_bytes() {
    let bytes = bytes_per_entry("packed", 8, 100_000).await;
    assert!(bytes <= 30.0, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints a table of figures; a minute"]
async fn bytes_of_a_million_predictions() {
    for layout in layouts() {
        // 20 bytes are too many for a field of the packed layout, which takes a digest of 12.
        for row_bytes in [3, 8, 10, 12, 20] {
            let bytes = bytes_per_entry(layout, row_bytes, 1_000_000).await;
            eprintln!("{layout:7} {row_bytes:2} bytes of row: {bytes:.1} bytes per prediction");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_expires_in_the_way_that_the_server_knows() {
    let newest = Redis::start();
    let has = |redis: &Redis, command: &str| redis.cli(&["COMMAND", "INFO", command]).len() > 1;
    let mut servers = vec![];
    if has(&newest, "HSETEX") {
        // As servers are that have only HEXPIRE.
        let options = ["--rename-command", "HSETEX", ""];
        servers.push(Redis::start_with(free_port(), &options));
    }
    servers.push(newest);
    for redis in servers {
        if !layouts().contains(&"hash") {
            continue;
        }
        let store = open(&format!("{}?layout=hash", redis.url())).await;
        let pairs = (0..3).map(|row| (row_key(MODEL, row, 2), value(1)));
        store.set_many(pairs.collect(), LONG).await.unwrap();
        let name = format!("foretold:{MODEL}:H");
        let mut connection = redis.client().get_connection().unwrap();
        let fields: Vec<(String, Vec<u8>)> =
            redis::cmd("HGETALL").arg(&name).query(&mut connection).unwrap();
        assert_eq!(fields.len(), 3);
        let (seconds, _): (u32, u32) = redis::cmd("TIME").query(&mut connection).unwrap();
        for (field, stored) in fields {
            let (expiry, entry) = stored.split_first_chunk::<4>().unwrap();
            assert_eq!(entry, value(1));
            let left = u32::from_le_bytes(*expiry) - seconds;
            assert!((500..=600).contains(&left), "{left}");
            if has(&redis, "HEXPIRE") {
                let command = ["HTTL", &name, "FIELDS", "1", &field];
                let left: i64 = redis.cli(&command)[0].parse().unwrap();
                assert!((500..=600).contains(&left), "{left}");
            }
        }
    }
}
