//! Who is let in, on the real daemon: two passwords during a rotation, requests from the addresses that an account names, certificates over TLS,
//! and guessers, who wait without anybody else waiting. Owns these stories; the guard by itself is `src/access/guessing.rs`.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::{Equipment, PATIENCE, basic, eventually, is_problem};
use crate::support::daemon::Setup;
use crate::support::http::{Credentials, Response, send};

impl Equipment {
    /// The business's list of calls, with this password, over our proxy from this address.
    #[track_caller]
    pub fn list_as(&self, password: &str, from: Option<&str>) -> Response {
        self.list_of("abc", password, from)
    }

    #[track_caller]
    pub fn list_of(&self, business: &str, password: &str, from: Option<&str>) -> Response {
        let who = Credentials { id: business.to_owned(), password: password.to_owned() };
        let pair = format!("Basic {}", basic(&who));
        let mut headers = vec![("Authorization", pair.as_str())];
        headers.extend(from.map(|from| ("X-Forwarded-For", from)));
        send(self.daemon.http, "GET", "/v1/calls", &headers, None).expect("an answer")
    }

    /// With a proxy at loopback, which everybody in these stories sits behind.
    fn behind_a_proxy(more: &str) -> Equipment {
        let mut equipment = Equipment::set_up(Setup { more: more.to_owned(), ..Setup::default() });
        equipment.change(|text| text.replacen("[http]\n", "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n", 1));
        equipment
    }
}

#[track_caller]
pub fn is_kind(answer: &Response, status: u16, kind: &str) {
    is_problem(answer, status);
    assert_eq!(answer.json()["type"], format!("urn:callbridge:problem:{kind}"), "{}", answer.body);
}

#[test]
fn two_passwords_are_taken_during_a_rotation_and_the_former_ends_with_its_time() {
    let mut equipment = Equipment::start();
    let former = equipment.daemon.business.password.clone();
    assert_eq!(equipment.list_as(&former, None).status, 200, "it is remembered from here on");
    let rotate = ["business", "rotate-password", "abc", "--password-stdin", "--overlap"];
    equipment.command(&[&rotate[..], &["1h"]].concat(), "a new password\n");
    eventually("the new password", PATIENCE, || {
        (equipment.list_as("a new password", None).status == 200).then_some(())
    });
    assert_eq!(equipment.list_as(&former, None).status, 200);
    equipment.daemon.kill();
    equipment.daemon.restart();
    assert_eq!(equipment.list_as(&former, None).status, 200, "the window outlives the process");
    assert_eq!(equipment.list_as("a new password", None).status, 200);
    // The second rotation: what is former now is the new one, and the first is wrong at once.
    equipment.command(&[&rotate[..], &["2s"]].concat(), "the third\n");
    eventually("the first to end", PATIENCE, || (equipment.list_as(&former, None).status == 401).then_some(()));
    eventually("the second to end with its time", PATIENCE, || {
        (equipment.list_as("a new password", None).status == 401).then_some(())
    });
    assert_eq!(equipment.list_as("the third", None).status, 200);
}

#[test]
fn a_request_from_an_address_that_the_account_does_not_name_is_403_for_who_has_the_password() {
    let equipment = Equipment::behind_a_proxy("sources = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n");
    let password = equipment.daemon.business.password.clone();
    for good in ["192.0.2.7", "203.0.113.1, 192.0.2.7", "[2001:db8::7]:4711"] {
        assert_eq!(equipment.list_as(&password, Some(good)).status, 200, "{good}");
    }
    is_kind(&equipment.list_as(&password, Some("192.0.2.7, 203.0.113.1")), 403, "source_address");
    is_kind(&equipment.list_as(&password, None), 403, "source_address");
    // Who has no password learns nothing of the list.
    is_kind(&equipment.list_as("a guess", Some("203.0.113.1")), 401, "unauthorized");
    let message = super::message();
    let pair = format!("Basic {}", basic(&equipment.daemon.business));
    let headers = [("Authorization", pair.as_str()), ("X-Forwarded-For", "203.0.113.1")];
    let answer = send(equipment.daemon.http, "POST", "/v1/calls", &headers, Some(&message)).expect("an answer");
    is_kind(&answer, 403, "source_address");
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"source_address\"") >= 3.0);
}

#[test]
fn a_guesser_waits_and_the_business_does_not() {
    let equipment = Equipment::behind_a_proxy("");
    let password = equipment.daemon.business.password.clone();
    assert_eq!(equipment.list_as(&password, Some("192.0.2.7")).status, 200);
    let locked = eventually("the guesser to be locked", PATIENCE * 4, || {
        let answer = equipment.list_as("a guess", Some("203.0.113.66"));
        if answer.status == 429 {
            return Some(answer);
        }
        assert_eq!(answer.status, 401, "{}", answer.body);
        None
    });
    is_kind(&locked, 429, "guessing");
    assert!(locked.head.to_lowercase().contains("retry-after: "), "{}", locked.head);
    // Not even the right password is looked at from there; everywhere else it is.
    assert_eq!(equipment.list_as(&password, Some("203.0.113.66")).status, 429);
    for from in ["192.0.2.7", "198.51.100.1"] {
        assert_eq!(equipment.list_as(&password, Some(from)).status, 200, "{from}");
    }
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"guessing\"") >= 2.0);
    let told = eventually("the lock in the trail", PATIENCE, || {
        let output = equipment.command(&["audit", "--format", "jsonl"], "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("source_locked").then_some(text)
    });
    assert!(told.contains("203.0.113.66") && told.contains("\"business_id\":\"abc\""), "{told}");
    assert!(!told.contains("a guess") && !equipment.daemon.log().contains("a guess"));
}

