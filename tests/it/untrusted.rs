//! Components that may lie about their model: what another model has in the store is out of reach.

use std::path::{Path, PathBuf};
use std::process::Output;

use foretold::Target;
use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, aged, change, copy_of_credit};
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::redis::Redis;
use crate::harness::refusal::{refusal, refusal_of_credit};
use crate::hostile::serve_with_import;
use crate::http_suite::{application, baked};
use crate::keyvalue::{calls, check_calls};

const UNTRUSTED: &str = "--untrusted-component";
/// The hostile component says that it is this model, and reads, writes and deletes this key.
const VICTIMS_KEY: &str = "foretold:hostile-model-0:a";

#[test]
fn a_component_that_says_it_is_another_model_does_not_reach_its_entries() {
    let redis = Redis::start();
    let is_untouched = || redis.cli(&["get", VICTIMS_KEY]) == ["victim"];
    redis.cli(&["set", VICTIMS_KEY, "victim"]);
    // Every function finds, changes and removes entries of its own, and only those.
    for layout in ["string", "hash"] {
        check_calls(&[UNTRUSTED, "--store", &format!("{}?layout={layout}", redis.url())]);
        assert!(is_untouched(), "{:?}", redis.cli(&["get", VICTIMS_KEY]));
    }
    check_calls(&[UNTRUSTED, "--store", "memory:"]);
    // Without the option it finds the other model's entry with its first look, as it says.
    let believed = serve_with_import(&calls(), &["--store", &redis.url()]);
    assert_eq!(believed.post("/import", "").body, "1");
}

#[test]
fn hosts_of_one_untrusted_file_share_entries_and_no_others() {
    let redis = Redis::start();
    let store = redis.url();
    let file = baked(Target::Edge);
    let start = |options: &[&str]| Host::start(&file, &[&["--store", &*store], options].concat());
    let (trusted, first) = (start(&[]), start(&[UNTRUSTED]));
    assert!(!trusted.post("/decisions", SAMPLE).is_hit());
    assert!(!first.post("/decisions", SAMPLE).is_hit());
    assert!(first.post("/decisions", SAMPLE).is_hit());
    assert!(start(&[UNTRUSTED]).post("/decisions", SAMPLE).is_hit());
    let rows = format!("[{SAMPLE},{}]", aged(41));
    assert_eq!(first.post("/decisions", &rows).status, 200);
    assert!(first.post("/decisions", &aged(41)).is_hit());
    assert!(!trusted.post("/decisions", &aged(41)).is_hit());

    let spin = baked(Target::Spin);
    let spin = Host::start(&spin, &["--store", &store, UNTRUSTED]);
    assert!(!spin.post("/decisions", SAMPLE).is_hit());
    assert!(spin.post("/decisions", SAMPLE).is_hit());
}

