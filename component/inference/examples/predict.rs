//! Prints how long a prediction takes: `predict MODEL.onnx ROWS TENSOR COLUMN NAME=VALUE…`.
//!
//! A value that is a number makes a number feature; any other makes a category.

use std::env;
use std::hint::black_box;
use std::time::Instant;

use foretold_core::Model;
use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::{Cache, Manifest, Output};
use foretold_inference::OnnxModel;

const SECONDS: f64 = 1.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, rows, tensor, column, inputs @ ..] = &arguments[..] else {
        return Err("usage: predict MODEL.onnx ROWS TENSOR COLUMN NAME=VALUE…".into());
    };
    let (features, row): (Vec<Feature>, Vec<Value>) = inputs
        .iter()
        .map(|input| feature(input))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    let manifest = Manifest {
        name: "example".into(),
        description: String::new(),
        license: None,
        contact: None,
        file: file.clone(),
        cache: Cache { ttl_seconds: 1, ..Cache::default() },
        features,
        outputs: vec![Output {
            name: "output".into(),
            tensor: tensor.clone(),
            column: column.parse()?,
            description: String::new(),
        }],
        endpoints: vec![],
    };
    let bytes = std::fs::read(file)?;
    let start = Instant::now();
    let model = OnnxModel::load(&bytes, &manifest)?;
    println!("load: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);

    let rows: usize = rows.parse()?;
    let batch = row.repeat(rows);
    let predict = || model.predict(black_box(&batch)).map_err(|error| error.0);
    println!("output: {}", predict()?[0]);
    let mut best = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < SECONDS {
        let runs = (1000 / rows).max(1);
        let start = Instant::now();
        for _ in 0..runs {
            black_box(predict()?);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (runs * rows) as f64);
    }
    println!("{rows} rows at a time: {best:.0} ns a row");
    Ok(())
}

fn feature(input: &str) -> Result<(Feature, Value), String> {
    let (name, text) = input.split_once('=').ok_or_else(|| format!("'{input}' has no ="))?;
    let (domain, value) = match text.parse() {
        Ok(number) => (
            Domain::Number { minimum: None, maximum: None, step: None, round: false },
            Value::Number(number),
        ),
        Err(_) => (Domain::Category { categories: vec![text.into()] }, Value::Category(0)),
    };
    let feature = Feature {
        name: name.into(),
        element: None,
        place: None,
        domain,
        optional: false,
        unknown: vec![],
        unit: None,
        description: String::new(),
        example: value,
    };
    Ok((feature, value))
}
