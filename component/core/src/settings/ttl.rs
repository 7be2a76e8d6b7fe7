//! Times to live, as an operator writes them: `600`, or `/decisions=60` for one endpoint.

use std::str::FromStr;

use crate::model::manifest::MAX_TTL_SECONDS;
use crate::settings::error::SettingsError;

/// A time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// Path of the endpoint that it is for; `None` for all.
    pub path: Option<String>,
    /// From 1 to [`MAX_TTL_SECONDS`].
    pub seconds: u32,
}

/// Times to live of which no two are for the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ttls {
    /// Of all endpoints, in seconds.
    pub all: Option<u32>,
    /// Of single ones, by path, in seconds.
    pub endpoints: Vec<(String, u32)>,
}

impl FromStr for Ttl {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Ttl, SettingsError> {
        let (path, seconds) = match text.rsplit_once('=') {
            Some((path, seconds)) => (Some(path.to_owned()), seconds),
            None => (None, text),
        };
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(SettingsError::TtlPath { found: text.to_owned() });
        }
        match seconds.parse() {
            Ok(seconds @ 1..=MAX_TTL_SECONDS) => Ok(Ttl { path, seconds }),
            _ => Err(SettingsError::TtlSeconds {
                found: text.to_owned(),
                seconds: seconds.to_owned(),
            }),
        }
    }
}

impl Ttls {
    /// Takes them together.
    ///
    /// # Errors
    /// If two are for the same.
    pub fn new(ttls: impl IntoIterator<Item = Ttl>) -> Result<Ttls, SettingsError> {
        let Ttls { mut all, mut endpoints } = Ttls::default();
        for Ttl { path, seconds } in ttls {
            let is_twice = match &path {
                None => all.is_some(),
                Some(path) => endpoints.iter().any(|(other, _)| other == path),
            };
            match path {
                path if is_twice => return Err(SettingsError::TtlTwice { path }),
                None => all = Some(seconds),
                Some(path) => endpoints.push((path, seconds)),
            }
        }
        Ok(Ttls { all, endpoints })
    }
}

/// A list with commas, like `600, /decisions=60`.
impl FromStr for Ttls {
    type Err = SettingsError;

    fn from_str(list: &str) -> Result<Ttls, SettingsError> {
        let ttls = list.split(',').map(|ttl| ttl.trim().parse());
        Ttls::new(ttls.collect::<Result<Vec<Ttl>, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_may_be_an_endpoints() {
        let of = |path: &str, seconds| Ok(Ttl { path: Some(path.to_owned()), seconds });
        assert_eq!("600".parse(), Ok(Ttl { path: None, seconds: 600 }));
        assert_eq!("/decisions=60".parse(), of("/decisions", 60));
        assert_eq!("/a=b=60".parse(), of("/a=b", 60));
        for wrong in ["", "0", "-1", "1.5", "1h", "/decisions", "/decisions=", "/a=0", "315360001"]
        {
            let message = wrong.parse::<Ttl>().unwrap_err().to_string();
            assert!(message.contains("from 1 to 315360000"), "{wrong}: {message}");
        }
        let message = "decisions=60".parse::<Ttl>().unwrap_err().to_string();
        assert!(message.contains("/decisions=60"), "{message}");
    }
}
