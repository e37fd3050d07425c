//! Trunks that want to know who we are, and how the caller is shown and vouched for. Digests and signatures are judged by code
//! that is not ours: rsip's generator and the openssl program.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsip::headers::auth::{Algorithm, AuthQop};
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, Setup, Switch};
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{CUSTOMER, Story};
use crate::support::tone::Tone;
use crate::support::trace::Message;
use crate::support::wait::{PATIENCE, eventually};

const PASSWORD: &str = "open sesame";

fn trunk(password: &str) -> Vec<(&'static str, String)> {
    vec![("username", "\"callbridge\"".into()), ("password", format!("{password:?}"))]
}

fn challenged(algorithm: &'static str, password: &str, scenario: &'static str) -> (Story, Phone) {
    let story = Story::with(Setup { trunk: trunk(password), ..Setup::default() });
    let phone = story.phone(Tone::Customer, scenario, |setup| setup.keys = vec![("algorithm", algorithm)]);
    (story, phone)
}

fn part<'a>(field: &'a str, name: &str) -> &'a str {
    let mut parts = field.trim_start_matches("Digest ").split(", ");
    parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().trim_matches('"')
}

/// What rsip computes for this request's credentials.
fn assert_right(request: &Message, method: rsip::Method) {
    let field = request.header("Proxy-Authorization").expect("credentials");
    let qop = AuthQop::Auth { cnonce: part(field, "cnonce").into(), nc: part(field, "nc").parse().unwrap() };
    let uri = rsip::Uri::try_from(part(field, "uri")).unwrap();
    let algorithm = if part(field, "algorithm") == "SHA-256" { Algorithm::Sha256 } else { Algorithm::Md5 };
    let expected = rsip::services::DigestGenerator {
        username: "callbridge",
        password: PASSWORD,
        nonce: part(field, "nonce"),
        uri: &uri,
        realm: "ssp",
        method: &method,
        qop: Some(&qop),
        algorithm,
    };
    assert_eq!(part(field, "response"), expected.compute(), "{}", request.text);
    assert!(field.contains("algorithm=MD5") || field.contains("algorithm=SHA-256"), "a token without quotes: {field}");
}

fn assert_a_trunk_believes_us(algorithm: &'static str) {
    let (story, customer) = challenged(algorithm, PASSWORD, "trunk-asks-for-credentials");
    let representatives = story.nobody(Tone::Representative);
    let call = story.call();
    customer.until("ACK of the answer", |m| m.is_request("ACK") && m.header("Proxy-Authorization").is_some());
    call.delete();
    let record = call.record();
    assert_eq!(record["outcome"], "cancelled");
    let messages = customer.finish().messages;
    let proven = |method: &str| {
        let mut requests = messages.iter().filter(|m| m.is_request(method));
        requests.rfind(|m| m.header("Proxy-Authorization").is_some()).expect("a request with credentials")
    };
    assert_right(proven("INVITE"), rsip::Method::Invite);
    assert_right(proven("BYE"), rsip::Method::Bye);
    assert!(!story.daemon.log().contains(PASSWORD));
    drop(representatives);
    story.end();
}

#[test]
fn a_trunk_that_asks_for_md5_credentials_gets_them() {
    assert_a_trunk_believes_us("MD5");
}

#[test]
fn a_trunk_that_asks_for_sha_256_credentials_gets_them() {
    assert_a_trunk_believes_us("SHA-256");
}

#[test]
fn a_stale_nonce_is_replaced() {
    let (story, customer) = challenged("MD5", PASSWORD, "trunk-has-a-stale-nonce");
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["customer_sip_status"]), (&"customer_busy".into(), &486.into()));
    customer.finish();
    story.end();
}

#[test]
fn a_wrong_password_fails_the_call_with_its_cause_and_without_a_loop() {
    let (story, customer) = challenged("MD5", "wrong", "trunk-refuses-the-password");
    let representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["customer_sip_status"]), (&"customer_unreachable".into(), &407.into()));
    let messages = customer.finish().messages;
    assert_eq!(messages.iter().filter(|m| m.is_request("INVITE")).count(), 2);
    representatives.assert_never_called();
    story.end();
}

#[test]
fn a_trunk_that_wants_to_be_registered_with_is_and_hears_when_we_leave() {
    let port = ports::port();
    let registrar = Phone::start(&PhoneSetup::new("trunk-wants-to-be-registered-with", port, Tone::Customer));
    let keys = [
        trunk(PASSWORD),
        vec![("register", "\"sip:callbridge@example.com\"".into()), ("register_seconds", "3600".into())],
    ];
    let switch = Switch { keys: keys.concat(), ..Switch::new("ssp-62", port, &["+1"]) };
    let mut daemon = Daemon::start(&Setup { switches: vec![switch], ..Setup::default() });
    eventually("the binding", PATIENCE, || {
        let bound = daemon.metric("callbridge_registrations", "switch=\"ssp-62\",state=\"registered\"");
        (bound == 1.0).then_some(())
    });
    daemon.ask_to_stop();
    assert!(daemon.wait_for_exit().success());
    let messages = registrar.finish().messages;
    let asked: Vec<&Message> = messages.iter().filter(|m| m.is_request("REGISTER")).collect();
    let ids: std::collections::BTreeSet<_> = asked.iter().map(|m| m.header("Call-ID")).collect();
    assert_eq!((asked.len(), ids.len()), (3, 1), "one row of REGISTERs");
}

