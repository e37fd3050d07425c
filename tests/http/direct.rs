//! The direct call request (Fig. 9) on the real daemon, as customers' browsers and as strangers send it: origins, page tokens, work,
//! limits, the token that follows one call. Owns these stories; the verdicts by themselves are `src/access`'s.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use super::{CUSTOMER, Equipment, is_problem};
use crate::support::http::{Response, send};
use crate::support::wait::{PATIENCE, eventually};

const SHOP: &str = "https://shop.example";
const PAGE: &str = "https://shop.example/cruises?from=mail";
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What every story's business says of direct requests.
const ACCOUNT: &str = "[business.direct]\nallowed_origins = [\"https://shop.example\"]\n\
    centres = { cruise = \"+12125550101#sea,travel\", flight = \"+12125550102,+12125550103#travel\" }\n";

fn shop() -> Equipment {
    with("")
}

/// With further keys of `[business.direct]`.
fn with(keys: &str) -> Equipment {
    Equipment::and(&[("customer_ring_seconds", 30)], &format!("{ACCOUNT}{keys}"))
}

fn request() -> Value {
    json!({ "business_id": "abc", "customer": CUSTOMER, "web_page": { "url": PAGE, "title": "Cruises" },
        "representative_information": "cruise", "note": "with a balcony" })
}

fn to(number: &str) -> Value {
    and("customer", json!(number))
}

fn and(field: &str, value: Value) -> Value {
    let mut request = request();
    request[field] = value;
    request
}

impl Equipment {
    /// As a page of this origin asks.
    #[track_caller]
    fn ask_from(&self, origin: &str, body: &Value) -> Response {
        self.send("POST", "/v1/call-requests", &[("Origin", origin)], Some(body))
    }

    #[track_caller]
    fn ask(&self, body: &Value) -> Response {
        self.ask_from(SHOP, body)
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
        send(self.daemon.http, method, path, headers, body).expect("an answer")
    }

    /// The identifier and the token of a call that was accepted.
    #[track_caller]
    fn asked(&self, body: &Value) -> (String, String) {
        let answer = self.ask(body);
        assert_eq!(answer.status, 202, "{}", answer.body);
        let text = |name: &str| answer.json()[name].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    }
}

/// A stream of events as a page has it open.
struct Stream {
    socket: TcpStream,
    told: String,
}

impl Stream {
    fn open(equipment: &Equipment, path: &str) -> Stream {
        let mut socket = TcpStream::connect(equipment.daemon.http).expect("a listener");
        socket.set_read_timeout(Some(PATIENCE * 2)).expect("a socket");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {SHOP}\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("a listener");
        Stream { socket, told: String::new() }
    }

