//! Where a URL says that the data is: at a server, where sentinels know it, or in a cluster.

use std::fmt;

use crate::store::redis::connection::sentinel::Sentinel;
use crate::store::redis::error::printable;

const EXPECTED_SENTINEL: &str =
    "expected redis+sentinel://[user[:password]@]host[:port],…/service[/db]";
const EXPECTED_CLUSTER: &str = "expected redis+cluster://[user[:password]@]host[:port],…";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[derive(Clone)]
pub(crate) enum Location {
    Server { host: String, port: u16 },
    Sentinel(Sentinel),
    Cluster(Seeds),
}

/// Some nodes of a cluster, which know the others.
#[derive(Clone)]
pub(crate) struct Seeds {
    /// Host and port of each.
    pub(crate) nodes: Vec<(String, u16)>,
    /// Whether replicas may answer look-ups.
    pub(crate) reads_replicas: bool,
}

impl Location {
    /// Takes several addresses out of a URL, which no URL of one server may have. It gives the
    /// rest as the URL of a server, whose host means nothing; `None` where there is one address.
    pub(super) fn split(url: &str) -> Result<Option<(Location, String)>, String> {
        let Some((scheme, rest)) = url.split_once("://") else { return Ok(None) };
        let (scheme, is_cluster) = match scheme.split_once('+') {
            Some((scheme, "sentinel")) => (scheme, false),
            Some((scheme, "cluster")) => (scheme, true),
            _ => return Ok(None),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, parameters) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (user, nodes) = authority.rsplit_once('@').unwrap_or(("", authority));
        let at = if user.is_empty() { "" } else { "@" };
        let path = path.trim_matches('/');
        let (location, database) = match is_cluster {
            true => (cluster(nodes, path)?, ""),
            false => sentinel(nodes, path)?,
        };
        Ok(Some((location, format!("{scheme}://{user}{at}host/{database}{parameters}"))))
    }
}

fn sentinel<'a>(nodes: &str, path: &'a str) -> Result<(Location, &'a str), String> {
    let nodes = parse_nodes(nodes, SENTINEL_PORT).ok_or(EXPECTED_SENTINEL)?;
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return Err(EXPECTED_SENTINEL.to_owned());
    }
    let sentinel = Sentinel { nodes, service: service.to_owned(), password: None };
    Ok((Location::Sentinel(sentinel), database))
}

fn cluster(nodes: &str, path: &str) -> Result<Location, String> {
    if !matches!(path, "" | "0") {
        return Err(format!("{EXPECTED_CLUSTER}, with no database: a cluster has only one"));
    }
    let nodes = parse_nodes(nodes, PORT).ok_or(EXPECTED_CLUSTER)?;
    Ok(Location::Cluster(Seeds { nodes, reads_replicas: false }))
}

fn parse_nodes(text: &str, default_port: u16) -> Option<Vec<(String, u16)>> {
    text.split(',').map(|text| parse_node(text, default_port)).collect()
}

/// Host and port.
fn parse_node(text: &str, default_port: u16) -> Option<(String, u16)> {
    // Colons belong to the address itself where it is in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Server { host, port } => write!(f, "redis at {host}:{port}"),
            Location::Sentinel(sentinel) => {
                write!(f, "redis service {}", printable(&sentinel.service))
            }
            Location::Cluster(Seeds { nodes, reads_replicas }) => {
                let nodes: Vec<_> =
                    nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
                write!(f, "redis cluster at {}", printable(&nodes.join(", ")))?;
                f.write_str(if *reads_replicas { ", read from replicas" } else { "" })
            }
        }
    }
}
