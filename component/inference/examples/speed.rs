//! Prints how long models take: `speed FOLDER [tract]`, for all models of the tests and of a folder
//! with files as in `tests/models`; with `tract` by tract's executor, whatever the graph. `speed zoo
//! FOLDER` is for folders in a folder, each with `manifest.toml`, `model.onnx` and `rows.jsonl`.
//!
//! A line is a model's name, how many rows it was given at once, and the nanoseconds that one of
//! them took: the median of several times.

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/support.rs"]
mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use foretold_core::Model;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_inference::{LoadError, OnnxModel};
use serde_json::Value as Json;
use support::Example;

type Load = fn(&[u8], &Manifest) -> Result<OnnxModel, LoadError>;

/// How many times are taken, and about how long each is.
const TIMES: usize = 15;
const EACH: Duration = Duration::from_millis(20);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(|it| &**it).collect::<Vec<&str>>()[..] {
        ["zoo", folder] => {
            let entries = std::fs::read_dir(folder).expect("a folder");
            let mut folders: Vec<PathBuf> =
                entries.map(|it| it.expect("an entry").path()).collect();
            folders.sort();
            folders.iter().for_each(|folder| print(&served(folder), OnnxModel::load));
        }
        [folder, rest @ ..] => {
            let load: Load = match rest {
                [] => OnnxModel::load,
                ["tract"] => OnnxModel::load_for_tract,
                _ => panic!("usage: speed FOLDER [tract]"),
            };
            let own = support::examples_in(Path::new(folder));
            support::examples().iter().chain(&own).for_each(|example| print(example, load));
        }
        [] => panic!("usage: speed FOLDER [tract], or speed zoo FOLDER"),
    }
}

fn print(example: &Example, load: Load) {
    let model = load(&example.model, &example.manifest).expect("a model");
    let rows: Vec<&Vec<Value>> =
        example.rows.iter().filter(|row| model.predict(row).is_ok()).collect();
    for count in [1, 1000] {
        let cycle = rows.iter().copied().cycle();
        let batches: Vec<Vec<Value>> = match count {
            1 => cycle.take(16).cloned().collect(),
            count => vec![cycle.take(count).flatten().copied().collect()],
        };
        println!("{} {count} {:.0}", example.name, time(&model, &batches) / count as f64);
    }
}

/// A folder with a manifest, its model and rows, without what is expected of them.
fn served(folder: &Path) -> Example {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let text = |name: &str| String::from_utf8(read(name)).expect("text");
    let manifest = Manifest::parse(&text("manifest.toml")).expect("a manifest");
    let rows = text("rows.jsonl");
    let rows = rows.lines().map(|line| serde_json::from_str::<Json>(line).expect("a row"));
    let rows = rows.map(|row| {
        let each = manifest.features.iter();
        each.map(|feature| support::value(feature, &row[&feature.name])).collect()
    });
    Example {
        name: folder.file_name().expect("a name").to_string_lossy().into_owned(),
        model: read("model.onnx"),
        rows: rows.collect(),
        outputs: Vec::new(),
        manifest,
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
