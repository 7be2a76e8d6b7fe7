//! Whether the class that a model says itself is the one of its largest number, or of two classes with
//! one number, whether the number is above 0 for the second.
//!
//! Mostly it is. A support vector machine lets its classes vote, though, whatever their probabilities
//! or scores, and where it has two, its first number speaks for the second.

use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::{Manifest, Output};
use tract_hir::internal::*;

use crate::draft::known::Known;
use crate::model::Parts;
use crate::tensor::View;
use crate::upstream::Givers;

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
    /// The largest is the class's in more than half of the rows.
    Mostly,
    Neither,
}

/// What is compared with the label.
pub(super) struct Told<'a> {
    /// The class of each number, or both classes of one.
    pub(super) classes: &'a [String],
    pub(super) are_probabilities: bool,
    /// What the label is where it is a number that stands for a class.
    pub(super) numbered: &'a [(i64, String)],
}

/// Compares the numbers of the first output of a manifest with the label that is its second; none
/// where the label is no class.
pub(super) fn judge(
    model: &[u8],
    manifest: &Manifest,
    givers: &Givers<'_>,
    known: &[Known],
    told: &Told<'_>,
) -> Option<Verdict> {
    let is_vote = |output: Option<&Output>| {
        let node = output.and_then(|output| givers.origin(&output.tensor));
        node.is_some_and(|node| node.op_type == "SVMClassifier")
    };
    let verdict = tried(model, manifest, known, told)?;
    if told.classes.len() < 3 || !is_vote(manifest.outputs.last()) {
        return Some(verdict);
    }
    // Of three classes there are as many pairs, and the machine's own scores are those of pairs.
    let are_pairs = !told.are_probabilities && is_vote(manifest.outputs.first());
    Some(match verdict {
        _ if are_pairs => Verdict::Neither,
        // Rows that it is sure of do not show it.
        Verdict::Largest => Verdict::Mostly,
        verdict => verdict,
    })
}

fn tried(
    model: &[u8],
    manifest: &Manifest,
    known: &[Known],
    Told { classes, numbered, .. }: &Told<'_>,
) -> Option<Verdict> {
    let Parts { typed, bindings, .. } = Parts::read(model, manifest).ok()?;
    let mut state = TypedSimplePlan::new(typed).and_then(|plan| plan.spawn()).ok()?;
    let (mut is_largest, mut is_smallest) = (true, classes.len() == 2);
    let (mut rows, mut agreeing) = (0, 0);
    for row in 0..ROWS {
        let Ok(tensors) = bindings.tensors(&values(&manifest.features, known, row)) else {
            continue;
        };
        let Ok(outputs) = state.run(tensors) else { continue };
        let [numbers, label] = &outputs[..] else { return None };
        let numbers = View::of(numbers).ok()?;
        let mut numbers: Vec<f64> = (0..numbers.len()).map(|i| numbers.number(i)).collect();
        let label = text(&View::of(label).ok()?, numbered)?;
        let class = classes.iter().position(|class| *class == label)?;
        if numbers.len() == 1 && classes.len() == 2 {
            numbers.insert(0, 0.0);
        }
        if numbers.len() != classes.len() {
            return None;
        }
        let others = || (0..numbers.len()).filter(|i| *i != class).map(|i| numbers[i]);
        let own = numbers[class];
        let is_tie = |other: f64| (other - own).abs() <= TIE * own.abs().max(1.0);
        let agrees = !others().any(|other| other > own && !is_tie(other));
        (rows, agreeing) = (rows + 1, agreeing + u32::from(agrees));
        is_largest &= agrees;
        is_smallest &= !others().any(|other| other < own && !is_tie(other));
    }
    Some(match (is_largest, is_smallest) {
        (true, _) => Verdict::Largest,
        (false, true) => Verdict::Smallest,
        (false, false) if 2 * agreeing > rows => Verdict::Mostly,
        (false, false) => Verdict::Neither,
    })
}

/// The class that the only element stands for, as the file writes classes.
fn text(view: &View<'_>, numbered: &[(i64, String)]) -> Option<String> {
    match view {
        View::Text([text]) => Some(text.clone()),
        View::Text(_) => None,
        view if view.len() == 1 => {
            let number = view.integer(0)?;
            let class = numbered.iter().find(|(known, _)| *known == number);
            Some(class.map_or_else(|| number.to_string(), |(_, class)| class.clone()))
        }
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