    /// Reads until it has told this.
    #[track_caller]
    fn until(&mut self, word: &str) {
        let mut bytes = [0; 4096];
        while !self.told.contains(word) {
            let read = self.socket.read(&mut bytes).expect("an event in time");
            assert!(read > 0, "it ended without {word}: {}", self.told);
            self.told.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    fn rest(mut self) -> String {
        self.socket.read_to_string(&mut self.told).expect("its end");
        self.told
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[track_caller]
fn is_kind(answer: &Response, status: u16, kind: &str) {
    is_problem(answer, status);
    assert_eq!(answer.json()["type"], format!("urn:callbridge:problem:{kind}"), "{}", answer.body);
}

#[test]
fn a_page_asks_for_a_call_follows_it_and_cancels_it() {
    let equipment = shop();
    let answer = equipment.ask(&request());
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(SHOP));
    assert!(header(&answer, "access-control-allow-credentials").is_none());
    let (id, token) = (answer.json()["id"].as_str().unwrap().to_owned(), answer.json()["token"].clone());
    let (path, token) = (format!("/v1/call-requests/{id}"), token.as_str().unwrap().to_owned());
    assert_eq!(header(&answer, "location"), Some(path.as_str()));
    let bearer = format!("Bearer {token}");
    let follower = [("Origin", SHOP), ("Authorization", bearer.as_str())];
    let shown = eventually("the customer to be dialled", PATIENCE, || {
        let shown = equipment.send("GET", &path, &follower, None).json();
        (shown["state"] == "calling_customer").then_some(shown)
    });
    for (secret, whose) in [("+1212", "a number"), ("price", "a price"), ("attempts", "legs"), ("switch", "a switch")] {
        assert!(!shown.to_string().contains(secret) && !answer.body.contains(secret), "{whose} in {shown}");
    }
    // The business sees who asked, from where and why, and whom the page named.
    let call = equipment.call(&id);
    assert_eq!((&call["source"], &call["note"]), (&json!("direct_request"), &json!("with a balcony")));
    assert_eq!((&call["web_page"]["url"], &call["web_page"]["title"]), (&json!(PAGE), &json!("Cruises")));
    assert_eq!(call["representative"]["address"], "+12125550101");
    let mut events = Stream::open(&equipment, &format!("{path}/events?token={token}"));
    events.until("calling_customer");
    let deleted = equipment.send("DELETE", &path, &follower, None);
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    let stream = events.rest();
    assert!(stream.starts_with("HTTP/1.1 200") && stream.contains("access-control-allow-origin: https://shop.example"));
    let data: Vec<Value> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|json| serde_json::from_str(json).expect("JSON"))
        .collect();
    let states: Vec<&str> = data.iter().filter_map(|event| event["state"].as_str()).collect();
    assert_eq!(states, ["queued", "calling_customer", "ended"]);
    assert_eq!(data[2]["data"]["outcome"], "cancelled");
    assert!(!stream.contains("+1212") && !stream.contains("price"), "{stream}");
    let again = equipment.send("DELETE", &path, &follower, None);
    is_problem(&again, 409);
    let record = equipment.daemon.printed_records().remove(0);
    assert_eq!((&record["source"], &record["web_page"]["url"]), (&json!("direct_request"), &json!(PAGE)));
    assert_eq!((&record["business_id"], &record["outcome"]), (&json!("abc"), &json!("cancelled")));
    for secret in [token.as_str(), CUSTOMER] {
        assert!(!equipment.daemon.log().contains(secret), "in the log: {secret}");
    }
}

#[test]
fn a_foreign_page_and_an_unknown_business_get_one_answer() {
    let equipment = shop();
    equipment.command(&["business", "add", "closed", "--name", "Closed", "--password-stdin"], "a long secret\n");
    let foreign = equipment.ask_from("https://evil.example", &request());
    is_problem(&foreign, 403);
    assert!(header(&foreign, "access-control-allow-origin").is_none(), "{}", foreign.head);
    assert!(header(&foreign, "vary").is_some_and(|vary| vary.to_lowercase().contains("origin")), "{}", foreign.head);
    let same = |answer: &Response| assert_eq!((answer.status, &answer.body), (403, &foreign.body));
    for origin in [SHOP, "https://evil.example"] {
        for business in ["nobody", "closed", "no such name!", ""] {
            same(&equipment.ask_from(origin, &and("business_id", json!(business))));
        }
    }
    for origin in ["null", "http://shop.example", "https://shop.example:8443", "https://shop.example.evil.example", ""]
    {
        same(&equipment.ask_from(origin, &request()));
    }
    same(&equipment.send("POST", "/v1/call-requests", &[], Some(&request())));
    let twice = [("Origin", SHOP), ("Origin", "https://evil.example")];
    same(&equipment.send("POST", "/v1/call-requests", &twice, Some(&request())));
    for business in ["nobody", "closed", "abc"] {
        let path = format!("/v1/call-requests/challenge?business_id={business}");
        same(&equipment.send("GET", &path, &[("Origin", "https://evil.example")], None));
    }
    equipment.command(&["business", "disable", "abc"], "");
    eventually("the business to be disabled", PATIENCE, || {
        let answer = equipment.ask(&request());
        (answer.status == 403 && answer.body == foreign.body).then_some(())
    });
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"origin\"") >= 5.0);
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"not_open\"") >= 5.0);
}

