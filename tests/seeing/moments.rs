//! What a ladder shows besides messages: another switch, digits after the answer, the two kinds of transfer; and how it looks at
//! the end of `callbridge call --ladder`.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, Setup, Switch};
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{CUSTOMER, Call, REPRESENTATIVES, Story, until_both_hear_each_other};
use crate::support::tone::Tone;

/// The one to whom a customer is handed on.
const NEW_PARTY: &str = "+19145550100";
/// The first column of a ladder's text is so wide.
const SECONDS: usize = 12;

fn show(story: &Story, call: &Call<'_>, format: &str) -> String {
    let answer = story.daemon.api("GET", &format!("/v1/calls/{}/ladder?format={format}", call.id), None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Every moment with what it says of itself; but those that say when the first packet was relayed, whose order is the network's.
fn moments(story: &Story, call: &Call<'_>) -> Vec<Value> {
    let ladder: Value = serde_json::from_str(&show(story, call, "json")).expect("JSON");
    let entries = ladder["entries"].as_array().expect("entries").iter();
    entries.filter(|entry| entry["moment"].is_string() && entry["moment"] != "heard").cloned().collect()
}

fn names(moments: &[Value]) -> Vec<&str> {
    moments.iter().filter_map(|moment| moment["moment"].as_str()).collect()
}

/// The only moment of this name, or the one with this number.
#[track_caller]
fn nth<'a>(moments: &'a [Value], name: &str, nth: usize) -> &'a Value {
    moments.iter().filter(|moment| moment["moment"] == name).nth(nth).unwrap_or_else(|| panic!("{name}: {moments:#?}"))
}

/// The columns of a ladder's text without what differs from run to run: its heading, the seconds, the ports, which are lettered
/// in the order in which they appear.
fn steady(text: &str) -> String {
    let mut ports: Vec<String> = Vec::new();
    let mut line = |line: &str| {
        let columns: String = line.chars().skip(SECONDS).collect();
        let Some((before, port)) = columns.split_once("127.0.0.1:") else { return columns };
        let at = ports.iter().position(|known| known == port).unwrap_or_else(|| {
            ports.push(port.to_owned());
            ports.len() - 1
        });
        format!("{before}127.0.0.1:{}", ["A", "B", "C"][at])
    };
    let body = text.lines().skip_while(|line| !line.contains("business             callbridge"));
    body.map(&mut line).map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_failover_is_a_second_dialling_of_the_same_leg_by_another_switch() {
    let port = ports::port();
    let spare = Switch { keys: vec![("weight", "0".to_owned())], ..Switch::new("ssp-63", port, &["+1212"]) };
    let story = Story::with(Setup { switches: vec![spare], ..Setup::default() });
    let first = story.customer("customer-switch-out-of-service");
    let second = story.phone(Tone::Customer, "customer-busy", |setup| {
        setup.port = port;
        setup.contact_port = port;
    });
    let call = story.call();
    call.record();
    let moments = moments(&story, &call);
    assert_eq!(names(&moments), ["asked", "accepted", "dials", "dials", "ended"], "{moments:#?}");
    let dialled = |at: usize| {
        let dials = nth(&moments, "dials", at);
        (dials["attempt"].clone(), dials["switch"].clone(), dials["again"].clone())
    };
    assert_eq!(dialled(0), (0.into(), "ssp-62".into(), false.into()));
    assert_eq!(dialled(1), (0.into(), "ssp-63".into(), true.into()));
    insta::assert_snapshot!("failover", steady(&show(&story, &call, "text")));
    first.finish();
    second.finish();
    story.end();
}

#[test]
fn digits_after_the_answer_are_counted_and_not_shown() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let pbx = story.representative("phone-hears-digits");
    let call = story.call_with(json!({ "representative": "tel:+16465550101;ext=4283" }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &pbx);
    customer.act();
    call.record();
    let moments = moments(&story, &call);
    assert_eq!(
        names(&moments),
        ["asked", "accepted", "dials", "agreed", "plays", "dials", "agreed", "digits", "bridged", "ended"],
        "the digits before the bridge: {moments:#?}"
    );
    let agreed = nth(&moments, "agreed", 1);
    assert_eq!((&agreed["attempt"], &agreed["codec"], &agreed["text"]), (&1.into(), &"PCMU".into(), &"PCMU".into()));
    let digits = nth(&moments, "digits", 0);
    assert_eq!((&digits["attempt"], &digits["count"]), (&1.into(), &4.into()));
    assert!(!digits.to_string().contains("4283"), "which ones is nobody's business: {digits}");
    customer.finish();
    pbx.finish();
    story.end();
}

/// A transfer as the ladder has it, whoever was called before the REFER.
fn transferred(scenario: &'static str, to: &'static str) {
    let port = ports::port();
    let setup = Setup { switches: vec![Switch::new("ssp-66", port, &["+1914"])], ..Setup::default() };
    let story = Story::with(setup);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let mut asker = story.phone(Tone::Representative, scenario, |phone| phone.keys = vec![("refer_to", to)]);
    let mut target = Phone::start(&PhoneSetup::new("phone-early-media-then-answers", port, Tone::NewParty));
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &asker);
    asker.act();
    asker.until("the second NOTIFY", |m| m.is_request("NOTIFY") && m.text.contains("SIP/2.0 180"));
    target.act();
    asker.finish();
    target.until("the ACK", |m| m.is_request("ACK"));
    customer.act();
    call.record();
    let moments = moments(&story, &call);
    assert_eq!(
        names(&moments),
        [
            "asked",
            "accepted",
            "dials",
            "agreed",
            "plays",
            "dials",
            "agreed",
            "bridged",
            "transferred",
            "plays",
            "dials",
            "agreed",
            "bridged",
            "ended"
        ],
        "{moments:#?}"
    );
    assert_eq!(nth(&moments, "transferred", 0)["by"], 1);
    let (music, dials) = (nth(&moments, "plays", 1), nth(&moments, "dials", 2));
    assert_eq!((&music["attempt"], &music["clip"]), (&0.into(), &"music".into()), "{music}");
    assert_eq!((&dials["attempt"], &dials["switch"], &dials["again"]), (&2.into(), &"ssp-66".into(), &false.into()));
    let joined = nth(&moments, "bridged", 1);
    assert_eq!((&joined["a"], &joined["b"]), (&0.into(), &2.into()));
    let text = show(&story, &call, "text");
    assert!(text.contains("REFER") && text.contains("202 Accepted") && text.contains(NEW_PARTY), "{text}");
    target.finish();
    customer.finish();
    story.end();
}

