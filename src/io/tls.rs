//! TLS by rustls with ring: certificates from PEM files, errors that name the file and the mend, reload without a restart.
//!
//! Owns the server's and the client's configuration. Refuses anything older than TLS 1.2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::TlsConfig;

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
/// Where Debian and its kin keep the authorities they trust.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the wanted kind.
    #[error("{}: {reason}; {mend}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// Certificate and key are each readable but do not make a server together.
    #[error("{}: {reason}; give the key that belongs to this certificate", certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// What rustls says.
        reason: rustls::Error,
    },
    /// The library refuses the protocol versions.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// No file of authorities was found on this system.
    #[error("no file of trusted authorities on this system; install ca-certificates or name one")]
    NoRoots,
    /// The name of the server is neither a host name nor an address.
    #[error("{0}: not a host name")]
    ServerName(String),
    /// The connection or its handshake failed.
    #[error("TLS handshake: {0}")]
    Handshake(#[from] std::io::Error),
}

/// What is spoken inside: HTTP says so while shaking hands (ALPN), SIP has no word for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Application {
    /// HTTP/1.1.
    Http,
    /// SIP.
    Sip,
    /// PostgreSQL, which has said what it is before it shakes hands.
    Postgres,
}

impl Application {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Application::Http => vec![b"http/1.1".to_vec()],
            Application::Sip | Application::Postgres => Vec::new(),
        }
    }
}

/// The server's side, shared by every connection; [`ServerTls::reload`] changes what new ones get.
#[derive(Clone)]
pub struct ServerTls {
    application: Application,
    files: Arc<ArcSwap<TlsConfig>>,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files of the configuration, for HTTP.
    pub fn load(files: &TlsConfig) -> Result<ServerTls, TlsError> {
        Self::load_for(Application::Http, files)
    }

    /// Reads the files of the configuration.
    pub fn load_for(application: Application, files: &TlsConfig) -> Result<ServerTls, TlsError> {
        let current = server_config(application, files)?;
        Ok(ServerTls {
            application,
            files: Arc::new(ArcSwap::from_pointee(files.clone())),
            current: Arc::new(ArcSwap::from_pointee(current)),
        })
    }

    /// Reads these files (or the same ones again, renewed). On an error everything stays as it was.
    pub fn reload(&self, files: Option<&TlsConfig>) -> Result<(), TlsError> {
        let files = files.cloned().map_or_else(|| self.files.load_full(), Arc::new);
        let fresh = server_config(self.application, &files)?;
        self.current.store(Arc::new(fresh));
        self.files.store(files);
        Ok(())
    }

    /// Clients must show a certificate of the configured authority.
    pub fn asks_for_certificates(&self) -> bool {
        let files = self.files.load();
        files.client_ca.is_some() && !files.clients_optional
    }

    /// Shakes hands. Unbounded in time: the caller bounds it.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<server::TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }
}

/// Whether a certificate (verified already) names this host or address.
pub fn certificate_shows(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let parsed = rustls::server::ParsedCertificate::try_from(certificate);
    match (parsed, ServerName::try_from(name)) {
        (Ok(parsed), Ok(name)) => rustls::client::verify_server_name(&parsed, &name).is_ok(),
        _ => false,
    }
}

fn server_config(application: Application, files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::File {
        file: files.key.clone(),
        reason: pem_reason(&error, "no private key in it"),
        mend: "give an unencrypted PEM key (PKCS#8, PKCS#1 or SEC1) that this user may read",
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(VERSIONS)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), provider);
            let optional = files.clients_optional;
            let verifier = if optional { verifier.allow_unauthenticated() } else { verifier }.build();
            builder.with_client_cert_verifier(verifier.map_err(|error| TlsError::File {
                file: file.clone(),
                reason: error.to_string(),
                mend: "give the certificates of the authorities that sign your clients",
            })?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|reason| TlsError::Pair { certificate: files.certificate.clone(), reason })?;
    config.alpn_protocols = application.protocols();
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason: String| TlsError::File {
        file: file.to_owned(),
        reason,
        mend: "give a PEM file of certificates, the server's own first",
    };
    let none = "no certificate in it";
    let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(pem_reason(&error, none)))?;
    let chain: Result<Vec<_>, _> = found.collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(wrong(none.to_owned())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(wrong(pem_reason(&error, none))),
    }
}

fn pem_reason(error: &rustls_pki_types::pem::Error, none: &str) -> String {
    use rustls_pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => none.to_owned(),
        // The library's words may quote lines of a key: not for a log.
        _ => String::from("malformed PEM"),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates(file)?);
    if added == 0 {
        let reason = String::from("no certificate of an authority that can be used");
        return Err(TlsError::File { file: file.to_owned(), reason, mend: "give PEM certificates of authorities" });
    }
    Ok(store)
}

/// The client's side: trusts the authorities of `ca`, or of the system.
pub struct ClientTls(TlsConnector);

impl ClientTls {
    /// For HTTP. `identity`: certificate and key to show when asked for.
    pub fn load(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<ClientTls, TlsError> {
        Self::load_for(Application::Http, ca, identity)
    }

    /// `identity`: certificate and key to show when asked for.
    pub fn load_for(
        application: Application,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<ClientTls, TlsError> {
        let system = || SYSTEM_ROOTS.iter().map(Path::new).find(|file| file.exists());
        let roots = roots(ca.or_else(system).ok_or(TlsError::NoRoots)?)?;
        Self::with_roots(application, roots, identity, VERSIONS)
    }

    fn with_roots(
        application: Application,
        roots: RootCertStore,
        identity: Option<(&Path, &Path)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ClientTls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
                    file: key.to_owned(),
                    reason: pem_reason(&error, "no private key in it"),
                    mend: "give an unencrypted PEM key",
                })?;
                builder.with_client_auth_cert(certificates(certificate)?, key)?
            }
        };
        config.alpn_protocols = application.protocols();
        Ok(ClientTls(TlsConnector::from(Arc::new(config))))
    }

    /// What shakes hands, for who has streams of another kind.
    pub fn connector(&self) -> TlsConnector {
        self.0.clone()
    }

    /// Shakes hands with the server called `name`.
    pub async fn connect(&self, name: &str, stream: TcpStream) -> Result<client::TlsStream<TcpStream>, TlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))?;
        Ok(self.0.connect(name, stream).await?)
    }
}

#[cfg(test)]
mod tests;
