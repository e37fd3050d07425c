//! `GET /v1/calls/{id}/ladder`: what it shows is what the phones' own traces say, at every time of a call's life.

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, Setup};
use crate::support::http::{Credentials, Response, request};
use crate::support::story::{REPRESENTATIVES, Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::trace::Message;
use crate::support::wait::{PATIENCE, eventually};

fn ladder(daemon: &Daemon, id: &str, format: &str) -> Response {
    daemon.api("GET", &format!("/v1/calls/{id}/ladder?format={format}"), None)
}

#[track_caller]
fn entries(daemon: &Daemon, id: &str) -> Vec<Value> {
    let answer = ladder(daemon, id, "json");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["entries"].as_array().expect("entries").clone()
}

/// A leg's messages as the ladder has them: received, method, status.
fn of_leg(entries: &[Value], attempt: u16) -> Vec<(bool, String, Option<u64>)> {
    let sip = entries.iter().filter(|e| e["method"].is_string() && e["attempt"] == attempt);
    let line =
        |e: &Value| (e["direction"] == "received", e["method"].as_str().unwrap_or("").to_owned(), e["status"].as_u64());
    sip.map(line).collect()
}

/// The same as the phone saw them.
fn of_phone(messages: &[Message]) -> Vec<(bool, String, Option<u64>)> {
    let line = |m: &Message| {
        let method = m.header("CSeq").and_then(|cseq| cseq.split(' ').next_back()).unwrap_or("").to_owned();
        let status = m.first_line().strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        (m.sent, method, status)
    };
    messages.iter().map(line).collect()
}

fn moments(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|e| e["moment"].as_str()).collect()
}

#[test]
fn a_talks_ladder_is_what_both_phones_saw_while_it_lives_after_it_and_after_a_restart() {
    let mut story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let live = entries(&story.daemon, &call.id);
    let begun = ["asked", "accepted", "dials", "agreed", "plays", "dials", "agreed", "bridged"];
    assert_eq!(moments(&live)[..8], begun, "{live:#?}");
    customer.act();
    call.record();
    let id = call.id.clone();
    let (customer, representative) = (customer.finish().messages, representative.finish().messages);
    let whole = eventually("the last answer in the ladder", PATIENCE, || {
        let now = entries(&story.daemon, &id);
        (of_leg(&now, 1) == of_phone(&representative)).then_some(now)
    });
    assert_eq!(of_leg(&whole, 0), of_phone(&customer));
    assert_eq!(moments(&whole).iter().filter(|m| **m == "ended").count(), 1, "{whole:#?}");
    let offer = whole.iter().find(|e| e["method"] == "INVITE").expect("an INVITE");
    assert_eq!((&offer["sdp"], &offer["transport"], &offer["cseq"]), (&"sendrecv".into(), &"udp".into(), &1.into()));
    let bye = whole.iter().rfind(|e| e["method"] == "BYE" && e["direction"] == "sent" && e["status"].is_null());
    assert_eq!(bye.expect("our BYE")["q850"], 16);
    let text = ladder(&story.daemon, &id, "text").body;
    for words in
        ["POST /v1/calls", "INVITE", "180 Ringing", "hears the message", "bridged", "ended: completed", "ssp-64"]
    {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    // A clean stop at once, although the ladder would have waited a while longer for stragglers.
    story.daemon.ask_to_stop();
    assert_eq!(story.daemon.wait_for_exit().code(), Some(0));
    story.daemon.restart();
    assert_eq!(entries(&story.daemon, &id), whole);
    story.end();
}

#[test]
fn a_busy_representative_has_a_column_and_a_cause_of_its_own() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representatives = story.phone(Tone::Representative, "representative-busy-then-next-answers", |setup| {
        setup.calls = 2;
    });
    let call = story.call_with(json!({ "representative": &REPRESENTATIVES[..2] }));
    call.until("bridged");
    let answer = ladder(&story.daemon, &call.id, "json").json();
    let named: Vec<_> = answer["participants"].as_array().expect("participants").iter().map(|p| &p["name"]).collect();
    assert_eq!(named, ["customer", "representative", "representative 2"]);
    assert!(of_leg(answer["entries"].as_array().expect("entries"), 1).contains(&(true, "INVITE".into(), Some(486))));
    call.delete();
    call.record();
    let entries = entries(&story.daemon, &call.id);
    assert!(moments(&entries).contains(&"deleted"), "{entries:#?}");
    customer.finish();
    representatives.finish();
    story.end();
}

