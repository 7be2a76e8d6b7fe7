//! Whatever happens to Redis under load: no prediction fails, none is wrong, and hits come back by
//! themselves. `make faults` prints how long predictions took meanwhile.
//!
//! A prediction is bounded by the host itself, which answers 504 after a second; here every answer
//! must be a 200.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use redis::Connection;
use rustix::process::Signal;

use crate::harness::credit::{SAMPLE, aged};
use crate::harness::host::Host;
use crate::harness::load::{Load, Seen};
use crate::harness::proxy::{Proxy, Trouble};
use crate::harness::random::Random;
use crate::harness::redis::{Redis, free_port};

/// `hits return by themselves within 5 s of the server's return`.
pub(crate) const RETURN_LIMIT: Duration = Duration::from_secs(5);
/// How long most faults last.
pub(crate) const FAULT: Duration = Duration::from_secs(3);
/// The host waits a little before it connects again, and there shall be many cuts.
const CUTS: Duration = Duration::from_secs(8);
/// Short, so that there are hits, misses and writes all the time.
pub(crate) const TTL_SECONDS: &str = "2";
/// What hosts give Redis for a command unless they are told otherwise.
const TIMEOUT_MS: &str = "25";

/// Every fault is a test of its own for each layout.
macro_rules! for_layouts {
    ($($layout:ident),+; $faults:tt) => { $(for_layouts!(@one $layout $faults);)+ };
    (@one $layout:ident [$($fault:ident),+]) => {
        mod $layout {
            $(#[test] fn $fault() {
                // A server may lack what a layout needs.
                if crate::stores::layouts().contains(&stringify!($layout)) {
                    super::$fault(stringify!($layout));
                }
            })+
        }
    };
}

for_layouts!(string, hash, packed; [
    no_fault,
    killed,
    restarted_empty,
    paused,
    cut_at_any_byte,
    replies_delayed,
    replies_doubled,
    replies_replaced,
    replies_garbled,
    out_of_memory,
    read_only_replica,
    wrong_password,
    values_of_random_bytes,
    values_of_other_keys,
    foreign_types
]);

/// Runs clients against a host while `strike` makes a fault, until hits are back after `repair`.
/// `detail` is what `Cache-Status` says of some answers meanwhile, so the fault was felt.
pub(crate) fn survive(
    (fault, layout): (&str, &str),
    url: &str,
    detail: &str,
    strike: impl FnOnce(),
    repair: impl FnOnce(),
) -> Host {
    let url = format!("{url}?layout={layout}");
    // Where there is a near cache, not every fault is felt.
    let near_cache = std::env::var("FORETOLD_TEST_NEAR_CACHE_MIB").unwrap_or("0".to_owned());
    let options = ["--store", &url, "--ttl", TTL_SECONDS, "--store-timeout-ms", TIMEOUT_MS];
    let host = Host::credit(&[&options[..], &["--near-cache-mib", &near_cache]].concat());
    let load = Load::start(&host);
    load.wait_for_hit(Instant::now(), RETURN_LIMIT);
    std::thread::sleep(Duration::from_secs(1));
    let struck = Instant::now();
    strike();
    let over = Instant::now();
    repair();
    let returned = Instant::now();
    let back_after = load.wait_for_hit(returned, RETURN_LIMIT);
    std::thread::sleep(Duration::from_millis(500));
    let mut seen = load.stop();
    seen.retain(|seen| (struck..over).contains(&seen.start));
    assert!(!seen.is_empty());
    let felt = seen.iter().filter(|seen| seen.cache_status.contains(detail)).count();
    assert!(felt > 0 || near_cache != "0", "no answer of {} said {detail}", seen.len());
    print_row(fault, layout, &seen, back_after);
    host
}

