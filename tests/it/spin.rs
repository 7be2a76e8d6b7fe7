//! The artefact for Spin, and applications of it, under our own host.

use std::time::{Duration, Instant};

use foretold::Target;
use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, aged, array, change, root};
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::redis::Redis;
use crate::harness::refusal::refusal;
use crate::harness::secret::Secret;
use crate::http_suite::{application, baked};

/// The log is read by another thread.
fn wait_until(is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never became true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_fits_the_platforms() {
    // 50 MB for the file; the memory of an instance is 128 MiB unless --max-memory-mib says else.
    let size = baked(Target::Spin).metadata().unwrap().len();
    assert!(size < 50_000_000, "{size}");
    let host = Host::start(&baked(Target::Spin), &["--max-memory-mib", "128"]);
    assert_eq!(host.post("/decisions", &array(10_000)).status, 200);
}

#[test]
fn it_opens_the_store_once_per_request() {
    let host = Host::start(&baked(Target::Spin), &["--log", "trace"]);
    let opened = || host.log().matches("a component opens the store").count();
    for (request, body) in [(1, SAMPLE), (2, SAMPLE), (3, &array(50))] {
        assert_eq!(host.post("/decisions", body).status, 200);
        wait_until(|| opened() >= request);
        assert_eq!(opened(), request);
    }
    // Nothing is looked up for a request with mistakes; the next one is logged after it.
    assert_eq!(host.post("/decisions", "{}").status, 422);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    wait_until(|| opened() >= 4);
    assert_eq!(opened(), 4);
}

#[test]
fn tools_that_count_ask_for_another_source() {
    let folder = TempDir::new().unwrap();
    let rows = folder.path().join("rows.csv");
    std::fs::write(&rows, "age_in_years\n").unwrap();
    let store = format!("file:{}", folder.path().join("store").display());
    let mut warm = foretold();
    warm.args(["cache", "warm", "--store", &store, "--source"]).arg(baked(Target::Spin));
    let output = warm.arg("--cache-dir").arg(cache_folder()).arg(rows).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("name the model's folder"), "{error}");
}

#[test]
fn its_entries_are_those_of_the_other_artefacts_and_it_says_how_long_they_live() {
    let redis = Redis::start();
    let store = redis.url();
    let options = ["--store", &*store];
    let spin = Host::start(&baked(Target::Spin), &options);
    assert!(!spin.post("/decisions", SAMPLE).is_hit());
    let keys = redis.cli(&["--scan"]);
    let key = keys.iter().find(|key| key.contains(":p")).expect("an entry");
    assert!(key.len() < 256, "{key}");
    let left: u64 = redis.cli(&["ttl", key])[0].parse().unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    let edge = Host::start(&baked(Target::Edge), &options);
    assert!(edge.post("/decisions", SAMPLE).is_hit());
    assert!(!edge.post("/decisions", &aged(50)).is_hit());
    assert!(spin.post("/decisions", &aged(50)).is_hit());
}

#[test]
fn options_reach_it_as_variables() {
    let file = Secret::new("sixteen bytes at least");
    let secret = file.path();
    let options = ["--ttl", "600", "--ttl", "/decisions=60", "--keys", "digest"];
    let secrets = ["--key-secret-file", secret, "--mac-secret-file", secret, "--allow", "query"];
    let host = Host::start(&baked(Target::Spin), &[&options[..], &secrets].concat());
    assert!(host.log().contains("ttl: 600 s"), "{}", host.log());
    let answer = host.post("/decisions", SAMPLE);
    assert_eq!((answer.status, answer.header("cache-status")), (200, ""));
    let host = Host::start(&baked(Target::Spin), &options);
    host.post("/decisions", SAMPLE);
    for (path, ttl) in [("/decisions", 60), ("/probabilities", 600)] {
        let hit = host.post(path, SAMPLE);
        let status = hit.header("cache-status");
        let left: u32 = status.strip_prefix("foretold; hit; ttl=").unwrap().parse().unwrap();
        // Some seconds may have passed since the prediction was stored.
        assert!((ttl - 30..=ttl).contains(&left), "{path}: {status}");
    }
}

#[test]
fn what_it_cannot_do_is_refused_at_the_start() {
    let spin = baked(Target::Spin);
    for keys in ["readable", "repr"] {
        let error = refusal(&spin, &["--keys", keys], &[]);
        assert!(error.contains("expected packed or digest") && error.contains("255"), "{error}");
    }
    for option in [&["--metrics", "127.0.0.1:0"], &["--cache", "auto"]] {
        let error = refusal(&spin, option, &[]);
        assert!(error.contains(option[0]) && error.contains("foretold bake"), "{error}");
    }
    for (option, keys) in [("--mac-secret-file", "packed"), ("--key-secret-file", "digest")] {
        let error = refusal(&spin, &[option, "/dev/null", "--keys", keys], &[]);
        assert!(error.contains("secret has 0 bytes"), "{error}");
    }
    let error = refusal(&spin, &["--ttl", "/nowhere=5"], &[]);
    assert!(error.contains("/nowhere") && error.contains("/decisions"), "{error}");
}

#[test]
fn it_refuses_bodies_over_4_mib_by_itself() {
    let host = Host::start(&baked(Target::Spin), &["--max-body-bytes", "8388608"]);
    let padded = |length: usize| format!("{SAMPLE}{}", " ".repeat(length - SAMPLE.len()));
    assert_eq!(host.post("/decisions", &padded(4 << 20)).status, 200);
    let refused = host.post("/decisions", &padded((4 << 20) + 1));
    assert_eq!(refused.status, 413, "{refused:?}");
    assert!(refused.body.contains("4194304 bytes"), "{refused:?}");
}

