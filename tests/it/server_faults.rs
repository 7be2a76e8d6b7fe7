//! What becomes of predictions while a server is there but cannot serve, or another one takes its
//! place: it loads its file, has lost its primary, is replaced by Sentinel, has too many clients,
//! pauses, is behind a cable that was pulled. `make faults` prints how long predictions took, and
//! after how long hits were back. What happens to connections does not depend on the layout.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::faults::{FAULT, RETURN_LIMIT, TTL_SECONDS, survive};
use crate::harness::host::Host;
use crate::harness::load::Load;
use crate::harness::proxy::{Proxy, Trouble};
use crate::harness::redis::{Redis, free_port};
use crate::redis_sentinel::{FAIL_OVER, Security, Sentinels, replicated};

const LAYOUT: &str = "string";
/// Values that make a file of some size, since a server answers only once in two megabytes of it,
/// and how long it takes for each of them.
const LARGE_VALUES: usize = 100;
const LARGE_BYTES: usize = 200_000;
const LOAD_DELAY_MICROS: &str = "40000";

/// Waits until a condition holds.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < FAIL_OVER, "{what}: not within {FAIL_OVER:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn loading() {
    let folder = large_file();
    let redis = RefCell::new(Some(Redis::start()));
    let (port, url) = redis.borrow().as_ref().map(|redis| (redis.port(), redis.url())).unwrap();
    let strike = || {
        drop(redis.take());
        let folder = folder.path().to_str().unwrap();
        let options = ["--dir", folder, "--key-load-delay", LOAD_DELAY_MICROS];
        let new = Redis::start_loading(port, &options);
        wait_for("loading", || new.cli(&["GET", "0"]).concat().starts_with("LOADING"));
        redis.replace(Some(new));
        std::thread::sleep(FAULT / 2);
    };
    let repair = || redis.borrow().as_ref().unwrap().wait_until_it_answers();
    let mut host = survive(("loading its file", LAYOUT), &url, "store-unavailable", strike, repair);
    host.wait_for_log("LOADING", Duration::ZERO);
}

/// A folder with a server's file that takes seconds to load.
fn large_file() -> TempDir {
    let folder = TempDir::new().unwrap();
    let options = ["--dir", folder.path().to_str().unwrap(), "--rdbcompression", "no"];
    let redis = Redis::start_with(free_port(), &options);
    let mut connection = redis.client().get_connection().unwrap();
    let value = "x".repeat(LARGE_BYTES);
    for number in 0..LARGE_VALUES {
        redis::cmd("SET").arg(number).arg(&value).exec(&mut connection).unwrap();
    }
    redis::cmd("SAVE").exec(&mut connection).unwrap();
    folder
}

#[test]
fn a_replica_without_its_primary() {
    let (primary, replica) = replicated();
    replica.cli(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    let (port, primary) = (primary.port(), RefCell::new(Some(primary)));
    // Hits are what another host has written to the primary.
    let url = primary.borrow().as_ref().unwrap().url();
    let writer = Host::credit(&["--store", &url, "--ttl", TTL_SECONDS]);
    let writing = Load::start(&writer);
    let strike = || {
        drop(primary.take());
        std::thread::sleep(FAULT);
    };
    let repair = || {
        primary.replace(Some(Redis::start_on(port)));
        let info = || replica.cli(&["INFO", "replication"]).concat();
        wait_for("the link to the primary", || info().contains("master_link_status:up"));
    };
    let fault = ("a replica without its primary", LAYOUT);
    let mut host = survive(fault, &replica.url(), "store-unavailable", strike, repair);
    host.wait_for_log("MASTERDOWN", Duration::ZERO);
    writing.stop();
}

#[test]
fn a_fail_over_by_sentinel() {
    let (primary, replica) = replicated();
    let sentinels = Sentinels::start(primary.port(), Security::default());
    let primary = RefCell::new(Some(primary));
    let strike = || {
        drop(primary.take());
        std::thread::sleep(FAULT);
    };
    // The server is back when there is one that the sentinels call the primary.
    let repair = || {
        let port = replica.port().to_string();
        wait_for("another primary", || sentinels.primary().contains(&port));
        wait_for("its role", || replica.cli(&["ROLE"])[0] == "master");
    };
    let fault = ("fail-over by Sentinel", LAYOUT);
    survive(fault, &sentinels.url(""), "store-unavailable", strike, repair);
}

#[test]
fn too_many_clients() {
    let redis = Redis::start();
    // The one client that there may be.
    let connection = RefCell::new(redis.client().get_connection().unwrap());
    let run = |command: &[&str]| {
        redis::cmd(command[0]).arg(&command[1..]).exec(&mut connection.borrow_mut()).unwrap();
    };
    let strike = || {
        run(&["CONFIG", "SET", "maxclients", "1"]);
        run(&["CLIENT", "KILL", "TYPE", "normal"]);
        std::thread::sleep(FAULT);
    };
    let repair = || run(&["CONFIG", "SET", "maxclients", "1000"]);
    let fault = ("too many clients", LAYOUT);
    let mut host = survive(fault, &redis.url(), "store-unavailable", strike, repair);
    host.wait_for_log("max number of clients", Duration::ZERO);
}

#[test]
fn clients_paused() {
    let redis = Redis::start();
    let strike = || {
        redis.cli(&["CLIENT", "PAUSE", &FAULT.as_millis().to_string()]);
        std::thread::sleep(FAULT);
    };
    survive(("clients paused", LAYOUT), &redis.url(), "store-unavailable", strike, || {});
}

#[test]
fn a_cable_pulled() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port());
    let strike = || {
        proxy.make(Trouble::Silence);
        std::thread::sleep(FAULT * 2);
    };
    let repair = || proxy.make(Trouble::None);
    survive(("a cable pulled", LAYOUT), &proxy.url(), "store-unavailable", strike, repair);
    assert!(proxy.troubles() > 0);
}

/// A host that nobody asks finds out by itself, so that the first request does not wait.
#[test]
fn a_server_that_falls_silent_while_nobody_asks() {
    let redis = Redis::start();
    let mut host = Host::credit(&["--store", &redis.url(), "--store-timeout-ms", "25"]);
    redis.signal(rustix::process::Signal::STOP);
    host.wait_for_log("predictions go on without a cache", Duration::from_secs(60));
    redis.signal(rustix::process::Signal::CONT);
    host.wait_for_log("answers again", RETURN_LIMIT);
}
