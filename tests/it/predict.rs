//! `foretold predict`: the rows of a file, answered as the service does.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::harness::credit::{SAMPLE, aged, credit, root};
use crate::harness::host::Host;
use crate::harness::redis::Redis;
use crate::harness::run::{failure, printed, run, stderr, stdout};
use crate::harness::secret::Secret;
use foretold::Target;

use crate::http_suite::baked;

const HEADER: &str = "age_in_years,foreign_worker,personal_status_and_sex,\
                      present_employment_since,installment_rate_in_percentage_of_disposable_income";
const REST: &str = "yes,male: single,unemployed,0.25";

fn csv(ages: impl IntoIterator<Item = u32>) -> String {
    ages.into_iter().fold(format!("{HEADER}\n"), |csv, age| csv + &format!("{age},{REST}\n"))
}

/// The arguments that name the credit model, and some more.
fn of_credit<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["predict", model], more].concat()
}

fn objects(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn rows_come_back_with_their_answers_as_csv_or_json_lines() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    // With a column that is no feature, and one that is called like an answer.
    let input = format!("id,decision,{HEADER}\n\"a,1\",x,30,{REST}\n007,,31,{REST}\n");
    let expected = format!(
        "id,decision,{HEADER},predicted_decision,probability,risk_category,error\n\
         \"a,1\",x,30,{REST},ACCEPT,0.30381715,MEDIUM,\n\
         007,,31,{REST},ACCEPT,0.30381715,MEDIUM,\n"
    );
    assert_eq!(printed(&of_credit(model, &["-"]), input.as_bytes()), expected);
    assert_eq!(printed(&of_credit(model, &[]), input.as_bytes()), expected);

    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rows.csv"), &input).unwrap();
    let (rows, output) = (path("rows.csv"), path("scored.jsonl"));
    assert_eq!(printed(&of_credit(model, &[&rows, "-o", &output]), b""), "");
    let lines = objects(&fs::read_to_string(&output).unwrap());
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&json!("a,1"), &json!("007")));
    assert_eq!((&lines[0]["age_in_years"], &lines[0]["decision"]), (&json!(30), &json!("x")));
    assert_eq!(lines[0]["predicted_decision"], "ACCEPT");
    assert_eq!(lines[1]["probability"], json!(0.303_817_15));

    // JSON Lines in, and the same out; or CSV.
    let input = format!("{}\n{SAMPLE}\r\n", SAMPLE.replacen('{', "{\"id\": [1, {}], ", 1));
    let lines = objects(&printed(&of_credit(model, &[]), input.as_bytes()));
    assert_eq!(lines[0]["id"], json!([1, {}]));
    assert_eq!(lines[1]["decision"], "ACCEPT");
    let table = printed(&of_credit(model, &["--format", "csv"]), input.as_bytes());
    let expected = "0.25,30,yes,unemployed,male: single,ACCEPT,0.30381715,MEDIUM,";
    assert_eq!(table.lines().nth(2), Some(expected));
}

#[test]
fn files_are_separated_as_their_first_line_is_and_written_as_the_name_ends() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let commas = csv([30, 31]);
    let expected = format!("{HEADER},decision,probability,risk_category,error");
    let expected = [expected, format!("30,{REST},ACCEPT,0.30381715,MEDIUM,")].join("\n");
    for separator in ["\t", ";"] {
        let input = commas.replace(',', separator);
        let table = printed(&of_credit(model, &[]), input.as_bytes());
        assert!(table.starts_with(&expected.replace(',', separator)), "{table}");
        let of_csv = if separator == ";" { ";" } else { "," };
        for (name, separator) in [("a.tsv", "\t"), ("a.csv", of_csv), ("A.CSV", of_csv)] {
            printed(&of_credit(model, &["-", "-o", &path(name)]), input.as_bytes());
            let table = fs::read_to_string(path(name)).unwrap();
            assert!(table.starts_with(&expected.replace(',', separator)), "{name}: {table}");
        }
    }
    for name in ["a.jsonl", "a.ndjson"] {
        printed(&of_credit(model, &["-", "-o", &path(name)]), commas.as_bytes());
        assert_eq!(objects(&fs::read_to_string(path(name)).unwrap())[0]["decision"], "ACCEPT");
    }
    // An option wins, and another ending says nothing.
    let options = ["-", "--format", "csv", "-o", &path("b.jsonl")];
    printed(&of_credit(model, &options), commas.as_bytes());
    assert!(fs::read_to_string(path("b.jsonl")).unwrap().starts_with(&expected));
    printed(&of_credit(model, &["-", "-o", &path("b.txt")]), SAMPLE.as_bytes());
    assert_eq!(objects(&fs::read_to_string(path("b.txt")).unwrap()).len(), 1);
    // But for one that promises something else.
    for name in ["a.xlsx", "a.JSON", "a.parquet"] {
        let output = run(&of_credit(model, &["-", "-o", &path(name)]), commas.as_bytes());
        assert!(!output.status.success() && !Path::new(&path(name)).exists(), "{name}");
        let said = stderr(&output);
        assert!(said.contains(name) && said.contains("CSV or JSON Lines"), "{said}");
        let options = ["-", "--format", "csv", "-o", &path(name)];
        printed(&of_credit(model, &options), commas.as_bytes());
        assert!(fs::read_to_string(path(name)).unwrap().starts_with(&expected));
    }
}

