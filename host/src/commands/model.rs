//! The model that a command is told of, running over a store: what its entries mean, and how their
//! keys are made.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::program::{Program, Source};
use crate::guest::contract;
use crate::guest::pool::{Pool, PoolConfig};
use crate::store::Inventory;
use anyhow::Result;
use clap::Args;
use foretold_core::cache::key::ModelId;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::{Endpoint, Manifest};
use foretold_core::service::Service;
use foretold_core::settings::{Secret, Settings};

/// How a model's component is run.
#[derive(Args)]
pub(crate) struct ComponentOptions {
    /// Folder of compiled components, which only the user may write to [default:
    /// $XDG_CACHE_HOME/foretold or ~/.cache/foretold].
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,

    /// The hosts serve the component's file with this option: its entries are kept apart.
    #[arg(long)]
    untrusted_component: bool,
}

/// The folder of compiled components: the one that is given, or the user's.
pub(crate) fn cache_folder(given: Option<&Path>) -> Result<CacheFolder> {
    match given {
        Some(folder) => CacheFolder::open(folder),
        None => CacheFolder::open(&CacheFolder::of_user()?),
    }
}

/// Which model, if one is given.
#[derive(Args)]
pub(crate) struct SourceOptions {
    /// The model that the hosts serve: its folder, or the component made by `foretold bake`.
    #[arg(long, value_name = "PATH")]
    pub(crate) source: Option<PathBuf>,

    #[command(flatten)]
    component: ComponentOptions,
}

impl SourceOptions {
    /// The model, if one is given.
    pub(crate) async fn model(
        &self,
        settings: contract::Settings,
        inventory: &Arc<dyn Inventory>,
    ) -> Result<Option<Model>> {
        match &self.source {
            None => Ok(None),
            Some(path) => Model::load(path, &self.component, settings, inventory).await.map(Some),
        }
    }
}

/// A model, running over a store.
pub(crate) struct Model {
    pub(crate) pool: Pool,
    pub(crate) service: Service,
    pub(crate) settings: Settings,
}

impl Model {
    /// Starts the model's component over a store. Nothing is baked, so that it is quick.
    pub(crate) async fn load(
        path: &Path,
        component: &ComponentOptions,
        settings: contract::Settings,
        inventory: &Arc<dyn Inventory>,
    ) -> Result<Model> {
        let source = Source::read(path, false)?;
        let folder = cache_folder(component.cache_dir.as_deref())?;
        let core_settings = core_settings(&settings)?;
        let config = PoolConfig {
            is_untrusted: component.untrusted_component,
            ..PoolConfig::for_one_caller(settings)
        };
        let program = Program::load(source, &folder, config.max_memory_bytes).await?;
        let pool = Pool::new(program, inventory.clone(), config).await?;
        let manifest = Manifest::parse(&pool.manifest().await?)?;
        let id: ModelId = pool.own_keys().said_id().unwrap_or_default().parse()?;
        Ok(Model { pool, service: Service::new(manifest, id), settings: core_settings })
    }

    /// The model's id, as it stands in the store's keys.
    pub(crate) fn id(&self) -> &str {
        &self.pool.description().model_id
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.service.manifest()
    }

    /// How long the hosts' store keeps entries.
    pub(crate) fn time_to_live(&self) -> Duration {
        Duration::from_secs(self.pool.description().ttl_seconds.into())
    }

    /// The request behind a key, as JSON, where it can be read back.
    pub(crate) fn request(&self, key: &str) -> Option<String> {
        let layout = self.service.key_layout();
        layout.row(&self.said(key)).map(|row| layout.json(&row))
    }

    /// What the component calls a key of the store: entries are made for that.
    pub(crate) fn said<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.pool.own_keys().said(key)
    }

    /// The store's key of a row; only keys of the kind `repr` tell endpoints apart.
    pub(crate) fn key(&self, endpoint: &Endpoint, row: &[Value]) -> String {
        let layout = self.service.key_layout();
        let Settings { keys, key_secret, .. } = &self.settings;
        let key = layout.key(*keys, key_secret.as_ref(), Some(endpoint), &layout.pack(row));
        self.pool.own_keys().stored(&key).map(Cow::into_owned).unwrap_or(key)
    }
}

/// What the component is told, as `core` has it.
fn core_settings(settings: &contract::Settings) -> Result<Settings> {
    Ok(Settings {
        ttl_seconds: settings.ttl_seconds,
        endpoint_ttl_seconds: settings.endpoint_ttl_seconds.clone(),
        keys: settings.keys,
        key_secret: settings.key_secret.as_deref().map(Secret::for_keys).transpose()?,
        mac: mac_secret(settings)?,
        ..Settings::default()
    })
}

/// The secret that entries are authenticated with.
pub(crate) fn mac_secret(settings: &contract::Settings) -> Result<Option<Secret>> {
    Ok(settings.mac_secret.as_deref().map(Secret::for_entries).transpose()?)
}