/// One row of the table whose head the Makefile prints.
fn print_row(fault: &str, layout: &str, seen: &[Seen], back_after: Duration) {
    let mut took: Vec<f64> = seen.iter().map(|seen| seen.took.as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let hits = 100 * seen.iter().filter(|seen| seen.is_hit()).count() / seen.len();
    eprintln!(
        "| {fault} | {layout} | {} | {hits} % | {:.2} | {:.2} | {:.2} | {} |",
        seen.len(),
        at(50),
        at(99),
        at(100),
        back_after.as_millis()
    );
}

/// What the others are to be compared with.
fn no_fault(layout: &str) {
    let redis = Redis::start();
    let strike = || std::thread::sleep(FAULT);
    survive(("none", layout), &redis.url(), "hit", strike, || {});
}

fn killed(layout: &str) {
    let redis = RefCell::new(Some(Redis::start()));
    let (port, url) = redis.borrow().as_ref().map(|redis| (redis.port(), redis.url())).unwrap();
    let strike = || {
        drop(redis.take());
        std::thread::sleep(FAULT);
    };
    let repair = || drop(redis.replace(Some(Redis::start_on(port))));
    let mut host = survive(("killed", layout), &url, "store-unavailable", strike, repair);
    host.wait_for_log("predictions go on without a cache", Duration::ZERO);
    host.wait_for_log("answers again", Duration::ZERO);
}

fn restarted_empty(layout: &str) {
    let redis = RefCell::new(Some(Redis::start()));
    let (port, url) = redis.borrow().as_ref().map(|redis| (redis.port(), redis.url())).unwrap();
    let strike = || {
        for _ in 0..5 {
            std::thread::sleep(FAULT / 5);
            drop(redis.take());
            redis.replace(Some(Redis::start_on(port)));
        }
    };
    let fault = "killed and restarted empty, 5 times";
    survive((fault, layout), &url, "store-unavailable", strike, || {});
}

fn paused(layout: &str) {
    let redis = Redis::start();
    let strike = || {
        redis.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(10));
    };
    let repair = || redis.signal(Signal::CONT);
    survive(("paused for 10 s", layout), &redis.url(), "store-unavailable", strike, repair);
}

/// A fault of the connection, by way of the proxy.
fn connection_fault(fault: (&str, &str), trouble: Trouble, lasts: Duration, detail: &str) {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port());
    let strike = || {
        proxy.make(trouble);
        std::thread::sleep(lasts);
    };
    survive(fault, &proxy.url(), detail, strike, || proxy.make(Trouble::None));
    assert!(proxy.troubles() >= 10, "only {}", proxy.troubles());
}

fn cut_at_any_byte(layout: &str) {
    connection_fault(("cut at any byte", layout), Trouble::Cut, CUTS, "store-unavailable");
}

fn replies_delayed(layout: &str) {
    let delay = Trouble::Delay(Duration::from_millis(200));
    connection_fault(("replies delayed by 200 ms", layout), delay, FAULT, "store-unavailable");
}

fn replies_doubled(layout: &str) {
    connection_fault(("replies doubled", layout), Trouble::Double, FAULT, "corrupt-entry");
}

fn replies_replaced(layout: &str) {
    connection_fault(("replies replaced", layout), Trouble::Replace, FAULT, "corrupt-entry");
}

fn replies_garbled(layout: &str) {
    connection_fault(
        ("replies of random bytes", layout),
        Trouble::Garbage,
        FAULT,
        "store-unavailable",
    );
}

fn out_of_memory(layout: &str) {
    let redis = Redis::start();
    let strike = || {
        redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        std::thread::sleep(FAULT);
    };
    let repair = || drop(redis.cli(&["CONFIG", "SET", "maxmemory", "0"]));
    survive(("out of memory, noeviction", layout), &redis.url(), "not-stored", strike, repair);
}

fn read_only_replica(layout: &str) {
    let (redis, primary) = (Redis::start(), Redis::start());
    let strike = || {
        redis.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        std::thread::sleep(FAULT);
    };
    let repair = || drop(redis.cli(&["REPLICAOF", "NO", "ONE"]));
    survive(("read-only replica", layout), &redis.url(), "not-stored", strike, repair);
}

fn wrong_password(layout: &str) {
    let redis = Redis::start();
    let strike = || {
        redis.cli(&["CONFIG", "SET", "requirepass", "changed"]);
        redis.cli(&["-a", "changed", "CLIENT", "KILL", "TYPE", "normal"]);
        std::thread::sleep(FAULT);
    };
    let repair = || drop(redis.cli(&["-a", "changed", "CONFIG", "SET", "requirepass", ""]));
    survive(("wrong password", layout), &redis.url(), "store-unavailable", strike, repair);
}

fn values_of_random_bytes(layout: &str) {
    let (redis, mut random) = (Redis::start(), Random::new(1));
    let strike = || {
        again_and_again(&redis, |connection| {
            for value in Value::all(connection).iter().step_by(2) {
                let length = [value.bytes.len(), random.below(100)][random.below(2)];
                value.replace(connection, &random.bytes(length));
            }
        });
    };
    let fault = ("half of the values random bytes", layout);
    survive(fault, &redis.url(), "corrupt-entry", strike, || {});
}