#[test]
fn a_preflight_is_answered_for_known_origins_with_what_is_needed_and_no_more() {
    let equipment = shop();
    let ask = |path: &str, origin: &str, method: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", method)];
        equipment.send("OPTIONS", path, &headers, None)
    };
    for (path, method, methods, headers) in [
        ("/v1/call-requests", "POST", "POST", Some("content-type")),
        ("/v1/call-requests/challenge", "GET", "GET", None),
        ("/v1/call-requests/x", "DELETE", "GET,DELETE", Some("authorization")),
        ("/v1/call-requests/x/events", "GET", "GET", Some("authorization,last-event-id")),
    ] {
        let answer = ask(path, SHOP, method);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(SHOP), "{path}");
        assert_eq!(header(&answer, "access-control-allow-methods"), Some(methods), "{path}");
        assert_eq!(header(&answer, "access-control-allow-headers"), headers, "{path}");
        assert!(header(&answer, "access-control-allow-credentials").is_none());
        assert!(header(&answer, "vary").is_some_and(|vary| vary.contains("origin")), "{}", answer.head);
        assert!(header(&answer, "access-control-max-age").is_some());
        let foreign = ask(path, "https://evil.example", method);
        assert!(header(&foreign, "access-control-allow-origin").is_none(), "{}", foreign.head);
    }
    // What businesses call with their password is for no page.
    let calls = ask("/v1/calls", SHOP, "POST");
    assert!(header(&calls, "access-control-allow-origin").is_none(), "{}", calls.head);
    assert_eq!(calls.status, 405);
}

#[test]
fn every_wrong_request_has_its_status_and_its_field() {
    let equipment = shop();
    for (body, status, pointer) in [
        (json!([]), 400, ""),
        (json!({ "customer": CUSTOMER }), 400, "/business_id"),
        (json!({ "business_id": "abc" }), 400, "/customer"),
        (and("password", json!("open sesame, please")), 400, "/password"),
        (and("representative", json!("+12125550101")), 400, "/representative"),
        (and("colour", json!("red")), 400, "/colour"),
        (and("web_page", json!({ "title": "x" })), 400, "/web_page/url"),
        (and("web_page", json!({ "url": PAGE, "x": 1 })), 400, "/web_page/x"),
        (and("representative_information", json!(["cruise"])), 400, "/representative_information"),
        (and("note", json!("x".repeat(1001))), 400, "/note"),
        (and("work", json!("x")), 400, "/work"),
        (and("work", json!({ "challenge": "x" })), 400, "/work/nonce"),
        (and("customer", json!("+1212555010")), 422, "/customer"),
        (and("desired_contact_time", json!("soon")), 422, "/desired_contact_time"),
        (and("desired_contact_time", json!("2999-01-01T00:00:00Z")), 422, "/desired_contact_time"),
        (and("representative_information", json!("+19005550100")), 422, "/representative_information"),
        (and("customer", json!("+442079460000")), 403, "/customer"),
        (and("web_page", json!({ "url": "https://evil.example/" })), 403, "/web_page/url"),
        (and("web_page", json!({ "url": "https://shop.example@evil.example/" })), 403, "/web_page/url"),
    ] {
        let answer = equipment.ask(&body);
        is_problem(&answer, status);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(SHOP), "a page may read what is wrong");
        if !pointer.is_empty() {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.body);
        }
    }
    let head = "POST /v1/call-requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://shop.example\r\n";
    let json = "Content-Type: application/json\r\n";
    for (rest, status) in [
        (format!("{json}Content-Length: 3\r\n\r\n{{,}}"), 400),
        (format!("{json}Content-Length: 70000\r\n\r\n"), 413),
        (format!("{json}Content-Length: 40\r\n\r\n{}", "[".repeat(40)), 400),
        ("Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}".to_owned(), 415),
        (format!("{json}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}"), 415),
        (format!("{json}Content-Length: 24\r\n\r\n{{\"customer\":1,\"customer\":2"), 400),
    ] {
        assert_eq!(equipment.raw(&format!("{head}{rest}")).0, status, "{rest}");
    }
    assert!(equipment.daemon.records().is_empty());
}

/// The code of docs/for-businesses.md that begins with this and ends before the fence, its `abc` and `k1` as they stand there.
fn recipe(begin: &str) -> String {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/for-businesses.md")).expect("the text");
    let from = text.find(begin).unwrap_or_else(|| panic!("{begin} is in no recipe"));
    text[from..].split("```").next().expect("a fence").to_owned()
}

