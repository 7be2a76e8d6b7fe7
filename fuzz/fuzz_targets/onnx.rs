//! ONNX models. The first byte chooses the manifest: [`manifest`].

#![no_main]

use std::time::{Duration, Instant};

use foretold_core::Model;
use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::{Cache, Manifest, Output};
use foretold_fuzz::{CREDIT, CREDIT_FULL};
use foretold_inference::OnnxModel;
use foretold_inference::draft::draft;
use foretold_inference::pack::pack;
use libfuzzer_sys::fuzz_target;

/// More than kernels take in a turn.
const SEVERAL: usize = 9;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, model)) = input.split_first() else { return };
    drop(draft(model, Some(3)));
    let manifest = manifest(choice);
    // To load a model once more takes long, where there is nothing to pack.
    let has_trees = model.windows(12).any(|name| name == b"TreeEnsemble");
    let packed = if has_trees { pack(model, &manifest) } else { Ok(None) };
    let Ok(model) = OnnxModel::load(model, &manifest) else { return };
    let row = manifest.example();
    if let Ok(outputs) = model.predict(&row) {
        assert_eq!(outputs.len(), manifest.outputs.len());
        let bits = |numbers: &[f32]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<u32>>();
        if let Some(packed) = packed.expect("it loads") {
            let packed = OnnxModel::load(&packed.model, &manifest).expect("it loads");
            assert_eq!(bits(&outputs), bits(&packed.predict(&row).expect("the file answers")));
        }
        let start = Instant::now();
        let again = model.predict(&row).expect("it ran before");
        assert_eq!(bits(&outputs), bits(&again));
        // Several rows at once go other ways through the kernels. Not of a model that takes long for one.
        if start.elapsed() < Duration::from_millis(100) {
            let several = model.predict(&row.repeat(SEVERAL)).expect("it ran before");
            assert_eq!(bits(&outputs.repeat(SEVERAL)), bits(&several));
        }
    }
});

/// | bits | meaning |
/// |---|---|
/// | 7 | the credit models' manifests, by bit 0; else features for an output `Y` |
/// | 6 | features may be missing |
/// | 3 to 5 | type of the features |
/// | 0 to 2 | how many there are: `X`, or `X0` and so on; 0 stands for `a`, `b` and `c` |
fn manifest(choice: u8) -> Manifest {
    if choice & 0x80 != 0 {
        let service = if choice & 1 == 0 { &CREDIT } else { &CREDIT_FULL };
        return service.manifest().clone();
    }
    let (domain, example) = match choice >> 3 & 7 {
        0 => {
            let (minimum, maximum) = (None, None);
            let domain = Domain::Number { minimum, maximum, step: None, round: false };
            (domain, Value::Number(0.5))
        }
        1 => (Domain::Integer { minimum: i64::MIN, maximum: i64::MAX }, Value::Integer(1)),
        2 => (Domain::Boolean, Value::Boolean(true)),
        _ => {
            let categories = ["a", "b", "c"].map(str::to_owned).to_vec();
            (Domain::Category { categories }, Value::Category(1))
        }
    };
    let feature = |name: String| Feature {
        name,
        domain: domain.clone(),
        optional: choice & 0x40 != 0,
        unknown: match &domain {
            Domain::Category { categories } => categories.clone(),
            _ => vec![],
        },
        unit: None,
        description: String::new(),
        example,
        element: None,
        place: None,
    };
    let names = match choice & 7 {
        0 => ["a", "b", "c"].map(str::to_owned).to_vec(),
        1 => vec!["X".to_owned()],
        n => (0..n).map(|i| format!("X{i}")).collect(),
    };
    let (name, tensor, description) = ("y".into(), "Y".into(), String::new());
    Manifest {
        name: "test".into(),
        description: String::new(),
        license: None,
        contact: None,
        file: "model.onnx".into(),
        cache: Cache { ttl_seconds: 1, ..Cache::default() },
        features: names.into_iter().map(feature).collect(),
        outputs: vec![Output { name, tensor, column: 0, description }],
        endpoints: vec![],
    }
}
