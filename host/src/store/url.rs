//! The one URL that chooses a store.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::backend::StoreError;
use crate::store::file::FileStore;
use crate::store::inventory::Inventory;
use crate::store::memory::MemoryStore;
use crate::store::redis::{RedisStore, RedisUrl};
use crate::store::settings::StoreSettings;

/// The store that an operator chose.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// In this process; lost when it ends.
    Memory {
        /// Bound on the memory that entries take.
        max_bytes: u64,
    },
    /// In a file of this machine.
    File(PathBuf),
    /// In Redis or Valkey: a server or a cluster.
    Redis(Box<RedisUrl>),
}

impl StoreUrl {
    /// Reads `memory:`, `file:PATH`, `redis://…`, `redis+sentinel://…` or `redis+cluster://…`, and
    /// the last three with `rediss` for TLS.
    ///
    /// # Errors
    /// If it is none of these; the message repeats nothing that may be a password.
    pub fn parse(url: &str, settings: &StoreSettings) -> Result<StoreUrl, String> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
            | "rediss+cluster" => {
                return Ok(StoreUrl::Redis(Box::new(RedisUrl::parse(url, settings)?)));
            }
            "memory" | "file" => {}
            _ => return Err(unknown_scheme(url)),
        }
        if let Some(layout) = settings.layout {
            return Err(format!("the layout {layout} is one of Redis, not of {scheme}:"));
        }
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if let Some(parameter) = parameters.split(['=', '&']).find(|name| !name.is_empty()) {
            return Err(format!("unknown parameter {parameter:?}: {scheme}: takes none"));
        }
        if scheme == "memory" {
            return match path {
                "" => Ok(StoreUrl::Memory { max_bytes: settings.max_bytes }),
                _ => Err(format!("expected memory: with nothing behind it, not {path:?}")),
            };
        }
        let path = match path.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => return Err("expected file:PATH or file:///PATH".to_owned()),
            None => path,
        };
        match path {
            "" => Err("expected a path after file:".to_owned()),
            path => Ok(StoreUrl::File(path.into())),
        }
    }

    /// Whether a URL holds a password.
    pub fn has_password(url: &str) -> bool {
        // Not with a parser: also where it is no legal URL.
        let url = url.split('?').next().unwrap_or_default();
        let authority = url.split_once("://").map_or("", |(_, rest)| rest);
        let user_info = authority.rsplit_once('@').map_or("", |(user_info, _)| user_info);
        user_info.contains(':')
    }

    /// Opens the store. A server that does not answer is no error: it is tried again in the
    /// background, and predictions go on without it.
    ///
    /// # Errors
    /// If a file cannot be used, or a server answers that cannot have the layout.
    pub async fn open(&self) -> Result<Arc<dyn Inventory>, StoreError> {
        Ok(match self {
            StoreUrl::Memory { max_bytes } => Arc::new(MemoryStore::new(*max_bytes)),
            StoreUrl::File(path) => Arc::new(FileStore::open(path)?),
            StoreUrl::Redis(url) => Arc::new(RedisStore::connect(url).await?),
        })
    }
}

/// For people and logs: without user and password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Memory { max_bytes } => write!(f, "memory, at most {} MiB", max_bytes >> 20),
            StoreUrl::File(path) => write!(f, "file {}", path.display()),
            StoreUrl::Redis(url) => write!(f, "{url}"),
        }
    }
}

fn unknown_scheme(url: &str) -> String {
    let expected = "expected memory:, file:PATH, redis://…, redis+sentinel://…, redis+cluster://… or \
                    one of these with rediss";
    match url.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{expected}, not {scheme}://")
        }
        // Anything else may hold a password.
        _ => expected.to_owned(),
    }
}
