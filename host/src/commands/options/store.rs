//! The options that choose a store: those of `foretold serve` and of the tools.

use std::path::PathBuf;
use std::time::Duration;

use crate::commands::options::settings::secret_file;
use crate::store::{Layout, Password, StoreSettings, StoreUrl};
use anyhow::{Context, Result, bail};
use clap::Args;

const URL_VARIABLE: &str = "FORETOLD_STORE";
const PASSWORD_VARIABLE: &str = "FORETOLD_STORE_PASSWORD";
/// What a command to Redis may take in a tool, at least.
const TOOL_TIMEOUT: Duration = Duration::from_secs(2);

/// Where predictions are cached.
#[derive(Args)]
pub(crate) struct StoreOptions {
    /// Where predictions are cached: `memory:`, `file:PATH`, `redis://[user@]host[:port][/db]`,
    /// `redis+sentinel://[user@]host[:port],…/service[/db]` for the primary that Sentinel names, or
    /// `redis+cluster://[user@]host[:port],…` for a cluster, of which some nodes are named;
    /// `rediss…` for TLS [env: FORETOLD_STORE] [default: memory:].
    ///
    /// Parameters for Redis, after a question mark and with & between them: `layout`; `capacity`,
    /// the entries per time to live that the packed layout is made for; `prefix`, in front of
    /// every key; with TLS `ca`, `cert` and `key`, PEM files, `server_name`, the name that the
    /// certificate is for where it is not the address, and `insecure=true`, which accepts any
    /// certificate; with Sentinel `sentinel_password_file`; with a cluster `read=replica`, which
    /// lets replicas answer look-ups. A password goes into the environment or a file, where no
    /// process list shows it.
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// How predictions lie in Redis: string (one key each), hash (one hash per model) or packed
    /// (least memory) [default: string].
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<Layout>,

    /// File with the password for Redis [env: FORETOLD_STORE_PASSWORD, the password itself].
    #[arg(long, value_name = "FILE")]
    store_password_file: Option<PathBuf>,

    /// Memory that entries of the memory store may take, in MiB; beyond it the least useful go.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    store_memory_mib: u64,

    /// Time a command to Redis may take, in milliseconds; then the prediction is computed.
    #[arg(long, value_name = "MS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    store_timeout_ms: u64,
}

impl StoreOptions {
    /// The store that the options and the environment choose.
    pub(crate) fn store_url(&self) -> Result<StoreUrl> {
        self.store_url_within(Duration::from_millis(self.store_timeout_ms))
    }

    /// The same for a tool, which has no client that waits: a command may take longer.
    pub(crate) fn store_url_for_tools(&self) -> Result<StoreUrl> {
        self.store_url_within(Duration::from_millis(self.store_timeout_ms).max(TOOL_TIMEOUT))
    }

    fn store_url_within(&self, timeout: Duration) -> Result<StoreUrl> {
        let (url, source) = match &self.store {
            Some(url) if StoreUrl::has_password(url) => bail!(
                "--store: a password on the command line is seen in the process list; give it in \
                 {URL_VARIABLE} (the whole URL), in {PASSWORD_VARIABLE} or with \
                 --store-password-file"
            ),
            Some(url) => (url.clone(), "--store"),
            None => match variable(URL_VARIABLE)? {
                Some(url) => (url, URL_VARIABLE),
                None => ("memory:".to_owned(), "--store, which is memory: unless it is given"),
            },
        };
        let settings = StoreSettings {
            max_bytes: self.store_memory_mib << 20,
            timeout,
            layout: self.layout,
            password: self.password()?,
        };
        StoreUrl::parse(&url, &settings).map_err(anyhow::Error::msg).context(source)
    }

    fn password(&self) -> Result<Option<Password>> {
        let Some(path) = &self.store_password_file else {
            return Ok(variable(PASSWORD_VARIABLE)?.map(Password::Given));
        };
        // One that cannot be read is a mistake to hear of before anything listens.
        let text = secret_file(path)
            .with_context(|| format!("--store-password-file: {}", path.display()))?;
        let password = Password::from_file(path, text);
        Ok(Some(password.map_err(anyhow::Error::msg).context("--store-password-file")?))
    }
}

/// A variable of the environment, unless it is empty.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{name}: expected UTF-8"),
    }
}
