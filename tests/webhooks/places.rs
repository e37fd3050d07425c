//! Where events may be sent to: not to private addresses, whatever their names say and however they change.

use std::process::{Child, Command, Stdio};

use super::receiver::Receiver;
use super::support::tls::Authority;
use super::{PATIENCE, Setup, Stage, eventually, ports};

/// A name server on loopback; ends with its guard.
struct NameServer(Child);

impl NameServer {
    /// One that says that `hooks.test` is at these addresses, for no time at all.
    fn start(port: u16, addresses: &[&str]) -> NameServer {
        let mut command = Command::new("dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
        command.args(["--bind-interfaces", "--listen-address=127.0.0.1", "--local=/test/", "--user=", "--group="]);
        command.args(["--local-ttl=0", &format!("--port={port}")]);
        command.args(addresses.iter().map(|address| format!("--host-record=hooks.test,{address}")));
        let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        NameServer(child.expect("dnsmasq (Debian package dnsmasq-base)"))
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks for a test event and waits until it was tried; gives what was wrong.
#[track_caller]
fn tried(stage: &Stage) -> serde_json::Value {
    let answer = stage.daemon.api("POST", "/v1/webhooks/test", None);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["id"].clone();
    eventually("a try", PATIENCE, || {
        let tried = |delivery: &serde_json::Value| delivery["id"] == id && delivery["attempts"] != 0;
        stage.deliveries("").into_iter().find(tried)
    })
}

#[test]
fn nothing_is_sent_to_a_private_address_in_whatever_form() {
    let receiver = Receiver::start(ports::loopback(ports::port()));
    let port = receiver.address.port();
    let stage = Stage::start(&format!("http://127.0.0.1:{port}/"), "insecure = true\n");
    for url in
        ["http://127.0.0.1", "http://0x7f.1", "http://2130706433", "http://[::ffff:127.0.0.1]", "http://localhost"]
    {
        stage.command(&["business", "change", "abc", "--webhook-url", &format!("{url}:{port}/")], "");
        std::thread::sleep(std::time::Duration::from_millis(1200));
        let tried = tried(&stage);
        assert_eq!((&tried["state"], &tried["status"]), (&"waiting".into(), &serde_json::Value::Null), "{url}");
        let problem = tried["problem"].as_str().expect("a problem");
        let expected = ["its address is not a public one", "its name cannot be looked up"];
        assert!(expected.contains(&problem), "{url}: {problem}");
    }
    assert_eq!(receiver.connections(), 0);
    assert!(stage.daemon.metric("callbridge_webhook_deliveries_total", "result=\"barred\"") >= 4.0);
}

#[test]
fn over_tls_only_a_certificate_of_the_trusted_authority_and_of_this_name_is_taken() {
    let dns = ports::port();
    let _server = NameServer::start(dns, &["127.0.0.1"]);
    let (ours, theirs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (trusted, stranger) = (Authority::new(ours.path()), Authority::new(theirs.path()));
    let address = || ports::loopback(ports::port());
    let good = Receiver::secure(address(), trusted.server("good", &["hooks.test"]));
    let wrong = [
        Receiver::secure(address(), trusted.server("other", &["other.test"])),
        Receiver::secure(address(), stranger.server("stranger", &["hooks.test"])),
    ];
    let ca = trusted.ca().display().to_string();
    let webhooks = format!("allow = [\"127.0.0.1\"]\nresolver = \"127.0.0.1:{dns}\"\nca = \"{ca}\"\n");
    let url = |receiver: &Receiver| format!("https://hooks.test:{}/", receiver.address.port());
    let stage = Stage::start(&url(&good), &webhooks);
    assert_eq!(tried(&stage)["state"], "delivered");
    good.took().iter().for_each(|delivery| delivery.assert_signed(&[super::SECRET]));
    for receiver in &wrong {
        stage.command(&["business", "change", "abc", "--webhook-url", &url(receiver)], "");
        std::thread::sleep(std::time::Duration::from_millis(1200));
        assert_eq!(tried(&stage)["problem"], "no TLS connection: see its certificate");
        assert!(receiver.connections() > 0 && receiver.got().is_empty(), "not a byte of an event");
    }
}

#[test]
fn nothing_is_sent_in_clear_but_to_where_it_is_allowed() {
    let stage = Stage::start("http://192.88.98.1/", "");
    assert_eq!(tried(&stage)["problem"], "its URL is http://, and nothing is sent in clear to there");
}

#[test]
fn a_name_that_begins_to_lead_to_a_private_address_leads_nowhere() {
    let dns = ports::port();
    let at = |last: u8, port| std::net::SocketAddr::from(([127, 0, 0, last], port));
    let good = Receiver::start(at(2, ports::port()));
    let trap = Receiver::start(at(1, good.address.port()));
    let server = NameServer::start(dns, &["127.0.0.2"]);
    let webhooks = format!("allow = [\"127.0.0.2\"]\nresolver = \"127.0.0.1:{dns}\"\n");
    let url = format!("http://hooks.test:{}/", good.address.port());
    let stage = Stage::with(&url, &webhooks, Setup::default());
    let name = |good: &Receiver| good.took().last().map(|delivery| delivery.head.to_lowercase());
    assert_eq!(tried(&stage)["state"], "delivered");
    assert!(name(&good).expect("a delivery").contains(&format!("host: hooks.test:{}", good.address.port())));
    // Both: only the judged one is connected to, in whatever order they come.
    drop(server);
    let server = NameServer::start(dns, &["127.0.0.1", "127.0.0.2"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    for _ in 0..4 {
        assert_eq!(tried(&stage)["state"], "delivered");
    }
    drop(server);
    let _server = NameServer::start(dns, &["127.0.0.1"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(tried(&stage)["problem"], "its address is not a public one");
    assert_eq!((good.took().len(), trap.connections()), (5, 0));
}
