//! The component's answers against onnxruntime's.

use crate::support::{Host, credit};

#[test]
fn every_golden_row_agrees_with_onnxruntime() {
    let golden = std::fs::read_to_string(credit().join("golden.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let names = golden["features"].as_array().unwrap();
    let rows = golden["rows"].as_array().unwrap();
    assert!(rows.len() >= 300);
    let host = Host::credit(&[]);
    for row in rows {
        let body: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .zip(row["features"].as_array().unwrap())
            .map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone()))
            .collect();
        let body = serde_json::Value::Object(body).to_string();
        let expected = row["outputs"][0].as_f64().unwrap();
        // The second answer comes from the cache, if the first did not already.
        for _ in 0..2 {
            let answer = host.post("/probabilities", &body);
            assert_eq!(answer.status, 200, "{body}: {}", answer.body);
            let probability = answer.json()["probability"].as_f64().unwrap();
            assert!(
                (probability - expected).abs() <= 1e-6,
                "{body}: {probability}, not {expected}"
            );
        }
        assert!(host.post("/decisions", &body).is_hit());
    }
}