/// Runs `foretold cache` over a store for the baked model.
fn tool(tool: &str, store: &str, options: &[&str]) -> Output {
    let mut command = foretold();
    command.args(["cache", tool, "--store", store, "--cache-dir"]).arg(cache_folder());
    command.args(options).output().unwrap()
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn tools_find_the_entries_of_an_untrusted_component_when_told_so() {
    let redis = Redis::start();
    let store = redis.url();
    let file = baked(Target::Edge);
    let source = file.to_str().unwrap();
    let mut host = Host::start(&file, &["--store", &store, UNTRUSTED, "--metrics", "127.0.0.1:0"]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
    for kind in [&[][..], &["--keys", "digest"]] {
        let host = Host::start(&file, &[&["--store", &*store, UNTRUSTED], kind].concat());
        assert_eq!(host.post("/decisions", SAMPLE).status, 200);
        let options = [&["--source", source, UNTRUSTED, SAMPLE], kind].concat();
        let found = tool("get", &store, &options);
        assert!(text(&found).contains(r#"{"decision":"ACCEPT"}"#), "{found:?}");
    }
    // The id in the metrics is that in the keys, which purges take.
    let keys = redis.cli(&["--scan", "--pattern", "*:p*"]);
    let id = keys[0].split(':').nth(1).unwrap().to_owned();
    assert_eq!(host.metrics().value("foretold_build_info", &[("model_id", &id)]), 1.0);
    let other = tool("get", &store, &["--source", source, SAMPLE]);
    assert!(!other.status.success() && text(&other).is_empty(), "{other:?}");
    let listed = tool("ls", &store, &["--source", source, UNTRUSTED]);
    assert!(text(&listed).contains(r#""age_in_years":30"#), "{listed:?}");

    let folder = TempDir::new().unwrap();
    let rows = folder.path().join("rows.csv");
    let csv = "age_in_years,foreign_worker,personal_status_and_sex,present_employment_since,\
               installment_rate_in_percentage_of_disposable_income\n\
               30,yes,male: single,unemployed,0.25\n52,yes,male: single,unemployed,0.25\n";
    std::fs::write(&rows, csv).unwrap();
    let rows = rows.to_str().unwrap();
    let warmed = tool("warm", &store, &["--source", source, UNTRUSTED, rows]);
    assert!(text(&warmed).contains("1 hits, 1 computed, 1 stored"), "{warmed:?}");
    assert!(host.post("/decisions", &aged(52)).is_hit());

    for model in [&["--model", source, UNTRUSTED][..], &["--model", &id]] {
        assert!(host.post("/decisions", SAMPLE).is_hit());
        let purged = tool("purge", &store, model);
        assert!(text(&purged).starts_with("removed "), "{purged:?}");
        assert!(!host.post("/decisions", SAMPLE).is_hit());
        host.wait_for_hit(SAMPLE, std::time::Duration::from_secs(10));
    }
}

/// The credit model with another threshold: the same model, in another file.
fn stricter(folder: &Path) -> PathBuf {
    let model = copy_of_credit();
    change(model.path(), "manifest.toml", "threshold = 0.5 ", "threshold = 0.1 ");
    let file = folder.join("stricter.wasm");
    let mut bake = foretold();
    bake.arg("bake").arg(model.path()).args(["--target", "spin", "-o"]).arg(&file);
    assert!(bake.status().unwrap().success());
    file
}

#[test]
fn two_files_of_an_application_that_say_they_are_one_model_are_not_served_as_one() {
    let folder = TempDir::new().unwrap();
    let file = application(folder.path(), "spin-several.toml");
    let spin = baked(Target::Spin);
    change(
        folder.path(),
        "spin-several.toml",
        "dist/credit-full-spin.wasm",
        spin.to_str().unwrap(),
    );
    // One file at two routes is one model.
    let host = Host::start(&file, &[]);
    assert!(!host.post("/credit/decisions", SAMPLE).is_hit());
    assert!(host.post("/credit-full/decisions", SAMPLE).is_hit());
    drop(host);

    let other = stricter(folder.path());
    let line = format!("[component.credit-full]\nsource = \"{}\"", spin.display());
    let changed = format!("[component.credit-full]\nsource = \"{}\"", other.display());
    change(folder.path(), "spin-several.toml", &line, &changed);
    let error = refusal(&file, &[], &[]);
    let expected = ["/credit/...", "/credit-full/...", "say that they are the model", UNTRUSTED];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    let host = Host::start(&file, &[UNTRUSTED]);
    for path in ["/credit/decisions", "/credit-full/decisions"] {
        assert!(!host.post(path, SAMPLE).is_hit(), "{path}");
        assert!(host.post(path, SAMPLE).is_hit(), "{path}");
    }
}

#[test]
fn what_cannot_be_kept_apart_is_refused() {
    let error = refusal_of_credit(&[UNTRUSTED], &[]);
    assert!(error.contains("for files that somebody else made"), "{error}");
    let error = refusal(&baked(Target::Edge), &[UNTRUSTED, "--keys", "repr"], &[]);
    assert!(error.contains("Python service"), "{error}");
}
