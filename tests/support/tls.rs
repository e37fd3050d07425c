//! Certificates of a test's own authority, and blocking TLS both ways. Owns the files' names; the folder is the caller's.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::wait::PATIENCE;

/// An authority and the folder of what it signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// A new one; `ca.pem` is written.
    pub fn new(folder: &Path) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        std::fs::write(folder.join("ca.pem"), issuer.pem()).expect("ca.pem");
        Authority { issuer, folder: folder.to_owned() }
    }

    /// Its own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Signs `FILE.pem` and `FILE.key` for these names; again under the same file: a renewal.
    pub fn sign(&self, file: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (pem, secret) = (self.folder.join(format!("{file}.pem")), self.folder.join(format!("{file}.key")));
        std::fs::write(&pem, certificate.pem()).expect("the certificate");
        std::fs::write(&secret, key.serialize_pem()).expect("the key");
        (pem, secret)
    }

    /// For a peer that takes connections and shows this certificate.
    pub fn server(&self, file: &str, names: &[&str]) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign(file, names);
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        Arc::new(builder.with_single_cert(chain(&certificate), secret(&key)).expect("a server"))
    }

    /// Connects to the daemon, perhaps with a certificate. The handshake is done when the first bytes go.
    pub fn connect(
        &self,
        stream: TcpStream,
        identity: Option<&(PathBuf, PathBuf)>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(&self.ca()));
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                builder.with_client_auth_cert(chain(certificate), secret(key)).expect("a client")
            }
        };
        stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(1))).expect("a bound on waiting");
        let name = ServerName::try_from("callbridge.example").expect("a name");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a connection"), stream)
    }
}

fn chain(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).expect("a file").map(|found| found.expect("a certificate")).collect()
}

fn secret(file: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file).expect("a key")
}
