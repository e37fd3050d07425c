//! Representatives and the distribution of calls on the real daemon: accounts by the command line, log-on over HTTP, a place in line, also
//! after `kill -9`. Owns these stories; who gets whom is `src/acd`'s.

use serde_json::{Value, json};

use super::{CUSTOMER, Equipment, is_problem};
use crate::support::http::Response;
use crate::support::wait::{PATIENCE, eventually};

impl Equipment {
    fn says(&self, who: &str, body: &Value) -> Response {
        self.daemon.api("PUT", &format!("/v1/representatives/{who}/session"), Some(body))
    }

    fn states(&self) -> Vec<String> {
        let all = self.daemon.api("GET", "/v1/representatives", None).json();
        let of = |one: &Value| one["state"].as_str().unwrap_or_default().to_owned();
        all["representatives"].as_array().into_iter().flatten().map(of).collect()
    }
}

const TWO: &str = "[[business.representative]]\nid = \"anna\"\naddress = \"+12125550191\"\nskills = [\"cruise:9\"]\n\
    [[business.representative]]\nid = \"bert\"\nname = \"Bert\"\naddress = \"+12125550192\"\n";

#[test]
fn a_call_that_names_nobody_waits_until_a_representative_logs_on_also_across_kill_9() {
    let mut equipment = Equipment::and(&[("customer_ring_seconds", 30)], TWO);
    assert_eq!(equipment.states(), ["logged_off", "logged_off"]);
    let call = equipment.accepted(&json!({ "customer": CUSTOMER }));
    equipment.until(&call, "queued");
    assert_eq!(equipment.call(&call)["wait"]["position"], 1);
    equipment.daemon.kill();
    equipment.daemon.restart();
    equipment.until(&call, "queued");
    let answer = equipment.says("bert", &json!({ "state": "available", "lease_seconds": 600 }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = answer.json();
    assert_eq!(
        (shown["id"].as_str(), shown["name"].as_str(), shown["state"].as_str()),
        (Some("bert"), Some("Bert"), Some("promised"))
    );
    assert_eq!(shown["call"], call.as_str());
    equipment.until(&call, "calling_customer");
    equipment.daemon.kill();
    equipment.daemon.restart();
    eventually("bert to be there again", PATIENCE, || {
        (equipment.states() == ["logged_off", "available"]).then_some(())
    });
    assert_eq!(equipment.says("bert", &json!({ "state": "break" })).json()["state"], "break");
    equipment.says("bert", &json!({ "state": "logged_off" }));
    equipment.daemon.kill();
    equipment.daemon.restart();
    assert_eq!(equipment.states(), ["logged_off", "logged_off"]);
}

#[test]
fn a_lease_ends_by_itself_and_wrong_words_have_their_status() {
    let equipment = Equipment::and(&[], TWO);
    assert_eq!(equipment.says("anna", &json!({ "state": "available", "lease_seconds": 1 })).status, 200);
    eventually("anna's lease to end", PATIENCE, || (equipment.states()[0] == "logged_off").then_some(()));
    is_problem(&equipment.says("zoe", &json!({ "state": "available" })), 404);
    is_problem(&equipment.says("an%20na", &json!({ "state": "available" })), 404);
    is_problem(&equipment.says("anna", &json!({ "state": "asleep" })), 400);
    is_problem(&equipment.says("anna", &json!({})), 400);
    is_problem(&equipment.says("anna", &json!({ "state": "available", "lease": 1 })), 400);
    is_problem(&equipment.says("anna", &json!({ "state": "available", "lease_seconds": 0 })), 422);
    is_problem(&equipment.says("anna", &json!({ "state": "available", "lease_seconds": "90" })), 400);
}

#[test]
fn representatives_come_and_go_by_the_command_line_while_the_daemon_runs() {
    let equipment = Equipment::start();
    is_problem(&equipment.post(&json!({ "customer": CUSTOMER })), 422);
    let change = ["business", "change", "abc", "--representative"];
    equipment
        .command(&[&change[..], &["anna=+12125550191#cruise:9", "--representative", "bert=+12125550192"]].concat(), "");
    eventually("two representatives", PATIENCE, || (equipment.states().len() == 2).then_some(()));
    assert_eq!(equipment.says("anna", &json!({ "state": "available", "lease_seconds": 600 })).status, 200);
    let call = equipment.accepted(&json!({ "customer": CUSTOMER }));
    equipment.until(&call, "calling_customer");
    let shown = equipment.command(&["business", "show", "abc"], "");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("anna"));
    equipment.command(&["business", "change", "abc", "--remove-representative", "bert"], "");
    eventually("one representative", PATIENCE, || (equipment.states() == ["promised"]).then_some(()));
}
