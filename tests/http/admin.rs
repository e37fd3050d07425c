//! The admin API of the real daemon, as the carrier's operators meet it: who is let in, accounts from their beginning to their end, versions, secrets
//! that are shown once, the trail. Owns these stories.

use serde_json::{Value, json};

use super::accounts::is_kind;
use super::{Equipment, PATIENCE, basic, eventually};
use crate::support::daemon::Setup;
use crate::support::http::{Credentials, Response, send};

const OPERATORS: &str = "[[admin.operator]]\nname = \"anna\"\npassword_file = \"anna.password\"\nrole = \"write\"\n\
    [[admin.operator]]\nname = \"watch\"\npassword_file = \"watch.password\"\n";
const ANNA: (&str, &str) = ("anna", "a very long secret of anna");
const WATCH: (&str, &str) = ("watch", "a very long secret of watch");

/// With two operators: one who writes, one who reads.
pub fn operated() -> Equipment {
    let mut equipment = Equipment::set_up(Setup { rtp_ports: 400, ..Setup::default() });
    for (name, password) in [ANNA, WATCH] {
        let file = equipment.daemon.config().with_file_name(format!("{name}.password"));
        std::fs::write(file, format!("{password}\n")).expect("a password file");
    }
    equipment.change(|text| format!("{text}{OPERATORS}"));
    equipment
}

/// For `--auth` of a tool.
pub fn anna() -> String {
    format!("{}:{}", ANNA.0, ANNA.1)
}

fn authorization((name, password): (&str, &str)) -> String {
    format!("Basic {}", basic(&Credentials { id: name.to_owned(), password: password.to_owned() }))
}

impl Equipment {
    #[track_caller]
    fn admin(&self, who: (&str, &str), method: &str, path: &str, body: Option<&Value>) -> Response {
        self.admin_with(&authorization(who), &[], method, path, body)
    }

