//! `redis://[user[:password]@]host[:port][/db][?parameters]`.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
};

use crate::store::redis::error::describe;
use crate::store::redis::layout::Layout;
use crate::store::settings::StoreSettings;

const EXPECTED: &str = "expected redis://[user[:password]@]host[:port][/db] or rediss://…";
const PARAMETERS: &str = "layout, capacity, prefix; with rediss:// also ca, cert, key";
/// Entries per time to live that the packed layout is made for, unless the operator says.
const DEFAULT_CAPACITY: u64 = 1_000_000;
/// Beyond this a server has no memory for them anyway.
const MAX_CAPACITY: u64 = 10_000_000_000;

/// Where a server is, how entries lie in it, and how long a command to it may take.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) info: Box<ConnectionInfo>,
    pub(super) timeout: Duration,
    pub(super) layout: Layout,
    /// Entries per time to live, for the packed layout.
    pub(super) capacity: u64,
    /// In front of every key of ours.
    pub(super) prefix: String,
}

/// Files of the URL's parameters.
#[derive(Default)]
struct Files {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
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
        let mut url = redis::parse_redis_url(url).ok_or(EXPECTED)?;
        if url.fragment().is_some() {
            return Err(format!("{EXPECTED}, with nothing after a #"));
        }
        let (mut layout, mut capacity, mut prefix) = (None, DEFAULT_CAPACITY, String::new());
        let mut files = Files::default();
        for (name, value) in url.query_pairs() {
            match &*name {
                "layout" => layout = Some(value.parse::<Layout>()?),
                "capacity" => capacity = parse_capacity(&value)?,
                "prefix" => prefix = value.into_owned(),
                "ca" => files.ca = Some(read_pem("ca", &value)?),
                "cert" => files.cert = Some(read_pem("cert", &value)?),
                "key" => files.key = Some(read_pem("key", &value)?),
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
        let info = files.apply(info)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let info = match &settings.password {
            Some(password) => {
                let redis = info.redis_settings().clone().set_password(password);
                info.set_redis_settings(redis)
            }
            None => info,
        };
        let info = Box::new(info);
        Ok(RedisUrl { info, timeout: settings.timeout, layout, capacity, prefix })
    }
}

impl Files {
    /// Gives a connection with TLS its certificates.
    fn apply(self, info: ConnectionInfo) -> Result<ConnectionInfo, String> {
        let client_tls = match (self.cert, self.key) {
            (Some(client_cert), Some(client_key)) => {
                Some(ClientTlsConfig { client_cert, client_key })
            }
            (None, None) => None,
            _ => return Err("the parameters cert and key belong together".to_owned()),
        };
        if client_tls.is_none() && self.ca.is_none() {
            return Ok(info);
        }
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err("the parameters ca, cert and key need rediss://".to_owned());
        }
        let certificates = TlsCertificates { client_tls, root_cert: self.ca };
        let client = Client::build_with_tls(info, certificates)
            .map_err(|error| format!("ca, cert or key is unusable: {}", describe(&error)))?;
        Ok(client.get_connection_info().clone())
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
        let tls = matches!(self.info.addr(), ConnectionAddr::TcpTls { .. });
        let tls = if tls { " (TLS)" } else { "" };
        let database = self.info.redis_settings().db();
        write!(f, "redis at {}{tls}, database {database}", self.info.addr())?;
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
