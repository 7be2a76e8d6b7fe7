//! Which endpoint answers what a column has: numbers and labels are never the same, so that comparing
//! one with the other would only say that all rows differ.

use anyhow::{Result, bail};
use foretold_core::model::manifest::Endpoint;

use crate::commands::check::{is_same_label, number};

/// Labels of an endpoint that a message names.
const MAX_SHOWN: usize = 5;

/// The endpoint that is named, or else the first that answers what the column has. Labels come before
/// numbers, which a label can be written as.
///
/// # Errors
/// If it answers none of these values; with those that do.
pub(super) fn endpoint<'m>(
    endpoints: &'m [Endpoint],
    named: Option<&'m Endpoint>,
    column: &str,
    values: Vec<String>,
) -> Result<&'m Endpoint> {
    let fitting = || {
        let labels = endpoints.iter().filter(|it| !it.rule.is_number());
        let numbers = endpoints.iter().filter(|it| it.rule.is_number());
        labels.chain(numbers).filter(|endpoint| fits(endpoint, &values))
    };
    let chosen = match named {
        Some(named) => Some(named).filter(|it| values.is_empty() || fits(it, &values)),
        None if values.is_empty() => endpoints.first(),
        None => fitting().next(),
    };
    if let Some(chosen) = chosen {
        return Ok(chosen);
    }
    let fitting: Vec<String> = fitting().map(|it| format!("--field {}", it.field)).collect();
    let advice = match (named, &fitting[..]) {
        (Some(_), [_, ..]) => format!("compare it with {}", fitting.join(" or ")),
        _ => "no endpoint answers such".to_owned(),
    };
    let asked: Vec<&Endpoint> = named.map_or_else(|| endpoints.iter().collect(), |it| vec![it]);
    let answered: Vec<String> = asked.into_iter().map(answers).collect();
    let value = values.first().map_or("", String::as_str);
    bail!("column {column:?} has {value:?}, and {}; {advice}", answered.join(", "))
}

/// Whether most values are what an endpoint answers.
fn fits(endpoint: &Endpoint, values: &[String]) -> bool {
    let labels = endpoint.rule.labels();
    let is_one = |value: &&String| match endpoint.rule.is_number() {
        true => number(value).is_some(),
        false => labels.iter().any(|label| is_same_label(label, value)),
    };
    2 * values.iter().filter(is_one).count() > values.len()
}

/// What an endpoint answers, for people.
fn answers(endpoint: &Endpoint) -> String {
    let labels = endpoint.rule.labels();
    let shown: Vec<String> = labels.iter().take(MAX_SHOWN).map(|it| format!("{it:?}")).collect();
    let more = if labels.len() > MAX_SHOWN { ", …" } else { "" };
    match endpoint.rule.is_number() {
        true => format!("{} is a number", endpoint.field),
        false => format!("{} is one of {}{more}", endpoint.field, shown.join(", ")),
    }
}
