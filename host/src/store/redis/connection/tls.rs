//! TLS to a server: whom it is trusted to be, and by which name.
//!
//! As `redis-cli --cacert` does, it accepts a certificate that stands in the file of authorities
//! itself, also where it says of itself that it is an authority (what `openssl req -x509` makes):
//! the standard verification wants an authority and a server to be two certificates.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

/// What the URL's parameters say, files as their contents.
#[derive(Default)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) cert: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) server_name: Option<String>,
    pub(crate) is_insecure: bool,
}

impl TlsFiles {
    /// Whether there is anything that means nothing without TLS.
    pub(crate) fn is_needed(&self) -> bool {
        self.ca.is_some()
            || self.cert.is_some()
            || self.key.is_some()
            || self.server_name.is_some()
            || self.is_insecure
    }
}

/// How connections with TLS are made.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// What the server's certificate has to be for, if that is not where it is.
    server_name: Option<ServerName<'static>>,
    /// Whether any certificate will do.
    pub(crate) is_insecure: bool,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Result<Tls, String> {
        let TlsFiles { ca, cert, key, server_name, is_insecure } = files;
        if is_insecure && ca.is_some() {
            return Err("the parameters ca and insecure exclude each other".to_owned());
        }
        let parse = |name: &str| {
            parse_name(name)
                .ok_or_else(|| format!("server_name={name}: expected a host's name or address"))
        };
        let server_name = server_name.as_deref().map(parse).transpose()?;
        let provider = Arc::new(ring::default_provider());
        let trust = if is_insecure {
            Trust::Anybody
        } else {
            let authorities = match &ca {
                Some(pem) => certificates("ca", pem)?,
                None => rustls_native_certs::load_native_certs().certs,
            };
            Trust::of(&provider, authorities, ca.is_some())?
        };
        let verifier = Arc::new(Verifier { trust, provider: provider.clone() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match (cert, key) {
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(&key)
                    .map_err(|error| format!("key is unusable: {error}"))?;
                config
                    .with_client_auth_cert(certificates("cert", &cert)?, key)
                    .map_err(|error| format!("cert or key is unusable: {error}"))?
            }
            (None, None) => config.with_no_client_auth(),
            _ => return Err("the parameters cert and key belong together".to_owned()),
        };
        Ok(Tls { config: Arc::new(config), server_name, is_insecure })
    }

    /// What the certificate of a server has to be for that is at a host.
    pub(crate) fn name_of(&self, host: &str) -> io::Result<ServerName<'static>> {
        let name = self.server_name.clone().or_else(|| parse_name(host));
        let text = "its host is no name that a certificate can be for: give ?server_name=";
        name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

fn parse_name(name: &str) -> Option<ServerName<'static>> {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(name.to_owned()).ok(),
    }
}

/// All certificates of a file.
fn certificates(parameter: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{parameter} is unusable: {error}"))?;
    match certificates.is_empty() {
        true => Err(format!("{parameter} is unusable: there is no certificate in it")),
        false => Ok(certificates),
    }
}

/// Verifies that the server has the key of its certificate, and that this is one to trust.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

/// Which certificates are good.
#[derive(Debug)]
enum Trust {
    /// Any, as the operator demanded.
    Anybody,
    /// Those of some authorities; the operator's own may be the server's certificates, too.
    Authorities { standard: Option<Arc<WebPkiServerVerifier>>, own: Vec<CertificateDer<'static>> },
}

impl Trust {
    fn of(
        provider: &Arc<CryptoProvider>,
        authorities: Vec<CertificateDer<'static>>,
        are_own: bool,
    ) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(authorities.iter().cloned());
        if are_own && added < authorities.len() {
            return Err("ca is unusable: not all of its certificates can be read".to_owned());
        }
        // A machine without authorities of its own trusts nobody.
        let standard = match added {
            0 => None,
            _ => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| format!("TLS: {error}"))?,
            ),
        };
        let own = if are_own { authorities } else { vec![] };
        Ok(Trust::Authorities { standard, own })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (standard, own) = match &self.trust {
            Trust::Anybody => return Ok(ServerCertVerified::assertion()),
            Trust::Authorities { standard: None, .. } => {
                return Err(CertificateError::UnknownIssuer.into());
            }
            Trust::Authorities { standard: Some(standard), own } => (standard, own),
        };
        let verified =
            standard.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // Its dates were looked at before.
            Err(error) if is_authority(&error) && own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether the one thing against a server's certificate is that it is an authority's.
fn is_authority(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(error))) => {
            matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}
