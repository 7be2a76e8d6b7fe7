//! Every store and layout with every kind of key, through the real host: hits after a restart,
//! expiry to the second, memory freed after it, purges that other hosts see at once.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::answer::says_hit;
use crate::harness::credit::{SAMPLE, array, change, copy_of_credit, credit};
use crate::harness::host::{Host, foretold};
use crate::harness::redis::Redis;
use crate::harness::secret::Secret;
use crate::stores::layouts;

const SECRET: &str = "sixteen bytes at least, for the tests";
/// Seconds, for the tests that wait for the end of an entry.
const TTL_SECONDS: u64 = 3;

/// A place for entries that outlives a host.
struct Place {
    url: String,
    is_memory: bool,
    redis: Option<Redis>,
    _folder: Option<TempDir>,
}

fn places() -> Vec<(&'static str, Place)> {
    let redis = |layout: &str| {
        let redis = Redis::start();
        let url = format!("{}?layout={layout}&capacity=10000", redis.url());
        Place { url, is_memory: false, redis: Some(redis), _folder: None }
    };
    let folder = TempDir::new().unwrap();
    let url = format!("file:{}", folder.path().join("entries").display());
    let file = Place { url, is_memory: false, redis: None, _folder: Some(folder) };
    let memory = Place { url: "memory:".into(), is_memory: true, redis: None, _folder: None };
    let redis = layouts().into_iter().map(|layout| (layout, redis(layout)));
    [("memory", memory), ("file", file)].into_iter().chain(redis).collect()
}

/// The kinds of keys that a layout can hold.
fn kinds(layout: &str) -> Vec<Vec<&'static str>> {
    let mut kinds =
        vec![vec!["--keys", "packed"], vec!["--keys", "digest"], vec!["--keys", "readable"]];
    if !matches!(layout, "hash" | "packed") {
        kinds.push(vec!["--keys", "repr"]);
    }
    kinds
}

impl Place {
    fn host(&self, options: &[&str]) -> Host {
        // On a busy machine Redis may need longer than the usual limit.
        let store = ["--store", &self.url, "--store-timeout-ms", "5000"];
        Host::credit(&[&store[..], options].concat())
    }

