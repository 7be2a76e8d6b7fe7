//! What happens to connections to Redis as it is run: they are closed while idle, lead to the
//! wrong server after a fail-over, and want another password. Each is one round trip more at most,
//! and nothing that was purged comes back.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretold::unstable::{Inventory, Password, Purge, StoreSettings, StoreUrl};
use rustix::process::Signal;

use crate::harness::host::foretold;
use crate::harness::proxy::Proxy;
use crate::harness::redis::{Redis, free_port};
use crate::harness::secret::Secret;
use crate::stores::{MODEL, keys, layouts, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);
/// Within which a server that is back has to be found; far longer than it takes, since all tests
/// run at once.
const RETURN_LIMIT: Duration = Duration::from_secs(30);
/// A connection that has lived so long is replaced at once when it ends.
const A_WHILE: Duration = Duration::from_millis(1200);

const REPLICATES_AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

/// Tries until it succeeds.
async fn until<F: Future<Output = bool>>(mut attempt: impl FnMut() -> F, what: &str) {
    let start = Instant::now();
    while !attempt().await {
        assert!(start.elapsed() < RETURN_LIMIT, "{what}: not within {RETURN_LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_stored(store: &Arc<dyn Inventory>, what: &str) {
    let key = row_key(MODEL, 77, 3);
    until(async || store.set(&key, value(7), LONG).await.is_ok(), what).await;
}

async fn until_it_says(store: &Arc<dyn Inventory>, reason: &str) {
    let key = row_key(MODEL, 1, 3);
    let says = async || {
        let answer = store.get(&key, LONG).await;
        answer.is_err_and(|error| error.to_string().contains(reason))
    };
    until(says, reason).await;
}

/// The servers' own ways to end connections, by hand.
fn end_connections(redis: &Redis) {
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let redis = Redis::start_with(free_port(), &["--timeout", "2"]);
    let key = row_key(MODEL, 1, 3);
    let mut stores = vec![];
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}&prefix={layout}", redis.url())).await;
        store.set(&key, value(1), LONG).await.unwrap();
        stores.push(store);
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for (store, layout) in stores.iter().zip(layouts()) {
            assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(1)), "{layout}");
            store.set(&row_key(MODEL, 2, 3), value(2), LONG).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_killed_is_replaced_before_the_next_command() {
    // One that speaks only the old protocol, too.
    let old = Redis::start_with(free_port(), &["--rename-command", "HELLO", ""]);
    for redis in [Redis::start(), old] {
        let url = redis.url();
        let store = open(&url).await;
        let keys = keys();
        let pairs = keys.iter().map(|key| (key.clone(), value(1)));
        store.set_many(pairs.collect(), LONG).await.unwrap();
        for round in 0..4 {
            tokio::time::sleep(A_WHILE).await;
            end_connections(&redis);
            if round % 2 == 0 {
                // Its end has been noticed; without the pause it has perhaps not.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let expected = vec![Some(value(1)); keys.len()];
            assert_eq!(store.get_many(&keys, LONG).await.unwrap(), expected, "{url}");
            store.set(&keys[0], value(1), LONG).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_purged_comes_back_with_a_new_connection() {
    let redis = Redis::start();
    for layout in layouts() {
        let url = format!("{}?layout={layout}", redis.url());
        let (one, two) = (open(&url).await, open(&url).await);
        let key = row_key(MODEL, 1, 3);
        for round in 0..20 {
            let purge = match round % 2 {
                0 => Purge::All,
                _ => Purge::Model(MODEL.to_owned()),
            };
            until(async || one.set(&key, value(1), LONG).await.is_ok(), layout).await;
            if round % 10 == 0 {
                tokio::time::sleep(A_WHILE).await;
            }
            end_connections(&redis);
            until(async || two.change_generation(&purge).await.is_ok(), layout).await;
            for _ in 0..20 {
                let got = one.get(&key, LONG).await.unwrap_or_default();
                assert_eq!(got, None, "{layout}, round {round}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_that_keeps_the_connection_is_found_out() {
    let start = || Redis::start_with(free_port(), &REPLICATES_AT_ONCE);
    let (a, b) = (start(), start());
    b.cli(&["REPLICAOF", "127.0.0.1", &a.port().to_string()]);
    let proxy = Proxy::start(a.port());
    let mut stores = vec![];
    for layout in layouts() {
        let store = open(&format!("{}?layout={layout}", proxy.url())).await;
        until_stored(&store, layout).await;
        stores.push(store);
    }
    for (old, new) in [(&a, &b), (&b, &a)] {
        new.cli(&["REPLICAOF", "NO", "ONE"]);
        old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
        proxy.lead_to(new.port());
        for (store, layout) in stores.iter().zip(layouts()) {
            until_stored(store, layout).await;
        }
    }
}

/// A tool that has begun to purge ends with a purge, whatever becomes of the server meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_in_a_fail_over_is_repeated() {
    for layout in layouts() {
        let start = || Redis::start_with(free_port(), &REPLICATES_AT_ONCE);
        let (a, b) = (start(), start());
        let proxy = Proxy::start(a.port());
        let url = format!("{}?layout={layout}", proxy.url());
        let (tool, host) = (open(&url).await, open(&url).await);
        let key = row_key(MODEL, 1, 3);
        host.set(&key, value(1), LONG).await.unwrap();
        b.cli(&["REPLICAOF", "127.0.0.1", &a.port().to_string()]);
        until(async || !b.cli(&["--scan"]).is_empty(), "replicated").await;
        // The server that the tool is connected to is a replica now, and says READONLY.
        b.cli(&["REPLICAOF", "NO", "ONE"]);
        a.cli(&["REPLICAOF", "127.0.0.1", &b.port().to_string()]);
        let purge = async {
            tool.change_generation(&Purge::All).await.unwrap();
            tool.free_old_generations(&mut |_| ()).await.unwrap()
        };
        let fail_over = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            proxy.lead_to(b.port());
        };
        let (freed, ()) = tokio::join!(purge, fail_over);
        assert_eq!(freed, 1, "{layout}");
        assert_eq!(open(&b.url()).await.get(&key, LONG).await.unwrap(), None, "{layout}");
        until(async || host.get(&key, LONG).await.is_ok_and(|found| found.is_none()), layout).await;
        // Another that ends the connection.
        drop(b);
        let purge = async { tool.change_generation(&Purge::Model(MODEL.to_owned())).await };
        let fail_over = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            a.cli(&["REPLICAOF", "NO", "ONE"]);
            proxy.lead_to(a.port());
        };
        let (purged, ()) = tokio::join!(purge, fail_over);
        purged.unwrap();
        assert!(!a.cli(&["HGET", "foretold:generations", MODEL]).concat().is_empty(), "{layout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_waits_for_the_replicas() {
    let start = || Redis::start_with(free_port(), &REPLICATES_AT_ONCE);
    let (primary, replica) = (start(), start());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let linked = async || primary.cli(&["INFO", "replication"]).concat().contains("state=online");
    until(linked, "replicated").await;
    let store = open(&primary.url()).await;
    for _ in 0..20 {
        store.change_generation(&Purge::All).await.unwrap();
        let tag = |redis: &Redis| redis.cli(&["HGET", "foretold:generations", "all"]);
        let of_primary = primary.cli(&["HGET", "foretold:generations", "all"]);
        assert_eq!(tag(&replica), of_primary);
    }
    // One that hangs is not waited for without end, and the tool says so.
    replica.signal(Signal::STOP);
    let tool =
        foretold().args(["cache", "purge", "--all", "--store", &primary.url()]).output().unwrap();
    let said = String::from_utf8(tool.stderr).unwrap();
    assert!(tool.status.success(), "{said}");
    assert!(said.contains("1 of 1 replicas of redis at 127.0.0.1"), "{said}");
    assert!(said.contains("have not got the purge yet"), "{said}");
    replica.signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stays_one_is_read_from() {
    let (redis, primary) = (Redis::start(), Redis::start_with(free_port(), &REPLICATES_AT_ONCE));
    let key = row_key(MODEL, 1, 3);
    open(&primary.url()).await.set(&key, value(1), LONG).await.unwrap();
    redis.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    until(async || !redis.cli(&["--scan"]).is_empty(), "replicated").await;
    let store = open(&redis.url()).await;
    for _ in 0..30 {
        assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(1)));
        assert!(store.set(&key, value(2), LONG).await.is_err());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_read_from_its_file() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "first"]);
    let file = Secret::new("first\n");
    let password = Some(Password::File(file.path().into()));
    let settings = StoreSettings { password, ..settings() };
    let store = StoreUrl::parse(&redis.url(), &settings).unwrap().open().await.unwrap();
    until_stored(&store, "first").await;
    redis.cli(&["-a", "first", "CONFIG", "SET", "requirepass", "second"]);
    redis.cli(&["-a", "second", "CLIENT", "KILL", "TYPE", "normal"]);
    until_it_says(&store, "authentication failed").await;
    std::fs::write(file.path(), "second\n").unwrap();
    until_stored(&store, "second").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_pauses_or_is_full_of_clients_is_found_again() {
    let redis = Redis::start();
    let store = open(&redis.url()).await;
    until_stored(&store, "at first").await;
    // No more clients than one that is not the host.
    let mut busy = redis.client().get_connection().unwrap();
    let mut run = |command: &[&str]| redis::cmd(command[0]).arg(&command[1..]).exec(&mut busy);
    run(&["CONFIG", "SET", "maxclients", "1"]).unwrap();
    run(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until_it_says(&store, "max number of clients").await;
    run(&["CONFIG", "SET", "maxclients", "1000"]).unwrap();
    until_stored(&store, "clients").await;
    redis.cli(&["CLIENT", "PAUSE", "1500"]);
    until_stored(&store, "paused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_is_asked_whether_it_is_there() {
    let redis = Redis::start();
    let store = open(&redis.url()).await;
    until_stored(&store, "at first").await;
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let pinged = async || redis.cli(&["INFO", "commandstats"]).concat().contains("cmdstat_ping:");
    until(pinged, "PING").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_probes_the_peer_of_a_quiet_connection() {
    let redis = Redis::start();
    let store = open(&redis.url()).await;
    until_stored(&store, "at first").await;
    // Local address, remote address, state, queues, timer: 02 is that of keep-alive, with the
    // hundredths of a second until it fires.
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!("0100007F:{:04X}", redis.port());
    let established = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[2] == remote && columns[3] == "01"
    };
    let line = table.lines().find(established).unwrap_or_else(|| panic!("{remote}: {table}"));
    let timer = line.split_whitespace().nth(5).unwrap();
    let (kind, left) = timer.split_once(':').unwrap();
    assert_eq!(kind, "02", "{line}");
    let left = u64::from_str_radix(left, 16).unwrap();
    assert!(left <= 1500, "{left} hundredths of a second: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_url_are_said_plainly() {
    let redis = Redis::start();
    redis.cli(&["ACL", "SETUSER", "scorer", "on", ">sesame", "~*", "+@all"]);
    let url = redis.url();
    let cases = [
        (url.replace("redis://", "rediss://"), "does not speak TLS"),
        (format!("{url}/99"), "no such database"),
        (url.replace("redis://", "redis://scorer:wrong@"), "authentication failed"),
        (url.replace("redis://", "redis://nobody:wrong@"), "authentication failed"),
    ];
    let key = row_key(MODEL, 1, 3);
    for (url, expected) in cases {
        let store = open(&url).await;
        let error = store.get(&key, LONG).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("wrong@"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_the_server_cannot_have_is_refused_at_the_start() {
    // As servers are whose EXPIRE has no conditions.
    let redis = Redis::start_with(free_port(), &["--rename-command", "EXPIRE", ""]);
    let url = StoreUrl::parse(&format!("{}?layout=hash", redis.url()), &settings()).unwrap();
    let Err(error) = url.open().await else { panic!("it was accepted") };
    let error = error.to_string();
    assert!(error.contains("layout hash needs EXPIRE"), "{error}");
    assert!(
        error.ends_with(
            "choose the layout string or packed, or a server that has it (Redis 7, Valkey)"
        ),
        "{error}"
    );
    until_stored(&open(&redis.url()).await, "layout string").await;
}