    #[track_caller]
    fn admin_with(
        &self,
        authorization: &str,
        more: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Response {
        let headers = [&[("Authorization", authorization)], more].concat();
        send(self.daemon.admin, method, &format!("/admin/v1{path}"), &headers, body).expect("an answer")
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.admin(ANNA, method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        answer.json()
    }
}

#[test]
fn an_account_is_added_used_changed_disabled_and_all_of_it_is_in_the_trail() {
    let equipment = operated();
    let added = equipment.admin(
        ANNA,
        "POST",
        "/businesses",
        Some(&json!({ "id": "shop", "name": "Shop", "limits": { "max_concurrent": 7 }, "webhook": { "url": "https://example.com/t0ken" } })),
    );
    assert_eq!(added.status, 201, "{}", added.body);
    assert!(added.head.to_lowercase().contains("location: /admin/v1/businesses/shop"), "{}", added.head);
    let secrets = &added.json()["secrets"];
    let password = secrets["password"].as_str().expect("a password").to_owned();
    let whsec = secrets["webhook_secret"].as_str().expect("a secret").to_owned();
    eventually("the account", PATIENCE, || (equipment.list_of("shop", &password, None).status == 200).then_some(()));
    let shown = equipment.done("GET", "/businesses/shop", None);
    assert_eq!((&shown["limits"]["max_concurrent"], &shown["limits"]["max_per_second"]), (&json!(7), &json!(50)));
    assert!(shown.get("secrets").is_none(), "once");
    equipment.done(
        "PATCH",
        "/businesses/shop",
        Some(&json!({ "sources": ["192.0.2.0/24"], "caller_ids": ["+12125550199"] })),
    );
    eventually("the list of addresses", PATIENCE, || {
        (equipment.list_of("shop", &password, None).status == 403).then_some(())
    });
    equipment.done("PATCH", "/businesses/shop", Some(&json!({ "sources": [] })));
    let rotated = equipment.done("POST", "/businesses/shop/password", Some(&json!({ "overlap_seconds": 3600 })));
    let second = rotated["secrets"]["password"].as_str().expect("a password").to_owned();
    for word in [&second, &password] {
        eventually("both passwords", PATIENCE, || (equipment.list_of("shop", word, None).status == 200).then_some(()));
    }
    let key = equipment.done("POST", "/businesses/shop/page-keys", Some(&json!({ "id": "k1" })));
    let page_key = key["secrets"]["page_key"].as_str().expect("a secret").to_owned();
    assert_eq!(key["direct"]["page_keys"], json!(["k1"]));
    equipment.done("DELETE", "/businesses/shop/page-keys/k1", None);
    equipment.done("POST", "/businesses/shop/webhook/secret", Some(&json!({})));
    equipment.done("POST", "/businesses/shop/disable", None);
    eventually("the account to be disabled", PATIENCE, || {
        (equipment.list_of("shop", &second, None).status == 403).then_some(())
    });
    equipment.done("POST", "/businesses/shop/enable", None);

    let page = equipment.done("GET", "/audit?business=shop&limit=3", None);
    let next = page["next_cursor"].as_i64().expect("there are more");
    let rest = equipment.done("GET", &format!("/audit?business=shop&cursor={next}"), None);
    let all: Vec<&Value> =
        [&page, &rest].iter().flat_map(|page| page["entries"].as_array().expect("entries")).collect();
    let actions: Vec<&str> = all.iter().rev().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(
        actions,
        ["added", "changed", "changed", "password_rotated", "changed", "changed", "changed", "disabled", "enabled"]
    );
    for entry in &all {
        assert_eq!(
            (&entry["actor"], &entry["source"]),
            (&json!({ "kind": "operator", "name": "anna" }), &json!("127.0.0.1"))
        );
    }
    assert!(all[7].to_string().contains("+12125550199"), "{}", all[7]);
    let text = format!("{page}{rest}{}{}", equipment.daemon.log(), equipment.done("GET", "/businesses", None));
    for secret in [&password, &second, &whsec, &page_key, "argon2", ANNA.1] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(!page.to_string().contains("t0ken") && !rest.to_string().contains("t0ken"));
}

#[test]
fn operators_are_told_from_strangers_and_readers_from_writers() {
    let equipment = operated();
    let new = json!({ "id": "shop", "name": "Shop" });
    for who in [("anna", "wrong"), ("nobody", ANNA.1), ("abc", "open sesame, please")] {
        is_kind(&equipment.admin(who, "GET", "/businesses", None), 401, "operator");
    }
    let stranger = send(equipment.daemon.admin, "GET", "/admin/v1/businesses", &[], None).expect("an answer");
    is_kind(&stranger, 401, "operator");
    assert!(stranger.head.to_lowercase().contains("www-authenticate: basic"), "{}", stranger.head);
    assert_eq!(equipment.admin(WATCH, "GET", "/operator", None).json(), json!({ "name": "watch", "role": "read" }));
    assert_eq!(equipment.admin(WATCH, "GET", "/businesses/abc", None).status, 200);
    for (method, path, body) in [
        ("POST", "/businesses", Some(&new)),
        ("PATCH", "/businesses/abc", Some(&json!({}))),
        ("POST", "/businesses/abc/disable", None),
        ("POST", "/businesses/abc/password", Some(&json!({}))),
    ] {
        is_kind(&equipment.admin(WATCH, method, path, body), 403, "role");
    }
    // A session stands for the password, and is the operator's own.
    let session = equipment.admin(ANNA, "POST", "/sessions", None);
    assert_eq!(session.status, 201, "{}", session.body);
    let token = session.json()["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    assert_eq!(equipment.admin_with(&bearer, &[], "POST", "/businesses", Some(&new)).status, 201);
    is_kind(&equipment.admin_with(&format!("Bearer {token}x"), &[], "GET", "/operator", None), 401, "operator");
    // No cookie opens the API, so no page of another site can use it.
    let cookie = format!("callbridge_session={token}");
    let answer = send(equipment.daemon.admin, "GET", "/admin/v1/operator", &[("Cookie", cookie.as_str())], None);
    is_kind(&answer.expect("an answer"), 401, "operator");
    // The API of businesses knows no operators.
    let answer =
        send(equipment.daemon.http, "GET", "/admin/v1/businesses", &[("Authorization", &authorization(ANNA))], None);
    assert_eq!(answer.expect("an answer").status, 404);
}

#[test]
fn two_operators_do_not_overwrite_each_other() {
    let equipment = operated();
    let shown = equipment.admin(ANNA, "GET", "/businesses/abc", None);
    let tag = shown.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an ETag").trim().to_owned();
    let change = |tag: &str, name: &str| {
        let body = json!({ "name": name });
        equipment.admin_with(&authorization(ANNA), &[("If-Match", tag)], "PATCH", "/businesses/abc", Some(&body))
    };
    assert_eq!(change(&tag, "First").status, 200);
    is_kind(&change(&tag, "Second"), 412, "precondition-failed");
    assert_eq!(change("*", "Third").status, 200);
    assert_eq!(change("three", "Fourth").status, 400);
    assert_eq!(equipment.done("GET", "/businesses/abc", None)["name"], "Third");
}

#[test]
fn a_wrong_change_names_its_fields_and_changes_nothing() {
    let equipment = operated();
    let before = equipment.done("GET", "/businesses/abc", None);
    for (body, status, pointer) in [
        (json!({ "colour": 1 }), 422, "/colour"),
        (json!({ "limits": { "max_concurrent": -1 } }), 422, "/limits/max_concurrent"),
        (json!({ "limits": { "max_concurrent": 2_000_000 } }), 422, "/limits/max_concurrent"),
        (json!({ "name": "" }), 422, "/name"),
        (json!({ "caller_ids": ["12"] }), 422, "/caller_ids"),
        (json!({ "sources": ["everywhere"] }), 422, "/sources"),
        (json!({ "certificates": ["sha256:00"] }), 422, "/certificates"),
        (json!({ "direct": { "page_token_required": true } }), 422, "/direct"),
        (json!({ "webhook": { "url": "ftp://example.com" } }), 422, "/webhook/url"),
        (json!({ "password": "x" }), 422, "/password"),
    ] {
        let answer = equipment.admin(ANNA, "PATCH", "/businesses/abc", Some(&body));
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.body);
    }
    assert_eq!(equipment.admin(ANNA, "PATCH", "/businesses/abc", Some(&json!([]))).status, 400);
    assert_eq!(equipment.admin(ANNA, "PATCH", "/businesses/nobody", Some(&json!({ "name": "x" }))).status, 404);
    let again = equipment.admin(ANNA, "POST", "/businesses", Some(&json!({ "id": "abc", "name": "x" })));
    assert_eq!(again.status, 409, "{}", again.body);
    assert_eq!(equipment.done("GET", "/businesses/abc", None), before);
    assert_eq!(equipment.done("GET", "/audit?business=abc", None)["entries"].as_array().expect("entries").len(), 1);
}

#[test]
fn operators_change_at_sighup_and_a_session_ends_with_its_password() {
    let equipment = operated();
    let session = equipment.admin(ANNA, "POST", "/sessions", None).json();
    let bearer = format!("Bearer {}", session["token"].as_str().expect("a token"));
    assert_eq!(equipment.admin_with(&bearer, &[], "GET", "/operator", None).status, 200);
    std::fs::write(equipment.daemon.config().with_file_name("anna.password"), "another one\n").expect("a file");
    equipment.daemon.ask_to_reload();
    eventually("the new password", PATIENCE, || {
        (equipment.admin(("anna", "another one"), "GET", "/operator", None).status == 200).then_some(())
    });
    is_kind(&equipment.admin_with(&bearer, &[], "GET", "/operator", None), 401, "operator");
    is_kind(&equipment.admin(ANNA, "GET", "/operator", None), 401, "operator");
}

#[test]
fn a_recording_is_put_in_and_taken_away_over_http() {
    use std::io::{Read, Write};
    let equipment = operated();
    let wav = std::fs::read(equipment.daemon.config().with_file_name("prompt.wav")).expect("a recording");
    let put = |kind: &str, body: &[u8]| {
        let mut stream = std::net::TcpStream::connect(equipment.daemon.admin).expect("a listener");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let head = format!(
            "PUT /admin/v1/businesses/abc/prompts/{kind} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: audio/wav\r\n\
             Authorization: {}\r\nContent-Length: {}\r\n\r\n",
            authorization(ANNA),
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("a listener");
        let mut answer = String::new();
        let _ended = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok()).unwrap_or(0)
    };
    assert_eq!(put("message", &wav), 204);
    let installed = equipment.daemon.config().with_file_name("recordings").join("abc/message.wav");
    assert!(installed.is_file());
    assert_eq!((put("message", b"no recording"), put("song", &wav)), (422, 404));
    assert_eq!(equipment.admin(ANNA, "DELETE", "/businesses/abc/prompts/message", None).status, 204);
    assert_eq!(equipment.admin(ANNA, "DELETE", "/businesses/abc/prompts/message", None).status, 404);
    assert!(!installed.exists());
    let trail = equipment.done("GET", "/audit?business=abc", None).to_string();
    assert_eq!(trail.matches("prompt_changed").count(), 2, "{trail}");
}

#[test]
fn operators_are_shown_the_tariffs_and_what_a_business_owes() {
    let mut equipment = operated();
    let retail = "[[tariff]]\nname = \"retail\"\ncurrency = \"EUR\"\n\
        [[tariff.rate]]\nprefix = \"+1\"\nper_minute_micros = 60000\n[[tariff.rate]]\nprefix = \"+44\"\nper_minute_micros = 0\n";
    equipment.change(|text| format!("{text}{retail}"));
    let answer = equipment.admin(WATCH, "GET", "/tariffs", None);
    assert_eq!(answer.status, 200, "who reads may see them: {}", answer.body);
    let shown = answer.json()["tariffs"].clone();
    assert_eq!(
        (&shown[0]["name"], &shown[0]["currency"], &shown[0]["rates"]),
        (&json!("retail"), &json!("EUR"), &json!(2))
    );
    assert_eq!((shown[0]["version"].as_str().map(str::len), &shown[1]), (Some(16), &Value::Null));
    equipment.done("PATCH", "/businesses/abc", Some(&json!({ "tariff_name": "retail" })));
    let unknown = equipment.admin(ANNA, "PATCH", "/businesses/abc", Some(&json!({ "tariff_name": "wholesale" })));
    assert_eq!(unknown.status, 422, "{}", unknown.body);
    let currency = eventually("a call in the new tariff's currency", PATIENCE, || {
        let id = equipment.accepted(&super::message());
        assert_eq!(equipment.daemon.api("DELETE", &format!("/v1/calls/{id}"), None).status, 200);
        let record = eventually("its record", PATIENCE, || {
            equipment.daemon.records().into_iter().find(|record| record["call_id"] == json!(id))
        });
        (record["currency"] == "EUR").then(|| record["currency"].clone())
    });
    let period = "from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z";
    let bill = equipment.admin(WATCH, "GET", &format!("/businesses/abc/bill?{period}"), None);
    assert_eq!(bill.status, 200, "{}", bill.body);
    let totals = bill.json()["totals"].as_array().cloned().expect("totals");
    assert!(totals.iter().any(|sums| sums["currency"] == currency && sums["calls"] == 1), "{}", bill.body);
    assert_eq!(
        bill.json(),
        equipment.daemon.api("GET", &format!("/v1/bill?{period}"), None).json(),
        "as it is told itself"
    );
    for (path, status) in [
        ("/businesses/abc/bill", 400),
        ("/businesses/abc/bill?from=2026-01-01T00:00:00Z", 400),
        ("/businesses/abc/bill?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 422),
        ("/businesses/abc/bill?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422),
        ("/tariffs?all=true", 400),
    ] {
        assert_eq!(equipment.admin(ANNA, "GET", path, None).status, status, "{path}");
    }
    let period = format!("/businesses/nobody/bill?{period}");
    assert_eq!(equipment.admin(ANNA, "GET", &period, None).status, 404);
    for path in ["/tariffs", "/businesses/abc/bill"] {
        is_kind(&equipment.admin(("nobody", ANNA.1), "GET", path, None), 401, "operator");
    }
}
