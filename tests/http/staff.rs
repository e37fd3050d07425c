//! Representatives and the distribution of calls on the real daemon: accounts by the command line, log-on over HTTP, a place in line, also
//! after `kill -9`. Owns these stories; who gets whom is `src/acd`'s.

use serde_json::{Value, json};

use super::{CUSTOMER, Equipment, is_problem};
use crate::support::http::{Response, send};
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

/// What Anna's browser sends.
fn by_token(equipment: &Equipment, method: &str, path: &str, token: &str, body: Option<&Value>) -> Response {
    let bearer = format!("Bearer {token}");
    send(equipment.daemon.http, method, path, &[("Authorization", &bearer)], body).expect("an answer")
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
    let queue = equipment.daemon.api("GET", "/v1/representatives", None).json()["queue"].clone();
    assert_eq!((&queue["waiting"], &queue["holding"]), (&json!(1), &json!(0)));
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
    // Killed before it was durable that the customer is called, they are called again.
    if equipment.call(&call)["state"] != "ended" {
        equipment.daemon.api("DELETE", &format!("/v1/calls/{call}"), None);
    }
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
    eventually("the representatives in the metrics", PATIENCE, || {
        let seen = equipment.daemon.metrics().contains("callbridge_representatives{state=\"logged_off\"} ");
        seen.then_some(())
    });
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

#[test]
fn a_representatives_own_token_speaks_for_that_one_alone_until_it_is_taken_back_also_across_kill_9() {
    let mut equipment = Equipment::and(&[("customer_ring_seconds", 30)], TWO);
    let given = |equipment: &Equipment, body: &Value| {
        let answer = equipment.daemon.api("POST", "/v1/representatives/anna/token", Some(body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["token"].as_str().expect("a token").to_owned()
    };
    let token = given(&equipment, &json!({ "valid_seconds": 600 }));
    let session = "/v1/representatives/anna/session";
    let available = json!({ "state": "available", "lease_seconds": 600 });
    let answer = by_token(&equipment, "PUT", session, &token, Some(&available));
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("available")), "{}", answer.body);
    let call = "/v1/representatives/anna/call";
    assert_eq!(by_token(&equipment, "GET", call, &token, None).status, 204, "there is none");

    // The call that comes, with its page and its note.
    let page = json!({ "url": "https://shop.example/cruises", "title": "Cruises" });
    let id = equipment.accepted(&json!({ "customer": CUSTOMER, "note": "Which cabin?", "web_page": page }));
    let shown = eventually("the call at the desk", PATIENCE, || {
        let answer = by_token(&equipment, "GET", call, &token, None);
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!((shown["id"].as_str(), shown["note"].as_str()), (Some(id.as_str()), Some("Which cabin?")));
    assert_eq!(shown["web_page"]["title"], "Cruises");

    // Nothing else, and for nobody else.
    for (method, path) in [
        ("GET", "/v1/representatives/bert"),
        ("PUT", "/v1/representatives/bert/session"),
        ("GET", "/v1/representatives/an%20na"),
        ("GET", "/v1/representatives"),
        ("GET", "/v1/calls"),
        ("DELETE", "/v1/representatives/anna/token"),
    ] {
        let body = (method == "PUT").then_some(&available);
        is_problem(&by_token(&equipment, method, path, &token, body), 401);
    }
    for bad in ["", "x", &token[1..], &format!("{token}A")] {
        is_problem(&by_token(&equipment, "GET", "/v1/representatives/anna", bad, None), 401);
    }
    let mut both = available.clone();
    both["business_id"] = "abc".into();
    is_problem(&by_token(&equipment, "PUT", session, &token, Some(&both)), 401);
    let post = |path: &str, body: &Value| equipment.daemon.api("POST", path, Some(body));
    is_problem(&post("/v1/representatives/zoe/token", &json!({})), 404);
    is_problem(&post("/v1/representatives/anna/token", &json!({ "valid_seconds": 59 })), 422);
    is_problem(&post("/v1/representatives/anna/token", &json!({ "valid_for": 60 })), 400);

    // It outlives a restart, and so does its end.
    equipment.daemon.kill();
    equipment.daemon.restart();
    let mine = "/v1/representatives/anna";
    assert_eq!(by_token(&equipment, "GET", mine, &token, None).json()["id"], "anna");
    assert_eq!(equipment.daemon.api("DELETE", "/v1/representatives/anna/token", None).status, 200);
    is_problem(&by_token(&equipment, "GET", mine, &token, None), 401);
    equipment.daemon.kill();
    equipment.daemon.restart();
    is_problem(&by_token(&equipment, "PUT", session, &token, Some(&available)), 401);
    let later = given(&equipment, &json!({}));
    assert_eq!(by_token(&equipment, "GET", mine, &later, None).status, 200);
}
