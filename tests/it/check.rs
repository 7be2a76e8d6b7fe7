//! `foretold check`: the model's answers beside what another program says.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::harness::credit::{credit, root};
use crate::harness::run::{failure, printed, run, stderr, stdout};

/// The golden rows of the credit model as CSV, with what onnxruntime says in the column `p`.
fn golden() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("models/credit/golden.json")).unwrap();
    let golden: Json = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> =
        golden["features"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let mut lines = vec![format!("{},p,d", names.join(","))];
    for row in golden["rows"].as_array().unwrap() {
        let mut line = String::new();
        for cell in row["features"].as_array().unwrap() {
            match cell {
                Json::String(text) => write!(line, "\"{text}\",").unwrap(),
                number => write!(line, "{number},").unwrap(),
            }
        }
        let p = row["outputs"][0].as_f64().unwrap();
        let decision = if p > 0.5 { "DECLINE" } else { "ACCEPT" };
        writeln!(line, "{p},{decision}").unwrap();
        lines.push(line.trim_end().to_owned());
    }
    assert!(lines.len() > 500);
    lines
}

fn of_credit<'a>(model: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["check", model, "-", "--expected"], options].concat()
}

#[test]
fn what_onnxruntime_says_agrees() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let lines = golden();
    let input = lines.join("\r\n");
    let rows = lines.len() - 1;
    let said = printed(&of_credit(model, &["p", "--field", "probability"]), input.as_bytes());
    let expected =
        format!("{rows} rows compared in probability: 0 differ; the largest difference is ");
    assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
    // The first endpoint, which answers labels.
    let said = printed(&of_credit(model, &["d"]), input.as_bytes());
    assert_eq!(said, format!("{rows} rows compared in decision: 0 differ\n"));
    // The endpoint of the column's name.
    let renamed = input.replacen(",p,d", ",probability,d", 1);
    let said = printed(&of_credit(model, &["probability"]), renamed.as_bytes());
    assert!(said.contains("compared in probability"), "{said}");
}

#[test]
fn rows_that_differ_are_shown_the_worst_first() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let mut lines = golden();
    for (line, change) in [(3, 0.001), (7, 0.2), (100, -0.01)] {
        let cells: Vec<&str> = lines[line].rsplitn(3, ',').collect();
        let p: f64 = cells[1].parse().unwrap();
        lines[line] = format!("{},{},{}", cells[2], p + change, cells[0]);
    }
    let input = lines.join("\n");
    let options = ["p", "--field", "probability", "--worst", "2"];
    let output = run(&of_credit(model, &options), input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let text: Vec<&str> = stdout(&output).lines().collect();
    assert!(text[0].starts_with("line 8: expected "), "{text:?}");
    assert!(text[0].ends_with(", a difference of 2.000e-1"), "{text:?}");
    assert!(text[1].starts_with("line 101: expected "), "{text:?}");
    assert!(
        text[2].contains(": 3 differ; the largest difference is 2.000e-1, in line 8"),
        "{text:?}"
    );
    assert!(stderr(&output).starts_with("error: 3 of "), "{}", stderr(&output));
    // What is allowed decides.
    let output = [&options[..3], &["--absolute", "0.15"]].concat();
    assert!(failure(&of_credit(model, &output), input.as_bytes()).contains("1 of "));
    let output = [&options[..3], &["--absolute", "0.25"]].concat();
    printed(&of_credit(model, &output), input.as_bytes());
    let output = [&options[..3], &["--relative", "5"]].concat();
    printed(&of_credit(model, &output), input.as_bytes());
    // A label is the same or not.
    let input = input.replacen("ACCEPT", "DECLINE", 1);
    let output = run(&of_credit(model, &["d"]), input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.starts_with("line 2: expected DECLINE, got ACCEPT\n"), "{text}");
    assert!(text.ends_with(": 1 differ\n"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_named() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let lines = golden();
    let (header, row) = (&lines[0], &lines[1]);
    let input = lines.join("\n");
    for (options, expected) in [
        (&["q"][..], "line 1: there is no column \"q\"; expected one of installment_rate"),
        (&["p", "--field", "q"], "--field: \"q\" is not one of the fields decision, probability"),
    ] {
        let error = failure(&of_credit(model, options), input.as_bytes());
        assert!(error.contains(expected), "{error}");
    }
    let error = failure(&of_credit(model, &["p"]), format!("{header}\n").as_bytes());
    assert!(error.contains("there was no row to compare"), "{error}");
    let no_number = row.replacen("0.303817153", "a third", 1);
    let empty = row.replacen("0.303817153", "", 1);
    assert!(no_number != *row && empty != *row);
    let refused = row.replacen("30", "17", 1);
    let input = format!("{header}\n{row}\n{no_number}\n{empty}\n{refused}\n");
    let output = run(&of_credit(model, &["p", "--field", "probability"]), input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("1 rows compared"), "{}", stdout(&output));
    let said = stderr(&output);
    for expected in [
        "line 3: p: expected a number, got \"a third\"",
        "line 4: p: expected a value, got none",
        "line 5: age_in_years: expected an integer from 18 to 127, got 17",
        "error: 3 rows could not be compared",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

/// Labels and numbers are never the same: where no endpoint is named, the one is compared that answers
/// what the column has, and else the right one is said.
#[test]
fn labels_are_not_compared_with_numbers() {
    let credit = credit();
    let model = credit.to_str().unwrap();
    let input = golden().join("\n");
    let said = printed(&of_credit(model, &["p"]), input.as_bytes());
    assert!(said.contains("rows compared in probability: 0 differ"), "{said}");
    for (options, expected) in [
        (
            &["p", "--field", "decision"][..],
            "and decision is one of \"ACCEPT\", \"DECLINE\"; compare it with --field probability",
        ),
        (
            &["d", "--field", "probability"],
            "column \"d\" has \"ACCEPT\", and probability is a number; compare it with --field decision",
        ),
        (&["foreign_worker"], "probability is a number, risk_category is one of "),
        (&["foreign_worker"], "; no endpoint answers such"),
    ] {
        let output = run(&of_credit(model, options), input.as_bytes());
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
