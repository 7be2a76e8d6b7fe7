//! Sentinel: the primary is found by the name of its service, and found again after a fail-over.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use foretold::unstable::{Purge, Selection, StoreUrl};
use tempfile::TempDir;

use crate::harness::redis::{Redis, free_port};
use crate::harness::secret::Secret;
use crate::stores::{LAYOUTS, MODEL, keys, list, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);
/// Until the sentinels have agreed and the replica is the primary.
const FAIL_OVER: Duration = Duration::from_secs(30);

/// Three running sentinels.
struct Sentinels {
    children: Vec<Child>,
    ports: Vec<u16>,
    _folder: TempDir,
}

impl Sentinels {
    /// Of one service, `scores`, whose servers have a password if the sentinels have one.
    fn start(primary: &Redis, password: &str) -> Sentinels {
        let folder = TempDir::new().unwrap();
        let mut sentinels = Sentinels { children: vec![], ports: vec![], _folder: folder };
        for number in 0..3 {
            let (port, path) = (free_port(), sentinels._folder.path().join(number.to_string()));
            let mut lines = format!(
                "port {port}\nbind 127.0.0.1\n\
                 sentinel monitor scores 127.0.0.1 {} 2\n\
                 sentinel down-after-milliseconds scores 500\n\
                 sentinel failover-timeout scores 3000\n",
                primary.port()
            );
            if !password.is_empty() {
                lines += &format!("requirepass {password}\nsentinel sentinel-pass {password}\n");
            }
            std::fs::write(&path, lines).unwrap();
            let child = Command::new("redis-server")
                .arg(&path)
                .arg("--sentinel")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            sentinels.children.push(child);
            sentinels.ports.push(port);
        }
        let start = Instant::now();
        // Each has to know the two others and the replica.
        while !sentinels.ports.iter().all(|port| knows_others(*port, password)) {
            assert!(start.elapsed() < FAIL_OVER, "the sentinels do not find each other");
            std::thread::sleep(Duration::from_millis(100));
        }
        sentinels
    }

    /// With one that nobody listens at, first.
    fn url(&self, rest: &str) -> String {
        let nodes = self.ports.iter().map(|port| format!("localhost:{port}"));
        let nodes: Vec<String> = std::iter::once("127.0.0.1:1".to_owned()).chain(nodes).collect();
        format!("redis+sentinel://{}/scores{rest}", nodes.join(","))
    }
}

fn knows_others(port: u16, password: &str) -> bool {
    let output = Command::new("redis-cli")
        .env("REDISCLI_AUTH", password)
        .args(["-p", &port.to_string(), "INFO", "sentinel"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).contains("slaves=1,sentinels=3")
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn replicated() -> (Redis, Redis) {
    let start = || Redis::start_with(free_port(), &["--repl-diskless-sync-delay", "0"]);
    let (primary, replica) = (start(), start());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    (primary, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_found_and_found_again_after_a_fail_over() {
    let (primary, _replica) = replicated();
    let sentinels = Sentinels::start(&primary, "");
    let mut stores = vec![];
    for layout in LAYOUTS {
        let store = open(&sentinels.url(&format!("/0?layout={layout}&prefix={layout}:"))).await;
        let keys = keys();
        let pairs = || keys.iter().map(|key| (key.clone(), value(1))).collect::<Vec<_>>();
        store.set_many(pairs(), LONG).await.unwrap();
        let found = store.get_many(&keys, LONG).await.unwrap();
        assert_eq!(found, vec![Some(value(1)); keys.len()], "{layout}");
        assert_eq!(list(&*store, &Selection::All).await.len(), 16, "{layout}");
        store.change_generation(&Purge::All).await.unwrap();
        assert_eq!(store.get_many(&keys[..16], LONG).await.unwrap(), vec![None; 16], "{layout}");
        store.free_old_generations(&mut |_| ()).await.unwrap();
        assert!(store.statistics().await.unwrap().server.is_some());
        stores.push(store);
    }
    let key = row_key(MODEL, 1, 3);
    drop(primary);
    for store in &stores {
        let start = Instant::now();
        while store.set(&key, value(2), LONG).await.is_err() {
            assert!(start.elapsed() < FAIL_OVER);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(2)));
        // The purge before the fail-over holds.
        assert_eq!(store.get(&keys()[1], LONG).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_may_have_a_password_of_their_own() {
    let (primary, _replica) = replicated();
    let sentinels = Sentinels::start(&primary, "sesame");
    let file = Secret::new("sesame\n");
    let key = row_key(MODEL, 1, 3);
    let store = open(&sentinels.url(&format!("?sentinel_password_file={}", file.path()))).await;
    store.set(&key, value(1), LONG).await.unwrap();
    assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(1)));
    let store = open(&sentinels.url("")).await;
    let error = store.get(&key, LONG).await.unwrap_err().to_string();
    assert!(error.contains("authentication failed") || error.contains("refused"), "{error}");
    let url = sentinels.url("").replace("/scores", "/nothing");
    let url = format!("{url}?sentinel_password_file={}", file.path());
    let error = open(&url).await.get(&key, LONG).await.unwrap_err().to_string();
    assert!(error.contains("no service") || error.contains("refused"), "{error}");
}

#[test]
fn urls_of_sentinels_are_read() {
    let parse = |url: &str| StoreUrl::parse(url, &settings()).map(|url| url.to_string());
    assert_eq!(
        parse("redis+sentinel://u:sesame@a,b:1,[::1]:2/scores/3?layout=packed").unwrap(),
        "redis service scores, database 3, layout packed"
    );
    assert_eq!(
        parse("rediss+sentinel://a/scores?insecure=true").unwrap(),
        "redis service scores (TLS), database 0"
    );
    for url in [
        "redis+sentinel://a,b",
        "redis+sentinel://a,b/",
        "redis+sentinel://a,,b/scores",
        "redis+sentinel://a:x/scores",
        "redis+sentinel://u:sesame@a/scores/x",
        "redis+sentinel://a/scores#x",
        "file+sentinel://a/scores",
        "redis://a?sentinel_password_file=x",
    ] {
        let error = parse(url).unwrap_err();
        assert!(error.contains("redis") && !error.contains("sesame"), "{url}: {error}");
    }
}