    /// Runs a tool on it, and returns what it prints.
    fn tool(&self, arguments: &[&str]) -> String {
        let output = foretold()
            .args(["cache"])
            .args(arguments)
            .args(["--store", &self.url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_hit_comes_from_every_store_with_every_kind_of_key_and_after_a_restart() {
    for (name, place) in places() {
        for kind in kinds(name) {
            let host = place.host(&kind);
            let first = host.post("/decisions", SAMPLE);
            assert!(first.header("cache-status").contains("fwd=miss; stored"), "{name} {kind:?}");
            let is_hit =
                |host: &Host| says_hit(host.post("/decisions", SAMPLE).header("cache-status"));
            assert!(is_hit(&host), "{name} {kind:?}");
            assert!(host.stop().success());
            if !place.is_memory {
                assert!(is_hit(&place.host(&kind)), "{name} {kind:?} after a restart");
            }
        }
    }
}

#[test]
fn an_entry_ends_to_the_second_in_every_store() {
    std::thread::scope(|scope| {
        for (name, place) in places() {
            scope.spawn(move || {
                for kind in kinds(name) {
                    let ttl = TTL_SECONDS.to_string();
                    let host = place.host(&[&["--ttl", &ttl], &kind[..]].concat());
                    let start = Instant::now();
                    assert!(!host.post("/decisions", SAMPLE).is_hit());
                    let mut last_hit = Duration::ZERO;
                    let first_miss = loop {
                        let asked = start.elapsed();
                        let answer = host.post("/decisions", SAMPLE);
                        if !says_hit(answer.header("cache-status")) {
                            break start.elapsed();
                        }
                        last_hit = asked;
                        std::thread::sleep(Duration::from_millis(20));
                    };
                    // Entries are dated in whole seconds, so an end is up to one second early; an
                    // entry without a date ends with the store's own expiry.
                    let ttl = Duration::from_secs(TTL_SECONDS);
                    assert!(
                        last_hit < ttl + Duration::from_millis(10),
                        "{name} {kind:?}: {last_hit:?}"
                    );
                    assert!(
                        first_miss > ttl - Duration::from_secs(1),
                        "{name} {kind:?}: {first_miss:?}"
                    );
                }
            });
        }
    });
}

#[test]
fn memory_is_freed_after_the_end_in_every_layout() {
    std::thread::scope(|scope| {
        for (name, place) in places() {
            scope.spawn(move || frees_memory(name, &place));
        }
    });
}

fn frees_memory(name: &str, place: &Place) {
    let Some(redis) = &place.redis else { return };
    let used_bytes = || redis.memory_bytes("used_memory_dataset");
    let host = place.host(&["--ttl", "2"]);
    host.post("/decisions", SAMPLE);
    let empty = used_bytes();
    assert_eq!(host.post("/decisions", &array(10_000)).status, 200);
    let taken = used_bytes() - empty;
    assert!(taken > 150_000, "{name}: {taken}");
    let start = Instant::now();
    // A window of the packed layout is freed up to two times to live later.
    while used_bytes() - empty > taken / 5 {
        let left = used_bytes() - empty;
        let limit = Duration::from_secs(30);
        assert!(start.elapsed() < limit, "{name}: {left} of {taken} bytes are still taken");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_purge_is_seen_by_every_host_at_once() {
    for (name, place) in places() {
        if place.redis.is_none() {
            continue;
        }
        let hosts = [place.host(&[]), place.host(&[])];
        assert!(!hosts[0].post("/decisions", SAMPLE).is_hit());
        let listed = place.tool(&["ls", "--json"]);
        let model_id = listed.split("foretold:").nth(1).unwrap().split(':').next().unwrap();
        // Each host is once the first to be asked after a purge, before anything is stored anew.
        let purges = [(vec!["purge", "--all"], 0), (vec!["purge", "--model", model_id], 1)];
        for (purge, first) in purges {
            for host in &hosts {
                host.wait_for_hit(SAMPLE, Duration::from_secs(30));
            }
            place.tool(&purge);
            assert!(!hosts[first].post("/decisions", SAMPLE).is_hit(), "{name} {purge:?}");
            for host in &hosts {
                host.wait_for_hit(SAMPLE, Duration::from_secs(30));
            }
            assert_eq!(place.tool(&["ls", "--json"]).lines().count(), 1, "{name} {purge:?}");
        }
    }
}

#[test]
fn another_model_output_order_or_step_never_meets_the_old_entries() {
    let redis = Redis::start();
    for layout in layouts() {
        let store = format!("{}?layout={layout}&prefix={layout}-", redis.url());
        let options = ["--no-snapshot", "--store", &store];
        let first = Host::start(&credit(), &options);
        first.post("/probabilities", SAMPLE);
        let expected = first.post("/probabilities", SAMPLE);
        assert!(expected.is_hit());
        for (from, to) in [
            ("column = 1", "column = 0"),
            (r#"["yes", "no"]"#, r#"["no", "yes"]"#),
            ("step = 0.01", "step = 0.05"),
            ("maximum = 127", "maximum = 255"),
        ] {
            let folder = copy_of_credit();
            change(folder.path(), "manifest.toml", from, to);
            let other = Host::start(folder.path(), &options);
            assert!(!other.post("/probabilities", SAMPLE).is_hit(), "{layout} {to}");
            assert!(other.post("/probabilities", SAMPLE).is_hit(), "{layout} {to}");
            let again = first.post("/probabilities", SAMPLE);
            assert!(again.is_hit() && again.body == expected.body, "{layout} {to}");
        }
    }
}

#[test]
fn a_file_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let store = format!("file:{}", folder.path().join("entries").display());
    let host = Host::credit(&["--store", &store]);
    let answer = host.post("/decisions", &array(500));
    assert!(answer.header("cache-status").contains("; stored"));
    host.signal(rustix::process::Signal::KILL);
    drop(host);
    let host = Host::credit(&["--store", &store]);
    let again = host.post("/decisions", &array(500));
    assert_eq!(again.body, answer.body);
    assert!(again.header("cache-status").contains("500 hits"), "{}", again.header("cache-status"));
}

#[test]
fn a_secret_makes_digests_that_others_do_not_find() {
    let redis = Redis::start();
    let url = redis.url();
    let options = ["--store", &url, "--keys", "digest", "--no-snapshot"];
    let with_secret = |secret: &str| {
        let file = Secret::new(secret);
        let host =
            Host::start(&credit(), &[&options[..], &["--key-secret-file", file.path()]].concat());
        host.post("/decisions", SAMPLE).is_hit()
    };
    assert!(!with_secret(SECRET));
    assert!(with_secret(SECRET));
    assert!(!with_secret("another secret, as long"));
    let plain = Host::start(&credit(), &options);
    assert!(!plain.post("/decisions", SAMPLE).is_hit());
    let keys = redis.cli(&["--scan"]);
    // Behind the model's id, which may begin with any letter.
    let of_kind = |kind| {
        let rows = keys.iter().filter_map(|key| key.rsplit(':').next());
        rows.filter(|row| row.starts_with(kind)).count()
    };
    assert_eq!((of_kind('k'), of_kind('d')), (2, 1), "{keys:?}");
}