#[test]
fn a_trap_is_answered_at_once_and_a_good_answer_leaves_no_trace_in_the_log() {
    let host =
        Host::start(&baked(Target::Spin), &["--max-memory-mib", "4", "--timeout-ms", "60000"]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    assert!(!host.log().contains("WARN"), "{}", host.log());
    let start = Instant::now();
    let answer = host.post("/decisions", &array(10_000));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(30), "it waited for the time limit");
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn a_store_that_is_away_costs_it_no_prediction() {
    let redis = Redis::start();
    let host = Host::start(&baked(Target::Spin), &["--store", &redis.url()]);
    drop(redis);
    let answer = host.post("/decisions", SAMPLE);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"decision":"ACCEPT"}"#));
    let status = answer.header("cache-status");
    assert_eq!(status, "foretold; fwd=miss; detail=store-unavailable");
}

#[test]
fn variables_of_an_application_come_from_its_file_the_environment_and_options() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin.toml");
    assert!(Host::start(&file, &[]).log().contains("ttl: 3600 s"));
    let set = [("SPIN_VARIABLE_TTL_SECONDS", "600,/decisions=700")];
    assert!(Host::start_in(&file, &[], &set).log().contains("ttl: 700 s"));
    assert!(Host::start_in(&file, &["--ttl", "50"], &set).log().contains("ttl: 50 s"));
    let error = refusal(&file, &[], &[("SPIN_VARIABLE_TTL_SECONDS", "1h")]);
    assert!(error.contains("ttl_seconds: \"1h\" is not a time to live"), "{error}");
    let error = refusal(&file, &[], &[("SPIN_VARIABLE_MAC_SECRET", "short")]);
    assert!(error.contains("mac_secret: ") && !error.contains("short"), "{error}");
}

#[test]
fn several_models_share_an_application_by_route() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin-several.toml");
    let full = folder.path().join("full.wasm");
    let models = root().join("models/credit-full");
    let mut bake = foretold();
    bake.arg("bake").arg(&models).args(["--target", "spin", "-o"]).arg(&full);
    assert!(bake.status().unwrap().success());
    change(
        folder.path(),
        "spin-several.toml",
        "dist/credit-full-spin.wasm",
        full.to_str().unwrap(),
    );
    let host = Host::start(&file, &[]);
    let sample = std::fs::read_to_string(models.join("sample.json")).unwrap();
    for (path, body) in [("/credit", SAMPLE), ("/credit-full", &sample)] {
        let probability = format!("{path}/probabilities");
        assert!(!host.post(&probability, body).is_hit(), "{path}");
        assert!(host.post(&format!("{path}/decisions?"), body).is_hit(), "{path}");
    }
    let other = host.post("/credit-full/decisions", SAMPLE);
    assert_eq!(other.status, 422);
    assert!(other.body.contains("credit_amount"), "{other:?}");
    let nowhere = host.post("/decisions", SAMPLE);
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.body.contains("/credit/decisions, /credit/probabilities"), "{nowhere:?}");
}

#[test]
fn an_application_that_would_do_nothing_or_else_than_meant_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin.toml");
    change(folder.path(), "spin.toml", "\"/...\"", "\"/decision\"");
    let error = refusal(&file, &[], &[]);
    assert!(
        error.contains("/decision leads to no endpoint") && error.contains("/decisions, "),
        "{error}"
    );
    change(folder.path(), "spin.toml", "\"/decision\"", "\"/decisions\"");
    let host = Host::start(&file, &[]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    let other = host.post("/probabilities", SAMPLE);
    assert!(other.status == 404 && !other.body.contains("/probabilities, "), "{other:?}");
    change(folder.path(), "spin.toml", "\nmac_secret = \"{{", "\nmac_secrets = \"{{");
    let error = refusal(&file, &[], &[]);
    assert!(error.contains("no variable mac_secrets") && error.contains("mac_secret, "), "{error}");
}

#[test]
fn without_the_store_in_the_manifest_every_prediction_is_computed() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin.toml");
    change(folder.path(), "spin.toml", "key_value_stores = [\"default\"]", "");
    let host = Host::start(&file, &[]);
    for _ in 0..2 {
        let answer = host.post("/decisions", SAMPLE);
        let status = answer.header("cache-status");
        assert_eq!((answer.status, status), (200, "foretold; fwd=miss; detail=store-unavailable"));
    }
    assert!(host.log().contains("computes every prediction"), "{}", host.log());
}

#[test]
fn a_component_for_another_home_is_refused_with_what_to_run() {
    let folder = TempDir::new().unwrap();
    let error = refusal(&baked(Target::Library), &[], &[]);
    assert!(error.contains("for the target library") && error.contains("--target edge"), "{error}");
    let file = application(folder.path(), "spin.toml");
    let (spin, edge) = (baked(Target::Spin), baked(Target::Edge));
    change(folder.path(), "spin.toml", spin.to_str().unwrap(), edge.to_str().unwrap());
    let error = refusal(&file, &[], &[]);
    assert!(error.contains("for the target edge") && error.contains("--target spin"), "{error}");
    let old = folder.path().join("old.wasm");
    let text =
        r#"(component (instance $i) (export "foretold:component/about@0.0.9" (instance $i)))"#;
    std::fs::write(&old, wat::parse_str(text).unwrap()).unwrap();
    let error = refusal(&old, &[], &[]);
    let expected = ["another version of foretold", "0.0.9", "0.1.0", "foretold bake MODEL_DIR"];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
}
