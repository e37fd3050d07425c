//! The same API over TLS, with certificates made for the test and a client that is not ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use super::{Equipment, PATIENCE, basic, eventually};

/// A new authority and a certificate of `localhost` by it, written into the folder.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("authority {:?}", std::time::Instant::now()));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
    for (name, text) in [("ca.pem", ca.pem()), ("server.pem", leaf.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}

fn secure() -> Equipment {
    let mut equipment = Equipment::with(&[("customer_ring_seconds", 2)]);
    let config = equipment.daemon.config();
    let folder = config.parent().expect("a folder");
    certificates(folder);
    let tls = "[http]\ntls = { certificate = \"server.pem\", key = \"server.key\" }\n";
    equipment.change(|text| text.replacen("[http]\n", tls, 1));
    equipment
}

fn get(equipment: &Equipment, version: &'static SupportedProtocolVersion) -> std::io::Result<String> {
    let file = equipment.daemon.config().with_file_name("ca.pem");
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(file).map_err(std::io::Error::other)?;
    roots.add(ca).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(equipment.daemon.http)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    let pair = basic(&equipment.daemon.business);
    write!(
        stream,
        "GET /v1/calls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {pair}\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// `callbridge call` with the password in its environment.
pub fn follow(equipment: &Equipment, url: &str, ca: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    command.args(["call", "--url", url, "--business", &equipment.daemon.business.id]);
    command.args(["--customer", super::CUSTOMER, "--representative", super::REPRESENTATIVE]);
    if let Some(ca) = ca {
        command.arg("--ca").arg(ca);
    }
    let password = &equipment.daemon.business.password;
    command.env("CALLBRIDGE_PASSWORD", password).stdin(Stdio::null()).output().expect("callbridge call")
}

#[test]
fn tls_1_2_and_1_3_carry_the_api_and_plain_http_does_not_hang() {
    let equipment = secure();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let answer = get(&equipment, version).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let (status, _) = equipment.raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status, 0);
}

#[test]
fn renewed_certificates_are_taken_over_at_sighup() {
    let equipment = secure();
    let config = equipment.daemon.config();
    certificates(config.parent().expect("a folder"));
    assert!(get(&equipment, &rustls::version::TLS13).is_err(), "the old certificate is not of the new authority");
    equipment.daemon.ask_to_reload();
    eventually("the new certificate", PATIENCE, || get(&equipment, &rustls::version::TLS13).ok());
}

#[test]
fn callbridge_call_speaks_https_and_trusts_only_what_it_is_told_to() {
    let equipment = secure();
    let url = format!("https://localhost:{}", equipment.daemon.http.port());
    let ca = equipment.daemon.config().with_file_name("ca.pem");
    let output = follow(&equipment, &url, Some(&ca));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("state calling_customer"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let stranger = tempfile::tempdir().expect("a folder");
    certificates(stranger.path());
    let output = follow(&equipment, &url, Some(&stranger.path().join("ca.pem")));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("certificate"), "{error}");
}
