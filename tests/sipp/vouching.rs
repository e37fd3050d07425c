//! Calls that are vouched for, over time: the key changes by SIGHUP, and what we sign is checked by the verifier that first proves
//! itself on the example of RFC 8225.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::identity::{NUMBERS, der, openssl};
use crate::support::daemon::Setup;
use crate::support::story::Story;
use crate::support::tone::Tone;
use crate::support::trace::Message;
use crate::support::wait::{PATIENCE, eventually};

/// RFC 8225 §7.1: header, payload and signature of its example; the claims are another kind than SHAKEN's, the signature is not.
const EXAMPLE: [&str; 3] = [
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9",
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0",
    "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w",
];
/// RFC 8225 appendix A: the keys of its examples.
const EXAMPLE_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFeZ1R208QCvcu5GuYyMfG4W7sH4m99/7eHSDLpdYllFoAoGCCqGSM49
AwEHoUQDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcs
lQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==
-----END EC PRIVATE KEY-----
";
const EXAMPLE_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH
78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==
-----END PUBLIC KEY-----
";

/// Whether openssl finds that the owner of this public key signed the token.
fn is_signed_by(folder: &Path, public: &str, token: &str) -> bool {
    let (text, signature) = token.rsplit_once('.').expect("a token");
    fs::write(folder.join("text"), text).expect("a file");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    fs::write(folder.join("signature"), der(&signature)).expect("a file");
    let arguments = ["dgst", "-sha256", "-verify", public, "-signature", "signature", "text"];
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl");
    output.status.success()
}

/// Writes this key where the daemon finds it, in PKCS#8, and its public half beside it.
fn write_key(folder: &Path, pem: &str, public: &str) {
    fs::write(folder.join("new.key"), pem).expect("a file");
    openssl(folder, &["pkcs8", "-topk8", "-nocrypt", "-in", "new.key", "-out", "stir.key"]);
    openssl(folder, &["pkey", "-in", "stir.key", "-pubout", "-out", public]);
}

/// A stage whose switches want calls signed by `stir.key` in this folder.
fn story(folder: &Path) -> Story {
    let key = folder.join("stir.key").display().to_string();
    let url = "https://cert.example.com/sp.pem";
    let more = format!("{NUMBERS}[stir]\ncertificate_url = \"{url}\"\nkey = {key:?}\nrequired = true\n");
    Story::with(Setup { trunk: vec![("sign", "true".to_owned())], more, ..Setup::default() })
}

/// The token of this INVITE's Identity.
fn token(invite: &Message) -> String {
    invite.header("Identity").and_then(|field| field.split(';').next()).expect("an Identity").to_owned()
}

#[test]
fn the_verifier_agrees_with_the_example_of_rfc_8225_and_with_a_call_signed_by_its_key() {
    let folder = tempfile::tempdir().expect("a folder for keys");
    let path = folder.path();
    fs::write(path.join("example.pub"), EXAMPLE_PUBLIC).expect("a file");
    assert!(is_signed_by(path, "example.pub", &EXAMPLE.join(".")));
    let forged = EXAMPLE.join(".").replacen("eyJkZXN0", "eyJkZXN1", 1);
    assert!(!is_signed_by(path, "example.pub", &forged), "it refuses what was changed");

    write_key(path, EXAMPLE_KEY, "own.pub");
    let story = story(path);
    let customer = story.customer("customer-busy");
    assert_eq!(story.call().record()["outcome"], "customer_busy");
    let invite = customer.finish().messages.into_iter().find(|m| m.is_request("INVITE")).expect("an INVITE");
    assert!(is_signed_by(path, "example.pub", &token(&invite)), "{invite:?}");
    story.end();
}

#[test]
fn the_signing_key_is_renewed_by_sighup_and_a_file_that_is_no_key_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder for keys");
    let path = folder.path();
    let generate = |public: &str| {
        let pem = openssl(path, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        write_key(path, &pem, public);
    };
    generate("first.pub");
    let story = story(path);
    let customers = story.phone(Tone::Customer, "customer-busy", |phone| phone.calls = 3);
    let call = || assert_eq!(story.call_with(json!({})).record()["outcome"], "customer_busy");
    let reload = |said: &str| {
        story.daemon.ask_to_reload();
        eventually(said, PATIENCE, || story.daemon.log().contains(said).then_some(()));
    };
    call();
    generate("second.pub");
    reload("configuration reloaded");
    call();
    fs::write(path.join("stir.key"), "no key").expect("a file");
    reload("configuration not reloaded");
    call();
    let messages = customers.finish().messages;
    let mut tokens: Vec<String> = messages.iter().filter(|m| m.is_request("INVITE")).map(token).collect();
    // An INVITE may have come twice.
    tokens.dedup();
    let signed = tokens.iter().map(|token| ["first.pub", "second.pub"].map(|key| is_signed_by(path, key, token)));
    assert_eq!(signed.collect::<Vec<_>>(), [[true, false], [false, true], [false, true]]);
    story.end();
}