#[track_caller]
fn run(program: &str, flag: &str, code: &str) -> String {
    let output = Command::new(program).args([flag, code]).output().expect(program);
    assert!(output.status.success(), "{code}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A page token as a business's Web server makes it, in Python.
fn made_in_python(business: &str, page: &str, expiry: i64, nonce: &str) -> String {
    let mac = format!(
        "import hmac\nprint(hmac.new(b\"{KEY}\", b\"{business}\\n{page}\\n{expiry}\\n{nonce}\", \"sha256\").hexdigest())"
    );
    format!("k1.{expiry}.{nonce}.{}", run("python3", "-c", &mac))
}

#[test]
fn the_recipes_for_businesses_make_what_is_taken() {
    let equipment = with(&format!("page_token_required = true\nwork_bits = 8\npage_keys = {{ k1 = \"{KEY}\" }}\n"));
    let page = "https://shop.example/cruises";
    let python = format!("KEY, page = \"{KEY}\", \"{page}\"\n{}\nprint(token)", recipe("import hmac, secrets"));
    let node = format!("const KEY = \"{KEY}\", page = \"{page}\";\n{}\nconsole.log(token)", recipe("const crypto ="));
    let tokens = [run("python3", "-c", &python), run("node", "-e", &node)];
    for (number, token) in ["+12125550111", "+12125550112"].into_iter().zip(tokens) {
        let path = "/v1/call-requests/challenge?business_id=abc";
        let todo = equipment.send("GET", path, &[("Origin", SHOP)], None).body;
        let work = recipe("const { challenge, bits } =");
        let (_, work) = work.split_once('\n').expect("its first line asks for the challenge");
        let work = format!(
            "(async () => {{ const {{ challenge, bits }} = {todo};\n{work}\nconsole.log(JSON.stringify(work)) }})()"
        );
        let work: Value = serde_json::from_str(&run("node", "-e", &work)).expect("JSON");
        let mut body = to(number);
        (body["page_token"], body["work"]) = (json!(token), work);
        let answer = equipment.ask(&body);
        assert_eq!(answer.status, 202, "{token}: {}", answer.body);
    }
}

#[test]
fn where_a_page_token_is_required_only_a_good_one_opens_and_once() {
    let keys = format!("page_token_required = true\npage_token_seconds = 600\npage_keys = {{ k1 = \"{KEY}\" }}\n");
    let equipment = with(&keys);
    let page = "https://shop.example/cruises";
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let asks = |token: &str| equipment.ask(&and("page_token", json!(token)));
    is_kind(&equipment.ask(&request()), 403, "page-token");
    let good = made_in_python("abc", page, now + 300, "nonce-of-a-good-one");
    let refused = [
        ("expired", made_in_python("abc", page, now - 1, "nonce-0001")),
        ("for too long", made_in_python("abc", page, now + 3600, "nonce-0002")),
        ("another page", made_in_python("abc", "https://shop.example/flights", now + 300, "nonce-0003")),
        ("another business", made_in_python("abd", page, now + 300, "nonce-0004")),
        ("changed", good.replace("nonce-of-a-good-one", "nonce-of-a-bad-one")),
        ("another form", good.to_uppercase()),
        ("nothing", "x".to_owned()),
    ];
    for (why, token) in &refused {
        let answer = asks(token);
        is_kind(&answer, 403, "page-token");
        assert!(!answer.body.contains(KEY), "{why}");
    }
    assert_eq!(asks(&good).status, 202);
    let again = equipment.ask(&json!({ "business_id": "abc", "customer": "+12125550111", "page_token": good,
        "web_page": { "url": PAGE } }));
    is_kind(&again, 403, "page-token");
    // A server without a browser's Origin, with a token of its business: opened by the token alone.
    let token = equipment.command(&["page-token", "--business", "abc", "--page", PAGE], "").stdout;
    let token = String::from_utf8(token).expect("text");
    let body = json!({ "business_id": "abc", "customer": "+12125550112", "page_token": token.trim(),
        "web_page": { "url": PAGE } });
    assert_eq!(equipment.send("POST", "/v1/call-requests", &[], Some(&body)).status, 202);
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"page_token\"") >= 8.0);
    assert_eq!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"page_token_used\""), 1.0);
    assert!(!equipment.daemon.log().contains(&good) && !equipment.daemon.log().contains(KEY));
}

