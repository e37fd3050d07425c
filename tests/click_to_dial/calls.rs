//! The four operations: shapes, statuses and codes, each trap of the interface, and that a call of it is a call like any other.

use super::support::http::send;
use super::support::story::{Story, until_both_hear_each_other};
use super::support::wait::{PATIENCE, eventually};
use super::*;

#[test]
fn a_call_is_created_shown_ended_and_is_a_call_like_any_other() {
    let stage = Stage::start();
    let answer = stage.ask("POST", "", Some(&with("recordingEnabled", json!(true))));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let call = answer.json();
    assert_eq!((&call["caller"]["number"], &call["callee"]["number"]), (&json!(CALLER), &json!(CALLEE)));
    assert_eq!((&call["status"], &call["recordingEnabled"]), (&json!("initiating"), &json!(true)));
    let id = call["callId"].as_str().expect("an identifier").to_owned();
    let path = format!("/{id}");
    eventually("the caller to be dialled", PATIENCE, || {
        (stage.ask("GET", &path, None).json()["status"] == "callingCaller").then_some(())
    });
    let ours = stage.daemon.api("GET", &format!("/v1/calls/{id}"), None).json();
    assert_eq!((&ours["state"], &ours["source"]), (&json!("calling_customer"), &json!("click_to_dial")));
    assert_eq!((&ours["customer"]["address"], &ours["representative"]["address"]), (&json!(CALLER), &json!(CALLEE)));
    is_refused(&stage.ask("GET", &format!("{path}/recording"), None), 404, "NOT_FOUND");
    assert_eq!(stage.ask("DELETE", &path, None).status, 204);
    eventually("its end", PATIENCE * 2, || {
        (stage.ask("GET", &path, None).json()["status"] == "disconnected").then_some(())
    });
    is_refused(&stage.ask("DELETE", &path, None), 409, "ALREADY_EXISTS");
    let records = eventually("the record", PATIENCE, || Some(stage.daemon.records()).filter(|all| !all.is_empty()));
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["call_id"], &records[0]["source"]), (&json!(id), &json!("click_to_dial")));
    is_refused(&stage.ask("GET", &format!("{path}/recording"), None), 404, "NOT_FOUND");
    is_refused(&stage.ask("DELETE", &path, None), 409, "ALREADY_EXISTS");
}

#[test]
fn a_bad_number_is_422_and_a_missing_or_unknown_property_400() {
    let stage = Stage::start();
    for (body, status, code) in [
        (json!({ "caller": { "number": CALLER } }), 400, "INVALID_ARGUMENT"),
        (json!({ "caller": {}, "callee": { "number": CALLEE } }), 400, "INVALID_ARGUMENT"),
        (with("colour", json!("red")), 400, "INVALID_ARGUMENT"),
        (with("caller", json!({ "number": CALLER, "name": "Anna" })), 400, "INVALID_ARGUMENT"),
        (with("recordingEnabled", json!("true")), 400, "INVALID_ARGUMENT"),
        (with("caller", json!({ "number": "2125550100" })), 422, "INVALID_PHONE_NUMBER"),
        (with("callee", json!({ "number": "+1" })), 422, "INVALID_PHONE_NUMBER"),
        (with("callee", json!({ "number": "+999123456789" })), 422, "INVALID_PHONE_NUMBER"),
        (with("callee", json!({ "number": CALLER })), 422, "SAME_CALLER_CALLEE"),
        (with("caller", json!({ "number": "+442079460000" })), 422, "CALLER_NOT_AVAILABLE"),
        (with("callee", json!({ "number": "+442079460000" })), 422, "CALLEE_NOT_AVAILABLE"),
    ] {
        is_refused(&stage.ask("POST", "", Some(&body)), status, code);
    }
    assert!(stage.daemon.records().is_empty());
    assert_eq!(stage.daemon.api("GET", "/v1/calls", None).json()["calls"], json!([]));
}

