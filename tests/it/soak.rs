//! Hostile clients beside good ones for as long as it takes to see what piles up: `make test-full`.

use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::host::Host;
use crate::harness::load::{Load, Seen};
use crate::harness::wire::{SOON, connect_from, connect_with_little_room, read, write};
use crate::hostile_clients::{ambiguous_heads, bodies, first_lines, long_heads, post};
use crate::proxies::smuggled;

/// How long good clients are alone first.
const QUIET: Duration = Duration::from_secs(30);
const MEMORY_MIB: u64 = 512;
/// Between two requests of a hostile client: what shares the machine's cores in equal parts takes its
/// part whatever the host does.
const PAUSE: Duration = Duration::from_millis(25);
/// Shorter times of good clients say more of the machine than of the host.
const LEAST: Duration = Duration::from_micros(1500);

/// All of them: heads and bodies, requests inside requests, and clients that are slow.
fn cases() -> Vec<(String, Vec<u8>)> {
    let raw = [ambiguous_heads(), first_lines(), long_heads(), bodies()].concat();
    let raw = raw.into_iter().map(|(name, bytes, _)| (name.to_owned(), bytes));
    let all: Vec<_> = raw.chain(smuggled()).collect();
    assert!(all.len() >= 80, "{}", all.len());
    all
}

/// Sends what is hostile until it is told to stop, from an address of its own.
fn send(host: &Host, address: u8, first: usize, stop: &AtomicBool, sent: &AtomicUsize) {
    let cases = cases();
    for (_, bytes) in cases.iter().cycle().skip(first) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mut stream = connect_from(host, address);
        write(&mut stream, bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read(&mut stream, SOON);
        sent.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
}

/// Holds connections that have half a head, half a body, or answers that are not read.
fn dawdle(host: &Host, address: u8, stop: &AtomicBool, sent: &AtomicUsize) {
    let half_body = post("host: x\r\ncontent-length: 100000\r\n", &" ".repeat(50_000));
    let unread = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    while !stop.load(Ordering::Relaxed) {
        let held: Vec<TcpStream> = (0..90)
            .map(|number| {
                let mut stream = connect_with_little_room(host, address);
                stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
                write(
                    &mut stream,
                    match number % 3 {
                        0 => b"POST /decisions HTTP/1.1\r\nhos",
                        1 => &half_body,
                        _ => unread.as_bytes(),
                    },
                );
                sent.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
                stream
            })
            .collect();
        std::thread::sleep(Duration::from_secs(3));
        drop(held);
    }
}

/// Lets the host and the good clients have the cores: hostile clients have machines of their own.
fn give_way() {
    rustix::process::setpriority_process(None, 19).unwrap();
}

fn p99(seen: &[Seen]) -> Duration {
    let mut times: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// A figure of the kernel's, in KiB.
fn kib(host: &Host, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/{file}", host.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes eleven minutes; `make test-full` runs it"]
fn good_clients_are_served_beside_hostile_ones() {
    let seconds = std::env::var("FORETOLD_SOAK_SECONDS").ok();
    let seconds = seconds.map_or(600, |seconds| seconds.parse().unwrap());
    let memory = MEMORY_MIB.to_string();
    let options = ["--metrics", "127.0.0.1:0", "--memory-mib", &memory, "--store-memory-mib", "64"];
    let mut host = Host::credit(&[&options[..], &["--max-memory-mib", "64"]].concat());

    let load = Load::start(&host);
    std::thread::sleep(QUIET);
    let quiet = p99(&load.stop());
    let dirty_before = kib(&host, "smaps_rollup", "Private_Dirty:");

    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = std::thread::scope(|scope| {
        let (host, stop, sent) = (&host, &stop, &sent);
        for (address, first) in [(11, 0), (12, 60)] {
            scope.spawn(move || {
                give_way();
                send(host, address, first, stop, sent);
            });
        }
        scope.spawn(move || {
            give_way();
            dawdle(host, 13, stop, sent);
        });
        let load = Load::start(host);
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        load.stop()
    });
    let (beside, peak_kib) = (p99(&seen), kib(&host, "status", "VmHWM:"));
    println!(
        "{} good requests beside {} hostile ones of {} cases: p99 {beside:?}, alone {quiet:?}; \
         peak {} MiB of {MEMORY_MIB}",
        seen.len(),
        sent.load(Ordering::Relaxed),
        cases().len(),
        peak_kib >> 10,
    );

    let start = Instant::now();
    loop {
        let connections = host.metrics().value("foretold_connections", &[]);
        // What the near cache keeps is its own business, and bounded.
        let near_kib = (host.metrics().value("foretold_near_cache_bytes", &[]) / 1024.0) as u64;
        let dirty = kib(&host, "smaps_rollup", "Private_Dirty:").saturating_sub(near_kib);
        // The clients of the load keep theirs for a moment.
        if connections <= 10.0 && dirty < dirty_before + (16 << 10) {
            println!("given back after {:?}", start.elapsed());
            break;
        }
        let is_late = start.elapsed() > Duration::from_secs(60);
        assert!(!is_late, "{connections} connections, {dirty} KiB, before {dirty_before} KiB");
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(peak_kib >> 10 < MEMORY_MIB, "{} MiB", peak_kib >> 10);
    assert!(beside <= 2 * quiet.max(LEAST), "{beside:?}, alone {quiet:?}");
}
