//! One URL chooses the store: through the real command.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, aged, credit};
use crate::harness::host::Host;
use crate::harness::redis::{Redis, free_port};
use crate::harness::refusal::refusal_of_credit;
use crate::harness::secret::Secret;
use crate::stores::layouts;

const LOG_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_store_that_cannot_be_meant_is_refused_with_what_can() {
    let cases: [(&[&str], &str); 17] = [
        (
            &["--store", "nonsense"],
            "expected memory:, file:PATH, redis://…, redis+sentinel://…, redis+cluster://…",
        ),
        (&["--store", "http://x"], "not http://"),
        (&["--store", "memory:x"], "nothing behind it"),
        (&["--store", "memory:?layout=hash"], "unknown parameter \"layout\": memory: takes none"),
        (&["--store", "file:"], "expected a path"),
        (&["--store", "file:x?y=1"], "unknown parameter \"y\""),
        (&["--store", "redis://h?lay=hash"], "expected layout, capacity, prefix"),
        (&["--store", "redis://h?layout=list"], "expected string, hash or packed"),
        (&["--store", "redis://h?capacity=0"], "capacity=0: expected a number of entries from 1"),
        (&["--store", "redis://h/x"], "database"),
        (&["--store", "rediss://h#insecure"], "#"),
        (&["--store", "rediss://h?ca=/nowhere"], "ca=/nowhere"),
        (&["--store", "redis://h?ca=/etc/hostname"], "expected PEM"),
        (&["--store", "rediss://h?cert=/nowhere"], "cert=/nowhere"),
        (&["--store", "redis://h?layout=hash", "--layout", "packed"], "--layout says packed"),
        (&["--store", "memory:", "--layout", "packed"], "the layout packed is one of Redis"),
        (&["--store", "redis://h", "--store-password-file", "/nowhere"], "/nowhere"),
    ];
    for (options, expected) in cases {
        let message = refusal_of_credit(options, &[]);
        assert!(message.contains(expected), "{options:?}: {message}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    for url in ["redis://:sesame@127.0.0.1", "rediss://u:sesame@h:1/2?layout=hash"] {
        let message = refusal_of_credit(&["--store", url], &[]);
        for name in ["FORETOLD_STORE", "FORETOLD_STORE_PASSWORD", "--store-password-file"] {
            assert!(message.contains(name), "{message}");
        }
        assert!(!message.contains("sesame"), "{message}");
    }
    for url in ["redis://u:sesame@h:x", "u:sesame@h", "redis://u:sesame@h?x=1", "sesame"] {
        let message = refusal_of_credit(&[], &[("FORETOLD_STORE", url)]);
        assert!(!message.contains("sesame"), "{url}: {message}");
    }
}

#[test]
fn a_password_comes_from_the_environment_or_a_file() {
    let redis = Redis::start();
    redis.cli(&["ACL", "SETUSER", "scorer", "on", ">sesame-8", "~foretold:*", "+@all", "-@admin"]);
    redis.cli(&["ACL", "SETUSER", "default", "off"]);
    let url = redis.url().replace("redis://", "redis://scorer@");
    let file = Secret::new("sesame-8\n");
    for layout in layouts() {
        let options = ["--no-snapshot", "--log", "trace", "--store", &url, "--layout", layout];
        let host = Host::start_in(&credit(), &options, &[("FORETOLD_STORE_PASSWORD", "sesame-8")]);
        host.post("/decisions", SAMPLE);
        assert!(host.post("/decisions", SAMPLE).is_hit(), "{layout}: {}", host.log());
        let options = [&options[..], &["--store-password-file", file.path()]].concat();
        let other = Host::start(&credit(), &options);
        assert!(other.post("/decisions", SAMPLE).is_hit(), "{layout}: {}", other.log());
        for log in [host.log(), other.log()] {
            assert!(!log.contains("sesame"), "{log}");
        }
    }
}

#[test]
fn a_password_may_come_through_a_pipe() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "sesame-9"]);
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    // It can be read only once.
    let written = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(written, "sesame-9\n").unwrap());
    let (url, pipe) = (redis.url(), pipe.to_str().unwrap());
    let mut host = Host::credit(&["--store", &url, "--store-password-file", pipe]);
    writer.join().unwrap();
    host.wait_for_hit(SAMPLE, Duration::from_secs(10));
    // Another connection needs it again.
    redis.cli(&["-a", "sesame-9", "CLIENT", "KILL", "TYPE", "normal"]);
    host.wait_for_hit(SAMPLE, Duration::from_secs(10));
    assert!(!host.log().contains("can be read by every user"), "{}", host.log());
    host.wait_for_log("serving", Duration::ZERO);
}

