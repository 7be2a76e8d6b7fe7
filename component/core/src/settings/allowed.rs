//! What clients may do.

use crate::settings::error::SettingsError;

/// What clients may ask of the cache and see of it. One that may bypass the cache can load the
/// model; one that sees hits can learn who was scored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// `Cache-Control: no-cache` is followed.
    pub no_cache: bool,
    /// `Cache-Control: no-store` is followed.
    pub no_store: bool,
    /// `Cache-Control: max-age` is followed.
    pub max_age: bool,
    /// `Cache-Control: only-if-cached` is followed.
    pub only_if_cached: bool,
    /// Responses say whether they came from the cache: `Cache-Status`, `Age`, `Server-Timing`.
    pub cache_status: bool,
    /// The method QUERY is answered.
    pub query: bool,
}

/// Everything.
impl Default for Allowed {
    fn default() -> Allowed {
        Allowed::ALL
    }
}

impl Allowed {
    /// Everything.
    pub const ALL: Allowed = Allowed {
        no_cache: true,
        no_store: true,
        max_age: true,
        only_if_cached: true,
        cache_status: true,
        query: true,
    };
    /// Nothing.
    pub const NONE: Allowed = Allowed {
        no_cache: false,
        no_store: false,
        max_age: false,
        only_if_cached: false,
        cache_status: false,
        query: false,
    };

    /// Reads a list like `no-cache,max-age`, `all` or `none`.
    ///
    /// # Errors
    /// With the names there are, if it has another.
    pub fn parse(list: &str) -> Result<Allowed, SettingsError> {
        match list {
            "all" => return Ok(Allowed::ALL),
            "none" => return Ok(Allowed::NONE),
            _ => {}
        }
        let mut allowed = Allowed::NONE;
        for name in list.split(',').map(str::trim) {
            *match name {
                "no-cache" => &mut allowed.no_cache,
                "no-store" => &mut allowed.no_store,
                "max-age" => &mut allowed.max_age,
                "only-if-cached" => &mut allowed.only_if_cached,
                "cache-status" => &mut allowed.cache_status,
                "query" => &mut allowed.query,
                _ => return Err(SettingsError::UnknownPermission { found: name.to_owned() }),
            } = true;
        }
        Ok(allowed)
    }

    /// The methods that endpoints answer, for the `Allow` header.
    pub fn methods(self) -> &'static str {
        if self.query { "POST, QUERY, OPTIONS" } else { "POST, OPTIONS" }
    }
}
