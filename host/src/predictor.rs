//! Predictions inside a program that is not a server: a component for the target `library`, and a
//! store that the program supplies.
//!
//! Nothing here is asynchronous and nothing needs a runtime. The compiled form of the component is
//! kept in the user's cache folder, so that only the first start compiles.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use wasmtime::Store;
use wasmtime::component::{
    ComponentType, InstancePre, Lift, Linker, Lower, Resource, ResourceTable, ResourceType,
    TypedFunc, WasmList, WasmStr,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::artefact::bake::function;
use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::program::Program;
use crate::artefact::target::Target;
use crate::store::StoreError;

const INTERFACE: &str = "foretold:component/predictor@0.1.0";
const STORE: &str = "wasi:keyvalue/store@0.2.0-draft";

/// A key-value store that a program supplies.
///
/// It may forget entries at any time, and fail: predictions are then computed.
pub trait KeyValue: Send + 'static {
    /// The value under a key, or `None` where there is none.
    ///
    /// # Errors
    /// If the store did not answer.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts a value under a key. After the time to live it is of no more use.
    ///
    /// # Errors
    /// If the store did not take it.
    fn set(&mut self, key: &str, value: &[u8], time_to_live: Duration) -> Result<(), StoreError>;
}

/// Keeps everything: entries that have expired are computed anew and replaced, but never removed.
impl KeyValue for HashMap<String, Vec<u8>> {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(HashMap::get(self, key).cloned())
    }

    fn set(&mut self, key: &str, value: &[u8], _: Duration) -> Result<(), StoreError> {
        self.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lower, Lift)]
#[component(variant)]
pub enum Value {
    /// For a feature that is optional; the same as leaving it out.
    #[component(name = "missing")]
    Missing,
    /// A number; an integer may be given so too.
    #[component(name = "number")]
    Number(f64),
    /// A truth value.
    #[component(name = "boolean")]
    Boolean(bool),
    /// An integer.
    #[component(name = "integer")]
    Integer(i64),
    /// One of the categories.
    #[component(name = "text")]
    Text(String),
}

macro_rules! value_from {
    ($($from:ty => $case:ident),*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Value {
                Value::$case(value.into())
            }
        })*
    };
}

value_from!(f32 => Number, f64 => Number, i32 => Integer, u32 => Integer, i64 => Integer,
            bool => Boolean, &str => Text, String => Text);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Missing, T::into)
    }
}

/// The record `field`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Field {
    name: String,
    value: Value,
}

/// The values that a feature can have; bounds are inclusive.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum Domain {
    /// A 64-bit float.
    #[component(name = "number")]
    Number(NumberDomain),
    /// A 64-bit integer.
    #[component(name = "integer")]
    Integer(IntegerDomain),
    /// `true` or `false`.
    #[component(name = "boolean")]
    Boolean,
    /// One of these texts.
    #[component(name = "category")]
    Category(Vec<String>),
}

/// Bounds of a number.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct NumberDomain {
    /// Smallest legal value.
    pub minimum: Option<f64>,
    /// Largest legal value.
    pub maximum: Option<f64>,
    /// The grid that values lie on, counted from the minimum.
    pub step: Option<f64>,
    /// Whether a value off the grid is moved to the nearest point instead of being refused.
    pub round: bool,
}

/// Bounds of an integer.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct IntegerDomain {
    /// Smallest legal value.
    pub minimum: i64,
    /// Largest legal value.
    pub maximum: i64,
}

/// One input of the model.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// The values it can have.
    pub domain: Domain,
    /// Whether it may be left out.
    pub optional: bool,
    /// Unit of a number.
    pub unit: Option<String>,
    /// What it means.
    pub description: String,
    /// A legal value.
    pub example: Value,
}

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// Digest of everything that decides the model's outputs, as it stands in the keys.
    #[component(name = "model-id")]
    pub model_id: String,
    /// What it predicts.
    pub description: String,
    /// Longest that an entry may be served, in seconds.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: u32,
    /// The inputs.
    pub features: Vec<Feature>,
    /// Names of the outputs, in the order of [`Prediction::outputs`].
    pub outputs: Vec<String>,
    /// What [`Predictor::answer`] knows, e.g. `/decisions`.
    pub endpoints: Vec<String>,
}

/// What is wrong with one field of a row.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct FieldError {
    /// Its name; empty where the whole row is meant.
    pub field: String,
    /// What was found.
    pub value: Option<String>,
    /// What is expected, e.g. `an integer from 18 to 127`.
    pub expected: String,
    /// The whole sentence.
    pub detail: String,
}

/// Why a row gets no prediction.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub enum RowError {
    /// All that is wrong with its fields.
    #[component(name = "invalid")]
    Invalid(Vec<FieldError>),
    /// The model could not be run on it.
    #[component(name = "failed")]
    Failed(String),
}

