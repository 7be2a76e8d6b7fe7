//! TLS to Redis as it is found: certificates that vouch for themselves, several authorities in one
//! file, names that differ from the address.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use foretold::unstable::StoreUrl;
use tempfile::TempDir;

use crate::harness::redis::{Redis, free_port};
use crate::stores::{MODEL, open, row_key, settings, value};

const LONG: Duration = Duration::from_secs(600);

/// Makes a certificate that vouches for itself, `NAME.pem` with `NAME.key`.
pub(crate) fn self_signed(folder: &Path, name: &str, alternatives: &str, days: &str) {
    let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
    let (subject, alternatives) = (format!("/CN={name}"), format!("subjectAltName={alternatives}"));
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-keyout", &key, "-out", &pem, "-subj", &subject, "-days", days])
        .args(["-addext", &alternatives])
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server with such a certificate; its TLS port, too.
fn start(folder: &Path, name: &str) -> (Redis, u16) {
    let file = |end: &str| folder.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
    let tls_port = free_port();
    let options = [
        ["--tls-port", &tls_port.to_string()],
        ["--tls-cert-file", &file("pem")],
        ["--tls-key-file", &file("key")],
        ["--tls-auth-clients", "no"],
    ];
    // Debian's: a newer one may be built without TLS.
    let redis = Redis::start_program("redis-server".as_ref(), free_port(), options.as_flattened());
    (redis, tls_port)
}

/// What comes of a URL: nothing where it works.
async fn trouble(url: &str) -> String {
    let (store, key) = (open(url).await, row_key(MODEL, 1, 3));
    match store.set(&key, value(1), LONG).await {
        Ok(()) => {
            assert_eq!(store.get(&key, LONG).await.unwrap(), Some(value(1)), "{url}");
            String::new()
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_may_stand_as_its_own_authority() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    self_signed(path, "own", "DNS:localhost,IP:127.0.0.1", "2");
    self_signed(path, "other", "DNS:localhost,IP:127.0.0.1", "2");
    self_signed(path, "elsewhere", "DNS:cache.example", "2");
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    let bundle = ["other.pem", "own.pem"].map(|name| std::fs::read(path.join(name)).unwrap());
    std::fs::write(path.join("bundle.pem"), bundle.concat()).unwrap();
    let (own, elsewhere) = (start(path, "own"), start(path, "elsewhere"));
    let (own, elsewhere) =
        (format!("rediss://127.0.0.1:{}", own.1), format!("rediss://127.0.0.1:{}", elsewhere.1));
    let cases = [
        (format!("{own}?ca={}", file("own.pem")), ""),
        (format!("{}?ca={}", own.replace("127.0.0.1", "localhost"), file("own.pem")), ""),
        (format!("{own}?ca={}", file("bundle.pem")), ""),
        (format!("{own}?ca={}&server_name=localhost", file("own.pem")), ""),
        (format!("{own}?insecure=true"), ""),
        (format!("{own}?ca={}", file("other.pem")), "ertificate"),
        (format!("{own}?ca={}&server_name=else.example", file("own.pem")), "not valid for name"),
        (own.clone(), "?ca= names the file"),
        (format!("{elsewhere}?ca={}&server_name=cache.example", file("elsewhere.pem")), ""),
        (format!("{elsewhere}?ca={}", file("elsewhere.pem")), "not valid for name"),
        (own.replace("rediss://", "redis://"), "use rediss://"),
    ];
    for (url, expected) in cases {
        let trouble = trouble(&url).await;
        assert_eq!(trouble.is_empty(), expected.is_empty(), "{url}: {trouble}");
        assert!(trouble.contains(expected), "{url}: {trouble}");
    }
}

#[test]
fn parameters_of_tls_are_checked() {
    let folder = TempDir::new().unwrap();
    self_signed(folder.path(), "own", "DNS:localhost", "2");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let cases = [
        ("redis://h?server_name=x".to_owned(), "need rediss://"),
        ("redis://h?insecure=true".to_owned(), "need rediss://"),
        ("rediss://h?insecure=yes".to_owned(), "expected true"),
        ("rediss://h?insecure=false".to_owned(), "expected true"),
        (format!("rediss://h?insecure=true&ca={}", file("own.pem")), "exclude each other"),
        ("rediss://h?server_name=a%20b".to_owned(), "expected a host's name"),
        (format!("rediss://h?ca={}", file("own.key")), "no certificate in it"),
        (format!("rediss://h?cert={}", file("own.pem")), "belong together"),
    ];
    for (url, expected) in cases {
        let error = StoreUrl::parse(&url, &settings()).unwrap_err();
        assert!(error.contains(expected), "{url}: {error}");
    }
}