#[test]
fn a_blind_transfer_is_asked_for_dialled_and_joined() {
    transferred("representative-transfers-blind", "sip:+19145550100@127.0.0.1;user=phone");
}

#[test]
fn an_attended_transfer_is_asked_for_dialled_and_joined() {
    let to = "sip:+19145550100@127.0.0.1;user=phone?Replaces=talk%40192.0.2.7%3Bto-tag%3D7a%3Bfrom-tag%3D8b";
    transferred("representative-transfers-attended", to);
}

/// `callbridge call … --ladder` in the name of the business.
fn call_with_ladder(daemon: &Daemon) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    command.args(["call", "--password-stdin", "--ladder", "--business", &daemon.business.id]);
    command.args(["--customer", CUSTOMER, "--representative", REPRESENTATIVES[0]]);
    command.arg("--url").arg(format!("http://{}", daemon.http));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("callbridge call");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{}", daemon.business.password).expect("it reads the password");
    child
}

/// Its exit code, and what it printed before and from the ladder on.
#[track_caller]
fn printed(child: Child) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("its end");
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    let out = String::from_utf8(stdout).expect("text");
    let (followed, ladder) = out.split_once("\n\n").unwrap_or_else(|| panic!("no ladder: {out}"));
    (status.code(), followed.to_owned(), ladder.to_owned())
}

#[test]
fn callbridge_call_shows_the_ladder_of_a_talk_and_ends_with_0() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let child = call_with_ladder(&story.daemon);
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    customer.finish();
    representative.finish();
    let (code, followed, ladder) = printed(child);
    assert_eq!(code, Some(0), "{followed}");
    assert!(followed.starts_with("call ") && followed.contains("bridged"), "{followed}");
    for words in
        ["POST /v1/calls", "INVITE", "200 OK", "ACK", "hears the message", "bridged", "BYE", "ended: completed"]
    {
        assert!(ladder.contains(words), "{words} is not in\n{ladder}");
    }
    story.end();
}

#[test]
fn callbridge_call_shows_the_ladder_of_a_busy_customer_and_ends_with_1() {
    let story = Story::begin();
    let customer = story.customer("customer-busy");
    let (code, followed, ladder) = printed(call_with_ladder(&story.daemon));
    assert_eq!(code, Some(1), "{followed}");
    assert!(followed.ends_with("customer_busy, 0 s billed"), "{followed}");
    assert!(ladder.contains("486 Busy Here") && ladder.contains("ended: customer_busy"), "{ladder}");
    customer.finish();
    story.end();
}
