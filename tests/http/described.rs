//! The API's description against the API itself: schemathesis (PyPI) draws requests from `/openapi.json`, good and bad ones, and
//! judges every answer by it. One worker: with two its own caches race (4.32.5). Owns which of its checks bind, and where it is installed (`./check tools`).

use std::path::Path;
use std::process::Command;

use super::Equipment;
use super::admin::{anna, operated};
use crate::support::daemon::Setup;
use crate::support::http::request;

/// 422 is no contradiction: a number that no country has is a string like any other to a schema.
const SETTINGS: &str = "
[checks.positive_data_acceptance]
expected-statuses = [\"2xx\", 401, 403, 404, 409, 412, 422, 429, 503]
";

/// Whoever shows wrong passwords again and again is told 429 in the end; `tests/http/admin.rs` has what each operator may do. A change of another
/// version is 412, whatever else is wrong with it.
const GUARDED: &str = "
[checks.ignored_auth]
enabled = false
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429, \"5xx\"]
";

/// Judges every answer of a description's API; `who` is `name:password`.
fn judge(url: &str, who: &str, settings: &str) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/schemathesis/bin/schemathesis");
    assert!(tool.exists(), "schemathesis is missing: run ./check tools");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("schemathesis.toml"), settings).expect("its settings");
    let run = Command::new(tool)
        .current_dir(folder.path())
        .args(["run", url, "--auth", who])
        .args(["--max-examples", "25", "--generation-deterministic", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-response-time", "10", "--no-color", "--workers", "1"])
        .output()
        .expect("schemathesis");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn every_answer_is_as_the_description_says() {
    // Messages that are good are dialled: lines and ports for all of them.
    let equipment = Equipment::set_up(Setup { rtp_ports: 400, ..Setup::default() });
    let who = &equipment.daemon.business;
    judge(&format!("http://{}/openapi.json", equipment.daemon.http), &format!("{}:{}", who.id, who.password), SETTINGS);
}

#[test]
fn every_answer_of_the_admin_api_is_as_its_description_says() {
    let equipment = operated();
    judge(&format!("http://{}/openapi.json", equipment.daemon.admin), &anna(), &format!("{SETTINGS}{GUARDED}"));
}

#[test]
fn people_and_programs_read_it_without_credentials() {
    let equipment = Equipment::start();
    let page = request(equipment.daemon.http, "GET", "/docs", None, None).expect("an answer");
    assert_eq!(page.status, 200);
    assert!(page.head.to_lowercase().contains("content-security-policy: default-src 'none'"), "{}", page.head);
    let json = request(equipment.daemon.http, "GET", "/openapi.json", None, None).expect("an answer").json();
    assert_eq!(json["openapi"], "3.1.0");
    let kept = include_str!("../../docs/openapi.json");
    assert_eq!(json, serde_json::from_str::<serde_json::Value>(kept).expect("JSON"), "what was given to partners");
}
