//! Sentinel: the primary is found by the name of its service, and found again after a fail-over.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use foretold::unstable::{Password, Purge, Selection, StoreSettings, StoreUrl};
use tempfile::TempDir;

use crate::harness::proxy::{Proxy, Trouble};
use crate::harness::redis::{Redis, free_port, program};
use crate::harness::secret::Secret;
use crate::redis_tls::self_signed;
use crate::stores::{MODEL, keys, layouts, list, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);
/// Until the sentinels have agreed and the replica is the primary.
pub(crate) const FAIL_OVER: Duration = Duration::from_secs(30);

/// The machine's server: the one under test may be built without TLS, or have sentinels that know no
/// password of their own.
const WITH_SECURITY: &str = "redis-server";

/// Three running sentinels.
pub(crate) struct Sentinels {
    children: Vec<Child>,
    ports: Vec<u16>,
    security: Security,
    _folder: TempDir,
}

/// What sentinels and their servers ask of who connects, and of each other.
#[derive(Default)]
pub(crate) struct Security {
    /// The sentinels' own; none if it is empty.
    sentinel_password: &'static str,
    /// The servers'.
    password: &'static str,
    /// Whose that is, for the sentinels.
    user: &'static str,
    /// The lines that make a server speak TLS, with a certificate of this machine.
    tls: Vec<[String; 2]>,
}

impl Security {
    /// With a certificate that is made in a folder.
    fn with_tls(folder: &Path) -> Security {
        self_signed(folder, "own", "DNS:localhost,IP:127.0.0.1", "2");
        let file = |end: &str| folder.join(format!("own.{end}")).to_str().unwrap().to_owned();
        let tls = [
            ["tls-cert-file", &file("pem")],
            ["tls-key-file", &file("key")],
            ["tls-ca-cert-file", &file("pem")],
            ["tls-auth-clients", "no"],
            ["tls-replication", "yes"],
        ];
        let tls = tls.map(|line| line.map(str::to_owned)).to_vec();
        Security { tls, ..Security::default() }
    }

    /// Starts a server that asks for the same, and gives the port of its TLS.
    fn start_server(&self) -> (Redis, u16) {
        let port = free_port();
        let tls_port = ["tls-port".to_owned(), port.to_string()];
        let lines = self.tls.iter().chain([&tls_port]);
        let options: Vec<String> =
            lines.flat_map(|[name, value]| [format!("--{name}"), value.clone()]).collect();
        let options = options.iter().map(String::as_str);
        let options = ["--repl-diskless-sync-delay", "0"].into_iter().chain(options);
        let redis =
            Redis::start_program(WITH_SECURITY.as_ref(), free_port(), &options.collect::<Vec<_>>());
        redis.cli(&["CONFIG", "SET", "masterauth", self.password]);
        redis.cli(&["CONFIG", "SET", "requirepass", self.password]);
        (redis, port)
    }
}

impl Sentinels {
    /// Of one service, `scores`, whose primary is at a port.
    pub(crate) fn start(primary: u16, security: Security) -> Sentinels {
        let sentinels = Sentinels::run(3, primary, security);
        let start = Instant::now();
        // Each has to know the two others and the replica.
        let knows_others =
            |port| sentinels.cli(port, &["INFO", "sentinel"]).contains("slaves=1,sentinels=3");
        while !sentinels.ports.iter().all(|port| knows_others(*port)) {
            assert!(start.elapsed() < FAIL_OVER, "the sentinels do not find each other");
            std::thread::sleep(Duration::from_millis(100));
        }
        sentinels
    }

    fn run(count: usize, primary: u16, security: Security) -> Sentinels {
        let folder = TempDir::new().unwrap();
        let ports = (0..count).map(|_| free_port()).collect();
        let mut sentinels = Sentinels { children: vec![], ports, security, _folder: folder };
        for port in &sentinels.ports {
            let path = sentinels._folder.path().join(port.to_string());
            std::fs::write(&path, sentinels.configuration(*port, primary)).unwrap();
            let Security { tls, sentinel_password, .. } = &sentinels.security;
            let is_plain = tls.is_empty() && sentinel_password.is_empty();
            let program = if is_plain { program() } else { WITH_SECURITY.into() };
            let child = Command::new(program)
                .arg(&path)
                .arg("--sentinel")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            sentinels.children.push(child);
        }
        sentinels
    }

    fn configuration(&self, port: u16, primary: u16) -> String {
        let Security { sentinel_password, password, user, tls } = &self.security;
        let mut lines = match tls.is_empty() {
            true => format!("port {port}\n"),
            false => format!("port 0\ntls-port {port}\n"),
        };
        lines += &format!(
            "bind 127.0.0.1\n\
             sentinel monitor scores 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds scores 500\n\
             sentinel failover-timeout scores 3000\n"
        );
        if !password.is_empty() {
            lines += &format!("sentinel auth-pass scores {password}\n");
        }
        if !user.is_empty() {
            lines += &format!("sentinel auth-user scores {user}\n");
        }
        if !sentinel_password.is_empty() {
            lines += &format!(
                "requirepass {sentinel_password}\nsentinel sentinel-pass {sentinel_password}\n"
            );
        }
        tls.iter().fold(lines, |lines, [name, value]| lines + &format!("{name} {value}\n"))
    }