#[test]
fn a_bad_sink_is_400() {
    let stage = Stage::with("", Setup::default());
    let credential = json!({ "credentialType": "ACCESSTOKEN", "accessToken": "s3cret", "accessTokenType": "bearer",
        "accessTokenExpiresUtc": "2020-01-01T00:00:00Z" });
    let mut expired = with("sink", json!("https://endpoint.example.com/"));
    expired["sinkCredential"] = credential;
    for body in [
        with("sink", json!("sink")),
        with("sink", json!("ftp://endpoint.example.com/")),
        with("sink", json!("http://endpoint.example.com/")),
        with("sink", json!("https://127.0.0.1/")),
        with("sink", json!("https://10.1.2.3:8443/")),
        with("sink", json!("https://[::1]/")),
        with("sink", json!("https://169.254.169.254/latest/meta-data")),
        with("sink", json!("https://localhost/")),
        with("sink", json!("https://me:secret@endpoint.example.com/")),
        with("sink", json!(format!("https://endpoint.example.com/{}", "a".repeat(2048)))),
        expired,
    ] {
        is_refused(&stage.ask("POST", "", Some(&body)), 400, "INVALID_ARGUMENT");
    }
    assert!(!stage.daemon.log().contains("s3cret"));
}

#[test]
fn an_active_pair_is_409_and_free_again_when_its_call_has_ended() {
    let stage = Stage::start();
    let id = stage.create(&pair());
    is_refused(&stage.ask("POST", "", Some(&pair())), 409, "ALREADY_EXISTS");
    let other = with("callee", json!({ "number": "+16465550102" }));
    let other = stage.create(&other);
    assert_ne!(other, id);
    assert_eq!(stage.ask("DELETE", &format!("/{id}"), None).status, 204);
    eventually("the pair to be free", PATIENCE * 2, || {
        (stage.ask("POST", "", Some(&pair())).status == 201).then_some(())
    });
}

#[test]
fn only_calls_that_were_asked_for_here_are_seen_here_and_only_by_their_business() {
    let stage = Stage::start();
    let message = json!({ "customer": CALLER, "representative": CALLEE });
    let ours = stage.daemon.api("POST", "/v1/calls", Some(&message)).json()["id"].as_str().expect("an id").to_owned();
    for (method, path) in
        [("GET", format!("/{ours}")), ("DELETE", format!("/{ours}")), ("GET", format!("/{ours}/recording"))]
    {
        is_refused(&stage.ask(method, &path, None), 404, "NOT_FOUND");
    }
    for unknown in ["00000000-0000-7000-8000-000000000000", "call_550e8400"] {
        is_refused(&stage.ask("GET", &format!("/{unknown}"), None), 404, "NOT_FOUND");
    }
    is_refused(&stage.ask("GET", "/a%20b", None), 400, "INVALID_ARGUMENT");
    let id = stage.create(&with("callee", json!({ "number": "+16465550102" })));
    command(&stage.daemon, &["business", "add", "xyz", "--name", "XYZ", "--password-stdin"], "sesame\n");
    let form = "grant_type=client_credentials&client_id=xyz&client_secret=sesame";
    let answer = eventually("the new account", PATIENCE, || {
        Some(ask_token(&stage.daemon, &[], form)).filter(|answer| answer.status == 200)
    });
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    for method in ["GET", "DELETE"] {
        let answer = asked(&stage.daemon, &token, &stage.judge, method, &format!("/{id}"), None);
        is_refused(&answer, 404, "NOT_FOUND");
    }
}