/// A sentence per mistake.
impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::Failed(reason) => f.write_str(reason),
            RowError::Invalid(errors) => {
                let details: Vec<&str> = errors.iter().map(|error| &*error.detail).collect();
                f.write_str(&details.join("; "))
            }
        }
    }
}

impl std::error::Error for RowError {}

/// What the cache did for a row.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct Cache {
    /// Whether the outputs are those of an entry.
    pub hit: bool,
    /// Seconds since they were computed, on a hit.
    #[component(name = "age-seconds")]
    pub age_seconds: Option<u32>,
    /// Seconds that the entry will still be served, on a hit; below 0 where the model failed and
    /// the manifest allows an expired entry instead.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: Option<i64>,
    /// The same as the header `Cache-Status` says it, e.g. `foretold; fwd=miss; stored`.
    pub status: String,
}

/// What the model says of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Prediction {
    /// As [`Description::outputs`] names them.
    pub outputs: Vec<f32>,
    /// Where they are from.
    pub cache: Cache,
}

/// What an endpoint makes of the outputs.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(variant)]
pub enum AnswerValue {
    /// An output itself.
    #[component(name = "number")]
    Number(f32),
    /// A label of the endpoint.
    #[component(name = "label")]
    Label(String),
}

/// What an endpoint says of a row.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Answer {
    /// The number or the label.
    pub value: AnswerValue,
    /// Where it is from.
    pub cache: Cache,
}

/// The variant `error` of wasi:keyvalue.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    #[allow(dead_code, reason = "a case of the interface")]
    NoSuchStore,
    #[component(name = "access-denied")]
    #[allow(dead_code, reason = "a case of the interface")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// The resource `bucket`. There is one store, so a handle says nothing.
struct Bucket;

/// What belongs to the instance.
struct Guest<S> {
    store: S,
    time_to_live: Duration,
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl<S: KeyValue> WasiView for Guest<S> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// The function `configure`, which takes variables by name.
type Configure = TypedFunc<(Vec<(String, String)>,), (Result<(), String>,)>;
type Rows = (Vec<Vec<Field>>,);
type Results<T> = (Result<Vec<Result<T, RowError>>, String>,);

/// A model and a store, ready to predict.
///
/// It answers one call at a time. For more threads make one for each with [`Predictor::again`]:
/// that takes microseconds and compiles nothing.
pub struct Predictor<S: KeyValue> {
    pre: InstancePre<Guest<S>>,
    variables: Vec<(String, String)>,
    guest: Store<Guest<S>>,
    instance: wasmtime::component::Instance,
    description: Description,
}

impl<S: KeyValue> Predictor<S> {
    /// A predictor from a component that `foretold bake --target library` has made.
    ///
    /// # Errors
    /// If the file is no such component, or the user's cache folder cannot be used.
    pub fn from_file(path: impl AsRef<Path>, store: S) -> Result<Predictor<S>> {
        let path = path.as_ref();
        let component = std::fs::read(path)
            .with_context(|| format!("cannot read the component {}", path.display()))?;
        let folder = CacheFolder::open(&CacheFolder::of_user()?)?;
        let predictor = Predictor::new(component, &folder, &[], store);
        predictor.with_context(|| path.display().to_string())
    }

    /// A predictor from the bytes of a component, with the folder where its compiled form is kept.
    ///
    /// `variables` are settings: `ttl_seconds`, `keys` (`packed`, `digest` or `readable`),
    /// `key_secret` and `mac_secret`.
    ///
    /// # Errors
    /// If the component is none for the target `library`, a variable has no legal value, or the
    /// folder is not usable.
    pub fn new(
        component: Vec<u8>,
        folder: &CacheFolder,
        variables: &[(&str, &str)],
        store: S,
    ) -> Result<Predictor<S>> {
        let program = Program::load_baked(component, folder)?;
        program.require(Target::Library, "a `Predictor`")?;
        let pre = link(&program).map_err(anyhow::Error::from);
        let pre = pre.context("the component does not fit this version of foretold")?;
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Predictor::start(pre, variables.collect(), store)
    }

    /// Another predictor of the same model and settings.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn again(&self, store: S) -> Result<Predictor<S>> {
        Predictor::start(self.pre.clone(), self.variables.clone(), store)
    }

