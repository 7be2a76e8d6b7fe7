//! What clients may do.

use std::fmt;

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
    /// `Cache-Control: only-if-cached` is followed, where [`Allowed::cache_status`] is allowed, too.
    pub only_if_cached: bool,
    /// Responses say whether they came from the cache: `Cache-Status`, `Age`, `Server-Timing`.
    pub cache_status: bool,
    /// The method QUERY is answered.
    pub query: bool,
}

/// One of them.
type Permission = fn(&mut Allowed) -> &mut bool;

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

    /// Each permission by its name.
    const PERMISSIONS: [(&str, Permission); 6] = [
        ("no-cache", |it| &mut it.no_cache),
        ("no-store", |it| &mut it.no_store),
        ("max-age", |it| &mut it.max_age),
        ("only-if-cached", |it| &mut it.only_if_cached),
        ("cache-status", |it| &mut it.cache_status),
        ("query", |it| &mut it.query),
    ];

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
            let known = Allowed::PERMISSIONS.iter().find(|(known, _)| *known == name);
            let (_, permission) =
                known.ok_or_else(|| SettingsError::UnknownPermission { found: name.to_owned() })?;
            *permission(&mut allowed) = true;
        }
        Ok(allowed)
    }

    /// Whether `only-if-cached` is followed: its 504 tells a hit from a miss, too.
    pub fn only_if_cached(self) -> bool {
        self.only_if_cached && self.cache_status
    }

    /// The methods that endpoints answer, for the `Allow` header.
    pub fn methods(self) -> &'static str {
        if self.query { "POST, QUERY, OPTIONS" } else { "POST, OPTIONS" }
    }
}

/// As [`Allowed::parse`] reads it.
impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut allowed = *self;
        let names: Vec<&str> = Allowed::PERMISSIONS
            .iter()
            .filter(|(_, permission)| *permission(&mut allowed))
            .map(|(name, _)| *name)
            .collect();
        f.write_str(&if names.is_empty() { "none".to_owned() } else { names.join(",") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_permissions_is_read_as_it_is_written() {
        for list in ["none", "no-cache", "max-age,query", "no-store,only-if-cached,cache-status"] {
            assert_eq!(Allowed::parse(list).unwrap().to_string(), list);
        }
        assert_eq!(Allowed::parse(&Allowed::ALL.to_string()), Ok(Allowed::ALL));
        assert!(Allowed::parse("all,query").is_err());
    }
}
