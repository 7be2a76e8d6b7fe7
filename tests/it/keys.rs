//! Kinds of keys, and who can do what to entries.

use crate::harness::credit::{SAMPLE, aged, credit};
use crate::harness::host::Host;
use crate::harness::redis::Redis;
use crate::harness::refusal::refusal_at_start;
use crate::harness::secret::Secret;

/// The one key that a host with these options writes for the sample.
fn key(options: &[&str]) -> String {
    let redis = Redis::start();
    let host = Host::credit(&[&["--store", &redis.url()], options].concat());
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    assert!(host.post("/decisions", SAMPLE).is_hit(), "{options:?}");
    let mut keys = redis.cli(&["--scan"]);
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.remove(0)
}

/// What the options are refused with, once they are read.
fn refusal(options: &[&str], variables: &[(&str, &str)]) -> String {
    refusal_at_start(&credit(), &[&["--no-snapshot"], options].concat(), variables)
}

#[test]
fn each_kind_of_key_is_what_it_says() {
    let packed = key(&[]);
    let rest = |key: &str| key.rsplit_once(':').unwrap().1.to_owned();
    // Three bytes as base64url, after their letter.
    assert_eq!((rest(&packed).len(), &rest(&packed)[..1]), (5, "p"), "{packed}");
    assert_eq!(key(&["--keys", "packed"]), packed);
    let digest = key(&["--keys", "digest"]);
    assert_eq!((rest(&digest).len(), &rest(&digest)[..1]), (23, "d"), "{digest}");
    let readable = key(&["--keys", "readable"]);
    assert!(readable.starts_with(packed.strip_suffix(&rest(&packed)).unwrap()), "{readable}");
    let request = r#"r{"installment_rate_in_percentage_of_disposable_income":0.25,"age_in_years":30,"foreign_worker":"yes","present_employment_since":"unemployed","personal_status_and_sex":"male: single"}"#;
    assert!(readable.ends_with(request), "{readable}");
}

#[test]
fn a_digest_depends_on_the_secret_and_not_on_where_it_comes_from() {
    let without = key(&["--keys", "digest"]);
    let (one, other) =
        (Secret::new("the first secret of all\n"), Secret::new("the other secret of all"));
    let with = key(&["--keys", "digest", "--key-secret-file", one.path()]);
    assert_ne!(with, without);
    assert_eq!(with.rsplit_once(':').unwrap().1.len(), 23);
    assert_ne!(with, key(&["--keys", "digest", "--key-secret-file", other.path()]));
    let crlf = Secret::new("the first secret of all\r\n");
    assert_eq!(with, key(&["--keys", "digest", "--key-secret-file", crlf.path()]));
    let redis = Redis::start();
    let variables = [("FORETOLD_KEY_SECRET", "the first secret of all")];
    let options = ["--no-snapshot", "--keys", "digest", "--store", &redis.url()];
    let host = Host::start_in(&credit(), &options, &variables);
    host.post("/decisions", SAMPLE);
    assert_eq!(redis.cli(&["--scan"]), [with]);
}

