//! The export `predictor`.

use std::cell::OnceCell;

use foretold_core::cache::status::CacheStatus;
use foretold_core::http::problem::Problem;
use foretold_core::model::answer::{Answer, Precision};
use foretold_core::model::feature::{self, Domain, Field};
use foretold_core::pipeline::{self, Prediction};
use foretold_core::settings::{KeyFormat, Settings};
use foretold_inference::baked::Baked;
use foretold_inference::guest::clock;
use foretold_inference::guest::store::LabelledStore;

use crate::bindings::exports::foretold::component::predictor::{self as wit, Guest};
use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::{Component, baked, row, store};

/// The variables that a program can set.
const VARIABLES: [&str; 5] = ["ttl_seconds", "keys", "key_secret", "mac_secret", "store"];

/// What the instance works with.
struct Instance {
    baked: &'static Baked,
    store: LabelledStore<Bucket>,
    settings: Settings,
}

thread_local! {
    static INSTANCE: OnceCell<Instance> = const { OnceCell::new() };
}

impl Instance {
    fn new(variables: &[(String, String)]) -> Result<Instance, String> {
        let baked = baked()?;
        if let Some((name, _)) = variables.iter().find(|(name, _)| !VARIABLES.contains(&&**name)) {
            return Err(format!("{name:?} is no variable; expected {}", VARIABLES.join(", ")));
        }
        // An environment can hold empty variables for none; a program that gives one means it.
        if let Some((name, _)) = variables.iter().find(|(_, value)| value.is_empty()) {
            return Err(format!("{name}: it is empty; leave it out, or give it a value"));
        }
        let variable = |name: &str| {
            let found = variables.iter().rfind(|(known, _)| known == name);
            Ok(found.map(|(_, value)| value.clone()))
        };
        let settings = Settings::from_variables(variable).map_err(|error| error.to_string())?;
        if settings.keys == KeyFormat::Repr {
            return Err("keys: expected packed, digest or readable: entries of a Python service \
                        are answers and hold no outputs"
                .to_owned());
        }
        settings.check(baked.service.manifest()).map_err(|error| error.to_string())?;
        let store = variable("store")?.unwrap_or_else(|| "default".to_owned());
        Ok(Instance { baked, store: LabelledStore::new(store, store::open), settings })
    }

    fn predict(
        &self,
        endpoint: Option<usize>,
        rows: &[wit::Row],
    ) -> Vec<Result<Prediction, wit::RowError>> {
        let Instance { baked: Baked { service, model, .. }, store, settings } = self;
        let features = &service.manifest().features;
        let rows = rows.iter().map(|fields| row::row(fields, features)).collect();
        let now = clock::now();
        let predictions = pipeline::predict(service, endpoint, rows, store, model, settings, now);
        predictions.into_iter().map(|row| row.map_err(row_error)).collect()
    }
}

/// Calls a function with the instance, which is made with the default settings if the program has
/// not configured it.
fn with_instance<T>(call: impl FnOnce(&Instance) -> Result<T, String>) -> Result<T, String> {
    INSTANCE.with(|cell| match cell.get() {
        Some(instance) => call(instance),
        None => {
            let instance = Instance::new(&[])?;
            call(cell.get_or_init(|| instance))
        }
    })
}

impl Guest for Component {
    fn configure(variables: Vec<(String, String)>) -> Result<(), String> {
        let instance = Instance::new(&variables)?;
        INSTANCE.with(|cell| {
            cell.set(instance).map_err(|_| {
                "this instance has its settings already; call configure once, before all else"
                    .to_owned()
            })
        })
    }

