//! Which features a tensor of a request has: one, as our own documents ask for, or several as its
//! columns, as clients of servers of matrices send them.

use crate::model::feature::{self, Feature};

/// The positions of a tensor's features, column by column; none where nothing is known of its name.
/// `names` are those of all tensors of the request.
///
/// A tensor that has the name of a feature has that one, or all elements of that vector. One that has the name of an input that the
/// manifest's features name has theirs. Any other with several columns, `input-0` or however the
/// model calls it, has those that no tensor and no input is named after, in the manifest's order.
pub(super) fn of<'n>(
    name: &str,
    shape: &[u64],
    features: &[Feature],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Vec<usize> {
    if let Some(field) = feature::fields(features).find(|field| field.name == name) {
        return (field.first..field.first + field.features.len()).collect();
    }
    let positions = || features.iter().enumerate();
    let column = |(position, feature): (usize, &Feature)| {
        let place = feature.place.as_ref().filter(|place| place.input == name)?;
        Some((place.column, position))
    };
    let mut placed: Vec<(usize, usize)> = positions().filter_map(column).collect();
    if !placed.is_empty() {
        placed.sort_unstable();
        return placed.into_iter().map(|(_, position)| position).collect();
    }
    let is_left = |feature: &Feature| {
        feature.place.is_none() && names.clone().all(|name| name != feature.field())
    };
    let left = positions().filter(|(_, feature)| is_left(feature)).map(|(position, _)| position);
    // A misspelt name of one feature is no matrix.
    match shape {
        [_, width] if *width > 1 => left.collect(),
        [_] | [_, 1] if features.len() == 1 => left.collect(),
        _ => Vec::new(),
    }
}
