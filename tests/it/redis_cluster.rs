//! A Redis Cluster of several nodes: entries are spread over them, and whatever happens to one of
//! them, no prediction fails and none is wrong.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use foretold::unstable::{Password, Purge, Selection, StoreSettings, StoreUrl};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::cluster::Cluster;
use crate::harness::credit::{SAMPLE, aged, array, credit};
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::load::{Load, Seen};
use crate::harness::redis::Redis;
use crate::harness::secret::Secret;
use crate::stores::{LAYOUTS, MODEL, OTHER_MODEL, keys, list, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);
/// Until something has happened that takes a second or two on a machine at rest.
const LIMIT: Duration = Duration::from_secs(30);
/// What hosts give Redis for a command unless they are told otherwise.
const TIMEOUT_MS: [&str; 2] = ["--store-timeout-ms", "25"];
/// The hash that knows of purges, where there is no prefix.
const GENERATIONS: &str = "foretold:generations";

/// Waits for something to be so.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut now: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = now().await {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "not {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Keys of single rows: in the layouts string and packed, their entries are on all nodes.
fn rows(count: u32) -> Vec<String> {
    (100..100 + count).map(|row| row_key(MODEL, row, 3)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_and_tools_work_in_all_layouts() {
    let cluster = Cluster::start(3, 0);
    for layout in LAYOUTS {
        let url = format!("{}?layout={layout}&prefix=p*[{layout}]&capacity=10000", cluster.url());
        let store = open(&url).await;
        let keys = keys();
        let pairs = || keys.iter().enumerate().map(|(n, key)| (key.clone(), value(n))).collect();
        let all: Vec<_> = (0..keys.len()).map(|number| Some(value(number))).collect();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), vec![None; keys.len()], "{layout}");
        store.set_many(pairs(), LONG).await.unwrap();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), all, "{layout}");
        for (key, value) in keys.iter().zip(&all) {
            assert_eq!(store.get(key, LONG).await.unwrap(), *value, "{layout}: {key}");
        }
        // Another type in our places.
        let ours = |name: &str| name.contains(layout) && !name.ends_with("generations");
        for (node, name) in cluster.names().into_iter().filter(|(_, name)| ours(name)) {
            cluster.cli(node, &["DEL", &name]);
            cluster.cli(node, &["LPUSH", &name, "x"]);
        }
        store.set_many(pairs(), LONG).await.unwrap();
        assert_eq!(store.get_many(&keys, LONG).await.unwrap(), all, "{layout}");
        let rows = rows(2500);
        let many = rows.iter().map(|key| (key.clone(), value(7)));
        store.set_many(many.collect(), LONG).await.unwrap();
        let found = store.get_many(&rows, LONG).await.unwrap();
        assert_eq!(found, vec![Some(value(7)); rows.len()], "{layout}");
        let nodes: BTreeSet<usize> = cluster
            .names()
            .into_iter()
            .filter(|(_, name)| ours(name))
            .map(|(node, _)| node)
            .collect();
        // The layout hash has but one name for each model.
        assert!(nodes.len() == 3 || layout == "hash", "{layout}: {nodes:?}");

        assert_eq!(list(&*store, &Selection::All).await.len(), 2516, "{layout}");
        let plain = list(&*store, &Selection::Prefix("DecisionRequest(".to_owned())).await;
        assert_eq!(plain.len(), 1, "{layout}");
        let statistics = store.statistics().await.unwrap();
        let counts = statistics.models;
        let counted =
            |model: &str| counts.iter().find(|count| count.model == model).unwrap().entries;
        assert_eq!((counted(MODEL), counted(OTHER_MODEL)), (2508, 8), "{layout}");
        let server = statistics.server.unwrap();
        assert_eq!((&*server.name, server.max_memory_bytes), ("redis", 0));
        assert!(server.used_memory_bytes > 3_000_000, "of all nodes: {server:?}");
        assert_eq!(store.remove(&rows[..100]).await.unwrap(), 100, "{layout}");
        assert_eq!(store.get(&rows[99], LONG).await.unwrap(), None, "{layout}");
        store.change_generation(&Purge::Model(OTHER_MODEL.to_owned())).await.unwrap();
        assert_eq!(store.free_old_generations(&mut |_| ()).await.unwrap(), 8, "{layout}");
        store.change_generation(&Purge::All).await.unwrap();
        assert_eq!(store.free_old_generations(&mut |_| ()).await.unwrap(), 2408, "{layout}");
        let found = store.get_many(&rows, LONG).await.unwrap();
        assert_eq!(found, vec![None; rows.len()], "{layout}");
    }
}

