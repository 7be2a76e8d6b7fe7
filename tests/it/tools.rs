//! `foretold cache …`, with real stores and running hosts.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, aged, credit};
use crate::harness::host::{Host, cache_folder, foretold};
use crate::harness::redis::Redis;
use crate::harness::run::{output, stdout};
use crate::harness::secret::Secret;
use crate::stores::layouts;

/// The rows of the sample request with the ages 18 to 27, the columns in another order.
const CSV: &str = "age_in_years,foreign_worker,personal_status_and_sex,\
                   present_employment_since,installment_rate_in_percentage_of_disposable_income\n";

fn csv(ages: std::ops::Range<usize>) -> String {
    let rows = ages.map(|age| format!("{age},yes,male: single,unemployed,0.25\n"));
    rows.fold(CSV.to_owned(), |csv, row| csv + &row)
}

/// Runs `foretold cache` with options and standard input.
fn run(tool: &str, store: &str, options: &[&str], input: &str) -> Output {
    let mut command = foretold();
    command.args(["cache", tool, "--store", store]).args(options);
    output(command, input.as_bytes())
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// What a tool that succeeds prints.
fn text(tool: &str, store: &str, options: &[&str]) -> String {
    let output = run(tool, store, options, "");
    assert!(output.status.success(), "{tool} {options:?}: {}", stderr(&output));
    stdout(&output).to_owned()
}

/// The objects that a tool prints with `--json`, one a line.
fn json_lines(tool: &str, store: &str, options: &[&str]) -> Vec<Value> {
    let text = text(tool, store, &[options, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn json(tool: &str, store: &str, options: &[&str]) -> Value {
    let lines = json_lines(tool, store, options);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

/// What a tool says that fails.
fn error(tool: &str, store: &str, options: &[&str]) -> String {
    let output = run(tool, store, options, "");
    assert!(!output.status.success(), "{tool} {options:?}: {}", stdout(&output));
    stderr(&output).to_owned()
}

/// The options that name the credit model.
fn model() -> Vec<String> {
    let (source, folder) = (credit(), cache_folder());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    vec!["--source".to_owned(), text(&source), "--cache-dir".to_owned(), text(&folder)]
}

/// Other options after those that name the credit model.
fn with_model<'a>(model: &'a [String], options: &[&'a str]) -> Vec<&'a str> {
    model.iter().map(String::as_str).chain(options.iter().copied()).collect()
}

fn warm(store: &str, csv: &str, options: &[&str]) -> Output {
    let model = model();
    run("warm", store, &with_model(&model, &[&["-", "--json"], options].concat()), csv)
}

/// A store of every kind that outlives a host, empty.
fn stores(redis: &Redis, folder: &TempDir) -> Vec<String> {
    let url = |layout| format!("{}?layout={layout}&prefix={layout}-", redis.url());
    let file = format!("file:{}", folder.path().join("entries").display());
    layouts().into_iter().map(url).chain([file]).collect()
}

/// One of 64 does.
#[test]
fn an_id_may_begin_with_a_hyphen() {
    let redis = Redis::start();
    let listed = json_lines("ls", &redis.url(), &["--model", "-8_abcdefghijkA"]);
    assert!(listed.is_empty(), "{listed:?}");
    let purged = json("purge", &redis.url(), &["--model", "-8_abcdefghijkA"]);
    assert_eq!(purged["removed"], 0, "{purged}");
}

#[test]
fn entries_are_counted_listed_and_shown_in_every_store() {
    let (redis, folder, model) = (Redis::start(), TempDir::new().unwrap(), model());
    for store in stores(&redis, &folder) {
        let done: Value = serde_json::from_slice(&warm(&store, &csv(18..28), &[]).stdout).unwrap();
        let expected = json!({"rows": 10, "hits": 0, "computed": 10, "stored": 10, "not_stored": 0, "refused": 0});
        assert_eq!(done, expected, "{store}");

        let stats = json("stats", &store, &with_model(&model, &[]));
        assert_eq!(stats["entries"], 10, "{store}");
        assert_eq!(stats["models"][0]["entries"], 10);
        assert_eq!(stats["models"][0]["name"], "credit");
        let id = stats["models"][0]["model_id"].as_str().unwrap();
        let (bytes, each) = (stats["bytes"].as_u64().unwrap(), &stats["bytes_per_entry"]);
        assert_eq!(*each, json!(bytes as f64 / 10.0));
        assert!(bytes > 170, "{bytes}");
        match store.starts_with("file:") {
            true => assert_eq!(stats["server"], Value::Null),
            false => assert_eq!(stats["server"]["name"], redis.name()),
        }

        let lines = json_lines("ls", &store, &with_model(&model, &["--model", id]));
        let mut ages: Vec<u64> =
            lines.iter().map(|line| line["request"]["age_in_years"].as_u64().unwrap()).collect();
        ages.sort_unstable();
        assert_eq!(ages, (18..28).collect::<Vec<u64>>(), "{store}");
        for line in &lines {
            assert!(line["age_seconds"].as_u64().unwrap() < 60);
            assert!((3500..=7200).contains(&line["kept_seconds"].as_u64().unwrap()), "{line}");
            assert_eq!(line["bytes"], 12);
            assert_eq!(line["request"]["foreign_worker"], "yes");
        }
        assert_eq!(json_lines("ls", &store, &["--limit", "3"]).len(), 3);
        assert_eq!(json_lines("ls", &store, &["--limit", "0"]).len(), 0);
        assert_eq!(json_lines("ls", &store, &["--model", &"A".repeat(15)]).len(), 0);
        assert_eq!(json_lines("ls", &store, &["--model", id])[0]["request"], Value::Null);

        let key = lines[0]["key"].as_str().unwrap();
        let request = lines[0]["request"].to_string();
        let by_key = json("get", &store, &with_model(&model, &[key]));
        let by_request = json("get", &store, &with_model(&model, &[&request]));
        assert_eq!(by_key["key"], key);
        assert_eq!(by_key["request"], lines[0]["request"]);
        assert_eq!(by_key["outputs"], by_request["outputs"], "{store}");
        assert_eq!((&by_key["protection"], &by_key["problem"]), (&json!("check"), &Value::Null));
        let probability = &by_key["outputs"]["probability"];
        assert!((0.0..=1.0).contains(&probability.as_f64().unwrap()));
        let answers = by_key["answers"].as_array().unwrap();
        let paths: Vec<&Value> = answers.iter().map(|answer| &answer["path"]).collect();
        assert_eq!(paths, ["/decisions", "/probabilities", "/risk_categories"]);
        assert_eq!(&answers[1]["answer"]["probability"], probability);
        assert!((3500..=3600).contains(&answers[0]["seconds_left"].as_u64().unwrap()));
        // Without the model it has to be searched for, and outputs have no names.
        let searched = json("get", &store, &[key]);
        assert_eq!(searched["outputs"], json!([probability]), "{store}");
        assert_eq!(searched["answers"], json!([]));
        assert!((3500..=7200).contains(&searched["kept_seconds"].as_u64().unwrap()));

        let unknown = SAMPLE.replace("30", "99");
        let message = error("get", &store, &with_model(&model, &[&unknown]));
        assert!(message.contains(": not in the "), "{message}");
        assert!(error("get", &store, &["foretold:x:y"]).contains("foretold:x:y: not in the "));
    }
}

#[test]
fn people_read_what_programs_read() {
    let (redis, model) = (Redis::start(), model());
    let store = redis.url();
    let file = TempDir::new().unwrap();
    let path = file.path().join("rows.csv");
    std::fs::write(&path, csv(30..31)).unwrap();
    let warmed = text("warm", &store, &with_model(&model, &[path.to_str().unwrap()]));
    assert_eq!(warmed, "1 rows: 0 hits, 1 computed, 1 stored, 0 not stored, 0 refused\n");
    let stats = text("stats", &store, &with_model(&model, &[]));
    assert!(stats.contains("  1 entries  credit\nentries  1\nbytes    "), "{stats}");
    assert!(stats.contains(&format!("server   {} ", redis.name())), "{stats}");
    let listed = text("ls", &store, &with_model(&model, &[]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "     AGE     LEFT  BYTES  KEY");
    assert!(lines[1].contains("     12  foretold:"), "{listed}");
    assert!(lines[1].contains(r#""age_in_years":30,"foreign_worker":"yes""#), "{listed}");
    let shown = text("get", &store, &with_model(&model, &[SAMPLE]));
    for expected in [
        "key      foretold:",
        r#"request  {"installment_rate_in_percentage_of_disposable_income":0.25,"age_in_years":30,"#,
        "form     its check is right\n",
        "outputs  {\"probability\":0.30381715}\n",
        "answer   /decisions  {\"decision\":\"ACCEPT\"}  for ",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert!(text("purge", &store, &["--all"]).starts_with("removed 1 entry from the redis at "));
}

#[test]
fn a_listing_walks_with_scan_and_never_with_keys() {
    let redis = Redis::start();
    for layout in layouts() {
        let store = format!("{}?layout={layout}", redis.url());
        assert!(warm(&store, &csv(18..68), &[]).status.success());
        assert_eq!(json_lines("ls", &store, &[]).len(), 50, "{layout}");
        json("stats", &store, &[]);
        json("purge", &store, &["--older-than", "7d"]);
        json("purge", &store, &["--all"]);
    }
    let statistics = redis.cli(&["INFO", "commandstats"]).join("\n");
    assert!(statistics.contains("cmdstat_scan:"), "{statistics}");
    assert!(!statistics.contains("cmdstat_keys:"), "{statistics}");
}

#[test]
fn a_purge_is_seen_by_a_running_host_at_once() {
    let (redis, model) = (Redis::start(), model());
    for layout in layouts() {
        let store = format!("{}?layout={layout}", redis.url());
        let host = Host::credit(&["--store", &store]);
        let fill = || {
            for age in [30, 31] {
                host.wait_for_hit(&aged(age), Duration::from_secs(30));
            }
        };
        let id = {
            fill();
            let stats = json("stats", &store, &[]);
            stats["models"][0]["model_id"].as_str().unwrap().to_owned()
        };
        let source = [&["--model", &model[1]][..], &[&model[2], &model[3]]].concat();
        for what in [&["--all"][..], &["--model", &id], &source, &["--older-than", "0s"]] {
            fill();
            assert_eq!(json("purge", &store, what)["removed"], 2, "{layout} {what:?}");
            for age in [30, 31] {
                assert!(!host.post("/decisions", &aged(age)).is_hit(), "{layout} {what:?}");
            }
        }
        fill();
        let other = "A".repeat(15);
        for nothing in [&["--older-than", "1h"][..], &["--model", &other], &["--key", "x"]] {
            assert_eq!(json("purge", &store, nothing)["removed"], 0, "{layout} {nothing:?}");
        }
        let of_30 = json("get", &store, &with_model(&model, &[&aged(30)]));
        let removed = json("purge", &store, &["--key", of_30["key"].as_str().unwrap()]);
        assert_eq!(removed["removed"], 1, "{layout}");
        assert!(!host.post("/decisions", &aged(30)).is_hit(), "{layout}");
        assert!(host.post("/decisions", &aged(31)).is_hit(), "{layout}");
        json("purge", &store, &["--all"]);
    }
}

#[test]
fn a_file_is_purged_while_no_host_has_it() {
    let folder = TempDir::new().unwrap();
    let store = format!("file:{}", folder.path().join("entries").display());
    assert!(warm(&store, &csv(18..28), &[]).status.success());
    assert_eq!(json("purge", &store, &["--model", &"A".repeat(15)])["removed"], 0);
    assert_eq!(json("purge", &store, &["--all"])["removed"], 10);
    assert_eq!(json("stats", &store, &[])["entries"], 0);
    let _host = Host::credit(&["--store", &store]);
    let message = error("stats", &store, &[]);
    assert!(message.contains("it is open in another process"), "{message}");
}

#[test]
fn warmed_rows_are_hits() {
    let (redis, folder) = (Redis::start(), TempDir::new().unwrap());
    let file = Secret::new("a secret of many bytes");
    let secret = file.path();
    let plain: Vec<Vec<&str>> = vec![vec![]];
    let kinds = vec![
        vec!["--keys", "digest", "--key-secret-file", secret],
        vec!["--keys", "readable", "--mac-secret-file", secret],
        vec!["--ttl", "600", "--ttl", "/decisions=60"],
    ];
    for store in stores(&redis, &folder) {
        let kinds = if store.contains("layout=string") { &kinds } else { &plain };
        for options in kinds {
            let output = warm(&store, &csv(18..128), options);
            assert!(output.status.success(), "{}", stderr(&output));
            let host = Host::credit(&[&["--store", &store], &options[..]].concat());
            for path in ["/decisions", "/probabilities", "/risk_categories"] {
                for age in 18..128 {
                    let answer = host.post(path, &aged(age));
                    assert!(answer.is_hit(), "{store} {options:?} {path} {age}");
                }
            }
            assert!(host.stop().success());
            let again: Value =
                serde_json::from_slice(&warm(&store, &csv(18..128), options).stdout).unwrap();
            assert_eq!((&again["hits"], &again["computed"]), (&json!(110), &json!(0)), "{store}");
        }
    }
}

#[test]
fn a_python_services_entries_are_warmed_for_each_endpoint() {
    let (redis, model) = (Redis::start(), model());
    let output = warm(&redis.url(), &csv(18..28), &["--keys", "repr"]);
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["rows"], &done["stored"]), (&json!(10), &json!(30)));
    let host = Host::credit(&["--store", &redis.url(), "--keys", "repr"]);
    for path in ["/decisions", "/probabilities", "/risk_categories"] {
        let status = host.post(path, &aged(20)).header("cache-status").to_owned();
        assert!(status.starts_with("foretold; hit"), "{status}");
    }
    let prefix = ["--prefix", "DecisionRequest("];
    assert_eq!(json_lines("ls", &redis.url(), &prefix).len(), 10);
    let request = aged(20);
    let found = json_lines("get", &redis.url(), &with_model(&model, &[&request, "--keys", "repr"]));
    let answers: Vec<&Value> = found.iter().map(|found| &found["answers"][0]["answer"]).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(*answers[0], json!({"decision": found[0]["text"]}));
    // Python writes the 64-bit float of what is answered.
    let text: f64 = found[1]["text"].as_str().unwrap().parse().unwrap();
    assert_eq!(answers[1]["probability"].as_f64().unwrap() as f32, text as f32);
    let key = found[0]["key"].as_str().unwrap();
    assert_eq!(json("purge", &redis.url(), &["--key", key])["removed"], 1);
    assert_eq!(json("purge", &redis.url(), &prefix)["removed"], 9);
    assert_eq!(redis.cli(&["--scan"]).len(), 20, "those of the other endpoints are left");
}

/// The files of `foretold predict` are those of `warm`.
#[test]
fn columns_and_members_that_are_no_features_count_for_nothing() {
    let redis = Redis::start();
    let rows = csv(18..20).replace('\n', ",x\n");
    let lines = format!("{}\n", SAMPLE.replacen('{', "{\"id\": [1], ", 1));
    for (file, expected) in [(&*rows, 2), (&rows.replace(',', ";"), 2), (&lines, 1)] {
        let output = warm(&redis.url(), file, &[]);
        assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&done["rows"], &done["refused"]), (&json!(expected), &json!(0)));
    }
    assert_eq!(redis.cli(&["--scan"]).len(), 3);
}

#[test]
fn a_row_that_is_refused_is_named_and_others_go_on() {
    let redis = Redis::start();
    let store = redis.url();
    let mut rows = csv(18..28);
    rows.push_str("17,yes,male: single,unemployed,0.25\nx,yes,,unemployed,0.251\n1,2\n");
    rows.push_str("28,yes,male: single,unemployed,0.25\n");
    let output = warm(&store, &rows, &[]);
    assert_eq!(output.status.code(), Some(1));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected =
        json!({"rows": 14, "hits": 0, "computed": 11, "stored": 11, "not_stored": 0, "refused": 3});
    assert_eq!(done, expected);
    let messages: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(messages.len(), 4, "{messages:?}");
    let expected = "line 12: age_in_years: expected an integer from 18 to 127, got 17";
    assert_eq!(messages[0], expected);
    assert!(messages[1].starts_with("line 13: "), "{messages:?}");
    for name in ["got 0.251", "got \"x\"", "personal_status_and_sex: expected one of"] {
        assert!(messages[1].contains(name), "{messages:?}");
    }
    assert_eq!(messages[2], "line 14: it has 2 cells; expected 5");
    assert_eq!(messages[3], "error: 3 rows were refused");

    let many: String = (0..1500).fold(CSV.to_owned(), |csv, _| csv + "1,,,,\n");
    let output = warm(&store, &many, &[]);
    let messages: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(messages.len(), 22);
    assert_eq!(
        messages[19..],
        ["line 21: ", "and 1480 more rows were refused", "error: 1500 rows were refused"].map(
            |text| {
                messages.iter().find(|message| message.starts_with(text)).copied().unwrap_or(text)
            }
        )
    );
}

#[test]
fn rows_that_a_full_server_does_not_take_are_counted() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let output = warm(&redis.url(), &csv(18..28), &[]);
    assert_eq!(output.status.code(), Some(1));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["stored"], &done["not_stored"]), (&json!(0), &json!(10)));
    assert!(stderr(&output).contains("error: 10 predictions were not stored"));
}

#[test]
fn a_value_that_cannot_be_read_says_why() {
    let (redis, model) = (Redis::start(), model());
    let store = redis.url();
    let files = ["a secret of many bytes", "another secret of many bytes"].map(Secret::new);
    let [mine, other] = files.each_ref().map(Secret::path);
    assert!(warm(&store, &csv(30..31), &["--mac-secret-file", mine]).status.success());
    let get = |options: &[&str]| run("get", &store, &with_model(&model, options), "");
    let with_mac = get(&[SAMPLE, "--mac-secret-file", mine, "--json"]);
    let found: Value = serde_json::from_slice(&with_mac.stdout).unwrap();
    assert_eq!(found["protection"], "MAC");
    assert_eq!(found["outputs"]["probability"], 0.303_817_15);
    let key = found["key"].as_str().unwrap();
    let check = |options: &[&str], expected: &str| {
        let output = get(options);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        let output = get(&[options, &["--json"]].concat());
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(found["problem"].as_str().unwrap().contains(expected), "{found}");
        assert_eq!(found["outputs"], Value::Null);
    };
    check(&[key], "it has a MAC, which --mac-secret-file is needed to verify");
    check(&[key, "--mac-secret-file", other], "its MAC is wrong");
    redis.cli(&["SET", key, "hello"]);
    check(&[key], "it is corrupt: not the form of an entry");
    redis.cli(&["SET", key, "aaaabbbbcccc"]);
    check(&[key], "its check is wrong: it is corrupt, or");
    assert!(warm(&store, &csv(30..31), &[]).status.success());
    check(&[key, "--mac-secret-file", mine], "it has no MAC");
    assert!(get(&[key]).status.success());
    // A value without a time is not old.
    redis.cli(&["SET", key, "hello"]);
    let purged = json("purge", &store, &["--older-than", "0s"]);
    assert_eq!(purged, json!({"removed": 0, "undated": 1}));
}

#[test]
fn what_cannot_be_reached_or_read_is_named() {
    let (redis, model) = (Redis::start(), model());
    let key = ["x"];
    let tools = [("stats", &[][..]), ("ls", &[]), ("get", &key), ("purge", &["--all"])];
    for (tool, options) in tools {
        let message = error(tool, "memory:", options);
        assert!(message.contains("a memory store lives inside its host"), "{message}");
        let message = error(tool, "file:/nowhere/entries", options);
        assert!(message.contains("there is no file /nowhere/entries"), "{message}");
        let message = error(tool, "redis://127.0.0.1:1", options);
        assert!(message.contains("cannot reach the redis at 127.0.0.1:1"), "{message}");
    }
    let warm = with_model(&model, &["-"]);
    assert!(error("warm", "memory:", &warm).contains("a memory store lives inside its host"));
    let store = redis.url();
    for (tool, options, expected) in [
        ("ls", &["--model", "credit"][..], "\"credit\" is not a model id"),
        ("purge", &["--older-than", "7"], "expected a number with a unit, like 30s"),
        ("purge", &["--model", "/nowhere"], "cannot read /nowhere"),
        ("purge", &[], "--older-than <DURATION>"),
        ("purge", &["--all", "--key", "x"], "cannot be used with"),
        ("get", &["{}"], "a request needs --source"),
        ("stats", &["--source", "/nowhere"], "cannot read /nowhere"),
        ("warm", &["rows.csv"], "warm needs --source PATH"),
    ] {
        let message = error(tool, &store, options);
        assert!(message.contains(expected), "{tool} {options:?}: {message}");
    }
    let message = error("get", &store, &with_model(&model, &[r#"{"age_in_years":17}"#]));
    assert!(message.contains("expected an integer from 18 to 127, got 17"), "{message}");
    let message = error("warm", &store, &with_model(&model, &["/nowhere.csv"]));
    assert!(message.contains("cannot read /nowhere.csv"), "{message}");
    let output = run("warm", &store, &with_model(&model, &["-"]), "age,job\n1,2\n");
    let expected = "column \"installment_rate_in_percentage_of_disposable_income\" is missing";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn a_password_is_used_and_never_printed() {
    let redis = Redis::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "sesame-7"]);
    for (password, works) in [("sesame-7", true), ("wrong-pass", false)] {
        let mut command = foretold();
        command.args(["cache", "stats", "--store", &redis.url()]);
        let output = command.env("FORETOLD_STORE_PASSWORD", password).output().unwrap();
        assert_eq!(output.status.success(), works, "{}", stderr(&output));
        for printed in [stdout(&output), stderr(&output)] {
            assert!(!printed.contains(password), "{printed}");
        }
    }
}