#[test]
fn page_keys_are_rotated_while_the_daemon_runs() {
    let equipment = with(&format!("page_keys = {{ k1 = \"{KEY}\" }}\n"));
    let printed = equipment.command(&["business", "change", "abc", "--new-page-key", "k2"], "").stdout;
    let printed = String::from_utf8(printed).expect("text");
    let secret = printed.lines().find_map(|line| line.strip_prefix("page key k2: ")).expect("the secret").to_owned();
    let shown = String::from_utf8(equipment.command(&["business", "show", "abc"], "").stdout).expect("text");
    assert!(shown.contains("k2") && !shown.contains(&secret) && !shown.contains(KEY), "{shown}");
    let made = |key: &[&str]| {
        let words = [&["page-token", "--business", "abc", "--page", PAGE][..], key].concat();
        String::from_utf8(equipment.command(&words, "").stdout).expect("text").trim().to_owned()
    };
    let ask = |number: &str, token: &str| {
        let body =
            json!({ "business_id": "abc", "customer": number, "page_token": token, "web_page": { "url": PAGE } });
        equipment.ask(&body).status
    };
    assert!(made(&[]).starts_with("k2."), "the newest signs");
    eventually("the new key to be known", PATIENCE, || (ask("+12125550113", &made(&[])) == 202).then_some(()));
    let old = made(&["--key", "k1"]);
    assert_eq!(ask("+12125550114", &old), 202, "pages still have the old one");
    let late = made(&["--key", "k1"]);
    equipment.command(&["business", "change", "abc", "--remove-page-key", "k1"], "");
    eventually("the old key to be forgotten", PATIENCE, || (ask("+12125550115", &late) == 403).then_some(()));
}

fn solve(challenge: &str, bits: u32) -> String {
    let zero = |nonce: &u64| {
        let hash = ring::digest::digest(&ring::digest::SHA256, format!("{challenge}.{nonce}").as_bytes());
        let number = hash.as_ref().iter().take(4).fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        number.leading_zeros() >= bits
    };
    (0u64..).find(zero).expect("some nonce").to_string()
}

#[test]
fn where_work_is_wanted_it_is_taken_once_and_only_when_done() {
    let equipment = with("work_bits = 12\n");
    let challenge = || {
        let path = "/v1/call-requests/challenge?business_id=abc";
        let answer = equipment.send("GET", path, &[("Origin", SHOP)], None);
        assert_eq!((answer.status, &answer.json()["bits"]), (200, &json!(12)), "{}", answer.body);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(SHOP));
        answer.json()["challenge"].as_str().expect("a challenge").to_owned()
    };
    // Who has done no work is told what to do: a page of the equipment's own origin sends no Origin when it asks for a challenge.
    let todo = equipment.ask(&request());
    is_kind(&todo, 403, "work");
    assert_eq!(todo.json()["bits"], 12);
    assert!(todo.json()["challenge"].as_str().is_some_and(|text| text.len() == 50), "{}", todo.body);
    let challenge_1 = challenge();
    let work = |challenge: &str, nonce: &str| json!({ "challenge": challenge, "nonce": nonce });
    let lazy = (0u64..).map(|n| n.to_string()).find(|nonce| *nonce != solve(&challenge_1, 12)).expect("a wrong one");
    is_kind(&equipment.ask(&and("work", work(&challenge_1, &lazy))), 403, "work");
    let mut changed = challenge_1.clone();
    changed.replace_range(14..15, if &challenge_1[14..15] == "A" { "B" } else { "A" });
    is_kind(&equipment.ask(&and("work", work(&changed, &solve(&changed, 12)))), 403, "work");
    let done = work(&challenge_1, &solve(&challenge_1, 12));
    assert_eq!(equipment.ask(&and("work", done.clone())).status, 202);
    let mut again = to("+12125550111");
    again["work"] = done;
    is_kind(&equipment.ask(&again), 403, "work");
    let challenge_2 = challenge();
    again["work"] = work(&challenge_2, &solve(&challenge_2, 12));
    assert_eq!(equipment.ask(&again).status, 202);
    let nobody = equipment.send("GET", "/v1/call-requests/challenge?business_id=abc&x=1", &[("Origin", SHOP)], None);
    is_problem(&nobody, 400);
}

