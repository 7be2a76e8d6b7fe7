//! The export `draft`: what a model's file says by itself.

use foretold_core::Model;
use foretold_core::model::manifest::Manifest;
use foretold_inference::OnnxModel;
use foretold_inference::draft::{self, Draft, DraftFeature, DraftOutput};

use crate::Component;
use crate::bindings::exports::foretold::component::draft::{self as wit, Guest};

impl Guest for Component {
    fn draft(model: Vec<u8>, width: Option<u32>) -> Result<wit::Description, String> {
        let draft = draft::draft(&model, width.map(|width| width as usize));
        let draft = draft.map_err(|error| error.to_string())?;
        let Draft { producer, features, is_width_open, outputs, left_out } = draft;
        Ok(wit::Description {
            producer,
            features: features.into_iter().map(feature).collect(),
            is_width_open,
            outputs: outputs.into_iter().map(output).collect(),
            left_out,
        })
    }

    fn example(manifest: String, model: Vec<u8>) -> Result<Vec<f32>, String> {
        let manifest = Manifest::parse(&manifest).map_err(|errors| errors.to_string())?;
        let model = OnnxModel::load(&model, &manifest).map_err(|error| error.to_string())?;
        model.predict(&manifest.example()).map_err(|error| error.0)
    }
}

fn feature(feature: DraftFeature) -> wit::Feature {
    let kind = match feature.kind {
        draft::Kind::Number => wit::Kind::Number,
        draft::Kind::Integer => wit::Kind::Integer,
        draft::Kind::Boolean => wit::Kind::Boolean,
        draft::Kind::Text => wit::Kind::Text,
    };
    wit::Feature {
        name: feature.name,
        is_column: feature.is_column,
        place: feature.place.map(|place| (place.input, place.column as u32)),
        kind,
        bounds: feature.bounds,
        categories: feature.categories,
        refuses_others: feature.refuses_others,
        takes_missing: feature.takes_missing,
    }
}

fn output(output: DraftOutput) -> wit::Output {
    wit::Output {
        tensor: output.tensor,
        columns: output.columns as u32,
        classes: output.classes,
        are_probabilities: output.are_probabilities,
        are_fractions: output.are_fractions,
        decides: output.decides,
        labels: output.labels,
    }
}
