//! The judge of shapes: CAMARA's own description (tests/fixtures/camara) and a JSON Schema library that is not ours, in a child process. Owns
//! that process; `judge.py` says how it is asked.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::support::http::Response;

/// Where the descriptions are.
pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/camara");
/// Where the program of `./check tools` is that brings the library, and its own.
pub const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/schemathesis/bin");

/// Ends with its guard.
pub struct Judge {
    process: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Judge {
    /// Reads the descriptions.
    pub fn start() -> Judge {
        let python = Path::new(TOOLS).join("python");
        assert!(python.exists(), "schemathesis is missing: run ./check tools");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/click_to_dial/judge.py");
        let mut process = Command::new(python)
            .args([script, FIXTURES])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let pipes = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        Judge { process, pipes: Mutex::new((pipes.0, BufReader::new(pipes.1))) }
    }

    #[track_caller]
    fn ask(&self, question: &Value) -> String {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{question}").expect("the judge listens");
        let mut answer = String::new();
        assert!(pipes.1.read_line(&mut answer).expect("the judge answers") > 0, "the judge is gone: {question}");
        answer.trim().to_owned()
    }

    /// An answer of this operation is as the description has it.
    #[track_caller]
    pub fn answer(&self, method: &str, path: &str, answer: &Response) {
        let value = if answer.body.is_empty() { Value::Null } else { answer.json() };
        let operation = [method.to_lowercase(), path.to_owned()];
        let said = self.ask(&json!({ "operation": operation, "status": answer.status, "value": value }));
        assert!(said.is_empty(), "{method} {path} {}: {said}\n{}", answer.status, answer.body);
        let json = answer.head.to_lowercase().contains("content-type: application/json");
        assert!(json != answer.body.is_empty(), "{}", answer.head);
    }

    /// An event is as the description has it, and says why and how long where it is disconnected, and only there.
    #[track_caller]
    pub fn event(&self, event: &Value) {
        let said = self.ask(&json!({ "schema": "/components/schemas/CallStatusChangedEvent", "value": event }));
        assert!(said.is_empty(), "{said}\n{event:#}");
        let data = &event["data"];
        let disconnected = data["status"]["state"] == "disconnected";
        assert_eq!(data["status"]["reason"].is_string(), disconnected, "{event:#}");
        assert_eq!(data["callDuration"].is_string(), disconnected, "{event:#}");
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn the_judge_itself_sees_what_is_wrong() {
    let judge = Judge::start();
    let call = |more: &str, value: Value| {
        let mut call = json!({ "callId": "a", "caller": { "number": "+12125550100" }, "callee": { "number": "+12125550101" },
            "status": "connected", "createdAt": "2026-11-24T14:00:00.000Z" });
        call[more] = value;
        judge.ask(&json!({ "schema": "/components/schemas/Call", "value": call }))
    };
    assert_eq!(call("recordingEnabled", json!(true)), "");
    for (more, value) in [
        ("status", json!("ended")),
        ("createdAt", json!("2026-11-24")),
        ("caller", json!({ "number": "12125550100" })),
        ("reason", json!("hangUp")),
    ] {
        assert_ne!(call(more, value.clone()), "", "{more}: {value}");
    }
}