#[test]
fn hosts_and_the_command_line_tools_share_a_cluster() {
    let cluster = Cluster::start(3, 0);
    let folder = TempDir::new().unwrap();
    let csv = folder.path().join("rows.csv");
    for layout in LAYOUTS {
        let store = format!("{}?layout={layout}&prefix={layout}-", cluster.url());
        let (source, cache) = (credit(), cache_folder());
        let tool = |tool: &str, options: &[&str]| {
            let mut command = foretold();
            command.args(["cache", tool, "--store", &store]).args(options);
            if !options.contains(&"--all") {
                command.arg("--source").arg(&source).arg("--cache-dir").arg(&cache);
            }
            let output = command.output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{layout}: {tool} {options:?}: {error}");
            String::from_utf8(output.stdout).unwrap()
        };
        let hosts = [0, 1].map(|_| Host::credit(&["--store", &store]));
        assert!(hosts[0].log().contains("redis cluster at 127.0.0.1:1, "), "{}", hosts[0].log());
        let first = hosts[0].post("/probabilities", &array(2000));
        let status = "foretold; fwd=miss; stored; detail=\"0 hits, 2000 misses, 0 refused\"";
        assert_eq!(first.header("cache-status"), status, "{layout}");
        let again = hosts[1].post("/probabilities", &array(2000));
        assert!(again.is_hit(), "{layout}: {}", again.header("cache-status"));
        assert_eq!(first.body, again.body, "{layout}");
        assert!(!hosts[0].post("/decisions", SAMPLE).is_hit(), "{layout}");
        assert!(hosts[1].post("/decisions", SAMPLE).is_hit(), "{layout}");

        let stats = tool("stats", &["--json"]);
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(stats["entries"], 2001, "{layout}");
        let listed = tool("ls", &["--json"]);
        assert_eq!(listed.lines().count(), 2001, "{layout}");
        let entry: serde_json::Value =
            serde_json::from_str(listed.lines().next().unwrap()).unwrap();
        let shown = tool("get", &[entry["key"].as_str().unwrap(), "--json"]);
        assert!(shown.contains("age_in_years"), "{layout}: {shown}");
        let asked = [aged(20), aged(21)];
        for request in &asked {
            hosts[0].post("/decisions", request);
            assert!(hosts[1].post("/decisions", request).is_hit(), "{layout}");
        }
        tool("purge", &["--all"]);
        for (host, request) in hosts.iter().zip(&asked) {
            assert!(!host.post("/decisions", request).is_hit(), "{layout}");
        }
        let head = "age_in_years,foreign_worker,personal_status_and_sex,\
                    present_employment_since,installment_rate_in_percentage_of_disposable_income\n";
        let lines = (50..60).map(|age| format!("{age},yes,male: single,unemployed,0.25\n"));
        std::fs::write(&csv, lines.fold(head.to_owned(), |csv, line| csv + &line)).unwrap();
        tool("warm", &[csv.to_str().unwrap()]);
        assert!(hosts[0].post("/decisions", &aged(55)).is_hit(), "{layout}");
    }
}