#[test]
fn keys_of_python_are_shared_and_what_that_costs_is_logged() {
    let redis = Redis::start();
    let options = ["--keys", "repr", "--store", &redis.url()];
    let mut host = Host::credit(&options);
    host.wait_for_log(
        "a changed model, threshold or label serves old answers",
        std::time::Duration::ZERO,
    );
    let python = "DecisionRequest(installment_rate_in_percentage_of_disposable_income=0.25, age_in_years=30, foreign_worker='yes', present_employment_since='unemployed', personal_status_and_sex='male: single')";
    // What the service wrote is served.
    redis.cli(&["SET", python, "DECLINE"]);
    let hit = host.post("/decisions", SAMPLE);
    assert_eq!((hit.header("cache-status"), hit.header("age")), ("foretold; hit", ""));
    assert_eq!(hit.body, r#"{"decision":"DECLINE"}"#);
    // And the service finds what is written here.
    redis.cli(&["DEL", python]);
    assert_eq!(host.post("/decisions", SAMPLE).body, r#"{"decision":"ACCEPT"}"#);
    assert_eq!(redis.cli(&["GET", python]), ["ACCEPT"]);
    assert!(!host.post("/probabilities", SAMPLE).is_hit());
    assert_eq!(redis.cli(&["DBSIZE"]), ["2"]);
}

#[test]
fn keys_of_python_need_what_python_understands() {
    for layout in ["hash", "packed"] {
        let options = ["--keys", "repr", "--store", "redis://127.0.0.1:1", "--layout", layout];
        let error = refusal(&options, &[]);
        assert!(error.contains(&format!("needs the layout string, not {layout}")), "{error}");
    }
    let mac = Secret::new("a secret that is long enough");
    let error = refusal(&["--keys", "repr", "--mac-secret-file", mac.path()], &[]);
    assert!(error.contains("exclude a MAC"), "{error}");
}

#[test]
fn a_host_without_the_mac_secret_never_serves_an_entry_with_one_nor_the_other_way_round() {
    let (one, other) =
        (Secret::new("the first secret of all"), Secret::new("the other secret of all"));
    let options: [&[&str]; 3] =
        [&[], &["--mac-secret-file", one.path()], &["--mac-secret-file", other.path()]];
    let redis = Redis::start();
    let hosts =
        options.map(|options| Host::credit(&[&["--store", &redis.url()], options].concat()));
    for writer in 0..3 {
        for reader in (0..3).filter(|reader| *reader != writer) {
            let age = aged(20 + 10 * writer + reader);
            let expected = hosts[writer].post("/probabilities", &age).body;
            assert!(hosts[writer].post("/probabilities", &age).is_hit());
            let answer = hosts[reader].post("/probabilities", &age);
            assert_eq!(answer.body, expected);
            let status = "foretold; fwd=miss; stored; detail=corrupt-entry";
            assert_eq!(answer.header("cache-status"), status, "{writer} {reader}");
        }
    }
}

#[test]
fn values_that_were_moved_to_other_keys_are_refused() {
    let mac = Secret::new("the first secret of all");
    for options in [&[][..], &["--mac-secret-file", mac.path()]] {
        let redis = Redis::start();
        let store = ["--store", &redis.url(), "--near-cache-mib", "0"];
        let host = Host::credit(&[&store[..], options].concat());
        let bodies = [aged(20), aged(70)];
        let expected = bodies.each_ref().map(|body| host.post("/probabilities", body).body);
        assert_ne!(expected[0], expected[1]);
        let [one, other] = &redis.cli(&["--scan"])[..] else { panic!("two keys") };
        for (from, to) in [(one.as_str(), "aside"), (other, one), ("aside", other)] {
            assert_eq!(redis.cli(&["RENAME", from, to]), ["OK"]);
        }
        for (body, expected) in bodies.iter().zip(expected) {
            let answer = host.post("/probabilities", body);
            assert_eq!(answer.body, expected);
            let status = "foretold; fwd=miss; stored; detail=corrupt-entry";
            assert_eq!(answer.header("cache-status"), status);
        }
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_refused_and_never_shown() {
    let (short, long) = (Secret::new("sesame-sesame7\n"), Secret::new("sesame-sesame-777\n"));
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 6] = [
        (
            &["--mac-secret-file", short.path()],
            &[],
            "the MAC secret has 14 bytes; expected at least",
        ),
        (&["--keys", "digest", "--key-secret-file", short.path()], &[], "key secret has 14 bytes"),
        (&["--key-secret-file", long.path()], &[], "only with --keys digest"),
        (&[], &[("FORETOLD_KEY_SECRET", "sesame-sesame-777")], "only with --keys digest"),
        (&[], &[("FORETOLD_MAC_SECRET", "")], "the MAC secret has 0 bytes"),
        (
            &["--mac-secret-file", long.path()],
            &[("FORETOLD_MAC_SECRET", "sesame-sesame-777")],
            "--mac-secret-file and FORETOLD_MAC_SECRET are both given",
        ),
    ];
    for (options, variables, expected) in cases {
        let error = refusal(options, variables);
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("sesame"), "{error}");
    }
    let missing = refusal(&["--mac-secret-file", "/nowhere/secret"], &[]);
    assert!(missing.contains("--mac-secret-file: cannot read /nowhere/secret"), "{missing}");
    let host = Host::credit(&["--mac-secret-file", long.path(), "--log", "trace"]);
    host.post("/decisions", SAMPLE);
    assert!(!host.log().contains("sesame"), "{}", host.log());
}
