//! SIP over TLS: whose name a certificate must show, both ways, and how certificates are renewed.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;

use rustls::{ClientConnection, StreamOwned};

use super::peer::{Manner, Peer, assert_silent_end, connect_from, message, options};
use crate::support::daemon::{Daemon, Setup, Switch};
use crate::support::ports::{self, loopback};
use crate::support::story::Story;
use crate::support::tls::Authority;
use crate::support::wait::{PATIENCE, eventually};

/// A folder, its authority, and a daemon's setup with TLS: its certificate is called `own`, its switch must be called `name`.
struct Stage {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let authority = Authority::new(folder.path());
        authority.sign("own", &["callbridge.example"]);
        Stage { folder, authority }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Listens over TLS; one switch of this name at this port has every number.
    fn setup(&self, port: u16, name: &str, mutual: bool) -> Setup {
        let path = |name: &str| self.file(name).display().to_string();
        let ca = if mutual { format!(", client_ca = \"{}\"", path("ca.pem")) } else { String::new() };
        let tls = format!("{{ certificate = \"{}\", key = \"{}\"{ca} }}", path("own.pem"), path("own.key"));
        let keys = vec![("tls_name", format!("{name:?}"))];
        Setup {
            listen: vec!["tls"],
            sip: vec![("tls", tls), ("ca", format!("\"{}\"", path("ca.pem")))],
            switches: vec![Switch { transport: "tls", keys, ..Switch::new("ssp-66", port, &[]) }],
            transport: "tls",
            ..Setup::default()
        }
    }

    fn connect(&self, daemon: &Daemon, identity: Option<&str>) -> StreamOwned<ClientConnection, std::net::TcpStream> {
        let identity = identity.map(|name| (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))));
        self.authority.connect(connect_from("127.0.0.1", daemon.sip), identity.as_ref())
    }
}

#[test]
fn a_call_over_tls_goes_to_the_switch_that_proves_its_name() {
    let stage = Stage::new();
    let listener = TcpListener::bind(loopback(ports::port())).expect("the switch's port");
    let port = listener.local_addr().expect("bound").port();
    let peer = Peer::listen(listener, Some(stage.authority.server("ssp", &["ssp.example"])), Manner::Steady);
    let daemon = Daemon::start(&stage.setup(port, "ssp.example", false));
    let story = Story::at(daemon);
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    let byes = peer.until("BYE", 2);
    assert!(byes.iter().all(|(connection, _)| *connection == 0), "one connection carries it all: {byes:?}");
    let invite = &peer.until("INVITE", 2)[0].1;
    assert!(invite.contains("Via: SIP/2.0/TLS ") && invite.contains(";transport=tls>"), "{invite}");
    story.end();
}

#[test]
fn a_switch_with_another_name_gets_no_call() {
    let stage = Stage::new();
    let listener = TcpListener::bind(loopback(ports::port())).expect("the switch's port");
    let port = listener.local_addr().expect("bound").port();
    let peer = Peer::listen(listener, Some(stage.authority.server("ssp", &["impostor.example"])), Manner::Steady);
    let story = Story::at(Daemon::start(&stage.setup(port, "ssp.example", false)));
    let call = story.call();
    assert_eq!(call.record()["outcome"], "customer_unreachable");
    assert_eq!(peer.heard(), []);
    story.end();
}

#[test]
fn with_mutual_tls_only_the_switchs_own_certificate_opens_the_door() {
    let stage = Stage::new();
    stage.authority.sign("ssp", &["ssp.example"]);
    stage.authority.sign("other", &["other.example"]);
    let daemon = Daemon::start(&stage.setup(ports::port(), "ssp.example", true));
    let mut good = stage.connect(&daemon, Some("ssp"));
    good.write_all(options("TLS", 1).as_bytes()).expect("the handshake is done");
    let answer = message(&mut good).expect("an answer").expect("an answer");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    for identity in [None, Some("other")] {
        let mut bad = stage.connect(&daemon, identity);
        // With TLS 1.3 the client is done before the server has judged it.
        bad.write_all(options("TLS", 2).as_bytes()).ok();
        assert_silent_end(bad);
    }
    eventually("both to be counted", PATIENCE, || {
        (daemon.metric("callbridge_rejected_total", "sip_handshake") == 2.0).then_some(())
    });
}

#[test]
fn certificates_are_renewed_by_sighup_and_live_connections_stay() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.setup(ports::port(), "ssp.example", false));
    let shown = |wire: &StreamOwned<ClientConnection, std::net::TcpStream>| {
        wire.conn.peer_certificates().map(|chain| chain[0].as_ref().to_vec())
    };
    let mut first = stage.connect(&daemon, None);
    first.write_all(options("TLS", 1).as_bytes()).expect("the handshake is done");
    message(&mut first).expect("an answer");
    stage.authority.sign("own", &["callbridge.example"]);
    daemon.ask_to_reload();
    let renewed = eventually("the new certificate", PATIENCE, || {
        let mut next = stage.connect(&daemon, None);
        next.write_all(options("TLS", 2).as_bytes()).expect("the handshake is done");
        message(&mut next).expect("an answer");
        shown(&next).filter(|new| Some(new) != shown(&first).as_ref())
    });
    assert!(!renewed.is_empty());
    first.write_all(options("TLS", 3).as_bytes()).expect("the connection lives");
    assert!(message(&mut first).expect("an answer").is_some_and(|answer| answer.starts_with("SIP/2.0 200 ")));
}