    fn start(
        pre: InstancePre<Guest<S>>,
        variables: Vec<(String, String)>,
        store: S,
    ) -> Result<Predictor<S>> {
        let guest = Guest {
            store,
            // Known as soon as the component has described itself.
            time_to_live: Duration::ZERO,
            // No files, no environment, no arguments, no sockets, no standard streams.
            wasi: WasiCtx::builder().build(),
            resources: ResourceTable::new(),
        };
        let mut guest = Store::new(pre.engine(), guest);
        // Nobody counts epochs here: a call ends by itself.
        guest.set_epoch_deadline(1);
        let instance = pre.instantiate(&mut guest)?;
        let configure: Configure = function(&mut guest, &instance, INTERFACE, "configure")?;
        let (configured,) = configure.call(&mut guest, (variables.clone(),))?;
        configured.map_err(anyhow::Error::msg)?;
        let describe: TypedFunc<(), (Result<Description, String>,)> =
            function(&mut guest, &instance, INTERFACE, "describe")?;
        let (description,) = describe.call(&mut guest, ())?;
        let description = description.map_err(anyhow::Error::msg)?;
        guest.data_mut().time_to_live = Duration::from_secs(description.ttl_seconds.into());
        Ok(Predictor { pre, variables, guest, instance, description })
    }

    /// What the model takes and gives.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The program's store.
    pub fn store(&mut self) -> &mut S {
        &mut self.guest.data_mut().store
    }

    /// The store, when predictions are no more needed.
    pub fn into_store(self) -> S {
        self.guest.into_data().store
    }

    /// What the model says of one row: its features by name, in any order.
    ///
    /// # Errors
    /// [`RowError`] with every field that is wrong; another error if the component broke down, after
    /// which this predictor is of no more use.
    pub fn predict(&mut self, row: &[(&str, Value)]) -> Result<Prediction> {
        Ok(only(self.predict_rows(&[row])?)?)
    }

    /// The same for many rows at once.
    ///
    /// # Errors
    /// If the component broke down. Mistakes in a row are in its place.
    pub fn predict_rows(
        &mut self,
        rows: &[&[(&str, Value)]],
    ) -> Result<Vec<Result<Prediction, RowError>>> {
        let predict: TypedFunc<Rows, Results<Prediction>> =
            function(&mut self.guest, &self.instance, INTERFACE, "predict")?;
        let (predictions,) = predict.call(&mut self.guest, (fields(rows),))?;
        predictions.map_err(anyhow::Error::msg)
    }

    /// What an endpoint of the manifest answers for one row, e.g. `/decisions`.
    ///
    /// # Errors
    /// As [`Predictor::predict`], or if there is no such endpoint.
    pub fn answer(&mut self, endpoint: &str, row: &[(&str, Value)]) -> Result<Answer> {
        Ok(only(self.answer_rows(endpoint, &[row])?)?)
    }

    /// The same for many rows at once.
    ///
    /// # Errors
    /// If the component broke down, or there is no such endpoint. Mistakes in a row are in its
    /// place.
    pub fn answer_rows(
        &mut self,
        endpoint: &str,
        rows: &[&[(&str, Value)]],
    ) -> Result<Vec<Result<Answer, RowError>>> {
        let answer: TypedFunc<(String, Vec<Vec<Field>>), Results<Answer>> =
            function(&mut self.guest, &self.instance, INTERFACE, "answer")?;
        let (answers,) = answer.call(&mut self.guest, (endpoint.to_owned(), fields(rows)))?;
        answers.map_err(anyhow::Error::msg)
    }
}

fn fields(rows: &[&[(&str, Value)]]) -> Vec<Vec<Field>> {
    let field =
        |(name, value): &(&str, Value)| Field { name: (*name).to_owned(), value: value.clone() };
    rows.iter().map(|row| row.iter().map(field).collect()).collect()
}

fn only<T>(mut rows: Vec<Result<T, RowError>>) -> Result<T, RowError> {
    let none = || RowError::Failed("the component gave no row for a row".to_owned());
    rows.pop().ok_or_else(none)?
}

fn link<S: KeyValue>(program: &Program) -> wasmtime::Result<InstancePre<Guest<S>>> {
    let mut linker: Linker<Guest<S>> = Linker::new(&program.engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let mut interface = linker.instance(STORE)?;
    interface.resource("bucket", ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    interface.func_wrap("open", |_, (_,): (WasmStr,)| {
        Ok((Ok::<_, Error>(Resource::<Bucket>::new_own(0)),))
    })?;
    interface.func_wrap(
        "[method]bucket.get",
        |mut guest, (_, key): (Resource<Bucket>, String)| {
            let value = guest.data_mut().store.get(&key);
            Ok((value.map_err(|error| Error::Other(error.0)),))
        },
    )?;
    interface.func_wrap(
        "[method]bucket.set",
        |mut guest, (_, key, value): (Resource<Bucket>, String, WasmList<u8>)| {
            let value = value.as_le_slice(&guest).to_vec();
            let guest: &mut Guest<S> = guest.data_mut();
            let result = guest.store.set(&key, &value, guest.time_to_live);
            Ok((result.map_err(|error| Error::Other(error.0)),))
        },
    )?;
    linker.instantiate_pre(&program.component)
}
