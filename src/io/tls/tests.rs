//! TLS with real handshakes: versions, authorities, client certificates, renewal, and peers that do not speak TLS.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::*;
use crate::io::http::server::{Server, ServerLimits};

type Authority = CertifiedIssuer<'static, KeyPair>;

struct Files {
    folder: TempDir,
    ca: Authority,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Files {
    fn new() -> Files {
        let files = Files { folder: tempfile::tempdir().unwrap(), ca: authority("test authority") };
        std::fs::write(files.path("ca.pem"), files.ca.pem()).unwrap();
        files.leaf("server", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
        files.leaf("client", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn leaf(&self, name: &str, change: impl Fn(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn config(&self, client_ca: bool) -> TlsConfig {
        TlsConfig {
            clients_optional: false,
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: client_ca.then(|| self.path("ca.pem")),
        }
    }

    fn client(&self, identity: bool, versions: &[&'static SupportedProtocolVersion]) -> ClientTls {
        let (certificate, key) = (self.path("client.pem"), self.path("client.key"));
        let identity = identity.then_some((certificate.as_path(), key.as_path()));
        ClientTls::with_roots(Application::Http, roots(&self.path("ca.pem")).unwrap(), identity, versions).unwrap()
    }
}

struct Served {
    address: std::net::SocketAddr,
    tls: ServerTls,
    _stop: watch::Sender<bool>,
}

async fn serve(config: &TlsConfig) -> Served {
    let tls = ServerTls::load(config).unwrap();
    let routes = Router::new().route("/", get(async || "served"));
    let limits = ServerLimits { handshake: Duration::from_millis(400), ..ServerLimits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Some(tls.clone()), routes, limits).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(server.serve(stopped));
    Served { address, tls, _stop: stop }
}

impl Served {
    async fn get(&self, client: &ClientTls) -> Result<String, String> {
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.map_err(|e| e.to_string())?;
            let mut stream = client.connect("localhost", stream).await.map_err(|e| e.to_string())?;
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.map_err(|e| e.to_string())?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.map_err(|e| e.to_string())?;
            Ok(text)
        };
        tokio::time::timeout(Duration::from_secs(5), exchange).await.expect("no hang")
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_both_carry_a_request() {
    let files = Files::new();
    let served = serve(&files.config(false)).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let answer = served.get(&files.client(false, &[version])).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("served"), "{version:?}: {answer}");
    }
}

#[tokio::test]
async fn an_expired_certificate_and_an_unknown_authority_are_refused_by_the_client() {
    let files = Files::new();
    let stranger = Files::new();
    let served = serve(&files.config(false)).await;
    assert!(served.get(&stranger.client(false, VERSIONS)).await.unwrap_err().contains("invalid peer certificate"));
    files.leaf("server", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let served = serve(&files.config(false)).await;
    let expired = served.get(&files.client(false, VERSIONS)).await.unwrap_err();
    assert!(expired.to_lowercase().contains("expired"), "{expired}");
}

#[tokio::test]
async fn a_client_must_show_a_certificate_of_the_configured_authority() {
    let files = Files::new();
    let served = serve(&files.config(true)).await;
    assert!(served.get(&files.client(true, VERSIONS)).await.unwrap().ends_with("served"));
    assert!(served.get(&files.client(false, VERSIONS)).await.is_err());
    let stranger = Files::new();
    let (certificate, key) = (stranger.path("client.pem"), stranger.path("client.key"));
    let trusted = roots(&files.path("ca.pem")).unwrap();
    let foreign = ClientTls::with_roots(Application::Http, trusted, Some((&certificate, &key)), VERSIONS).unwrap();
    assert!(served.get(&foreign).await.is_err());
}

#[tokio::test]
async fn renewed_certificates_serve_new_connections_and_a_bad_file_changes_nothing() {
    let files = Files::new();
    let served = serve(&files.config(false)).await;
    std::fs::write(files.path("server.pem"), "not a certificate").unwrap();
    let error = served.tls.reload(None).unwrap_err().to_string();
    assert!(error.contains("server.pem: no certificate in it; give a PEM file"), "{error}");
    assert!(served.get(&files.client(false, VERSIONS)).await.is_ok());
    let renewed = Files::new();
    served.tls.reload(Some(&renewed.config(false))).unwrap();
    assert!(served.get(&files.client(false, VERSIONS)).await.is_err());
    assert!(served.get(&renewed.client(false, VERSIONS)).await.is_ok());
}

#[tokio::test]
async fn plain_http_and_silence_on_the_tls_port_do_not_hang() {
    let files = Files::new();
    let served = serve(&files.config(false)).await;
    for speech in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b""] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(speech).await.unwrap();
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
        // A reset is an end, too.
        let _ = reading.await.expect("the server ends the connection");
        assert!(!answer.starts_with(b"HTTP"));
    }
    assert!(served.get(&files.client(false, VERSIONS)).await.is_ok());
}

#[test]
fn every_error_names_the_file_and_the_mend() {
    let files = Files::new();
    let good = files.config(false);
    let missing = TlsConfig { key: files.path("none.key"), ..good.clone() };
    let message = ServerTls::load(&missing).err().unwrap().to_string();
    assert!(
        message.contains("none.key") && message.contains("No such file") && message.contains("PEM key"),
        "{message}"
    );
    let swapped = TlsConfig { key: files.path("client.key"), ..good.clone() };
    let message = ServerTls::load(&swapped).err().unwrap().to_string();
    assert!(message.contains("server.pem") && message.contains("belongs to this certificate"), "{message}");
    let no_key = TlsConfig { key: files.path("server.pem"), ..good };
    assert!(ServerTls::load(&no_key).err().unwrap().to_string().contains("no private key in it"));
}
