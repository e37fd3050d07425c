//! Encrypted initiation messages, made by an independent library (python3-jwcrypto, the example of the documentation), on the real
//! daemon. Owns these stories; the algorithms' own are `src/io/jose`'s.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{CUSTOMER, Equipment, REPRESENTATIVE};
use crate::support::daemon::Setup;

/// Makes a key file with the program, as an operator does.
fn key(folder: &Path, name: &str, kind: &str) -> String {
    let file = folder.join(name);
    let mut make = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    let made = make.args(["keys", "make", "--kind", kind, "--out"]).arg(&file).output().expect("keys make");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file.display().to_string()
}

/// An RSA key of openssl's.
fn rsa(folder: &Path) -> String {
    let file = folder.join("rsa.pem");
    let mut openssl = Command::new("openssl");
    let made = openssl.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]).arg(&file);
    assert!(made.stderr(Stdio::null()).status().expect("openssl").success());
    file.display().to_string()
}

fn equipment(keys: &[String], more: &str) -> Equipment {
    let keys = serde_json::to_string(keys).expect("a list");
    Equipment::set_up(Setup { more: format!("[encryption]\nkeys = {keys}\n{more}"), ..Setup::default() })
}

/// Runs a program's text as if it were this many seconds ago.
const AGO: &str = "import runpy, sys, time; now = time.time; ago = int(sys.argv.pop(1)); time.time = lambda: now() - ago; \
    sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')";

/// What the example of the documentation makes of this text.
fn encrypted(equipment: &Equipment, plain: &str, curve: &str) -> String {
    encrypted_ago(equipment, plain, curve, 0)
}

/// The same, some seconds ago.
fn encrypted_ago(equipment: &Equipment, plain: &str, curve: &str, seconds: u32) -> String {
    let url = format!("http://{}/.well-known/jwks.json", equipment.daemon.http);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/encrypt.py");
    // Debian's own: where the library of its package is.
    let mut python = Command::new("/usr/bin/python3");
    let mut child = python
        .args(["-c", AGO, &seconds.to_string(), example, &url, curve])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().expect("stdin").write_all(plain.as_bytes()).expect("the message");
    let made = child.wait_with_output().expect("the example");
    assert!(made.status.success(), "the example failed: is python3-jwcrypto installed?");
    String::from_utf8(made.stdout).expect("a JWE")
}

fn message(equipment: &Equipment) -> Value {
    let who = &equipment.daemon.business;
    json!({ "business_id": who.id, "password": who.password, "customer": CUSTOMER, "representative": REPRESENTATIVE })
}

fn post(equipment: &Equipment, kind: &str, body: &str, more: &str) -> (u16, String) {
    let head = format!("POST /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n{more}");
    equipment.raw(&format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn a_message_encrypted_to_any_published_key_places_a_call_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = [key(folder.path(), "ec.jwk", "p256"), key(folder.path(), "x.jwk", "x25519"), rsa(folder.path())];
    let equipment = equipment(&keys, "");
    for curve in ["P-256", "X25519", "RSA"] {
        let sealed = encrypted(&equipment, &message(&equipment).to_string(), curve);
        let (status, answer) = post(&equipment, "application/jose", &sealed, "");
        assert_eq!(status, 202, "{curve}: {answer}");
        let (status, answer) = post(&equipment, "application/jose", &sealed, "");
        assert_eq!(status, 409, "{curve}, replayed: {answer}");
        let other_key = "Idempotency-Key: another\r\n";
        assert_eq!(post(&equipment, "application/jose", &sealed, other_key).0, 409, "{curve}, with a key of its own");
    }
}

#[test]
fn the_same_request_with_its_idempotency_key_is_answered_with_the_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let equipment = equipment(&[key(folder.path(), "ec.jwk", "p256")], "");
    let sealed = encrypted(&equipment, &message(&equipment).to_string(), "P-256");
    let key = "Idempotency-Key: k-1\r\n";
    let (first, call) = post(&equipment, "application/jose", &sealed, key);
    let (second, again) = post(&equipment, "application/jose", &sealed, key);
    assert_eq!((first, second), (202, 202), "{again}");
    let id = |answer: &str| {
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str::<Value>(body).expect("a call")["id"].clone()
    };
    assert_eq!(id(&call), id(&again));
}

#[test]
fn single_fields_may_be_encrypted_and_are_taken_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let equipment = equipment(&[key(folder.path(), "ec.jwk", "p256")], "");
    let mut sealed = message(&equipment);
    for field in ["password", "customer", "representative"] {
        let plain = sealed[field].as_str().expect("a text").to_owned();
        sealed[field] = json!(encrypted(&equipment, &plain, "P-256"));
    }
    let (status, answer) = post(&equipment, "application/json", &sealed.to_string(), "");
    assert_eq!(status, 202, "{answer}");
    assert!(answer.contains(CUSTOMER), "{answer}");
    sealed["customer"] = json!("+12125550199");
    let (status, answer) = post(&equipment, "application/json", &sealed.to_string(), "");
    assert_eq!(status, 409, "a password cut out of another message: {answer}");
}

#[test]
fn what_is_not_for_this_equipment_is_malformed_and_what_is_old_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let equipment = equipment(&[key(folder.path(), "ec.jwk", "p256")], "max_age_seconds = 10\n");
    let sealed = encrypted(&equipment, &message(&equipment).to_string(), "P-256");
    let mut parts: Vec<&str> = sealed.split('.').collect();
    parts[3] = "AAAA";
    assert_eq!(post(&equipment, "application/jose", &parts.join("."), "").0, 400);
    assert_eq!(post(&equipment, "application/jose", "no.jwe", "").0, 400);
    let old = encrypted_ago(&equipment, &message(&equipment).to_string(), "P-256", 12);
    let (status, answer) = post(&equipment, "application/jose", &old, "");
    assert_eq!(status, 422, "{answer}");
    let plain = Equipment::start();
    let (status, answer) = post(&plain, "application/jose", &sealed, "");
    assert_eq!(status, 415, "no keys here: {answer}");
}
