//! Refuses models that take a missing value for a legal one.
//!
//! What is missing goes in as NaN. Arithmetic passes it on; imputers, trees and comparisons decide
//! what it means; encoders give the code of what they do not know. An operator that does none of
//! it, as `Cast` to a truth value, gives for NaN what it gives for some number, and from there on
//! nobody can tell the two rows apart: the answer is plausible, and wrong.
//!
//! So the graph is run without each optional feature, with the inputs and outputs of its operators
//! as outputs of its own. Where NaN goes in and none comes out, what comes out must not be, bit for
//! bit, what comes out for a legal value of the feature.

use std::ops::Range;

use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::Manifest;
use tract_hir::internal::*;

use crate::binding::Bindings;
use crate::error::{LoadError, failed};
use crate::ops::kernel::{KernelOp, Missing};
use crate::tensor::View;

/// Integers of which every one is tried.
const MAX_TRIED: i64 = 256;

/// An operator that is watched.
struct Watched<'a> {
    name: &'a str,
    missing: Missing,
    /// Where its input and its outputs are among the probe's outputs.
    input: usize,
    outputs: Range<usize>,
}

/// Refuses an optional feature if an operator takes its absence for a value.
pub(crate) fn refuse(
    model: &TypedModel,
    bindings: &Bindings,
    manifest: &Manifest,
) -> Result<(), LoadError> {
    let features = &manifest.features;
    if !features.iter().any(|feature| feature.optional) {
        return Ok(());
    }
    let mut outlets: Vec<OutletId> = Vec::new();
    let mut watched = Vec::new();
    for node in &model.nodes {
        let Some(kernel) = node.op_as::<KernelOp>() else { continue };
        if matches!(kernel.missing(), Missing::Decides | Missing::Moves) {
            continue;
        }
        let outputs = outlets.len()..outlets.len() + node.outputs.len();
        outlets.extend((0..node.outputs.len()).map(|slot| OutletId::new(node.id, slot)));
        for &input in &node.inputs {
            outlets.push(input);
            watched.push(Watched {
                name: kernel.operator(),
                missing: kernel.missing(),
                input: outlets.len() - 1,
                outputs: outputs.clone(),
            });
        }
    }
    if watched.is_empty() {
        return Ok(());
    }
    let mut probe = model.clone();
    probe.select_output_outlets(&outlets).map_err(failed)?;
    let mut probe = TypedSimplePlan::new(probe).and_then(|plan| plan.spawn()).map_err(failed)?;
    let mut run = |row: &[Value]| {
        let tensors = bindings.tensors(row).map_err(LoadError::Graph)?;
        // What a row fails on is for others to say.
        Ok::<_, LoadError>(probe.run(tensors).ok())
    };
    let mut row = manifest.example();
    for (position, feature) in features.iter().enumerate().filter(|(_, it)| it.optional) {
        let present = row[position];
        row[position] = Value::Missing;
        let Some(without) = run(&row)? else {
            row[position] = present;
            continue;
        };
        row[position] = foreign(feature);
        let unknown = run(&row)?;
        for value in legal(feature) {
            row[position] = value;
            let Some(with) = run(&row)? else { continue };
            let confused = watched.iter().find(|operator| {
                let input = operator.input;
                let outputs = &without[operator.outputs.clone()];
                let same = |others: &TVec<TValue>| {
                    let others = &others[operator.outputs.clone()];
                    outputs.iter().zip(others).all(|(a, b)| same_bits(a, b))
                };
                has_nan(&without[input])
                    && !has_nan(&with[input])
                    && !outputs.iter().any(|tensor| has_nan(tensor))
                    && same(&with)
                    && !(operator.missing == Missing::Encodes && unknown.as_ref().is_some_and(same))
            });
            if let Some(operator) = confused {
                return Err(LoadError::Missing(format!(
                    "the feature {:?} is optional, but the model's operator {} makes the same of \
                     it when it is missing as when it is {}; let the model impute it, or remove \
                     `optional`",
                    feature.name,
                    operator.name,
                    feature.display(value)
                )));
            }
        }
        row[position] = present;
    }
    Ok(())
}

/// A number that is not among the feature's, and hardly among the categories of an encoder.
fn foreign(feature: &Feature) -> Value {
    const FAR: i64 = 1_234_567_890_123;
    match feature.domain {
        Domain::Integer { maximum, .. } => Value::Integer(maximum.saturating_add(FAR)),
        Domain::Number { maximum, .. } => Value::Number(maximum.unwrap_or(0.0) + FAR as f64),
        Domain::Boolean | Domain::Category { .. } => feature.example,
    }
}

