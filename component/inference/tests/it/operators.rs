//! Agreement of each operator with onnxruntime, on small graphs.

use crate::agreement::faults;
use crate::support::{operator_cases, operators_path};

#[test]
fn every_operator_agrees_with_onnxruntime() {
    let faults = faults(&operator_cases(&operators_path()));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
