//! Redis goes away: predictions go on, and hits come back by themselves.
//!
//! The bound on a prediction while Redis is away: a command's time limit (`--store-timeout-ms`) for
//! the requests that find out, and no wait at all once the breaker is open. The limit on the
//! slowest answer here leaves room for a busy test machine; percentiles are measured by `bench/`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Host, Redis, SAMPLE, aged, free_port};

/// `hits return by themselves within 5 s of the server's return`.
const RETURN_LIMIT: Duration = Duration::from_secs(5);

fn wait_for_hit(host: &Host) {
    let start = Instant::now();
    while !host.post("/decisions", SAMPLE).is_hit() {
        assert!(start.elapsed() < RETURN_LIMIT, "no hit within {RETURN_LIMIT:?} of the return");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_is_away_at_the_start_is_found_later() {
    let port = free_port();
    let mut host = Host::credit(&["--store", &format!("redis://127.0.0.1:{port}")]);
    host.wait_for_log("does not answer", Duration::ZERO);
    for age in 20..40 {
        let answer = host.post("/decisions", &aged(age));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; detail=store-unavailable");
    }
    let redis = Redis::start_on(port);
    wait_for_hit(&host);
    assert!(!redis.cli(&["--scan"]).is_empty());
    host.wait_for_log("answers again", RETURN_LIMIT);
}

/// What clients saw while something happened to Redis.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    failures: AtomicUsize,
    hits: AtomicUsize,
    unavailable: AtomicUsize,
    slowest_us: AtomicUsize,
}

/// Runs clients against the host while `fault` happens, and a little before and after.
fn under_load(host: &Host, fault: impl FnOnce()) -> Seen {
    let expected: Vec<String> =
        (18..=127).map(|age| host.post("/probabilities", &aged(age)).body).collect();
    let (seen, done) = (Seen::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (seen, done, expected) = (&seen, &done, &expected);
            scope.spawn(move || {
                let mut age = 18 + client * 20;
                while !done.load(Ordering::Relaxed) {
                    age = 18 + (age - 17) % 110;
                    let start = Instant::now();
                    let answer = host.post("/probabilities", &aged(age));
                    let took_us = start.elapsed().as_micros() as usize;
                    seen.slowest_us.fetch_max(took_us, Ordering::Relaxed);
                    seen.answers.fetch_add(1, Ordering::Relaxed);
                    let right = answer.status == 200 && answer.body == expected[age - 18];
                    seen.failures.fetch_add(usize::from(!right), Ordering::Relaxed);
                    seen.hits.fetch_add(usize::from(answer.is_hit()), Ordering::Relaxed);
                    let unavailable = answer.header("cache-status").contains("store-unavailable");
                    seen.unavailable.fetch_add(usize::from(unavailable), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        fault();
        std::thread::sleep(Duration::from_millis(500));
        done.store(true, Ordering::Relaxed);
    });
    seen
}

fn assert_good(seen: &Seen) {
    let Seen { answers, failures, hits, unavailable, slowest_us } = seen;
    let answers = answers.load(Ordering::Relaxed);
    assert!(answers > 100, "{answers}");
    assert_eq!(failures.load(Ordering::Relaxed), 0, "of {answers}");
    assert!(hits.load(Ordering::Relaxed) > 0);
    assert!(unavailable.load(Ordering::Relaxed) > 0);
    // The command's limit of 25 ms, the model, and what a busy machine adds.
    let slowest = Duration::from_micros(slowest_us.load(Ordering::Relaxed) as u64);
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[test]
fn a_server_that_dies_under_load_fails_no_prediction() {
    let redis = Redis::start();
    let port = redis.port();
    let mut host = Host::credit(&["--store", &redis.url()]);
    let mut redis = Some(redis);
    let seen = under_load(&host, || {
        drop(redis.take());
        std::thread::sleep(Duration::from_secs(2));
        redis = Some(Redis::start_on(port));
        std::thread::sleep(Duration::from_secs(2));
    });
    assert_good(&seen);
    wait_for_hit(&host);
    host.wait_for_log("predictions go on without a cache", Duration::ZERO);
    host.wait_for_log("answers again", Duration::ZERO);
}

#[test]
fn a_server_that_hangs_under_load_fails_no_prediction() {
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url()]);
    let seen = under_load(&host, || {
        redis.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(3));
        redis.signal(Signal::CONT);
        std::thread::sleep(Duration::from_secs(2));
    });
    assert_good(&seen);
    // The breaker saw to it that few requests waited: 4 clients, one command each per opening.
    wait_for_hit(&host);
}