/// The INVITE of a call to a customer who is busy, with these keys of the switches, more configuration and message fields.
fn invite_with(trunk: &[(&'static str, &str)], more: String, fields: Value) -> Message {
    let keys = trunk.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let story = Story::with(Setup { trunk: keys, more, ..Setup::default() });
    let customer = story.customer("customer-busy");
    assert_eq!(story.call_with(fields).record()["outcome"], "customer_busy");
    let messages = customer.finish().messages;
    story.end();
    messages.into_iter().find(|m| m.is_request("INVITE")).expect("an INVITE")
}

/// What gives the business of every test two numbers.
pub const NUMBERS: &str = "caller_ids = [\"+12125550199\", \"+12125550188\"]\n";

#[test]
fn a_trusted_switch_hears_who_calls_and_the_customer_does_not() {
    let keys = [("identity", "\"p-asserted-identity\"")];
    let open = invite_with(&keys, NUMBERS.into(), json!({ "caller_id": "+12125550188" }));
    assert!(open.header("From").unwrap().starts_with("\"ABC\" <sip:+12125550188@127.0.0.1:"), "{}", open.text);
    assert!(open.header("P-Asserted-Identity").unwrap().starts_with("\"ABC\" <sip:+12125550188@127.0.0.1:"));
    assert_eq!(open.header("Privacy"), None);
    let withheld = invite_with(&keys, NUMBERS.into(), json!({ "withhold_caller_id": true }));
    let from = withheld.header("From").unwrap();
    assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{from}");
    assert_eq!(withheld.header("Privacy"), Some("id"));
    assert!(withheld.header("P-Asserted-Identity").unwrap().contains("sip:+12125550199@"));
}

#[test]
fn the_headers_of_the_switch_and_of_the_call_are_in_the_invite() {
    let uui = "56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui";
    let keys = [
        ("headers", "{ X-Account = \"{business_id}/{reference}\", X-Order = \"none\" }"),
        ("allow_headers", "[\"X-Order\", \"User-to-User\"]"),
    ];
    let headers = json!({ "headers": { "x-order": "321", "User-to-User": uui } });
    let invite = invite_with(&keys, String::new(), headers);
    assert_eq!(invite.header("X-Account"), Some("abc/order 321"));
    assert_eq!(invite.header("X-Order"), Some("321"));
    assert_eq!(invite.header("User-to-User"), Some(uui));
    assert_eq!(invite.text.to_ascii_lowercase().matches("x-order:").count(), 1);
    // A field that no switch takes is refused, not dropped.
    let story = Story::begin();
    let message = json!({ "customer": CUSTOMER, "representative": CUSTOMER, "headers": { "X-Order": "321" } });
    let answer = story.daemon.api("POST", "/v1/calls", Some(&message));
    assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &"/headers/X-Order".into()));
    story.end();
}

/// Runs openssl in this folder; gives what it says.
pub fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `r` and `s` as the DER sequence that openssl reads (RFC 3279 §2.2.3).
pub fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        if digits.first().is_none_or(|byte| *byte >= 0x80) {
            digits.insert(0, 0);
        }
        [&[2, u8::try_from(digits.len()).unwrap()], &digits[..]].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

#[test]
fn a_call_is_vouched_for_and_openssl_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    openssl(path, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "stir.key"]);
    openssl(path, &["pkey", "-in", "stir.key", "-pubout", "-out", "stir.pub"]);
    let url = "https://cert.example.com/sp.pem";
    let key = path.join("stir.key");
    let more = format!(
        "{NUMBERS}[stir]\ncertificate_url = \"{url}\"\nkey = {:?}\nrequired = true\n",
        key.display().to_string()
    );
    let invite = invite_with(&[("sign", "true")], more, json!({}));
    let identity = invite.header("Identity").expect("an Identity");
    let (token, parameters) = identity.split_once(';').unwrap();
    assert_eq!(parameters, format!("info=<{url}>;alg=ES256;ppt=shaken"));
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(header), format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#));
    let claims = decoded(payload);
    assert!(claims.starts_with(r#"{"attest":"A","dest":{"tn":["12125550100"]},"iat":"#), "{claims}");
    let claims: Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["orig"]["tn"], "12125550199");
    assert_eq!(claims["origid"].as_str().map(str::len), Some(36), "a UUID");
    assert!(invite.header("Date").unwrap().ends_with(" GMT"));
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    fs::write(path.join("text"), text).unwrap();
    fs::write(path.join("signature"), der(&signature)).unwrap();
    let verify = ["dgst", "-sha256", "-verify", "stir.pub", "-signature", "signature", "text"];
    assert!(openssl(path, &verify).contains("Verified OK"));
}
