//! Hosts that are killed while they write, disks that take nothing, and memory that is given back.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bounds::{Small, compiles};
use crate::harness::credit::{SAMPLE, aged, array, credit};
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::random::Random;
use crate::harness::redis::Redis;

/// Ends a process as a machine without memory does, and waits until it is gone.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_host_that_was_killed_while_it_compiled_leaves_nothing_that_harms_the_next() {
    let small = Small::new();
    let start = Instant::now();
    drop(small.start());
    let whole_start = start.elapsed();
    let whole = fs::read(&small.kept()[0]).unwrap();
    let mut random = Random::new(7);
    for _ in 0..40 {
        for file in small.kept() {
            fs::remove_file(file).unwrap();
        }
        let mut serve = foretold();
        serve.arg("serve").arg(small.file()).args(["--listen", "127.0.0.1:0", "--cache-dir"]);
        let child = serve.arg(small.cache()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole_start.mul_f64(random.below(1000) as f64 / 1000.0));
        kill(child);
        let compiled = small.kept().into_iter().filter(|file| !is_unfinished(file));
        for file in compiled {
            assert_eq!(fs::read(file).unwrap().len(), whole.len());
        }
    }
    drop(small.start());
    assert!(!compiles(&small.start()));
}

fn is_unfinished(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp"))
}

#[test]
fn what_the_file_store_confirmed_is_there_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let store = format!("file:{}", folder.path().join("store.redb").display());
    let mut random = Random::new(11);
    let mut confirmed: Vec<String> = Vec::new();
    for round in 0..12 {
        let host = Host::credit(&["--store", &store]);
        for row in &confirmed {
            let answer = host.post("/decisions", row);
            assert!(answer.is_hit(), "round {round}: {answer:?}");
        }
        let until = Instant::now() + Duration::from_millis(50 + random.below(400) as u64);
        let stored: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|client| {
                    let host = &host;
                    scope.spawn(move || {
                        // At least one each, however busy the machine is.
                        let numbers = (0..900).take_while(|i| *i == 0 || Instant::now() < until);
                        let rows = numbers.map(|i| row((round * 4 + client) * 900 + i));
                        let answered = rows.filter(|row| {
                            let answer = host.post("/decisions", row);
                            assert_eq!(answer.status, 200, "{answer:?}");
                            answer.header("cache-status") == "foretold; fwd=miss; stored"
                        });
                        answered.collect::<Vec<String>>()
                    })
                })
                .collect();
            // While requests are under way: their answers are lost, and nothing that was confirmed.
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        assert!(stored.len() >= 4, "round {round}: {stored:?}");
        let pending = std::thread::spawn({
            let url = format!("{}/decisions", host.address);
            move || {
                let agent = crate::harness::answer::agent();
                let _ = agent.post(url).content_type("application/json").send(array(3000));
            }
        });
        std::thread::sleep(Duration::from_millis(random.below(40) as u64));
        drop(host);
        pending.join().unwrap();
        confirmed.extend(stored.into_iter().take(40));
    }
}

/// A row of its own for each number below 44 110.
fn row(number: usize) -> String {
    let (age, hundredths) = (18 + number % 110, number / 110);
    let installment = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    aged(age).replace("0.25", &installment)
}

#[test]
fn bake_writes_its_file_whole_or_not_at_all_when_it_is_killed() {
    let folder = TempDir::new().unwrap();
    let bake = |output: &Path| {
        let mut bake = foretold();
        bake.arg("bake").arg(credit()).arg("-o").arg(output).stderr(Stdio::null());
        bake.spawn().unwrap()
    };
    let whole = folder.path().join("whole.wasm");
    let start = Instant::now();
    assert!(bake(&whole).wait().unwrap().success());
    let (took, whole) = (start.elapsed(), fs::read(&whole).unwrap());
    let output = folder.path().join("credit.wasm");
    let mut random = Random::new(13);
    for round in 0..8 {
        let before = fs::read(&output).ok();
        let child = bake(&output);
        // Most of them at its end, where it writes.
        std::thread::sleep(took.mul_f64(0.7 + 0.5 * random.below(1000) as f64 / 1000.0));
        kill(child);
        let after = fs::read(&output).ok();
        assert!(after == before || after.as_ref() == Some(&whole), "round {round}");
        if round % 2 == 0 {
            fs::write(&output, "what was there before").unwrap();
        }
    }
    assert!(bake(&output).wait().unwrap().success());
    assert!(fs::read(&output).unwrap() == whole);
}

