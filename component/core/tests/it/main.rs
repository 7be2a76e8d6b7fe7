//! Tests of the public interface, natively: the same code runs in every component.

mod bounds;
mod cache;
mod control;
mod decoders;
mod documents;
mod entry;
mod imports;
mod key;
mod manifest;
mod pipeline;
mod predictions;
mod problems;
mod python;
mod request;
mod reuse;
mod rows;
mod settings;
mod time;
mod v2;
mod vectors;
mod world;

use foretold_core::model::feature::{Domain, Element, Feature, Value};
use foretold_core::model::manifest::Manifest;
use foretold_core::model::step::Step;
use proptest::prelude::*;

/// The manifest of the credit model.
fn credit() -> Manifest {
    Manifest::parse(include_str!("../../../../models/credit/manifest.toml")).unwrap()
}

/// The sample request of the README.
const SAMPLE: &str = r#"{"installment_rate_in_percentage_of_disposable_income": 0.25,
    "age_in_years": 30, "foreign_worker": "yes", "present_employment_since": "unemployed",
    "personal_status_and_sex": "male: single"}"#;

fn feature(name: &str, domain: Domain, optional: bool) -> Feature {
    let (unit, description) = (None, String::new());
    let (name, unknown, example) = (name.into(), vec![], Value::Missing);
    Feature {
        name,
        element: None,
        place: None,
        domain,
        optional,
        unknown,
        unit,
        description,
        example,
    }
}

/// Any feature's domain.
fn domains() -> impl Strategy<Value = Domain> {
    let float =
        || prop_oneof![Just(0.0), -1e9..1e9, proptest::num::f32::NORMAL.prop_map(f64::from)];
    prop_oneof![
        Just(Domain::Boolean),
        (1usize..40).prop_map(|n| Domain::Category {
            categories: (0..n).map(|i| format!("category {i}")).collect()
        }),
        (any::<i64>(), any::<i64>())
            .prop_map(|(a, b)| Domain::Integer { minimum: a.min(b), maximum: a.max(b) }),
        (-100i64..100, 1u64..300)
            .prop_map(|(a, n)| Domain::Integer { minimum: a, maximum: a + n as i64 }),
        (proptest::option::of(float()), proptest::option::of(float())).prop_map(|(a, b)| {
            let (minimum, maximum) = match (a, b) {
                (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
                bounds => bounds,
            };
            Domain::Number { minimum, maximum, step: None, round: false }
        }),
        (-1000i32..1000, 1i32..5000, 0i32..5, 1i32..500).prop_map(|(first, span, places, step)| {
            let scale = 10f64.powi(places);
            let (minimum, maximum) = (f64::from(first) / scale, f64::from(first + span) / scale);
            let step = Step::new(minimum, maximum, f64::from(step) / scale).unwrap();
            Domain::Number {
                minimum: Some(minimum),
                maximum: Some(maximum),
                step: Some(step),
                round: false,
            }
        }),
    ]
}

/// Any canonical value of a feature.
fn values(feature: &Feature) -> BoxedStrategy<Value> {
    let value = match feature.domain.clone() {
        Domain::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Domain::Category { categories } => (0..categories.len()).prop_map(Value::Category).boxed(),
        Domain::Integer { minimum, maximum } => {
            (minimum..=maximum).prop_map(Value::Integer).boxed()
        }
        Domain::Number { step: Some(step), .. } => (0..=step.last_index())
            .prop_map(move |index| Value::Number(step.value(index).unwrap()))
            .boxed(),
        Domain::Number { minimum, maximum, .. } => {
            let largest = f64::from(f32::MAX);
            let (low, high) = (minimum.unwrap_or(-largest), maximum.unwrap_or(largest));
            let any = proptest::num::f64::ANY.prop_filter("finite", |number| number.is_finite());
            any.prop_map(move |number| Value::Number(number.clamp(low, high) + 0.0)).boxed()
        }
    };
    if feature.optional {
        prop_oneof![1 => Just(Value::Missing), 9 => value].boxed()
    } else {
        value
    }
}

/// Any features, and two rows of them.
fn features_and_rows() -> impl Strategy<Value = (Vec<Feature>, Vec<Value>, Vec<Value>)> {
    // Some are vectors, with a length; here of any domain.
    let length = proptest::option::weighted(0.3, 1usize..5);
    let features = proptest::collection::vec((domains(), any::<bool>(), length), 1..12);
    features.prop_flat_map(|domains| {
        let features: Vec<Feature> = domains
            .into_iter()
            .enumerate()
            .flat_map(|(i, (domain, optional, length))| {
                let vector = format!("f{i}");
                let Some(length) = length else { return vec![feature(&vector, domain, optional)] };
                let element = |index| Feature {
                    element: Some(Element { vector: vector.clone(), index, length }),
                    ..feature(&format!("{vector}[{index}]"), domain.clone(), optional)
                };
                (0..length).map(element).collect()
            })
            .collect();
        let row = || features.iter().map(values).collect::<Vec<_>>();
        (Just(features.clone()), row(), row())
    })
}
