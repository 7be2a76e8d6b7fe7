//! The names by which clients may ask.
//!
//! A web page may lead a name of its own to any address, also to one that only this machine or network
//! reaches (DNS rebinding). The browser then takes this host for the page's, and lets it read answers.
//! It still says the page's name in the header Host. Addresses need no name, and nobody can have a name
//! without a dot outside of the network where it means this host.

use std::net::{IpAddr, SocketAddr};

/// The names by which clients may ask, besides addresses and names without a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedHosts {
    /// Any.
    All,
    /// These, in lower case, and without a dot at their end.
    Listed(Vec<String>),
}

impl AllowedHosts {
    /// Where the operator says nothing: all, unless the clients can only be on this machine. A page in
    /// its browser can have reached it by such a name only.
    pub(crate) fn for_listener(address: SocketAddr) -> AllowedHosts {
        if address.ip().is_loopback() {
            AllowedHosts::Listed(Vec::new())
        } else {
            AllowedHosts::All
        }
    }

    /// Reads a list of names with commas between them, or `*`.
    ///
    /// # Errors
    /// If something in it is no name.
    pub(crate) fn parse(list: &str) -> Result<AllowedHosts, String> {
        if list.trim() == "*" {
            return Ok(AllowedHosts::All);
        }
        let name = |name: &str| {
            let name = normal(name.trim());
            let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if !name.is_empty() && name.chars().all(is_legal) {
                Ok(name)
            } else {
                Err(format!("{name:?} is not a name; expected some like predict.example.com, or *"))
            }
        };
        list.split(',').map(name).collect::<Result<_, _>>().map(AllowedHosts::Listed)
    }

    /// Whether the host of a header Host, which may have a port, may be asked by.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let AllowedHosts::Listed(names) = self else { return true };
        let name = normal(without_port(host));
        let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
        is_address || !name.contains('.') || name.ends_with(".localhost") || names.contains(&name)
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_dot_has_to_be_allowed() {
        let local = AllowedHosts::for_listener("127.0.0.1:8080".parse().unwrap());
        let listed = AllowedHosts::parse("predict.example.com, Other.Example.").unwrap();
        for (host, is_local, is_listed) in [
            ("localhost:8080", true, true),
            ("127.0.0.1:8080", true, true),
            ("192.0.2.7", true, true),
            ("[::1]:8080", true, true),
            ("[2001:db8::1]", true, true),
            ("", true, true),
            ("foretold:80", true, true),
            ("credit.localhost", true, true),
            ("predict.example.com", false, true),
            ("PREDICT.example.com.:443", false, true),
            ("other.example", false, true),
            ("evil.example", false, false),
            ("evil.example:8080", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("evillocalhost.", true, true),
            ("x.predict.example.com", false, false),
        ] {
            assert_eq!(local.allows(host), is_local, "{host}");
            assert_eq!(listed.allows(host), is_listed, "{host}");
        }
    }

    #[test]
    fn beyond_this_machine_every_name_is_allowed_unless_some_are_listed() {
        for address in ["0.0.0.0:80", "192.0.2.7:80", "[::]:80"] {
            let hosts = AllowedHosts::for_listener(address.parse().unwrap());
            assert!(hosts.allows("any.example"), "{address}");
        }
        let hosts = AllowedHosts::for_listener("[::1]:80".parse().unwrap());
        assert!(!hosts.allows("any.example"));
        assert_eq!(AllowedHosts::parse("*"), Ok(AllowedHosts::All));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for list in ["", "a.example,", "http://a.example", "a.example:80", "*.example", "a b"] {
            let error = AllowedHosts::parse(list).unwrap_err();
            assert!(error.contains("expected some like predict.example.com"), "{error}");
        }
    }
}
