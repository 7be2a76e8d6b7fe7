//! The program and tract, each of which runs the same graphs: every bit must be the same, for rows
//! alone and in blocks of any length.

use foretold_core::Model;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_inference::OnnxModel;

/// Rows at once: alone, less than a block, and one more than one.
const BATCHES: [usize; 3] = [1, 5, 257];

/// What differs between program and tract for a model; `None` if tract runs it anyway.
pub(crate) fn difference(
    model: &[u8],
    manifest: &Manifest,
    rows: &[Vec<Value>],
) -> Option<Result<(), String>> {
    let program = OnnxModel::load(model, manifest).ok().filter(|it| !it.is_for_tract())?;
    let tract = OnnxModel::load_for_tract(model, manifest).expect("the model, which was loaded");
    assert!(tract.is_for_tract());
    let alone: Vec<Option<Vec<u32>>> = rows.iter().map(|row| bits(&tract, row)).collect();
    for count in BATCHES {
        // Each row is the first one once, and all are repeated until there are enough.
        for first in 0..rows.len() {
            let batch: Vec<usize> = (0..count).map(|i| (first + i) % rows.len()).collect();
            let expected: Option<Vec<Vec<u32>>> = batch.iter().map(|&i| alone[i].clone()).collect();
            let values: Vec<Value> = batch.iter().flat_map(|&i| rows[i].clone()).collect();
            let found = bits(&program, &values);
            if found != expected.map(|rows| rows.concat()) {
                return Some(Err(format!("{count} rows from {first} on: other bits than tract's")));
            }
            // Enough of long ones.
            if count > 5 && first > 2 {
                break;
            }
        }
    }
    Some(Ok(()))
}

/// All NaN are one.
fn bits(model: &OnnxModel, rows: &[Value]) -> Option<Vec<u32>> {
    let found = model.predict(rows).ok()?;
    Some(found.iter().map(|it| if it.is_nan() { f32::NAN } else { *it }.to_bits()).collect())
}