#[test]
fn databases_and_prefixes_keep_caches_apart() {
    let redis = Redis::start();
    let url = redis.url();
    let of_layouts = layouts().into_iter().map(|layout| format!("/0?layout={layout}"));
    let places = ["/5", "/0?prefix=team:"].map(str::to_owned).into_iter().chain(of_layouts);
    for place in places {
        let host = Host::credit(&["--store", &format!("{url}{place}")]);
        assert!(!host.post("/decisions", SAMPLE).is_hit(), "{place}");
        assert!(host.post("/decisions", SAMPLE).is_hit(), "{place}");
        assert!(host.stop().success());
        let host = Host::credit(&["--store", &format!("{url}{place}")]);
        assert!(host.post("/decisions", SAMPLE).is_hit(), "after a restart: {place}");
    }
    assert_eq!(redis.cli(&["-n", "5", "--scan"]).len(), 1);
    let names = redis.cli(&["--scan"]);
    assert_eq!(names.len(), 1 + layouts().len(), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("team:foretold:")).count(), 1);
}

#[test]
fn a_file_survives_a_restart_and_a_kill() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("predictions");
    let store = format!("file:{}", path.display());
    let mut host = Host::credit(&["--store", &store]);
    let mut confirmed = vec![];
    for (round, ages) in [18..40usize, 40..60, 60..75].into_iter().enumerate() {
        std::thread::scope(|scope| {
            let threads: Vec<_> = ages
                .clone()
                .map(|age| {
                    let host = &host;
                    scope.spawn(move || (age, host.post("/decisions", &aged(age))))
                })
                .collect();
            for thread in threads {
                let (age, answer) = thread.join().unwrap();
                assert_eq!(answer.header("cache-status"), "foretold; fwd=miss; stored");
                confirmed.push(age);
            }
        });
        if round == 0 {
            assert!(host.stop().success());
        } else {
            host.signal(Signal::KILL);
            drop(host);
        }
        host = Host::credit(&["--store", &store]);
        for age in &confirmed {
            assert!(host.post("/decisions", &aged(*age)).is_hit(), "round {round}, age {age}");
        }
    }
    // One file serves one process.
    let message = refusal_of_credit(&["--store", &store], &[]);
    assert!(message.contains("open in another process"), "{message}");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
}

#[test]
fn a_file_that_is_damaged_or_foreign_is_refused_by_its_path() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("predictions");
    let store = format!("file:{}", path.display());
    let host = Host::credit(&["--store", &store]);
    for age in 18..70 {
        host.post("/decisions", &aged(age));
    }
    assert!(host.stop().success());
    let good = std::fs::read(&path).unwrap();
    let mut half = good.clone();
    for byte in &mut half[4096..] {
        *byte ^= 0x55;
    }
    let truncated = good[..good.len() / 2].to_vec();
    let text = b"this is a text, and no database at all".to_vec();
    for (what, bytes) in [("half", half), ("truncated", truncated), ("text", text)] {
        std::fs::write(&path, bytes).unwrap();
        let message = refusal_of_credit(&["--store", &store], &[]);
        assert!(message.contains(path.to_str().unwrap()), "{what}: {message}");
        assert!(message.contains("damaged or no store of Foretold"), "{what}: {message}");
        assert!(!message.contains("panicked"), "{what}: {message}");
    }
    let message = refusal_of_credit(&["--store", "file:/nowhere/at/all"], &[]);
    assert!(message.contains("/nowhere/at/all"), "{message}");
}

/// Keys and certificates in a folder: `ca.pem`, `server.pem`, `server.key`, `client.pem`,
/// `client.key`, and another authority's `other-ca.pem`.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(arguments.split(' '))
            .output()
            .expect("openssl is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {errors}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other-ca"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name}"));
    }
    std::fs::write(folder.join("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        .unwrap();
    for name in ["server", "client"] {
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile extensions -out {name}.pem"
        ));
    }
}

#[test]
fn tls_with_an_own_authority_and_a_client_certificate() {
    let folder = TempDir::new().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tls_port, ca) = (free_port(), file("ca.pem"));
    // Debian's: a newer one may be built without TLS.
    let _redis = Redis::start_program(
        "redis-server".as_ref(),
        free_port(),
        &[
            "--tls-port",
            &tls_port.to_string(),
            "--tls-cert-file",
            &file("server.pem"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "yes",
        ],
    );
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let client = format!("cert={}&key={}", file("client.pem"), file("client.key"));
    let host = Host::credit(&["--store", &format!("{url}?ca={ca}&{client}")]);
    host.post("/decisions", SAMPLE);
    assert!(host.post("/decisions", SAMPLE).is_hit(), "{}", host.log());
    let other_ca = file("other-ca.pem");
    let cases = [
        (format!("{url}?ca={other_ca}&{client}"), "UnknownIssuer"),
        // Not one of this machine's authorities either.
        (format!("{url}?{client}"), "UnknownIssuer"),
        (format!("{url}?ca={ca}"), "ertificate"),
    ];
    for (url, reason) in cases {
        let mut host = Host::credit(&["--store", &url]);
        let line = host.wait_for_log("does not answer", LOG_LIMIT);
        assert!(line.contains(reason), "{line}");
        assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    }
}