    /// What one of them says to a command.
    fn cli(&self, port: u16, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", self.security.sentinel_password);
        if !self.security.tls.is_empty() {
            command.args(["--tls", "--insecure"]);
        }
        let output = command.args(["-p", &port.to_string()]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where they say that the primary is, as long as they agree.
    pub(crate) fn primary(&self) -> String {
        let ask = |port: &u16| self.cli(*port, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "scores"]);
        let answers: HashSet<String> = self.ports.iter().map(ask).collect();
        if answers.len() == 1 { answers.into_iter().next().unwrap() } else { String::new() }
    }

    /// With one that nobody listens at, first.
    pub(crate) fn url(&self, rest: &str) -> String {
        let scheme = if self.security.tls.is_empty() { "redis" } else { "rediss" };
        let nodes = self.ports.iter().map(|port| format!("localhost:{port}"));
        let nodes: Vec<String> = std::iter::once("127.0.0.1:1".to_owned()).chain(nodes).collect();
        format!("{scheme}+sentinel://{}/scores{rest}", nodes.join(","))
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn replicated() -> (Redis, Redis) {
    let start = || Redis::start_with(free_port(), &["--repl-diskless-sync-delay", "0"]);
    let (primary, replica) = (start(), start());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    (primary, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_found_and_found_again_after_a_fail_over() {
    let (primary, _replica) = replicated();
    let sentinels = Sentinels::start(primary.port(), Security::default());
    let mut stores = vec![];
    for layout in layouts() {
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
async fn a_sentinel_that_is_cut_off_does_not_lead_to_the_old_primary_for_ever() {
    let (primary, replica) = replicated();
    let sentinels = Sentinels::start(primary.port(), Security::default());
    // It does not hear from the others, and so does not learn of a fail-over. It answers first.
    let old_port = primary.port().to_string();
    let without_messages =
        ["ACL", "SETUSER", "alone", "on", ">alone", "~*", "+@all", "-publish", "-subscribe"];
    for redis in [&primary, &replica] {
        redis.cli(&without_messages);
    }
    let security = Security { user: "alone", password: "alone", ..Security::default() };
    let alone = Sentinels::run(1, primary.port(), security);
    let proxies = sentinels.ports.iter().map(|port| Proxy::start(*port)).collect::<Vec<_>>();
    for proxy in &proxies {
        proxy.make(Trouble::Delay(Duration::from_millis(30)));
    }
    let nodes: Vec<String> = std::iter::once(alone.ports[0])
        .chain(proxies.iter().map(Proxy::port))
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let store = open(&format!("redis+sentinel://{}/scores", nodes.join(","))).await;
    let key = row_key(MODEL, 1, 3);
    store.set(&key, value(1), LONG).await.unwrap();
    drop(primary);
    let start = Instant::now();
    while store.set(&key, value(2), LONG).await.is_err() {
        assert!(start.elapsed() < FAIL_OVER);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let named = alone.cli(alone.ports[0], &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "scores"]);
    assert!(named.contains(&old_port), "it was not cut off: {named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_may_have_a_password_of_their_own() {
    let (primary, _replica) = replicated();
    let security = Security { sentinel_password: "sesame", ..Security::default() };
    let sentinels = Sentinels::start(primary.port(), security);
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

#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_may_speak_tls_and_have_passwords() {
    let folder = TempDir::new().unwrap();
    let tls = Security::with_tls(folder.path());
    let security = Security { sentinel_password: "sesame", password: "open", ..tls };
    let ((primary, primary_port), (replica, _)) =
        (security.start_server(), security.start_server());
    replica.cli(&["-a", "open", "REPLICAOF", "127.0.0.1", &primary_port.to_string()]);
    let sentinels = Sentinels::start(primary_port, security);
    let (of_sentinels, ca) = (Secret::new("sesame\n"), folder.path().join("own.pem"));
    let ca = ca.display();
    let url = sentinels.url(&format!("?ca={ca}&sentinel_password_file={}", of_sentinels.path()));
    let of_servers = Secret::new("open\n");
    let password = Some(Password::File(of_servers.path().into()));
    let settings = StoreSettings { password, ..settings() };
    let store = StoreUrl::parse(&url, &settings).unwrap().open().await.unwrap();
    let key = row_key(MODEL, 1, 3);
    store.set(&key, value(1), LONG).await.unwrap();
    assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(1)));
    drop(primary);
    let start = Instant::now();
    while store.set(&key, value(2), LONG).await.is_err() {
        assert!(start.elapsed() < FAIL_OVER);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(2)));
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
