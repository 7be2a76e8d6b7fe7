//! Categories that the model's encoders do not know.
//!
//! An encoder takes a text that it was not trained with for "none of them" and says nothing, so a
//! category that is spelt otherwise than in training gives plausible answers that are wrong. The
//! graph is run for each category with the encoders' inputs as its outputs, to see where it gets.

use std::collections::BTreeSet;

use foretold_core::feature::{Domain, Feature, Value};
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::LoadError;
use crate::operator::failed;
use crate::ops::KernelOp;
use crate::tensor::View;

/// Texts that an error lists.
const MAX_SHOWN: usize = 10;

/// Refuses categories that reach an encoder which does not know them, unless the manifest says so.
pub(crate) fn refuse(
    model: &TypedModel,
    bindings: &Bindings,
    features: &[Feature],
) -> Result<(), LoadError> {
    let encoders = model.nodes.iter().filter_map(|node| {
        let known = node.op_as::<KernelOp>()?.known_texts()?;
        Some((node.inputs[0], known.into_iter().collect()))
    });
    let (inputs, known): (Vec<OutletId>, Vec<BTreeSet<&str>>) = encoders.unzip();
    if inputs.is_empty() {
        return Ok(());
    }
    let mut probe = model.clone();
    probe.select_output_outlets(&inputs).map_err(failed)?;
    let mut probe = TypedSimplePlan::new(probe).and_then(|plan| plan.spawn()).map_err(failed)?;

    let mut row: Vec<Value> = features.iter().map(|feature| feature.example).collect();
    let mut messages = Vec::new();
    for (position, feature) in features.iter().enumerate() {
        let Domain::Category { categories } = &feature.domain else { continue };
        // Of each element of each encoder's input: whether it has been this feature's so far.
        let mut is_ours: Vec<Vec<bool>> = vec![vec![]; inputs.len()];
        let mut is_unknown = vec![vec![false; categories.len()]; inputs.len()];
        for (index, category) in categories.iter().enumerate() {
            row[position] = Value::Category(index);
            let tensors = bindings.tensors(&row).map_err(LoadError::Graph)?;
            for (i, tensor) in probe.run(tensors).map_err(failed)?.iter().enumerate() {
                let View::Text(texts) = View::of(tensor).map_err(failed)? else { continue };
                is_ours[i].resize(texts.len(), true);
                is_ours[i].iter_mut().zip(texts).for_each(|(ours, text)| *ours &= text == category);
                is_unknown[i][index] = !known[i].contains(category.as_str());
            }
        }
        row[position] = feature.example;
        for (i, known) in known.iter().enumerate().filter(|(i, _)| is_ours[*i].contains(&true)) {
            let unknown = categories.iter().zip(&is_unknown[i]);
            let unknown: Vec<&str> = unknown
                .filter(|(category, is_unknown)| {
                    **is_unknown && !feature.unknown.contains(category)
                })
                .map(|(category, _)| category.as_str())
                .collect();
            if !unknown.is_empty() {
                messages.push(message(&feature.name, &unknown, known, categories));
            }
        }
    }
    messages.dedup();
    if messages.is_empty() { Ok(()) } else { Err(LoadError::Unknown(messages)) }
}

fn message(
    feature: &str,
    unknown: &[&str],
    known: &BTreeSet<&str>,
    categories: &[String],
) -> String {
    let categories = categories.iter().map(String::as_str).collect();
    let missing: Vec<&str> = known.difference(&categories).copied().collect();
    let hint = match &missing[..] {
        [] => "it knows no others than the manifest has".to_owned(),
        missing => format!("it knows {}, which the manifest does not have", list(missing)),
    };
    format!("feature {feature:?}: the model's encoder does not know {}; {hint}", list(unknown))
}

fn list(texts: &[&str]) -> String {
    let shown: Vec<String> = texts.iter().take(MAX_SHOWN).map(|text| format!("{text:?}")).collect();
    let more = match texts.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