/// After a purge has ended, no look-up that begins then gives what was stored before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_holds_in_all_hosts_when_it_has_ended() {
    let cluster = Cluster::start(3, 0);
    for (layout, is_told) in
        LAYOUTS.map(|layout| (layout, true)).into_iter().chain([("string", false)])
    {
        if !is_told {
            for node in 0..3 {
                cluster.cli(node, &["ACL", "SETUSER", "default", "-client|tracking"]);
            }
        }
        let url = format!("{}?layout={layout}&prefix={layout}{is_told}:", cluster.url());
        let stores = [open(&url).await, open(&url).await];
        let rows = Arc::new(rows(50));
        for round in 0..3 {
            let many = rows.iter().map(|key| (key.clone(), value(round)));
            stores[0].set_many(many.collect(), LONG).await.unwrap();
            let all = vec![Some(value(round)); rows.len()];
            assert_eq!(stores[1].get_many(&rows, LONG).await.unwrap(), all, "{layout}");
            let (purged, stop) =
                (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let readers = stores.each_ref().map(|store| {
                let (store, rows) = (store.clone(), rows.clone());
                let (purged, stop) = (purged.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut misses_at = None;
                    while !stop.load(Ordering::SeqCst) {
                        let is_purged = purged.load(Ordering::SeqCst);
                        let found = store.get_many(&rows, LONG).await.unwrap();
                        let count = found.iter().flatten().count();
                        assert!(count == 0 || !is_purged, "{count} of the purged generation");
                        if count == 0 {
                            misses_at.get_or_insert_with(Instant::now);
                        }
                        tokio::task::yield_now().await;
                    }
                    misses_at
                })
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            let began = Instant::now();
            stores[round % 2].change_generation(&Purge::All).await.unwrap();
            let took = began.elapsed();
            purged.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop.store(true, Ordering::SeqCst);
            for reader in readers {
                let missed = reader.await.unwrap().expect("there were misses in the end");
                let told = missed - began;
                eprintln!("{layout}: told after {told:?}, over after {took:?}");
                assert!(told <= took, "{layout}: {told:?} {took:?}");
            }
        }
    }
}

/// Runs clients against a host while something happens, and returns what they saw meanwhile.
fn under_load(url: &str, happen: impl FnOnce(&Load)) -> Vec<Seen> {
    let options = ["--store", url, "--ttl", "4"];
    let host = Host::credit(&[&options[..], &TIMEOUT_MS].concat());
    let load = Load::start(&host);
    load.wait_for_hit(Instant::now(), LIMIT);
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    happen(&load);
    let back = load.wait_for_hit(Instant::now(), LIMIT);
    eprintln!("hits came back after {back:?}");
    std::thread::sleep(Duration::from_secs(1));
    let mut seen = load.stop();
    seen.retain(|seen| seen.start >= start);
    let hits = seen.iter().filter(|seen| seen.is_hit()).count();
    let mut took: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    eprintln!("{} answers, {hits} hits; {:?} {:?} {:?}", seen.len(), at(50), at(99), at(100));
    seen
}

/// Of the answers from a moment on, how many in a hundred were hits.
fn hits_percent(seen: &[Seen], from: Instant, to: Instant) -> usize {
    let seen: Vec<_> = seen.iter().filter(|seen| (from..to).contains(&seen.start)).collect();
    assert!(!seen.is_empty());
    100 * seen.iter().filter(|seen| seen.is_hit()).count() / seen.len()
}

#[test]
fn a_replica_takes_over_from_a_primary_that_was_killed() {
    for (layout, is_home) in [("string", false), ("packed", true), ("hash", true)] {
        let mut cluster = Cluster::start(3, 1);
        let home = cluster.owner(GENERATIONS);
        let victim = match is_home {
            true => home,
            false => cluster.primaries().into_iter().find(|node| *node != home).unwrap(),
        };
        let url = format!("{}?layout={layout}&capacity=10000", cluster.url());
        let mut repaired = Instant::now();
        let seen = under_load(&url, |load| {
            cluster.kill(victim);
            let start = Instant::now();
            while cluster.primaries().len() < 3 {
                assert!(start.elapsed() < LIMIT);
                std::thread::sleep(Duration::from_millis(50));
            }
            eprintln!("{layout}: a replica took over after {:?}", start.elapsed());
            repaired = Instant::now();
            load.wait_for_hit(repaired, LIMIT);
            std::thread::sleep(Duration::from_secs(5));
        });
        // All names have a node again.
        let after = repaired + Duration::from_secs(4);
        let percent = hits_percent(&seen, after, after + LIMIT);
        assert!(percent > 60, "{layout}: only {percent} % hits after the fail-over");
        // It comes back as a replica.
        cluster.start_node(victim);
        cluster.wait_until_ok();
    }
}

#[test]
fn the_keys_of_the_other_nodes_are_cached_while_one_hangs() {
    let cluster = Cluster::start_with(3, 0, &["--cluster-node-timeout", "60000"], &[]);
    let home = cluster.owner(GENERATIONS);
    let victim = cluster.primaries().into_iter().find(|node| *node != home).unwrap();
    let mut struck = Instant::now();
    let seen = under_load(&cluster.url(), |_| {
        cluster.signal(victim, Signal::STOP);
        struck = Instant::now();
        std::thread::sleep(Duration::from_secs(6));
        cluster.signal(victim, Signal::CONT);
    });
    let percent =
        hits_percent(&seen, struck + Duration::from_secs(2), struck + Duration::from_secs(6));
    assert!((30..90).contains(&percent), "{percent} % hits");
    let unavailable =
        seen.iter().filter(|seen| seen.cache_status.contains("store-unavailable")).count();
    assert!(unavailable > 0);
    // It is waited for once in a while, and not by each.
    let mut late: Vec<_> = seen
        .iter()
        .filter(|seen| seen.start > struck + Duration::from_secs(2))
        .map(|seen| seen.took)
        .collect();
    late.sort();
    let median = late[late.len() / 2];
    assert!(median < Duration::from_millis(20), "{median:?}");
}

/// Who cannot learn of purges reads nothing, since there may have been one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_while_the_node_that_knows_of_purges_is_silent() {
    let cluster = Cluster::start_with(3, 0, &["--cluster-node-timeout", "60000"], &[]);
    let settings = StoreSettings { timeout: Duration::from_millis(100), ..settings() };
    let store = StoreUrl::parse(&cluster.url(), &settings).unwrap().open().await.unwrap();
    let rows = rows(50);
    let many = || rows.iter().map(|key| (key.clone(), value(1))).collect::<Vec<_>>();
    until("stored", async || store.set_many(many(), LONG).await.ok()).await;
    let home = cluster.owner(GENERATIONS);
    let found = async || {
        let mut found = vec![];
        for key in &rows {
            found.push(store.get(key, LONG).await);
        }
        found
    };
    assert!(found().await.iter().all(|found| found.as_ref().unwrap().is_some()));
    cluster.signal(home, Signal::STOP);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let (silent, start) = (found().await, Instant::now());
    assert!(silent.iter().all(|found| found.as_ref().is_err()), "{silent:?}");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(silent[0].as_ref().unwrap_err().to_string().contains("knows of purges"));
    assert!(store.set_many(many(), LONG).await.is_err());
    cluster.signal(home, Signal::CONT);
    until("found", async || {
        found().await.iter().all(|found| matches!(found, Ok(Some(_)))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_are_read_whole_while_their_slots_move() {
    for layout in LAYOUTS {
        let cluster = Cluster::start(3, 0);
        let store = open(&format!("{}?layout={layout}&capacity=2000", cluster.url())).await;
        let rows = Arc::new(rows(2000));
        let many = rows.iter().map(|key| (key.clone(), value(1)));
        store.set_many(many.collect(), LONG).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (store, rows, stop) = (store.clone(), rows.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut rounds, mut misses, mut errors) = (0, 0, vec![]);
                while !stop.load(Ordering::SeqCst) {
                    match store.get_many(&rows, LONG).await {
                        Ok(found) => {
                            assert!(found.iter().flatten().all(|found| *found == value(1)));
                            misses += found.iter().filter(|found| found.is_none()).count();
                            rounds += 1;
                        }
                        // On a very busy machine the generations may not be read in time.
                        Err(error) => errors.push(error),
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                (rounds, misses, errors)
            })
        };
        let id = |node| cluster.cli(node, &["CLUSTER", "MYID"])[0].clone();
        let (from, to, address) = (id(0), id(1), cluster.addresses()[0].clone());
        let arguments = [
            ["--cluster", "reshard"].as_slice(),
            &[&address, "--cluster-from", &from, "--cluster-to", &to],
            &["--cluster-slots", "2000", "--cluster-yes"],
        ];
        cluster.cli(0, &arguments.concat());
        stop.store(true, Ordering::SeqCst);
        let (rounds, misses, errors) = reader.await.unwrap();
        eprintln!("{layout}: {rounds} times 2000 rows, {misses} misses, {errors:?}");
        assert!(rounds > 10 && rounds > errors.len(), "{layout}: {rounds} {errors:?}");
        assert!(misses <= rounds * 20, "{layout}: {misses} of {rounds} times 2000 rows");
        let all = vec![Some(value(1)); rows.len()];
        until("whole", async || (store.get_many(&rows, LONG).await.ok()? == all).then_some(()))
            .await;
    }
}

#[test]
fn slots_move_to_another_node_under_load() {
    for layout in LAYOUTS {
        let cluster = Cluster::start(3, 0);
        let home = cluster.owner(GENERATIONS);
        let to = cluster.primaries().into_iter().find(|node| *node != home).unwrap();
        let id = |node| cluster.cli(node, &["CLUSTER", "MYID"])[0].clone();
        let (from, to, address) = (id(home), id(to), cluster.addresses()[home].clone());
        let url = format!("{}?layout={layout}&capacity=10000", cluster.url());
        let seen = under_load(&url, |_| {
            let arguments = [
                ["--cluster", "reshard"].as_slice(),
                &[&address, "--cluster-from", &from, "--cluster-to", &to],
                // All that it has: the generations move, too.
                &["--cluster-slots", "5462", "--cluster-yes", "--cluster-pipeline", "100"],
            ];
            cluster.cli(home, &arguments.concat());
        });
        assert_ne!(cluster.owner(GENERATIONS), home, "{layout}");
        let all = hits_percent(&seen, seen[0].start.min(Instant::now()), Instant::now());
        assert!(all > 40, "{layout}: only {all} % hits");
    }
}

#[test]
fn all_nodes_go_and_come_back() {
    let mut cluster = Cluster::start(3, 0);
    let url = cluster.url();
    let host = Host::credit(&[&["--store", &url][..], &TIMEOUT_MS].concat());
    let mut host = host;
    let load = Load::start(&host);
    load.wait_for_hit(Instant::now(), LIMIT);
    for _ in 0..2 {
        (0..3).for_each(|node| cluster.kill(node));
        std::thread::sleep(Duration::from_secs(3));
        (0..3).for_each(|node| cluster.start_node(node));
        let back = Instant::now();
        cluster.wait_until_ok();
        eprintln!("the cluster was up after {:?}", back.elapsed());
        let back = Instant::now();
        eprintln!("hits returned after {:?}", load.wait_for_hit(back, LIMIT));
        std::thread::sleep(Duration::from_secs(1));
    }
    let seen = load.stop();
    assert!(seen.iter().any(|seen| seen.cache_status.contains("store-unavailable")));
    host.wait_for_log("predictions go on without a cache", Duration::ZERO);
    host.wait_for_log("answers again", Duration::ZERO);
    let lines = host.log().lines().count();
    assert!(lines < 60, "{lines} lines in the log:\n{}", host.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_answer_look_ups_where_they_may() {
    let mut cluster = Cluster::start(3, 1);
    let gets = |cluster: &Cluster, nodes: &[usize]| -> u64 {
        let count = |node: &usize| {
            let lines = cluster.cli(*node, &["INFO", "commandstats"]);
            let calls = |line: &String| {
                let rest = line.strip_prefix("cmdstat_get:calls=")?;
                rest.split(',').next()?.parse::<u64>().ok()
            };
            lines.iter().find_map(calls).unwrap_or_default()
        };
        nodes.iter().map(count).sum()
    };
    let primaries = cluster.primaries();
    let replicas: Vec<usize> = (0..6).filter(|node| !primaries.contains(node)).collect();
    let rows = rows(300);
    for (parameter, expected) in [("", &primaries), ("?read=replica", &replicas)] {
        let store = open(&format!("{}{parameter}", cluster.url())).await;
        let many = rows.iter().map(|key| (key.clone(), value(1)));
        store.set_many(many.collect(), LONG).await.unwrap();
        let all = vec![Some(value(1)); rows.len()];
        until("replicated", async || {
            (store.get_many(&rows, LONG).await.unwrap() == all).then_some(())
        })
        .await;
        let (before, others) = (gets(&cluster, expected), gets(&cluster, &[0, 1, 2, 3, 4, 5]));
        for key in &rows {
            assert_eq!(store.get(key, LONG).await.unwrap(), Some(value(1)));
        }
        let (after, all) = (gets(&cluster, expected), gets(&cluster, &[0, 1, 2, 3, 4, 5]));
        assert_eq!((after - before, all - others), (300, 300), "{parameter}");
        store.change_generation(&Purge::All).await.unwrap();
        assert_eq!(store.get_many(&rows, LONG).await.unwrap(), vec![None; rows.len()]);
    }
    // Without its replica, a primary answers.
    let store = open(&format!("{}?read=replica", cluster.url())).await;
    let many = rows.iter().map(|key| (key.clone(), value(2)));
    store.set_many(many.collect(), LONG).await.unwrap();
    cluster.kill(replicas[0]);
    let all = vec![Some(value(2)); rows.len()];
    until("found", async || (store.get_many(&rows, LONG).await.ok()? == all).then_some(())).await;
}

/// Runs openssl in a folder.
fn openssl(folder: &TempDir, arguments: &str) {
    let output = Command::new("openssl")
        .current_dir(folder.path())
        .args(arguments.split(' '))
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_passwords_are_those_of_all_nodes() {
    let folder = TempDir::new().unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let own = |name: &str| {
        format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2")
    };
    openssl(&folder, &own("ca"));
    openssl(&folder, &format!("req {key} -keyout node.key -out node.csr -subj /CN=node"));
    std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1")
        .unwrap();
    openssl(
        &folder,
        "x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out node.pem -days 2 -extfile names",
    );
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (file("ca.pem"), file("node.pem"), file("node.key"));
    let options = [
        ["--tls-cluster", "yes"],
        ["--tls-replication", "yes"],
        ["--tls-auth-clients", "no"],
        ["--tls-ca-cert-file", &ca],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--requirepass", "sesame-1"],
        ["--masterauth", "sesame-1"],
    ];
    let cli = ["--tls", "--cacert", &ca, "--no-auth-warning", "-a", "sesame-1"];
    let mut cluster = Cluster::start_with(3, 0, options.as_flattened(), &cli);
    let url = cluster.url().replace("redis+cluster", "rediss+cluster");
    let url = format!("{url}?ca={ca}");
    let secret = Secret::new("sesame-1\n");
    let with_password = || {
        let password = Some(Password::File(secret.path().into()));
        StoreUrl::parse(&url, &StoreSettings { password, ..settings() }).unwrap()
    };
    let store = with_password().open().await.unwrap();
    let rows = rows(200);
    let many = || rows.iter().map(|key| (key.clone(), value(1))).collect::<Vec<_>>();
    store.set_many(many(), LONG).await.unwrap();
    let all = vec![Some(value(1)); rows.len()];
    assert_eq!(store.get_many(&rows, LONG).await.unwrap(), all);
    assert_eq!(list(&*store, &Selection::All).await.len(), 200);

    // Another authority, and no password: each says what is wrong.
    openssl(&folder, &own("other"));
    let other = url.replace(&ca, &file("other.pem"));
    for (url, reason) in [(&other, "ertificate"), (&url, "authentication failed")] {
        let store = open(url).await;
        // On a busy machine the first attempt may end before a node has said it.
        until(reason, async || {
            let error = store.get(&rows[0], LONG).await.unwrap_err().to_string();
            error.contains(reason).then_some(())
        })
        .await;
    }

    // The password is changed, and so is the file; then all connections end.
    for node in 0..3 {
        cluster.cli(node, &["CONFIG", "SET", "masterauth", "sesame-2"]);
        cluster.cli(node, &["CONFIG", "SET", "requirepass", "sesame-2"]);
    }
    std::fs::write(secret.path(), "sesame-2\n").unwrap();
    cluster.use_password("sesame-2");
    for node in 0..3 {
        cluster.cli(node, &["CLIENT", "KILL", "TYPE", "normal"]);
    }
    until("found", async || (store.get_many(&rows, LONG).await.ok()? == all).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_long_is_written_over() {
    let cluster = Cluster::start(3, 0);
    let store = open(&cluster.url()).await;
    let rows = rows(30);
    let many = || rows.iter().map(|key| (key.clone(), value(1))).collect::<Vec<_>>();
    store.set_many(many(), LONG).await.unwrap();
    let long = "x".repeat(3 << 20);
    for (node, name) in cluster.names().into_iter().filter(|(_, name)| name.contains(MODEL)).take(3)
    {
        let port = cluster.addresses()[node].clone();
        let client = redis::Client::open(format!("redis://{port}")).unwrap();
        let mut connection = client.get_connection().unwrap();
        redis::cmd("SET").arg(&name).arg(&long).exec(&mut connection).unwrap();
    }
    for key in &rows {
        let found = store.get(key, LONG).await.unwrap();
        assert!(found.is_none_or(|found| found.is_empty() || found == value(1)));
    }
    store.set_many(many(), LONG).await.unwrap();
    let all = vec![Some(value(1)); rows.len()];
    assert_eq!(store.get_many(&rows, LONG).await.unwrap(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cluster_says_so() {
    let redis = Redis::start();
    let url = redis.url().replace("redis://", "redis+cluster://");
    let error = open(&url).await.get("foretold:x:p", LONG).await.unwrap_err().to_string();
    assert!(error.contains("use redis://"), "{error}");
    let cluster = Cluster::start(3, 0);
    let store = open(&format!("redis://{}", cluster.addresses()[0])).await;
    let mut errors = vec![];
    for key in rows(20) {
        errors.extend(store.get(&key, LONG).await.err());
    }
    assert!(errors.iter().any(|error| error.to_string().contains("MOVED")), "{errors:?}");
}

#[test]
fn urls_of_clusters_are_read() {
    let parse = |url: &str| StoreUrl::parse(url, &settings()).map(|url| url.to_string());
    assert_eq!(
        parse("redis+cluster://u:sesame@a,b:1,[::1]:2?layout=packed").unwrap(),
        "redis cluster at a:6379, b:1, [::1]:2, layout packed"
    );
    assert_eq!(
        parse("rediss+cluster://a/0?insecure=true&read=replica").unwrap(),
        "redis cluster at a:6379, read from replicas (TLS)"
    );
    for url in [
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a:x",
        "redis+cluster://u:sesame@a/1",
        "redis+cluster://a#x",
        "redis+cluster://a?read=some",
        "redis+cluster://a?sentinel_password_file=x",
        "redis+cluster://a?ca=x",
        "redis://a?read=replica",
        "file+cluster://a",
    ] {
        let error = parse(url).unwrap_err();
        assert!(!error.contains("sesame"), "{url}: {error}");
    }
}