#[test]
fn whatever_is_wrong_has_the_form_of_the_interface_and_its_correlator() {
    let stage = Stage::start();
    let bearer = format!("Bearer {}", stage.token);
    let token = ("Authorization", bearer.as_str());
    for (method, path, header, status, code) in [
        ("PUT", CALLS, ("x-correlator", "a-b_c:d;e.f/g<h>{i}"), 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/click-to-dial/v0.1/nothing", ("x-correlator", "a"), 404, "NOT_FOUND"),
        ("GET", &format!("{CALLS}/x?y=1"), ("x-correlator", "a"), 400, "INVALID_ARGUMENT"),
    ] {
        let answer = send(stage.daemon.http, method, path, &[token, header], None).expect("an answer");
        is_refused(&answer, status, code);
        assert!(answer.head.to_lowercase().contains(&format!("x-correlator: {}", header.1)), "{}", answer.head);
    }
    for bad in ["two words", &"x".repeat(257), "a,b"] {
        let answer = send(stage.daemon.http, "POST", CALLS, &[token, ("x-correlator", bad)], Some(&pair()));
        let answer = answer.expect("an answer");
        is_refused(&answer, 400, "INVALID_ARGUMENT");
        stage.judge.answer("POST", "/calls", &answer);
        assert!(!answer.head.to_lowercase().contains("x-correlator"), "{}", answer.head);
    }
    let post = |kind: &str, body: &str| {
        let (to, length) = (stage.daemon.http, body.len());
        raw(
            &stage.daemon,
            &format!(
                "POST {CALLS} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: {bearer}\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
    };
    is_refused(&post("application/json", ""), 400, "INVALID_ARGUMENT");
    is_refused(&send(stage.daemon.http, "POST", CALLS, &[token], None).expect("an answer"), 400, "INVALID_ARGUMENT");
    is_refused(&post("text/plain", "{}"), 415, "UNSUPPORTED_MEDIA_TYPE");
    is_refused(&post("application/json", "{"), 400, "INVALID_ARGUMENT");
    is_refused(&post("application/json", "{\"caller\":1,\"caller\":2}"), 400, "INVALID_ARGUMENT");
    is_refused(&post("application/json", &" ".repeat(70_000)), 413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn an_account_that_records_nothing_says_so() {
    let stage = Stage::start();
    command(&stage.daemon, &["business", "change", "abc", "--recording", "off"], "");
    eventually("the change", PATIENCE, || {
        let answer = stage.ask("POST", "", Some(&with("recordingEnabled", json!(true))));
        (answer.status == 422).then(|| is_refused(&answer, 422, "RECORDING_NOT_SUPPORTED"))
    });
}

#[test]
fn too_many_calls_at_once_are_429() {
    let stage = Stage::start();
    command(&stage.daemon, &["business", "change", "abc", "--max-concurrent", "1"], "");
    eventually("the limit", PATIENCE, || {
        let callee = |n: u32| with("callee", json!({ "number": format!("+1646555{:04}", n) }));
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1000);
        let answer = stage.ask("POST", "", Some(&callee(NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst))));
        (answer.status == 429).then(|| {
            is_refused(&answer, 429, "TOO_MANY_REQUESTS");
            assert!(answer.head.to_lowercase().contains("retry-after:"), "{}", answer.head);
        })
    });
}

#[test]
fn a_talk_that_was_recorded_is_fetched_as_base64_of_its_wav() {
    use base64::Engine as _;
    let story = Story::begin();
    let (judge, token) = (Judge::start(), token(&story.daemon, ""));
    let mut caller = story.customer("phone-answers-and-hangs-up");
    let callee = story.representative("phone-answers-and-is-hung-up");
    let answer = asked(&story.daemon, &token, &judge, "POST", "", Some(&with("recordingEnabled", json!(true))));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["callId"].as_str().expect("an id").to_owned();
    let call = story.known(&id);
    call.until("bridged");
    let path = format!("/{id}");
    assert_eq!(asked(&story.daemon, &token, &judge, "GET", &path, None).json()["status"], "connected");
    until_both_hear_each_other(&caller, &callee);
    caller.act();
    let record = call.record();
    assert!(record["price_micros"].is_number() && record["customer_billable_seconds"] != 0, "billed: {record:#}");
    let recording = format!("{path}/recording");
    let fetched = eventually("the recording", PATIENCE, || {
        let answer = asked(&story.daemon, &token, &judge, "GET", &recording, None);
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!((&fetched["callId"], &fetched["contentType"]), (&json!(id), &json!("audio/wav")));
    let wav =
        base64::engine::general_purpose::STANDARD.decode(fetched["content"].as_str().expect("text")).expect("base64");
    let reader = hound::WavReader::new(std::io::Cursor::new(wav)).expect("a WAV");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
    let (caller, callee) = (caller.finish(), callee.finish());
    assert!(!caller.heard.is_empty() && !callee.heard.is_empty());
    story.end();
}
