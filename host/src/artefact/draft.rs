//! What a model's file says by itself, from the generic component: only components know ONNX.

use std::time::Duration;

use anyhow::Result;
use wasmtime::component::{ComponentType, Lift, TypedFunc};

use crate::artefact::bake::{self, BakeLimits, call_once};
use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::model_dir::ModelDir;
use crate::artefact::program::{Program, Source};
use crate::artefact::target::Target;

const INTERFACE: &str = "foretold:component/draft@0.1.0";

/// A file is loaded several times to find out what it says; whether the model can be served within
/// other limits is said when it is.
const LIMITS: BakeLimits = BakeLimits { memory_bytes: 4 << 30, time: Duration::from_secs(600) };

/// The function `draft`: the model and how many columns there may be, and the description.
type Describe<'a> = TypedFunc<(&'a [u8], Option<u32>), (Result<Draft, String>,)>;
/// The function `example`: the manifest and the model, and the outputs.
type Example<'a> = TypedFunc<(&'a str, &'a [u8]), (Result<Vec<f32>, String>,)>;

/// The record `description`: what a model's file says.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Draft {
    /// The program that wrote the file; empty where it does not say.
    pub(crate) producer: String,
    /// What can be features, in the order of the file.
    pub(crate) features: Vec<DraftFeature>,
    /// Whether the file leaves open how many columns its only input has.
    #[component(name = "is-width-open")]
    pub(crate) is_width_open: bool,
    /// At least one.
    pub(crate) outputs: Vec<DraftOutput>,
    /// Names of the outputs that cannot be served, and why.
    #[component(name = "left-out")]
    pub(crate) left_out: Vec<(String, String)>,
}

/// What values an input has.
#[allow(dead_code, reason = "the component makes them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Kind {
    #[component(name = "number")]
    Number,
    #[component(name = "integer")]
    Integer,
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "text")]
    Text,
}

/// An input, or a column of one that has several.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct DraftFeature {
    pub(crate) name: String,
    /// Whether it is a column: its name is made up then.
    #[component(name = "is-column")]
    pub(crate) is_column: bool,
    /// The input and the column that it is, if the model has several inputs.
    pub(crate) place: Option<(String, u32)>,
    pub(crate) kind: Kind,
    /// The smallest and the largest integer that the file implies.
    pub(crate) bounds: Option<(i64, i64)>,
    /// The texts that the model's encoders know.
    pub(crate) categories: Vec<String>,
    /// Whether an encoder fails on other texts.
    #[component(name = "refuses-others")]
    pub(crate) refuses_others: bool,
    /// Whether the model gives numbers where it is missing.
    #[component(name = "takes-missing")]
    pub(crate) takes_missing: bool,
}

/// A tensor of numbers that the model gives.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct DraftOutput {
    pub(crate) tensor: String,
    /// How many numbers there are for a row.
    pub(crate) columns: u32,
    /// The class that each column is for, or of one column both: the second is the model's class where
    /// it is above 0. Empty where the file does not say.
    pub(crate) classes: Vec<String>,
    /// Whether the columns are at least two and sum up to one.
    #[component(name = "are-probabilities")]
    pub(crate) are_probabilities: bool,
    /// Whether the numbers of a few rows are from 0 to 1.
    #[component(name = "are-fractions")]
    pub(crate) are_fractions: bool,
    /// Whether the class is that of the largest column.
    pub(crate) decides: bool,
    /// Where it is a class itself: each number that it may be, ascending, and the class that this stands
    /// for.
    pub(crate) labels: Vec<(i64, String)>,
}

/// The generic component, to ask about models.
pub(crate) struct Drafter {
    program: Program,
}

impl Drafter {
    /// Loads the component, or compiles it now.
    pub(crate) async fn new(folder: &CacheFolder) -> Result<Drafter> {
        let source = Source::Baked(Target::Edge.generic()?.to_vec());
        Ok(Drafter { program: Program::load(source, folder, LIMITS.memory_bytes).await? })
    }

    /// What a model's file says. `width` is how many columns its only input has, where the file
    /// leaves that open.
    ///
    /// # Errors
    /// If the model cannot be run with any manifest.
    pub(crate) async fn draft(&self, model: &[u8], width: Option<u32>) -> Result<Draft> {
        call_once(&self.program.component, &LIMITS, async |store, instance| {
            let describe: Describe<'_> = bake::function(&mut *store, instance, INTERFACE, "draft")?;
            Ok(describe.call_async(&mut *store, (model, width)).await?.0)
        })
        .await
    }

    /// Loads a model with a manifest, as each instance that serves it will.
    ///
    /// # Errors
    /// With what the component says of them.
    pub(crate) async fn check(&self, model: &ModelDir) -> Result<()> {
        call_once(&self.program.component, &LIMITS, async |store, instance| {
            bake::load(&mut *store, instance, model).await
        })
        .await
    }

    /// What a model gives for the examples of a manifest: its outputs, which may be no numbers.
    ///
    /// # Errors
    /// If the model cannot be run on them.
    pub(crate) async fn example(&self, model: &ModelDir) -> Result<Vec<f32>> {
        call_once(&self.program.component, &LIMITS, async |store, instance| {
            let example: Example<'_> = bake::function(&mut *store, instance, INTERFACE, "example")?;
            Ok(example.call_async(&mut *store, (&*model.manifest, &*model.model)).await?.0)
        })
        .await
    }
}