#[test]
fn guesses_at_ones_own_address_leave_the_remembered_password_valid() {
    let equipment = Equipment::behind_a_proxy("");
    let password = equipment.daemon.business.password.clone();
    assert_eq!(equipment.list_as(&password, Some("192.0.2.7")).status, 200);
    eventually("the address to be locked", PATIENCE * 4, || {
        (equipment.list_as("a guess", Some("192.0.2.7")).status == 429).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(equipment.list_as(&password, Some("192.0.2.7")).status, 200);
        assert_eq!(equipment.list_as("a guess", Some("192.0.2.7")).status, 429);
    }
}

/// The list of calls over TLS, with the client's certificate of these names in the folder, or none.
fn over_tls(equipment: &Equipment, certificate: Option<&str>) -> std::io::Result<(u16, String)> {
    use std::io::{Read, Write};
    let other = std::io::Error::other::<Box<dyn std::error::Error + Send + Sync>>;
    let file = |name: &str| equipment.daemon.config().with_file_name(name);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca.pem")).map_err(|e| other(e.into()))?)
        .map_err(|e| other(e.into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| other(e.into()))?
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).map_err(|e| other(e.into()))?;
            let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).map_err(|e| other(e.into()))?;
            builder.with_client_auth_cert(vec![chain], key).map_err(|e| other(e.into()))?
        }
    };
    let name = ServerName::try_from("localhost").map_err(|e| other(e.into()))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| other(e.into()))?;
    let to: SocketAddr = equipment.daemon.http;
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    let pair = basic(&equipment.daemon.business);
    write!(
        stream,
        "GET /v1/calls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {pair}\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok((answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0), answer))
}

/// An authority in the folder, the server's certificate by it and one for each of these clients.
fn certificates(folder: &std::path::Path, clients: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let issuer: &Issuer<'_, _> = &ca;
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    write("ca.pem", ca.pem());
    for (file, name) in clients.iter().map(|client| (*client, *client)).chain([("server", "localhost")]) {
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, issuer).expect("a certificate");
        write(&format!("{file}.pem"), leaf.pem());
        write(&format!("{file}.key"), key.serialize_pem());
    }
}

#[test]
fn a_business_that_names_certificates_is_let_in_with_one_of_them_only() {
    let mut equipment = Equipment::start();
    let config = equipment.daemon.config();
    certificates(config.parent().expect("a folder"), &["calls.example.com", "other.example.com"]);
    let tls = "[http]\ntls = { certificate = \"server.pem\", key = \"server.key\", client_ca = \"ca.pem\", client_certificates = \"optional\" }\n";
    equipment.change(|text| text.replacen("[http]\n", tls, 1));
    assert_eq!(over_tls(&equipment, None).expect("an answer").0, 200, "an account that names none needs none");
    equipment.command(&["business", "change", "abc", "--certificate", "dns:calls.example.com"], "");
    eventually("the account to want a certificate", PATIENCE, || {
        let (status, answer) = over_tls(&equipment, None).expect("an answer");
        (status == 403 && answer.contains("urn:callbridge:problem:client_certificate")).then_some(())
    });
    assert_eq!(over_tls(&equipment, Some("other.example.com")).expect("an answer").0, 403);
    assert_eq!(over_tls(&equipment, Some("calls.example.com")).expect("an answer").0, 200);
    let file = config.with_file_name("other.example.com.pem");
    let certificate = CertificateDer::from_pem_file(file).expect("a certificate");
    let print = ring::digest::digest(&ring::digest::SHA256, &certificate);
    let print: String = print.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    equipment.command(&["business", "change", "abc", "--certificate", &format!("sha256:{print}")], "");
    eventually("the other certificate", PATIENCE, || {
        (over_tls(&equipment, Some("other.example.com")).expect("an answer").0 == 200).then_some(())
    });
    assert_eq!(over_tls(&equipment, Some("calls.example.com")).expect("an answer").0, 403);
    // One that our authority did not sign is not even listened to.
    let elsewhere = tempfile::tempdir().expect("a folder");
    certificates(elsewhere.path(), &["stranger"]);
    for name in ["stranger.pem", "stranger.key"] {
        std::fs::copy(elsewhere.path().join(name), config.with_file_name(name)).expect("a file");
    }
    assert!(over_tls(&equipment, Some("stranger")).is_err());
}
