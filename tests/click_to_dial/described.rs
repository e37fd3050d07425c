//! The interface against its own description: schemathesis (PyPI) draws requests from CAMARA's click-to-dial.yaml, good and bad ones, and judges
//! every answer by it; and our own description says no more and no less.

use std::path::Path;

use super::support::http::request;
use super::*;

/// A number that no switch serves is 422 to us and a string like any other to the schema. What belongs to a credential's type is not in the
/// schema of `sinkCredential`, and a property that is not declared "at any nesting level" is 400 by the description's text: so 400 is no
/// contradiction. 413, 415, 429 and 503 are of the errors that the description need not name.
const SETTINGS: &str = "
[checks.positive_data_acceptance]
expected-statuses = [\"2xx\", 400, 401, 403, 404, 409, 422, 429, 503]
";

#[test]
fn every_answer_is_as_camaras_description_says() {
    let tool = Path::new(judge::TOOLS).join("schemathesis");
    assert!(tool.exists(), "schemathesis is missing: run ./check tools");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).expect("its settings");
    let stage = Stage::with("", Setup { rtp_ports: 400, ..Setup::default() });
    let yaml = Path::new(judge::FIXTURES).join("API_definitions/click-to-dial.yaml");
    let run = Command::new(tool)
        .current_dir(folder.path())
        .arg("run")
        .arg(yaml)
        .args(["--url", &format!("http://{}/click-to-dial/v0.1", stage.daemon.http)])
        .args(["--header", &format!("Authorization: Bearer {}", stage.token)])
        .args(["--max-examples", "25", "--generation-deterministic", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-response-time", "10", "--no-color", "--workers", "1"])
        .output()
        .expect("schemathesis");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn our_own_description_has_the_same_operations_and_scopes() {
    let stage = Stage::start();
    let answer = request(stage.daemon.http, "GET", "/click-to-dial/v0.1/openapi.json", None, None).expect("an answer");
    let ours = answer.json();
    for (method, path, name, scope) in [
        ("post", "/calls", "createCall", "click-to-dial:calls:create"),
        ("get", "/calls/{callId}", "getCall", "click-to-dial:calls:read"),
        ("delete", "/calls/{callId}", "terminateCall", "click-to-dial:calls:delete"),
        ("get", "/calls/{callId}/recording", "getRecording", "click-to-dial:recordings:read"),
    ] {
        let operation = &ours["paths"][format!("/click-to-dial/v0.1{path}")][method];
        assert_eq!(operation["operationId"], name);
        assert_eq!(operation["security"][0]["openId"][0], scope);
    }
    assert_eq!(ours["paths"].as_object().map(serde_json::Map::len), Some(3));
}
