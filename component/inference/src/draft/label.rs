//! Whether the class that a model says itself is the one of its largest number.
//!
//! Mostly it is. A support vector machine lets its classes vote, though, whatever their
//! probabilities, and where it has two, its first number speaks for the second.

use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::Manifest;
use tract_hir::internal::*;

use crate::draft::known::Known;
use crate::draft::upstream::Givers;
use crate::model::Parts;
use crate::tensor::View;

/// Rows that are tried.
const ROWS: u64 = 256;
/// By how much numbers differ from rows that are likely, since nothing tells of those.
const MAGNITUDES: [f64; 6] = [0.1, 1.0, 3.0, 30.0, 1e3, 1e5];
/// Numbers that are closer to each other than this, relative to them or to 1, say nothing.
const TIE: f64 = 1e-5;

/// What the numbers for the classes say of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// The largest is the class's.
    Largest,
    /// Of two the smaller is.
    Smallest,
    Neither,
}

/// Compares the numbers of the first output of a manifest with the label that is its second; none
/// where the label is no class.
pub(super) fn judge(
    model: &[u8],
    manifest: &Manifest,
    givers: &Givers<'_>,
    known: &[Known],
    classes: &[String],
) -> Option<Verdict> {
    let is_vote = || {
        let label = manifest.outputs.last().and_then(|label| givers.origin(&label.tensor));
        label.is_some_and(|node| node.op_type == "SVMClassifier")
    };
    match tried(model, manifest, known, classes) {
        // Rows that it is sure of do not show it.
        Some(Verdict::Largest) if classes.len() > 2 && is_vote() => Some(Verdict::Neither),
        verdict => verdict,
    }
}

fn tried(
    model: &[u8],
    manifest: &Manifest,
    known: &[Known],
    classes: &[String],
) -> Option<Verdict> {
    let Parts { typed, bindings, .. } = Parts::read(model, manifest).ok()?;
    let mut state = TypedSimplePlan::new(typed).and_then(|plan| plan.spawn()).ok()?;
    let (mut is_largest, mut is_smallest) = (true, classes.len() == 2);
    for row in 0..ROWS {
        let Ok(tensors) = bindings.tensors(&values(&manifest.features, known, row)) else {
            continue;
        };
        let Ok(outputs) = state.run(tensors) else { continue };
        let [numbers, label] = &outputs[..] else { return None };
        let numbers = View::of(numbers).ok()?;
        let numbers: Vec<f64> = (0..numbers.len()).map(|i| numbers.number(i)).collect();
        let label = text(&View::of(label).ok()?)?;
        let class = classes.iter().position(|class| *class == label)?;
        if numbers.len() != classes.len() {
            return None;
        }
        let others = || (0..numbers.len()).filter(|i| *i != class).map(|i| numbers[i]);
        let own = numbers[class];
        let is_tie = |other: f64| (other - own).abs() <= TIE * own.abs().max(1.0);
        is_largest &= !others().any(|other| other > own && !is_tie(other));
        is_smallest &= !others().any(|other| other < own && !is_tie(other));
    }
    Some(match (is_largest, is_smallest) {
        (true, _) => Verdict::Largest,
        (false, true) => Verdict::Smallest,
        (false, false) => Verdict::Neither,
    })
}

/// The only element, as the file writes classes.
fn text(view: &View<'_>) -> Option<String> {
    match view {
        View::Text([text]) => Some(text.clone()),
        View::Text(_) => None,
        view if view.len() == 1 => view.integer(0).map(|it| it.to_string()),
        _ => None,
    }
}

/// A row that is always the same for its number.
fn values(features: &[Feature], known: &[Known], row: u64) -> Vec<Value> {
    let magnitude = MAGNITUDES[row as usize % MAGNITUDES.len()];
    let mut state = row;
    // SplitMix64.
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut value = |(feature, known): (&Feature, &Known)| {
        let random = random();
        let signed = (random >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        let integer = known.bounds.map(|(low, high)| {
            let count = high.abs_diff(low).saturating_add(1);
            low.saturating_add_unsigned(random % count)
        });
        match (&feature.domain, integer) {
            (Domain::Number { .. }, Some(integer)) => Value::Number(integer as f64),
            (Domain::Number { .. }, None) => Value::Number(signed * magnitude),
            (Domain::Integer { .. }, Some(integer)) => Value::Integer(integer),
            (Domain::Integer { .. }, None) => Value::Integer((signed * magnitude) as i64),
            (Domain::Boolean, _) => Value::Boolean(random % 2 == 0),
            (Domain::Category { categories }, _) => {
                Value::Category(random as usize % categories.len())
            }
        }
    };
    features.iter().zip(known).map(&mut value).collect()
}
