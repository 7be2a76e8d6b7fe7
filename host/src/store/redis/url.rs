//! `redis://[user[:password]@]host[:port][/db][?parameters]`, with Sentinel
//! `redis+sentinel://[user[:password]@]host[:port],…/service[/db][?parameters]`, and for a cluster
//! `redis+cluster://[user[:password]@]host[:port],…[?parameters]`.

pub(super) mod location;

use std::fmt;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::store::redis::connection::tls::{Tls, TlsFiles};
use crate::store::redis::error::describe;
use crate::store::redis::layout::Layout;
use crate::store::redis::url::location::Location;
use crate::store::settings::{Password, StoreSettings};

const EXPECTED: &str = "expected redis://[user[:password]@]host[:port][/db] or rediss://…";
const PARAMETERS: &str = "layout, capacity, prefix; with TLS also ca, cert, key, server_name, insecure; with \
     redis+sentinel:// also sentinel_password_file, with redis+cluster:// also read";
/// Entries per time to live that the packed layout is made for, unless the operator says.
const DEFAULT_CAPACITY: u64 = 1_000_000;
/// Beyond this a server has no memory for them anyway.
const MAX_CAPACITY: u64 = 10_000_000_000;

/// Where a server is, how entries lie in it, and how long a command to it may take.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) location: Location,
    pub(super) tls: Option<Tls>,
    /// User, password as in the URL, and database.
    pub(super) login: RedisConnectionInfo,
    /// Instead of the one in the URL.
    pub(super) password: Option<Password>,
    pub(super) timeout: Duration,
    pub(super) layout: Layout,
    /// Entries per time to live, for the packed layout.
    pub(super) capacity: u64,
    /// In front of every key of ours.
    pub(super) prefix: String,
}

impl RedisUrl {
    /// How entries lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Reads a URL, and the files that it names.
    ///
    /// # Errors
    /// If it is not such a URL, or a file cannot be read. The message does not repeat the URL,
    /// since it may hold a password.
    pub fn parse(url: &str, settings: &StoreSettings) -> Result<RedisUrl, String> {
        let (mut location, url) = match Location::split(url)? {
            Some((location, url)) => (Some(location), url),
            None => (None, url.to_owned()),
        };
        let mut url = redis::parse_redis_url(&url).ok_or(EXPECTED)?;
        if url.fragment().is_some() {
            return Err(format!("{EXPECTED}, with nothing after a #"));
        }
        let (mut layout, mut capacity, mut prefix) = (None, DEFAULT_CAPACITY, String::new());
        let mut files = TlsFiles::default();
        for (name, value) in url.query_pairs() {
            match &*name {
                "layout" => layout = Some(value.parse::<Layout>()?),
                "capacity" => capacity = parse_capacity(&value)?,
                "prefix" => prefix = value.into_owned(),
                "ca" => files.ca = Some(read_pem("ca", &value)?),
                "cert" => files.cert = Some(read_pem("cert", &value)?),
                "key" => files.key = Some(read_pem("key", &value)?),
                "read" => match &mut location {
                    Some(Location::Cluster(seeds)) => {
                        seeds.reads_replicas = match &*value {
                            "replica" => true,
                            "primary" => false,
                            _ => return Err(format!("read={value}: expected replica or primary")),
                        };
                    }
                    _ => return Err(format!("{name} needs redis+cluster://")),
                },
                "sentinel_password_file" => match &mut location {
                    Some(Location::Sentinel(sentinel)) => {
                        let password = Password::File(value.as_ref().into());
                        let check = password.read();
                        check.map_err(|error| format!("sentinel_password_file: {error}"))?;
                        sentinel.password = Some(password);
                    }
                    _ => return Err(format!("{name} needs redis+sentinel://")),
                },
                "server_name" => files.server_name = Some(value.into_owned()),
                "insecure" if value == "true" => files.is_insecure = true,
                "insecure" => {
                    return Err(format!(
                        "insecure={value}: expected true, which switches off that the server's \
                         certificate is verified"
                    ));
                }
                _ => {
                    return Err(format!("unknown parameter {name:?}: expected {PARAMETERS}"));
                }
            }
        }
        url.set_query(None);
        let layout = match (layout, settings.layout) {
            (Some(url), Some(flag)) if url != flag => {
                return Err(format!("the URL says layout={url}, --layout says {flag}"));
            }
            (url, flag) => url.or(flag).unwrap_or_default(),
        };
        let info = url
            .into_connection_info()
            .map_err(|error| format!("{EXPECTED}; {}", describe(&error)))?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(..) if files.is_needed() => {
                return Err("the parameters ca, cert, key, server_name and insecure need \
                            rediss://"
                    .to_owned());
            }
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, None),
            ConnectionAddr::TcpTls { host, port, .. } => {
                (host.clone(), *port, Some(Tls::new(files)?))
            }
            _ => return Err(EXPECTED.to_owned()),
        };
        Ok(RedisUrl {
            // Several addresses are not in it.
            location: location.unwrap_or(Location::Server { host, port }),
            tls,
            login: info.redis_settings().clone(),
            password: settings.password.clone(),
            timeout: settings.timeout,
            layout,
            capacity,
            prefix,
        })
    }

    /// What the log has to say of it before anything is sent.
    pub(super) fn warning(&self) -> Option<String> {
        self.tls.as_ref().filter(|tls| tls.is_insecure).map(|_| {
            format!(
                "insecure=true: the certificate of {self} is not verified, and whoever answers \
                 there gets the password"
            )
        })
    }
}

fn parse_capacity(text: &str) -> Result<u64, String> {
    let capacity = text.parse().ok().filter(|capacity| (1..=MAX_CAPACITY).contains(capacity));
    capacity.ok_or_else(|| {
        format!("capacity={text}: expected a number of entries from 1 to {MAX_CAPACITY}")
    })
}

/// A file with at least one block of PEM in it.
fn read_pem(parameter: &str, path: &str) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{parameter}={path}: {error}"))?;
    let begin = b"-----BEGIN ";
    if !pem.windows(begin.len()).any(|window| window == begin) {
        return Err(format!("{parameter}={path}: expected PEM (-----BEGIN …)"));
    }
    Ok(pem)
}

/// Address, database and layout; never user and password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls.is_some() { " (TLS)" } else { "" };
        write!(f, "{}{tls}", self.location)?;
        if !matches!(self.location, Location::Cluster(_)) {
            write!(f, ", database {}", self.login.db())?;
        }
        if self.layout == Layout::default() {
            return Ok(());
        }
        write!(f, ", layout {}", self.layout)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
