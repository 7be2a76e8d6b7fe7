//! `redis://[user[:password]@]host[:port][/db][?parameters]`, and with Sentinel
//! `redis+sentinel://[user[:password]@]host[:port],…/service[/db][?parameters]`.

use std::fmt;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::store::redis::connection::sentinel::Sentinel;
use crate::store::redis::connection::tls::{Tls, TlsFiles};
use crate::store::redis::error::{describe, printable};
use crate::store::redis::layout::Layout;
use crate::store::settings::{Password, StoreSettings};

const EXPECTED: &str = "expected redis://[user[:password]@]host[:port][/db] or rediss://…";
const EXPECTED_SENTINEL: &str =
    "expected redis+sentinel://[user[:password]@]host[:port],…/service[/db]";
const SENTINEL_PORT: u16 = 26379;
const PARAMETERS: &str =
    "layout, capacity, prefix; with rediss:// also ca, cert, key, server_name, insecure";
/// Entries per time to live that the packed layout is made for, unless the operator says.
const DEFAULT_CAPACITY: u64 = 1_000_000;
/// Beyond this a server has no memory for them anyway.
const MAX_CAPACITY: u64 = 10_000_000_000;

/// Where a server is, how entries lie in it, and how long a command to it may take.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    /// Who knows where the server is, instead of host and port.
    pub(super) sentinel: Option<Sentinel>,
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
        if let Some((scheme, rest)) = url.split_once("+sentinel://") {
            return RedisUrl::parse_sentinel(scheme, rest, settings);
        }
        RedisUrl::parse_server(url, settings, None)
    }

    /// Takes the sentinels' addresses out, which no URL of one server may have.
    fn parse_sentinel(
        scheme: &str,
        rest: &str,
        settings: &StoreSettings,
    ) -> Result<RedisUrl, String> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (user, nodes) = authority.rsplit_once('@').unwrap_or(("", authority));
        let at = if user.is_empty() { "" } else { "@" };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, parameters) = rest.split_at(end);
        let mut path = path.trim_matches('/').splitn(2, '/');
        let service = path.next().filter(|service| !service.is_empty());
        let service = service.ok_or(EXPECTED_SENTINEL)?.to_owned();
        let database = path.next().unwrap_or_default();
        let nodes = nodes.split(',').map(parse_node).collect::<Option<Vec<_>>>();
        let nodes = nodes.ok_or(EXPECTED_SENTINEL)?;
        // Host and port are not used: the sentinels give them.
        let url = format!("{scheme}://{user}{at}sentinel/{database}{parameters}");
        let sentinel = Sentinel { nodes, service, password: None };
        RedisUrl::parse_server(&url, settings, Some(sentinel))
    }

    fn parse_server(
        url: &str,
        settings: &StoreSettings,
        mut sentinel: Option<Sentinel>,
    ) -> Result<RedisUrl, String> {
        let mut url = redis::parse_redis_url(url).ok_or(EXPECTED)?;
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
                "sentinel_password_file" => match &mut sentinel {
                    Some(sentinel) => {
                        let password = Password::File(value.as_ref().into());
                        let check = password.read();
                        check.map_err(|error| format!("sentinel_password_file: {error}"))?;
                        sentinel.password = Some(password);
                    }
                    None => return Err(format!("{name} needs redis+sentinel://")),
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
            host,
            port,
            tls,
            sentinel,
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

/// Host and port of a sentinel.
fn parse_node(text: &str) -> Option<(String, u16)> {
    // Colons belong to the address itself where it is in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, SENTINEL_PORT),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
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
        let database = self.login.db();
        match &self.sentinel {
            Some(sentinel) => write!(f, "redis service {}", printable(&sentinel.service))?,
            None => write!(f, "redis at {}:{}", self.host, self.port)?,
        }
        write!(f, "{tls}, database {database}")?;
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