#[test]
fn a_number_is_called_three_times_an_hour_one_at_a_time_also_across_a_kill() {
    let mut equipment = with("");
    let cancel = |equipment: &Equipment, (id, token): (String, String)| {
        let bearer = format!("Bearer {token}");
        let path = format!("/v1/call-requests/{id}");
        let follower = [("Authorization", bearer.as_str())];
        assert_eq!(equipment.send("DELETE", &path, &follower, None).status, 200);
        eventually("the end", PATIENCE * 2, || {
            (equipment.send("GET", &path, &follower, None).json()["state"] == "ended").then_some(())
        });
    };
    let first = equipment.asked(&request());
    is_problem(&equipment.ask(&to("tel:+1-212-555-0100;ext=9")), 409);
    cancel(&equipment, first);
    let second = equipment.asked(&request());
    cancel(&equipment, second);
    let later = and("desired_contact_time", json!("2027-11-01T12:00:00Z"));
    let (id, token) = equipment.asked(&later);
    is_problem(&equipment.ask(&later), 409);
    let refused = equipment.ask(&request());
    is_problem(&refused, 429);
    let wait: u32 = header(&refused, "retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((3000..=3601).contains(&wait), "{wait}");
    equipment.daemon.kill();
    equipment.daemon.restart();
    is_problem(&equipment.ask(&request()), 429);
    assert_eq!(equipment.ask(&to("+12125550111")).status, 202, "another number");
    // The token of before the restart still follows its call, and cancels it.
    let bearer = format!("Bearer {token}");
    let shown = equipment.send("GET", &format!("/v1/call-requests/{id}"), &[("Authorization", &bearer)], None);
    assert_eq!((shown.status, &shown.json()["state"]), (200, &json!("scheduled")), "{}", shown.body);
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"per_number\"") >= 1.0);
}

#[test]
fn a_source_has_its_limit_and_behind_a_trusted_proxy_it_is_whom_the_proxy_names() {
    let mut equipment = with("max_per_source = 1\n");
    let ask = |equipment: &Equipment, number: &str, forwarded: &str| {
        let headers = [("Origin", SHOP), ("X-Forwarded-For", forwarded)];
        equipment.send("POST", "/v1/call-requests", &headers, Some(&to(number))).status
    };
    assert_eq!(ask(&equipment, "+12125550111", "198.51.100.1"), 202);
    assert_eq!(ask(&equipment, "+12125550112", "198.51.100.2"), 429, "nobody believes it");
    equipment.change(|text| text.replace("[http]", "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]"));
    assert_eq!(ask(&equipment, "+12125550112", "198.51.100.2"), 202);
    assert_eq!(ask(&equipment, "+12125550113", "203.0.113.1, 198.51.100.2"), 429, "what it wrote itself is nothing");
    assert_eq!(ask(&equipment, "+12125550113", "2001:db8::1"), 202);
    assert_eq!(ask(&equipment, "+12125550114", "2001:db8::ffff"), 429, "the same /64");
}

#[test]
fn a_token_follows_its_own_call_and_nothing_else_is_learned() {
    let equipment = shop();
    let (first, token) = equipment.asked(&request());
    let (second, other) = equipment.asked(&to("+12125550111"));
    let ask = |method: &str, path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        equipment.send(method, path, &[("Authorization", &bearer)], None)
    };
    let path = format!("/v1/call-requests/{first}");
    let none = equipment.send("GET", &path, &[], None);
    is_problem(&none, 401);
    assert!(header(&none, "www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")), "{}", none.head);
    let unknown = "/v1/call-requests/00000000-0000-7000-8000-000000000000";
    for (path, token) in
        [(path.as_str(), other.as_str()), (unknown, &token), (&path, "x"), ("/v1/call-requests/x", &token)]
    {
        for method in ["GET", "DELETE"] {
            let answer = ask(method, path, token);
            assert_eq!((answer.status, &answer.body), (401, &none.body), "{method} {path}");
        }
        let answer = equipment.send("GET", &format!("{path}/events?token={token}"), &[], None);
        assert_eq!((answer.status, &answer.body), (401, &none.body), "{path}");
    }
    assert_eq!(ask("GET", &path, &token).status, 200);
    // Nor is it worth anything to what businesses call.
    is_problem(&ask("GET", &format!("/v1/calls/{first}"), &token), 401);
    is_problem(&equipment.send("GET", &format!("{path}?token={token}"), &[], None), 400);
    assert_eq!(ask("DELETE", &path, &token).status, 200);
    assert_eq!(equipment.call(&second)["state"], "calling_customer");
}
