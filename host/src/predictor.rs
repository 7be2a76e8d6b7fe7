//! Predictions inside a program that is not a server: a component for the target `library`, and a
//! store that the program supplies.
//!
//! Nothing here is asynchronous and nothing needs a runtime. The compiled form of the component is
//! kept in the user's cache folder, so that only the first start compiles.

mod store;
mod types;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use wasmtime::Store;
use wasmtime::component::{
    ComponentType, InstancePre, Linker, Lower, Resource, ResourceTable, ResourceType, TypedFunc,
    WasmList, WasmStr,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::artefact::bake::function;
use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::program::{MAX_COMPONENT_BYTES, Program};
use crate::artefact::target::Target;
use crate::plain_file;

pub use self::store::KeyValue;
use self::types::Field;
pub use self::types::{
    Answer, AnswerValue, Cache, Description, Domain, Feature, FieldError, IntegerDomain,
    NumberDomain, Prediction, RowError, Value,
};

const INTERFACE: &str = "foretold:component/predictor@0.1.0";
const STORE: &str = "wasi:keyvalue/store@0.2.0-draft";

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
type EndpointRows = (String, Vec<Vec<Field>>);
type Results<T> = (Result<Vec<Result<T, RowError>>, String>,);

/// A model and a store, ready to predict.
///
/// It answers one call at a time. For more threads make one for each with [`Predictor::again`]:
/// that takes microseconds and compiles nothing.
pub struct Predictor<S: KeyValue> {
    pre: InstancePre<Guest<S>>,
    variables: Vec<(String, String)>,
    guest: Store<Guest<S>>,
    predict: TypedFunc<Rows, Results<Prediction>>,
    answer: TypedFunc<EndpointRows, Results<Answer>>,
    description: Description,
}

impl<S: KeyValue> Predictor<S> {
    /// A predictor from a component that `foretold bake --target library` has made.
    ///
    /// # Errors
    /// If the file is no such component or no plain file, or the user's cache folder cannot be used. A
    /// component that takes longer than ten minutes to compile is one of these; its compilation goes on
    /// until the program ends, since the compiler cannot be interrupted.
    pub fn from_file(path: impl AsRef<Path>, store: S) -> Result<Predictor<S>> {
        let path = path.as_ref();
        let component = plain_file::read(path, MAX_COMPONENT_BYTES)
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

    /// Another predictor of the same model and settings, over a store of its own.
    ///
    /// # Examples
    /// One for each thread:
    ///
    /// ```no_run
    /// use std::collections::HashMap;
    ///
    /// use foretold::predictor::Predictor;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let first = Predictor::from_file("credit-library.wasm", HashMap::new())?;
    /// let mut second = first.again(HashMap::new())?;
    /// std::thread::spawn(move || second.predict(&[("age_in_years", 30.into())]));
    /// # Ok(())
    /// # }
    /// ```
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
        let predict = function(&mut guest, &instance, INTERFACE, "predict")?;
        let answer = function(&mut guest, &instance, INTERFACE, "answer")?;
        Ok(Predictor { pre, variables, guest, predict, answer, description })
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
        let (predictions,) = self.predict.call(&mut self.guest, (fields(rows),))?;
        predictions.map_err(anyhow::Error::msg)
    }

    /// What an endpoint of the manifest answers for one row, e.g. `/decisions`.
    ///
    /// # Errors
    /// As [`Predictor::predict`], or if there is no such endpoint.
    pub fn answer(&mut self, endpoint: &str, row: &[(&str, Value)]) -> Result<Answer> {
        Ok(only(self.answer_rows(endpoint, &[row])?)?)
    }

    /// The same for many rows at once, which costs less than one after the other.
    ///
    /// # Examples
    /// ```no_run
    /// use std::collections::HashMap;
    ///
    /// use foretold::predictor::{Predictor, Value};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let mut rent = Predictor::from_file("rent-library.wasm", HashMap::new())?;
    /// let rows: [[(&str, Value); 2]; 2] = [
    ///     [("square_metres", 75.0.into()), ("rooms", 3.into())],
    ///     [("square_metres", 120.0.into()), ("rooms", 5.into())],
    /// ];
    /// for answer in rent.answer_rows("/rents", &[&rows[0], &rows[1]])? {
    ///     println!("{:?}", answer?.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the component broke down, or there is no such endpoint. Mistakes in a row are in its
    /// place.
    pub fn answer_rows(
        &mut self,
        endpoint: &str,
        rows: &[&[(&str, Value)]],
    ) -> Result<Vec<Result<Answer, RowError>>> {
        let (answers,) = self.answer.call(&mut self.guest, (endpoint.to_owned(), fields(rows)))?;
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