/// As a line of JSON may leave it out.
#[test]
fn what_is_optional_needs_no_column_and_is_named() {
    let model = root().join("tests/reports/nan_minmax_clip_hgb");
    let model = model.to_str().unwrap();
    let output = run(&["predict", model, "--format", "jsonl"], b"id,x0\n7,50\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = "standard input has no column for what is optional: x1, x2";
    assert_eq!(stderr(&output).lines().next(), Some(expected));
    let answer = &objects(stdout(&output))[0];
    let line = objects(&printed(&["predict", model], b"{\"x0\": 50}"));
    assert!(line[0]["probability"].is_number());
    assert_eq!(answer["probability"], line[0]["probability"]);
    // As `foretold check` and `cache warm` take it.
    let said = printed(
        &["check", model, "-", "--expected", "p"],
        format!("p,x0\n{},50\n", answer["probability"]).as_bytes(),
    );
    assert!(said.starts_with("1 rows compared in probability: 0 differ"), "{said}");
}

#[test]
fn bad_rows_are_named_by_line_and_others_go_on() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let mut input = csv([30]).into_bytes();
    input.extend(b"17,yes,male: single,unemployed,0.25\r\n");
    input.extend(b"1,2\r\n");
    input.extend(b"\"31\",\"yes\",\"male: single\",\"unemployed\",0.25\r\n");
    input.extend(b"\r\n");
    input.extend(b"30,\xff,male: single,unemployed,0.25\r\n");
    input.extend(b"x,maybe,,\"unemployed\n\",0.251\r\n");
    input.extend(b"32,yes,male: single,unemployed,0.25");
    let output = run(&of_credit(model, &[]), &input);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[0], "line 3: age_in_years: expected an integer from 18 to 127, got 17");
    assert_eq!(said[1], "line 4: it has 2 cells; expected 5");
    assert_eq!(said[2], "line 7: foreign_worker: expected UTF-8");
    assert!(said[3].starts_with("line 8: "), "{said:?}");
    for name in ["got \"x\"", "got \"maybe\"", "personal_status_and_sex", "got 0.251"] {
        assert!(said[3].contains(name), "{name}: {said:?}");
    }
    assert_eq!(said[4], "7 rows: 0 hits, 3 computed, 4 refused");
    assert_eq!(said[5..], ["error: 4 of 7 rows were refused"]);
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let found: Vec<(&str, bool)> = rows.iter().map(|row| (&row[5], row[8].is_empty())).collect();
    let (good, bad) = (("ACCEPT", true), ("", false));
    assert_eq!(found, [good, bad, bad, good, bad, bad, good]);

    let lines = format!("{SAMPLE}\n{{\"age_in_years\": 1}}\n[]\n{SAMPLE} {SAMPLE}\n{SAMPLE}\n");
    let output = run(&of_credit(model, &[]), lines.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let found: Vec<bool> =
        objects(stdout(&output)).iter().map(|row| row.get("error").is_some()).collect();
    assert_eq!(found, [false, true, true, true, false]);
    assert!(stderr(&output).contains("line 3: expected a JSON object: "), "{}", stderr(&output));
}

