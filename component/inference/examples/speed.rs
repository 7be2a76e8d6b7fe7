//! Prints how long models take: `speed FOLDER [tract]`, for all models of the tests and of a folder
//! with files as in `tests/models`; with `tract` by tract's executor, whatever the graph.
//!
//! A line is a model's name, how many rows it was given at once, and the nanoseconds that one of
//! them took: the median of several times.

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/support.rs"]
mod support;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use foretold_core::Model;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_inference::{LoadError, OnnxModel};

type Load = fn(&[u8], &Manifest) -> Result<OnnxModel, LoadError>;

/// How many times are taken, and about how long each is.
const TIMES: usize = 15;
const EACH: Duration = Duration::from_millis(20);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, load): (&str, Load) = match &arguments[..] {
        [folder] => (folder, OnnxModel::load),
        [folder, executor] if executor == "tract" => (folder, OnnxModel::load_for_tract),
        _ => panic!("usage: speed FOLDER [tract]"),
    };
    let mut examples = support::examples();
    examples.extend(support::examples_in(Path::new(folder)));
    for example in examples {
        let model = load(&example.model, &example.manifest).expect("a model");
        for count in [1, 1000] {
            let cycle = example.rows.iter().cycle();
            let batches: Vec<Vec<Value>> = match count {
                1 => cycle.take(16).cloned().collect(),
                count => vec![cycle.take(count).flatten().copied().collect()],
            };
            println!("{} {count} {:.0}", example.name, time(&model, &batches) / count as f64);
        }
    }
}

/// Nanoseconds that a batch takes.
fn time(model: &OnnxModel, batches: &[Vec<Value>]) -> f64 {
    let pass = || {
        for batch in batches {
            black_box(model.predict(black_box(batch)).expect("a prediction"));
        }
    };
    let start = Instant::now();
    pass();
    let passes = (EACH.as_secs_f64() / start.elapsed().as_secs_f64().max(1e-7)).ceil() as u32;
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            (0..passes).for_each(|_| pass());
            start.elapsed().as_nanos() as f64 / f64::from(passes) / batches.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[TIMES / 2]
}