#[test]
fn a_hold_and_its_end_are_moments_of_the_ladder() {
    let story = Story::begin();
    let mut holder = story.phone(Tone::Representative, "phone-holds-and-resumes", |setup| {
        setup.keys.push(("hold", "sendonly"));
    });
    let customer = story.customer("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &holder);
    for ack in 1..=2 {
        holder.act();
        eventually("the re-INVITE's ACK", PATIENCE, || {
            (holder.count(|m| m.sent && m.is_request("ACK")) == ack).then_some(())
        });
    }
    holder.act();
    call.record();
    let entries = entries(&story.daemon, &call.id);
    let held: Vec<&str> = moments(&entries).into_iter().filter(|m| matches!(*m, "held" | "resumed")).collect();
    assert_eq!(held, ["held", "resumed"], "{entries:#?}");
    assert!(entries.iter().any(|e| e["method"] == "INVITE" && e["direction"] == "received" && e["sdp"] == "sendonly"));
    customer.finish();
    holder.finish();
    story.end();
}

#[test]
fn an_invite_sent_again_is_marked_as_such() {
    let story = Story::with_limits(&[("customer_ring_seconds", 2)]);
    let nobody = story.nobody(Tone::Customer);
    let call = story.call();
    call.record();
    let entries = entries(&story.daemon, &call.id);
    let again: Vec<bool> =
        entries.iter().filter(|e| e["method"] == "INVITE").map(|e| e["again"].as_bool().expect("a flag")).collect();
    assert!(again.len() >= 2 && !again[0] && again[1..].iter().all(|again| *again), "{again:?}");
    assert_eq!(again.len(), nobody.datagrams().len());
    story.end();
}

#[test]
fn another_business_finds_no_ladder_and_nobody_finds_one_of_no_call() {
    let more = "[[business]]\nid = \"xyz\"\nname = \"XYZ\"\npassword_file = \"password\"\n".to_owned();
    let story = Story::with(Setup { more, ..Setup::default() });
    let at = "2099-01-01T00:00:00Z";
    let limits = story.daemon.api(
        "POST",
        "/v1/calls",
        Some(&json!({
            "customer": "+12125550100", "representative": "+16465550101", "desired_contact_time": at,
        })),
    );
    // Too far ahead: what was refused has no ladder either.
    assert_eq!(limits.status, 422, "{}", limits.body);
    let call = story.call_with(json!({ "desired_contact_time": in_an_hour(&story) }));
    let path = format!("/v1/calls/{}/ladder", call.id);
    let ask = |id: &str, password: &str, path: &str| {
        let who = Credentials { id: id.into(), password: password.into() };
        request(story.daemon.http, "GET", path, Some(&who), None).expect("an answer")
    };
    let own = ask("abc", &story.daemon.business.password, &path);
    assert_eq!(own.status, 200);
    assert!(own.head.to_lowercase().contains("content-type: text/plain"), "text without being asked: {}", own.head);
    assert!(own.body.contains("waits until"), "{}", own.body);
    assert_eq!(ask("xyz", &story.daemon.business.password, &path).status, 404);
    assert_eq!(ask("abc", "wrong", &path).status, 401);
    assert_eq!(request(story.daemon.http, "GET", &path, None, None).expect("an answer").status, 401);
    let unknown = "/v1/calls/01935c1d-2a40-7b11-8000-000000000001/ladder";
    assert_eq!(story.daemon.api("GET", unknown, None).status, 404);
    assert_eq!(story.daemon.api("GET", &format!("{path}?format=png"), None).status, 400);
    call.delete();
    call.record();
    story.end();
}

fn in_an_hour(story: &Story) -> String {
    let answer = story.daemon.api("GET", "/v1/calls", None);
    assert_eq!(answer.status, 200);
    let then = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let seconds = then.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).expect("a sane clock"))
        .expect("a sane clock")
        .format(&time::format_description::well_known::Rfc3339)
        .expect("RFC 3339")
}

#[test]
fn the_picture_is_well_formed_and_stands_alone() {
    let story = Story::begin();
    let customer = story.customer("customer-busy");
    let call = story.call();
    call.record();
    let answer = ladder(&story.daemon, &call.id, "svg");
    assert!(answer.head.to_lowercase().contains("content-type: image/svg+xml"), "{}", answer.head);
    assert!(answer.head.to_lowercase().contains("content-security-policy: default-src 'none'"), "{}", answer.head);
    let svg = answer.body;
    balanced(&svg);
    assert!(svg.contains("<title id=\"title\">") && svg.contains("<desc id=\"desc\">"));
    assert!(svg.contains(">486 Busy Here</text>") && svg.contains(">ended: customer_busy</text>"));
    for forbidden in ["<script", "href", "url(", "@import", "onload"] {
        assert!(!svg.contains(forbidden), "{forbidden}");
    }
    customer.finish();
    story.end();
}

/// Every element that is opened is closed, in order; every attribute is quoted; no stray `<` or `&`.
fn balanced(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        for entity in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)), "&{entity}");
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}
