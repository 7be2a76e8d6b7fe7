//! docs/problems.md against the table of problems.

use foretold_core::http::problem::table::{self, STATUSES};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
const START: &str = "<!-- Written by the test `the_table_of_problems_is_current` of foretold-core; \
    change component/core/src/http/problem/table.rs instead. -->\n\n";
const END: &str = "\n<!-- End of the table. -->";

fn document() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

/// With FORETOLD_UPDATE in the environment it is written anew.
#[test]
fn the_table_of_problems_is_current() {
    let document = document();
    let (before, rest) = document.split_once(START).expect("the table has a comment before it");
    let (_, after) = rest.split_once(END).expect("the table has a comment behind it");
    let current = [before, START, &table::markdown(), END, after].concat();
    if std::env::var_os("FORETOLD_UPDATE").is_some() {
        std::fs::write(PATH, &current).unwrap();
        return;
    }
    let hint =
        "run `FORETOLD_UPDATE=1 cargo test --release -p foretold-core the_table_of_problems`";
    assert!(document == current, "docs/problems.md is not what the code says; {hint}");
}

#[test]
fn every_problem_has_its_section() {
    let document = document();
    let sections = document.split("\n## ").skip(1);
    let mut sections: Vec<(&str, &str)> =
        sections.map(|section| section.split_once('\n').unwrap()).collect();
    for kind in STATUSES.iter().flat_map(|status| status.kinds) {
        let section = sections.iter().find(|(slug, _)| *slug == kind.slug);
        let (_, text) = section.unwrap_or_else(|| panic!("there is no section {}", kind.slug));
        let first = text.trim_start().lines().next().unwrap_or_default();
        assert!(first.contains(&kind.status.to_string()), "{}: {first}", kind.slug);
        for member in [
            format!("\"type\": \"urn:foretold:problem:{}\"", kind.slug),
            format!("\"title\": \"{}\"", kind.title),
        ] {
            assert!(text.contains(&member), "{} without {member}", kind.slug);
        }
    }
    sections.retain(|(slug, _)| {
        !STATUSES.iter().flat_map(|status| status.kinds).any(|kind| kind.slug == *slug)
    });
    assert!(sections.is_empty(), "sections of no problem: {sections:?}");
}