/// A request explains a hundred wrong rows and refuses a thousand that are tiny. Each of a file has
/// its reason all the same.
#[test]
fn every_one_of_many_bad_rows_has_its_reason() {
    let credit = credit();
    let input = csv((0..3000).map(|i| if i == 1500 { 30 } else { 1 }));
    let output = run(&of_credit(credit.to_str().unwrap(), &[]), input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let reason = "\"age_in_years: expected an integer from 18 to 127, got 1\"";
    assert_eq!(text.lines().filter(|line| line.ends_with(reason)).count(), 2999);
    assert_eq!(text.lines().filter(|line| line.contains("ACCEPT")).count(), 1);
    assert!(stderr(&output).contains("and 2979 more rows were refused"), "{}", stderr(&output));
}

#[test]
fn files_that_are_none_of_rows_are_named() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    for (input, expected) in [
        (&b""[..], "standard input is empty; expected a line with the names of columns"),
        (b"age_in_years\n30\n", "standard input: line 1: column \"installment_rate_in_percentage"),
        (b"\xff\xfea\0", "standard input is UTF-16; save it as UTF-8"),
    ] {
        let error = failure(&of_credit(model, &[]), input);
        assert!(error.contains(expected), "{error}");
    }
    let twice = format!("{HEADER},age_in_years\n");
    let error = failure(&of_credit(model, &[]), twice.as_bytes());
    assert!(error.contains("column \"age_in_years\" is there twice"), "{error}");
    let error = failure(&of_credit(model, &["/nowhere.csv"]), b"");
    assert!(error.contains("cannot read /nowhere.csv"), "{error}");
    let error = failure(&["predict", "/nowhere"], b"");
    assert!(error.contains("cannot read /nowhere"), "{error}");
    let input = csv([30]);
    let error = failure(&of_credit(model, &["-o", "/nowhere/x.csv"]), input.as_bytes());
    assert!(error.contains("cannot write /nowhere/x.csv"), "{error}");
    let error = failure(&of_credit(model, &["--store", "mysql://x"]), input.as_bytes());
    assert!(error.contains("--store"), "{error}");
    // A file of names alone has no rows, and that is no mistake.
    assert_eq!(printed(&of_credit(model, &[]), csv([]).as_bytes()).lines().count(), 1);
}

#[test]
fn a_file_that_was_there_stays_where_the_new_one_is_not_finished() {
    let (folder, credit) = (TempDir::new().unwrap(), credit());
    let output = folder.path().join("out.csv");
    fs::write(&output, "before").unwrap();
    let arguments = ["-o", output.to_str().unwrap()];
    failure(&of_credit(credit.to_str().unwrap(), &arguments), b"age\n1\n");
    assert_eq!(fs::read_to_string(&output).unwrap(), "before");
    printed(&of_credit(credit.to_str().unwrap(), &arguments), csv([30]).as_bytes());
    assert_eq!(fs::read_to_string(&output).unwrap().lines().count(), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn it_shares_the_cache_of_the_hosts() {
    let (redis, credit) = (Redis::start(), credit());
    let model = credit.to_str().unwrap();
    let secret = Secret::new("a secret of many bytes");
    let url = redis.url();
    for options in [
        &["--store", &url][..],
        &["--store", &url, "--keys", "digest", "--key-secret-file", secret.path()],
        &["--store", &url, "--keys", "repr"],
    ] {
        redis.cli(&["FLUSHALL"]);
        let host = Host::credit(options);
        for path in ["/decisions", "/probabilities", "/risk_categories"] {
            host.post(path, SAMPLE);
        }
        let output = run(&of_credit(model, options), csv(30..40).as_bytes());
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        let each = if options.contains(&"repr") { 3 } else { 1 };
        let expected = format!("10 rows: {each} hits, {} computed\n", 9 * each);
        assert_eq!(said, expected, "{options:?}");
        assert_eq!(stdout(&output).lines().count(), 11);
        assert_eq!(
            stdout(&output).lines().nth(1),
            Some(&*format!("30,{REST},ACCEPT,0.30381715,MEDIUM,"))
        );
        for age in 30..40 {
            let answer = host.post("/probabilities", &aged(age));
            let status = answer.header("cache-status");
            assert!(status.starts_with("foretold; hit"), "{options:?} {age}: {status}");
        }
    }
}

#[test]
fn a_store_that_is_away_costs_no_answer() {
    let credit = credit();
    let arguments = ["--store", "redis://127.0.0.1:1"];
    let output = run(&of_credit(credit.to_str().unwrap(), &arguments), csv(30..33).as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("3 computed") && stderr(&output).contains("not stored"));
    assert_eq!(stdout(&output).lines().count(), 4);
}

#[test]
fn baked_components_answer_too_those_for_spin_without_counts() {
    for (target, expected) in
        [(Target::Edge, "2 rows: 0 hits, 2 computed\n"), (Target::Spin, "2 rows\n")]
    {
        let component = baked(target);
        let output = run(&of_credit(component.to_str().unwrap(), &[]), csv([30, 31]).as_bytes());
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stderr(&output), expected);
        assert!(stdout(&output).contains(",ACCEPT,0.30381715,MEDIUM,"), "{}", stdout(&output));
    }
}
