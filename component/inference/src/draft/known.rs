//! What the model's encoders know of each feature.
//!
//! Each feature is given a value that nothing else has, and the graph is run with the input of an
//! encoder as its output: where the value comes out, the encoder sees the feature as it is.

use std::collections::BTreeSet;

use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::Manifest;
use tract_hir::internal::*;

use crate::error::LoadError;
use crate::functions;
use crate::graph;
use crate::model::Parts;
use crate::ops::kernel::KernelOp;
use crate::proto::{AttributeProto, NodeProto};
use crate::tensor::{self, View};

/// The first of the numbers that mark features. Floats of 32 bits have them all.
const FIRST_MARKER: i64 = 1_000_003;

/// What encoders know of a feature.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) texts: BTreeSet<String>,
    /// Whether one fails on other texts.
    pub(super) refuses_others: bool,
    /// The smallest and the largest integer.
    pub(super) bounds: Option<(i64, i64)>,
}

/// The text that marks the feature at a position.
pub(super) fn marker_text(position: usize) -> String {
    format!("\u{1}{position}")
}

/// What is known of each feature of a manifest whose only categories are the texts that mark them.
pub(super) fn find(model: &[u8], manifest: &Manifest) -> Result<Vec<Known>, LoadError> {
    let Parts { typed, bindings, names, .. } = Parts::read(model, manifest)?;
    let nodes = nodes(model, &names)?;
    let row: Vec<Value> = manifest.features.iter().enumerate().map(marked).collect();
    let mut known = vec![Known::default(); row.len()];
    // The last position of the smallest table that each is looked up in.
    let mut tables = vec![i64::MAX; row.len()];
    for node in &typed.nodes {
        let Some(kernel) = node.op_as::<KernelOp>() else { continue };
        let texts = kernel.known_texts();
        let integers = position(&node.name).and_then(|at| integers(nodes.get(at)?));
        let positions = kernel.known_positions().filter(|count| *count > 0);
        if texts.is_none() && integers.is_none() && positions.is_none() {
            continue;
        }
        let Some(seen) = node.inputs.get(usize::from(positions.is_some())) else { continue };
        if typed.outlet_fact(*seen).is_ok_and(|fact| fact.konst.is_some()) {
            continue;
        }
        let mut probe = typed.clone();
        let run = probe
            .select_output_outlets(&[*seen])
            .and_then(|()| TypedSimplePlan::new(probe))
            .and_then(|plan| plan.spawn())
            .and_then(|mut state| state.run(bindings.tensors(&row).map_err(TractError::msg)?));
        // Another encoder before this one may fail on what it does not know.
        let Ok(input) = run else { continue };
        let reached: Vec<usize> = match View::of(&input[0]) {
            Ok(view) => (0..row.len()).filter(|i| has_marker(&view, *i)).collect(),
            Err(_) => continue,
        };
        for i in reached {
            let feature = &mut known[i];
            if let Some(texts) = &texts {
                let texts_of_it: BTreeSet<String> =
                    texts.texts.iter().map(|it| (*it).to_owned()).collect();
                match feature.refuses_others && !feature.texts.is_empty() {
                    true => feature.texts.retain(|text| texts_of_it.contains(text)),
                    false => feature.texts.extend(texts_of_it),
                }
                feature.refuses_others |= texts.refuses_others;
            }
            if let Some((minimum, maximum)) = integers {
                let (low, high) = feature.bounds.unwrap_or((minimum, maximum));
                feature.bounds = Some((low.min(minimum), high.max(maximum)));
            }
            if let Some(positions) = positions {
                tables[i] = tables[i].min(positions as i64 - 1);
            }
        }
    }
    for (feature, last) in known.iter_mut().zip(tables).filter(|(_, last)| *last < i64::MAX) {
        // A negative position counts from the end, which nobody means here.
        let (minimum, maximum) = feature.bounds.unwrap_or((0, last));
        feature.bounds = Some((minimum.clamp(0, last), maximum.clamp(0, last)));
    }
    Ok(known)
}

/// The nodes that outputs depend on, in the order of the file.
fn nodes(model: &[u8], names: &[String]) -> Result<Vec<NodeProto>, LoadError> {
    let file = functions::read(model)?;
    let mut graph = file.graph.unwrap_or_default();
    graph::prune(&mut graph, names)?;
    Ok(graph.node)
}

/// The value that marks a feature.
fn marked((position, feature): (usize, &Feature)) -> Value {
    let marker = FIRST_MARKER + position as i64;
    match feature.domain {
        Domain::Number { .. } => Value::Number(marker as f64),
        Domain::Integer { .. } => Value::Integer(marker),
        Domain::Category { .. } => Value::Category(0),
        Domain::Boolean => Value::Boolean(false),
    }
}

fn has_marker(view: &View<'_>, position: usize) -> bool {
    match view {
        View::Text(texts) => texts.contains(&marker_text(position)),
        View::Bool(_) => false,
        view => {
            let marker = (FIRST_MARKER + position as i64) as f64;
            (0..view.len()).any(|i| view.number(i) == marker)
        }
    }
}

/// The position of a node in the file, which its name in tract's graph begins with.
fn position(name: &str) -> Option<usize> {
    name.split_once(':')?.0.parse().ok()
}

/// The smallest and the largest integer that an encoder knows.
fn integers(node: &NodeProto) -> Option<(i64, i64)> {
    let names: &[&str] = match &*node.op_type {
        "OneHotEncoder" => &["cats_int64s"],
        "LabelEncoder" => &["keys_int64s", "keys_floats", "keys_tensor"],
        _ => return None,
    };
    let attribute = node.attribute.iter().find(|it| names.contains(&&*it.name))?;
    let integers = listed(attribute)?;
    Some((*integers.iter().min()?, *integers.iter().max()?))
}

/// An attribute's elements, if all are integers; NaN stands for a missing one.
fn listed(attribute: &AttributeProto) -> Option<Vec<i64>> {
    let whole = |number: f64| {
        let is_whole = number.fract() == 0.0 && number.abs() < (1_u64 << 53) as f64;
        is_whole.then_some(number as i64)
    };
    if let Some(tensor) = &attribute.t {
        let tensor = tensor::read(tensor).ok()?;
        let view = View::of(&tensor).ok().filter(|view| !matches!(view, View::Text(_)))?;
        let present = (0..view.len()).filter(|i| !view.number(*i).is_nan());
        return present.map(|i| view.integer(i).or_else(|| whole(view.number(i)))).collect();
    }
    let floats = attribute.floats.iter().filter(|it| !it.is_nan());
    let floats = floats.map(|it| whole(f64::from(*it))).collect::<Option<Vec<_>>>()?;
    Some(attribute.ints.iter().copied().chain(floats).collect())
}