fn values_of_other_keys(layout: &str) {
    let (redis, mut random) = (Redis::start(), Random::new(2));
    let strike = || {
        again_and_again(&redis, |connection| {
            let values = Value::all(connection);
            for value in values.iter().step_by(2) {
                value.replace(connection, &values[random.below(values.len())].bytes);
            }
        });
    };
    let fault = ("half of the values another's", layout);
    survive(fault, &redis.url(), "corrupt-entry", strike, || {});
}

fn foreign_types(layout: &str) {
    let redis = Redis::start();
    let strike = || {
        again_and_again(&redis, |connection| {
            for (number, key) in keys(connection).iter().step_by(2).enumerate() {
                let foreign: &[&str] = match number % 5 {
                    0 => &["RPUSH", "job"],
                    1 => &["SADD", "member"],
                    2 => &["ZADD", "1", "member"],
                    3 => &["HSET", "field", "value"],
                    _ => &["SET", "a string"],
                };
                let mut command = redis::cmd(foreign[0]);
                command.arg(key).arg(&foreign[1..]);
                let both = redis::pipe().atomic().del(key).add_command(command).clone();
                both.exec(connection).unwrap();
            }
        });
    };
    let fault = ("another program's types", layout);
    survive(fault, &redis.url(), "corrupt-entry", strike, || {});
}

/// Lets somebody else change what is in Redis, for as long as a fault lasts.
fn again_and_again(redis: &Redis, mut change: impl FnMut(&mut Connection)) {
    let mut connection =
        redis::Client::open(redis.url()).unwrap().get_connection().expect("Redis answers");
    let start = Instant::now();
    while start.elapsed() < FAULT {
        change(&mut connection);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn keys(connection: &mut Connection) -> Vec<Vec<u8>> {
    let scan = redis::cmd("SCAN").cursor_arg(0).arg("COUNT").arg(1000).clone();
    scan.iter(connection).unwrap().map(Result::unwrap).collect()
}

/// A value somewhere in Redis, whatever the layout.
struct Value {
    key: Vec<u8>,
    /// Where the key is a hash.
    field: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Value {
    fn all(connection: &mut Connection) -> Vec<Value> {
        let mut values = Vec::new();
        for key in keys(connection) {
            let kind: String = redis::cmd("TYPE").arg(&key).query(connection).unwrap();
            match kind.as_str() {
                "string" => {
                    let bytes: Option<Vec<u8>> =
                        redis::cmd("GET").arg(&key).query(connection).unwrap();
                    values.extend(bytes.map(|bytes| Value { key, field: None, bytes }));
                }
                "hash" => {
                    let fields: Vec<(Vec<u8>, Vec<u8>)> =
                        redis::cmd("HGETALL").arg(&key).query(connection).unwrap();
                    values.extend(fields.into_iter().map(|(field, bytes)| Value {
                        key: key.clone(),
                        field: Some(field),
                        bytes,
                    }));
                }
                // Expired since, or no place for values.
                _ => {}
            }
        }
        values
    }

    fn replace(&self, connection: &mut Connection, bytes: &[u8]) {
        let mut command;
        match &self.field {
            None => {
                command = redis::cmd("SET");
                command.arg(&self.key).arg(bytes).arg("XX").arg("KEEPTTL");
            }
            Some(field) => {
                command = redis::cmd("HSET");
                command.arg(&self.key).arg(field).arg(bytes);
            }
        }
        command.exec(connection).unwrap();
    }
}

#[test]
fn a_server_that_is_away_at_the_start_is_found_later() {
    let port = free_port();
    let mut host = Host::credit(&[
        "--store",
        &format!("redis://127.0.0.1:{port}"),
        "--store-timeout-ms",
        TIMEOUT_MS,
    ]);
    host.wait_for_log("does not answer", Duration::ZERO);
    for age in 20..40 {
        let answer = host.post("/decisions", &aged(age));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; detail=store-unavailable");
    }
    let redis = Redis::start_on(port);
    host.wait_for_hit(SAMPLE, RETURN_LIMIT);
    assert!(!redis.cli(&["--scan"]).is_empty());
    host.wait_for_log("answers again", RETURN_LIMIT);
}