    fn describe() -> Result<wit::Description, String> {
        with_instance(|Instance { baked: Baked { service, id, .. }, settings, .. }| {
            let manifest = service.manifest();
            // Of the endpoints and of `predict`, which has none.
            let ttl_seconds =
                settings.longest_seconds(manifest).max(settings.ttl_seconds(manifest, None));
            Ok(wit::Description {
                model: manifest.name.clone(),
                model_id: id.to_string(),
                description: manifest.description.clone(),
                ttl_seconds,
                features: feature::fields(&manifest.features).map(feature).collect(),
                outputs: manifest.outputs.iter().map(|output| output.name.clone()).collect(),
                endpoints: manifest.endpoints.iter().map(|e| e.path.clone()).collect(),
            })
        })
    }

    fn predict(rows: Vec<wit::Row>) -> Result<Vec<Result<wit::Prediction, wit::RowError>>, String> {
        with_instance(|instance| {
            let prediction =
                |Prediction { outputs, status }| wit::Prediction { outputs, cache: cache(status) };
            let predictions = instance.predict(None, &rows);
            Ok(predictions.into_iter().map(|row| row.map(prediction)).collect())
        })
    }

    fn answer(
        endpoint: String,
        rows: Vec<wit::Row>,
    ) -> Result<Vec<Result<wit::EndpointAnswer, wit::RowError>>, String> {
        with_instance(|instance| {
            let endpoints = &instance.baked.service.manifest().endpoints;
            let position = endpoints.iter().position(|known| known.path == endpoint);
            let position = position.ok_or_else(|| {
                let paths: Vec<&str> = endpoints.iter().map(|e| e.path.as_str()).collect();
                format!("{endpoint:?} is no endpoint; expected one of {}", paths.join(", "))
            })?;
            let answer = |Prediction { outputs, status }| wit::EndpointAnswer {
                value: match Answer::new(&endpoints[position], &outputs, Precision::Single) {
                    Answer::Number(number) => wit::AnswerValue::Number(number),
                    Answer::Label(label) => wit::AnswerValue::Label(label.to_owned()),
                },
                cache: cache(status),
            };
            let predictions = instance.predict(Some(position), &rows);
            Ok(predictions.into_iter().map(|row| row.map(answer)).collect())
        })
    }
}

fn cache(status: CacheStatus) -> wit::Cache {
    let (hit, time) = match status {
        CacheStatus::Hit { time } => (true, time),
        CacheStatus::Miss { .. } => (false, None),
    };
    wit::Cache {
        hit,
        age_seconds: time.map(|(age_seconds, _)| age_seconds),
        ttl_seconds: time.map(|(_, ttl_seconds)| ttl_seconds),
        status: status.to_string(),
    }
}

fn row_error(problem: Problem) -> wit::RowError {
    match problem {
        Problem::InvalidRequest { errors } => {
            let errors = errors.into_iter().map(|error| wit::FieldError {
                field: error.field,
                value: error.value,
                expected: error.expected,
                detail: error.detail,
            });
            wit::RowError::Invalid(errors.collect())
        }
        Problem::ModelFailed { reason } => wit::RowError::Failed(reason),
        problem => wit::RowError::Failed(problem.detail()),
    }
}

fn feature(field: Field<'_>) -> wit::Feature {
    let feature = field.feature();
    let domain = match &feature.domain {
        Domain::Number { minimum, maximum, step, round } => {
            wit::Domain::Number(wit::NumberDomain {
                minimum: *minimum,
                maximum: *maximum,
                step: step.as_ref().map(|step| step.size()),
                round: *round,
            })
        }
        Domain::Integer { minimum, maximum } => {
            wit::Domain::Integer(wit::IntegerDomain { minimum: *minimum, maximum: *maximum })
        }
        Domain::Boolean => wit::Domain::Boolean,
        Domain::Category { categories } => wit::Domain::Category(categories.clone()),
    };
    wit::Feature {
        name: field.name.to_owned(),
        domain,
        length: field.is_vector().then_some(field.features.len() as u32),
        optional: feature.optional,
        unit: feature.unit.clone(),
        description: feature.description.clone(),
        example: row::example(&field),
    }
}