/// Whether a file system can be mounted here, for one process; says so where not.
fn can_mount() -> bool {
    let folder = TempDir::new().unwrap();
    let mut mount = Command::new("unshare");
    mount.args(["--mount", "mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path());
    let done = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !done {
        eprintln!("SKIPPED: a file system cannot be mounted here; root can");
    }
    done
}

/// What a shell does before the host starts: mounts a file system that only the host sees.
fn mounting(options: &str, at: &Path) -> String {
    let mount = format!("mount -t tmpfs -o {options} tmpfs {}", at.display());
    format!("set -- unshare --mount sh -c '{mount} && exec \"$@\"' sh \"$@\"")
}

#[test]
fn a_cache_folder_on_a_full_or_read_only_disk_stops_no_start() {
    if !can_mount() {
        return;
    }
    for options in ["size=16k,mode=0700", "ro,mode=0700"] {
        let small = Small::new();
        fs::create_dir(small.cache()).unwrap();
        for _ in 0..2 {
            let host = small.start_after(&mounting(options, &small.cache()));
            assert!(host.log().contains("cannot be kept") && compiles(&host), "{}", host.log());
            assert_eq!(host.post("/answer", "").body, "2");
        }
        assert!(small.kept().is_empty(), "{:?}", small.kept());
    }
}

#[test]
fn a_file_store_on_a_disk_that_becomes_full_costs_no_prediction() {
    if !can_mount() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut command = Command::new("sh");
    let mounting = mounting("size=2m,mode=0700", &disk);
    command.args(["-c", &format!("{mounting}; exec \"$@\""), "sh"]);
    command.arg(foretold().get_program()).arg("serve").arg(credit());
    command.args(["--no-snapshot", "--listen", "127.0.0.1:0", "--cache-dir"]).arg(cache_folder());
    command.arg("--store").arg(format!("file:{}/store.redb", disk.display()));
    let host = Host::run(command);
    let mut not_stored = 0;
    for part in 0..80 {
        let rows: Vec<String> = (0..500).map(|i| row(part * 500 + i)).collect();
        let answer = host.post("/decisions", &format!("[{}]", rows.join(",")));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body.matches("\"decision\"").count(), 500);
        not_stored += usize::from(!answer.header("cache-status").contains("; stored"));
    }
    assert!(not_stored > 0, "the disk never became full");
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

/// Memory that only this process has and has written to, in KiB, as the kernel says.
fn dirty_kib(host: &Host) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", host.id());
    let rollup = fs::read_to_string(path).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn instances_that_nobody_needs_are_given_back() {
    const INSTANCES: usize = 32;
    let redis = Redis::start();
    let host = Host::credit(&["--store", &redis.url(), "--store-timeout-ms", "3000"]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    let before = dirty_kib(&host);
    // Each holds an instance while it waits for the store.
    redis.signal(Signal::STOP);
    let (host, all) = (&host, Barrier::new(INSTANCES));
    std::thread::scope(|scope| {
        for i in 0..INSTANCES {
            let all = &all;
            scope.spawn(move || {
                all.wait();
                assert_eq!(host.post("/decisions", &aged(20 + i)).status, 200);
            });
        }
    });
    redis.signal(Signal::CONT);
    let grown = dirty_kib(host).saturating_sub(before);
    // An instance of the credit model has written to more than a quarter of a megabyte.
    assert!(grown > (INSTANCES as u64 / 2) * 256, "{grown} KiB");
    let start = Instant::now();
    while dirty_kib(host).saturating_sub(before) > grown / 4 {
        let left = dirty_kib(host).saturating_sub(before);
        assert!(start.elapsed() < Duration::from_secs(60), "{left} of {grown} KiB are still there");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(start.elapsed() > Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}