/// Values of a feature, the extremes among them, and all where there are few.
fn legal(feature: &Feature) -> Vec<Value> {
    let mut values = vec![feature.example];
    match &feature.domain {
        &Domain::Integer { minimum, maximum } => {
            let last = maximum.min(minimum.saturating_add(MAX_TRIED));
            values.extend((minimum..=last).map(Value::Integer));
            let others = [maximum, 0, 1, -1].into_iter();
            values.extend(others.filter(|it| (minimum..=maximum).contains(it)).map(Value::Integer));
        }
        Domain::Number { minimum, maximum, step, .. } => {
            let bounds = [*minimum, *maximum].into_iter().flatten();
            let others = [0.0, 1.0, -1.0].into_iter();
            let is_legal = |number: &f64| {
                minimum.is_none_or(|minimum| *number >= minimum)
                    && maximum.is_none_or(|maximum| *number <= maximum)
            };
            values.extend(bounds.chain(others.filter(is_legal)).map(Value::Number));
            if let Some(step) = step {
                let points = (0..=step.last_index().min(MAX_TRIED as u64)).map(|i| step.value(i));
                values.extend(points.flatten().map(Value::Number));
            }
        }
        Domain::Boolean => values.extend([false, true].map(Value::Boolean)),
        Domain::Category { .. } => {}
    }
    values
}

fn has_nan(tensor: &Tensor) -> bool {
    View::of(tensor).is_ok_and(|view| view.has_nan())
}

fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    match (View::of(a), View::of(b)) {
        (Ok(View::F32(a)), Ok(View::F32(b))) => {
            a.iter().map(|it| it.to_bits()).eq(b.iter().map(|it| it.to_bits()))
        }
        (Ok(View::F64(a)), Ok(View::F64(b))) => {
            a.iter().map(|it| it.to_bits()).eq(b.iter().map(|it| it.to_bits()))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::kernel::Kernel;
    use crate::tensor::{Element, Fact, ViewMut};

    /// Operators as they were when they were wrong: each drops NaN.
    #[derive(Debug)]
    enum Wrong {
        /// Its minimum, 0, is what it makes of NaN.
        Clip,
        /// As Rust casts: 0.
        Cast,
        /// To integers that way, and then one of the categories 0, 1 and 2.
        OneHotEncoder,
    }

    impl Kernel for Wrong {
        fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
            let x = inputs[0].single(0);
            match (self, &mut outputs[0]) {
                (Wrong::Clip, ViewMut::F32(y)) => y[0] = x.max(0.0),
                (Wrong::Cast, ViewMut::I64(y)) => y[0] = x as i64,
                (Wrong::OneHotEncoder, ViewMut::F32(y)) => {
                    y.iter_mut().zip(0_i64..).for_each(|(y, i)| *y = f32::from(x as i64 == i));
                }
                _ => return Err("another type".into()),
            }
            Ok(())
        }

        fn missing(&self) -> Missing {
            match self {
                Wrong::OneHotEncoder => Missing::Encodes,
                _ => Missing::Passes,
            }
        }
    }

    #[test]
    fn operators_that_drop_nan_are_found() {
        let manifest = Manifest::parse(
            r#"
            [model]
            name = "wrong"
            file = "model.onnx"
            [cache]
            ttl_seconds = 1
            [[feature]]
            name = "x"
            type = "number"
            minimum = 0
            maximum = 4
            optional = true
            example = 1
            [[output]]
            name = "y"
            tensor = "y"
            [[endpoint]]
            path = "/y"
            field = "y"
            output = "y"
            "#,
        );
        let manifest = manifest.expect("a manifest");
        for (wrong, output) in [
            (Wrong::Clip, Fact::new(Element::F32, [1, 1])),
            (Wrong::Cast, Fact::new(Element::I64, [1, 1])),
            (Wrong::OneHotEncoder, Fact::new(Element::F32, [1, 3])),
        ] {
            let name = format!("{wrong:?}");
            let input = Fact::new(Element::F32, [1, 1]);
            let mut model = TypedModel::default();
            let x = model.add_source("x", input.typed()).expect("a source");
            let op = KernelOp::new(&name, Arc::new(wrong), vec![output]);
            let y = model.wire_node("y", op, &[x]).expect("a node");
            model.select_output_outlets(&y).expect("an output");
            let error = refuse(&model, &Bindings::of_column(input), &manifest).unwrap_err();
            let expected =
                format!("operator {name} makes the same of it when it is missing as when");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
