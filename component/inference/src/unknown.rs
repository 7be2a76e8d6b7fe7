//! Categories that the model's encoders do not know.
//!
//! An encoder takes a text that it was not trained with for "none of them" and says nothing, so a
//! category that is spelt otherwise than in training gives plausible answers that are wrong. The
//! graph is run for each category with the encoders' inputs as its outputs, to see where it gets.

use std::collections::BTreeSet;

use foretold_core::model::feature::{Domain, Feature, Value};
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::{LoadError, failed};
use crate::ops::kernel::{KernelOp, KnownTexts};
use crate::tensor::View;

/// Texts that an error lists.
const MAX_SHOWN: usize = 10;

/// Refuses categories that no encoder of their feature knows, unless the manifest says so, and
/// those that an encoder fails on.
pub(crate) fn refuse(
    model: &TypedModel,
    bindings: &Bindings,
    features: &[Feature],
) -> Result<(), LoadError> {
    let encoders = model.nodes.iter().filter_map(|node| {
        let known = node.op_as::<KernelOp>()?.known_texts()?;
        Some((node.inputs[0], known))
    });
    let (inputs, encoders): (Vec<OutletId>, Vec<KnownTexts<'_>>) = encoders.unzip();
    if inputs.is_empty() {
        return Ok(());
    }
    let mut probe = model.clone();
    probe.select_output_outlets(&inputs).map_err(failed)?;
    let mut probe = TypedSimplePlan::new(probe).and_then(|plan| plan.spawn()).map_err(failed)?;
    let mut messages = Vec::new();
    for (position, feature) in features.iter().enumerate() {
        let Domain::Category { categories } = &feature.domain else { continue };
        let reached = reached(&mut probe, bindings, features, position, categories)?;
        let encoders: Vec<&KnownTexts<'_>> = encoders
            .iter()
            .zip(reached)
            .filter_map(|(it, reached)| reached.then_some(it))
            .collect();
        if !encoders.is_empty() {
            messages.extend(message(feature, categories, &encoders));
        }
    }
    if messages.is_empty() { Ok(()) } else { Err(LoadError::Unknown(messages)) }
}

/// For each encoder whether the categories of a feature get to it as they are.
fn reached(
    probe: &mut TypedSimpleState,
    bindings: &Bindings,
    features: &[Feature],
    position: usize,
    categories: &[String],
) -> Result<Vec<bool>, LoadError> {
    // Other features may have the same texts, so they are something else in the last run.
    let row = |index: usize, others_last: bool| -> Vec<Value> {
        let value = |(i, feature): (usize, &Feature)| match &feature.domain {
            Domain::Category { .. } if i == position => Value::Category(index),
            Domain::Category { categories } if others_last => {
                Value::Category(categories.len().saturating_sub(1))
            }
            Domain::Category { .. } => Value::Category(0),
            _ => feature.example,
        };
        features.iter().enumerate().map(value).collect()
    };
    let runs = (0..categories.len()).map(|index| (index, false)).chain([(0, true)]);
    // For each element of each encoder's input whether it has been the category so far.
    let mut is_ours: Vec<Vec<bool>> = Vec::new();
    for (index, others_last) in runs {
        let tensors = bindings.tensors(&row(index, others_last)).map_err(LoadError::Graph)?;
        let inputs = probe.run(tensors).map_err(failed)?;
        is_ours.resize(inputs.len(), vec![]);
        for (ours, tensor) in is_ours.iter_mut().zip(&inputs) {
            let View::Text(texts) = View::of(tensor).map_err(failed)? else { continue };
            ours.resize(texts.len(), true);
            ours.iter_mut().zip(texts).for_each(|(ours, text)| *ours &= *text == categories[index]);
        }
    }
    Ok(is_ours.iter().map(|ours| ours.contains(&true)).collect())
}

/// What is wrong with a feature's categories before the encoders that they get to.
fn message(
    feature: &Feature,
    categories: &[String],
    encoders: &[&KnownTexts<'_>],
) -> Option<String> {
    let name = &feature.name;
    let categories = categories.iter().map(String::as_str);
    let mentioned: BTreeSet<&str> = feature.unknown.iter().map(String::as_str).collect();
    let known: BTreeSet<&str> = encoders.iter().flat_map(|it| &it.texts).copied().collect();
    let is_unseen = |category: &&str| !known.contains(category) && !mentioned.contains(category);
    let unseen: Vec<&str> = categories.clone().filter(is_unseen).collect();
    if !unseen.is_empty() {
        let categories = categories.collect();
        let missing: Vec<&str> = known.difference(&categories).copied().collect();
        let hint = match &missing[..] {
            [] => "it knows no others than the manifest has".to_owned(),
            missing => format!("it knows {}, which the manifest does not have", list(missing)),
        };
        let unseen = list(&unseen);
        return Some(format!(
            "feature {name:?}: the model's encoder does not know {unseen}; {hint}"
        ));
    }
    let is_fatal = |category: &&str| {
        encoders.iter().any(|encoder| encoder.refuses_others && !encoder.texts.contains(category))
    };
    let fatal: Vec<&str> = categories.filter(is_fatal).collect();
    (!fatal.is_empty()).then(|| {
        format!(
            "feature {name:?}: the model's encoder fails on {}, which it does not know; train it \
             with handle_unknown=\"ignore\", or leave it out",
            list(&fatal)
        )
    })
}

fn list(texts: &[&str]) -> String {
    let shown: Vec<String> = texts.iter().take(MAX_SHOWN).map(|text| format!("{text:?}")).collect();
    let more = match texts.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
