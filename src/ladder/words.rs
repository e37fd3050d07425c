//! What a person reads: reason phrases, causes, names of columns, sentences for moments. Owns the wording; refuses layout.

use super::entry::{Clip, Coding, Message, Moment};
use super::{Ladder, Party};
use crate::model::{Alarm, AnsweredBy, Outcome, Role, SupervisorMode};

/// A packet time that goes without saying.
const USUAL_MS: u16 = 20;

/// `180 Ringing`, `200 OK (BYE)`, `INVITE`.
pub(super) fn message(message: &Message) -> String {
    let Some(status) = message.status else { return message.verb.name().to_owned() };
    let phrase = phrase(status);
    let gap = if phrase.is_empty() { "" } else { " " };
    match message.verb.name() {
        "INVITE" => format!("{status}{gap}{phrase}"),
        verb => format!("{status}{gap}{phrase} ({verb})"),
    }
}

/// The phrases met most; others are shown as their number.
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Forwarded",
        182 => "Queued",
        183 => "Progress",
        199 => "Early End",
        200 => "OK",
        202 => "Accepted",
        300 => "Choices",
        301 | 302 => "Moved",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        407 => "Proxy Auth",
        408 => "Timeout",
        410 => "Gone",
        415 => "Media Type",
        420 => "Bad Extension",
        422 => "Too Small",
        423 => "Too Brief",
        480 => "Unavailable",
        481 => "No Dialog",
        482 => "Loop",
        483 => "Too Many Hops",
        484 => "Incomplete",
        486 => "Busy Here",
        487 => "Terminated",
        488 => "Not Acceptable",
        489 => "Bad Event",
        491 => "Pending",
        500 => "Server Error",
        501 => "Unknown Method",
        503 => "Unavailable",
        504 => "Timeout",
        600 => "Busy",
        603 => "Decline",
        604 => "Not Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => "",
    }
}

/// `16 normal clearing` (ITU-T Q.850).
pub(super) fn cause(q850: u8) -> String {
    let words = match q850 {
        1 => "unallocated number",
        3 => "no route",
        16 => "normal clearing",
        17 => "user busy",
        18 => "no user responding",
        19 => "no answer",
        20 => "absent",
        21 => "call rejected",
        22 => "number changed",
        26 => "answered elsewhere",
        27 => "out of order",
        28 => "incomplete number",
        31 => "normal",
        34 => "no channel",
        38 => "network out of order",
        41 => "temporary failure",
        42 => "congestion",
        47 => "no resources",
        63 | 79 => "not implemented",
        65 => "bearer",
        88 => "incompatible",
        102 => "timer expired",
        111 => "protocol error",
        127 => "interworking",
        _ => "",
    };
    if words.is_empty() { q850.to_string() } else { format!("{q850} {words}") }
}

/// Beside the arrow: `CSeq 1, sdp sendrecv, Q.850 16 normal clearing, udp 192.0.2.1:5060`.
pub(super) fn details(ladder: &Ladder, message: &Message) -> String {
    let mut parts = vec![format!("CSeq {}", message.cseq)];
    if message.again {
        parts.push("again".to_owned());
    }
    if let Some(mode) = message.sdp {
        parts.push(format!("sdp {}", mode.as_str()));
    }
    if let Some(q850) = message.q850 {
        parts.push(format!("Q.850 {}", cause(q850)));
    }
    if let Some((transport, address)) = ladder.peer(message) {
        parts.push(format!("{} {address}", transport.as_str()));
    }
    parts.join(", ")
}

/// `customer`, `representative`, `representative 2`.
pub(super) fn party(ladder: &Ladder, party: &Party) -> String {
    let numbered = |name: &str| {
        let kin = ladder.parties().iter().filter(|other| other.role == party.role);
        let number = kin.take_while(|other| other.attempt <= party.attempt).count();
        if number > 1 { format!("{name} {number}") } else { name.to_owned() }
    };
    match party.role {
        Role::Customer => "customer".to_owned(),
        Role::Representative => numbered("representative"),
        Role::Supervisor => numbered("supervisor"),
    }
}

fn leg(ladder: &Ladder, attempt: u16) -> String {
    let found = ladder.parties().iter().find(|party| party.attempt == attempt);
    found.map_or_else(|| format!("leg {attempt}"), |found| party(ladder, found))
}

/// `PCMU`, `opus 40 ms, AEAD_AES_128_GCM`.
fn agreed(coding: &Coding) -> String {
    let mut words = coding.codec.name().to_owned();
    if coding.packet_ms != USUAL_MS {
        words.push_str(&format!(" {} ms", coding.packet_ms));
    }
    if let Some(suite) = coding.srtp {
        words.push_str(", ");
        words.push_str(suite.name());
    }
    words
}

/// One line for a moment.
pub(super) fn moment(ladder: &Ladder, moment: &Moment) -> String {
    let leg = |attempt: u16| leg(ladder, attempt);
    match moment {
        Moment::Asked => "POST /v1/calls".to_owned(),
        Moment::Accepted => "202 Accepted".to_owned(),
        Moment::Waits { until } => format!("waits until {until}"),
        Moment::Due => "its time has come".to_owned(),
        Moment::Restored => "restarted; found in the store".to_owned(),
        Moment::Dials { switch, again: false, .. } => format!("via {}", ladder.switch(*switch)),
        Moment::Dials { switch, again: true, .. } => format!("tries {}", ladder.switch(*switch)),
        Moment::Agreed { coding, .. } => agreed(coding),
        Moment::Transcoded { from, to, .. } if from == to => format!("{} repacked", to.name()),
        Moment::Transcoded { from, to, .. } => format!("{} from {}", to.name(), from.name()),
        Moment::Fails { q850, .. } => format!("failed: {}", cause(*q850)),
        Moment::Plays { clip: Clip::Message, .. } => "hears the message".to_owned(),
        Moment::Plays { clip: Clip::Unavailable, .. } => "hears: none available".to_owned(),
        Moment::Plays { clip: Clip::Music, .. } => "hears music".to_owned(),
        Moment::Plays { clip: Clip::Gate, .. } => "hears: press 1".to_owned(),
        Moment::Plays { clip: Clip::Machine, .. } => "hears what is left".to_owned(),
        Moment::Plays { clip: Clip::Consent, .. } => "hears: recorded".to_owned(),
        Moment::Told { heard: true, .. } => "knows of the recording".to_owned(),
        Moment::Told { heard: false, .. } => "held us: not told".to_owned(),
        Moment::Plays { clip: Clip::Whisper, .. } => "hears who calls".to_owned(),
        Moment::Judged { by: AnsweredBy::Person } => "a person answers".to_owned(),
        Moment::Judged { by: AnsweredBy::Machine } => "a machine answers".to_owned(),
        Moment::Judged { by: AnsweredBy::Unsure } => "who answers is unsure".to_owned(),
        Moment::Bridged { .. } => "bridged".to_owned(),
        Moment::Heard { attempt } => format!("{} hears", leg(*attempt)),
        Moment::OneWay => "audio one way only".to_owned(),
        Moment::Alarm { alarm: Alarm::OneWay, .. } => "nothing is heard of it".to_owned(),
        Moment::Alarm { alarm: Alarm::Silence, .. } => "nothing is heard of either".to_owned(),
        Moment::Alarm { alarm: Alarm::Heard, .. } => "is heard again".to_owned(),
        Moment::Alarm { alarm: Alarm::Bad, .. } => "sounds bad".to_owned(),
        Moment::Alarm { alarm: Alarm::Good, .. } => "sounds good again".to_owned(),
        Moment::Held { .. } => "holds".to_owned(),
        Moment::Resumed { .. } => "resumes".to_owned(),
        Moment::Digits { count: 1, .. } => "1 digit".to_owned(),
        Moment::Digits { count, .. } => format!("{count} digits"),
        Moment::Transferred { .. } => "transfers".to_owned(),
        Moment::TransferRefused { why, .. } => format!("transfer refused: {}", why.explained()),
        Moment::Supervises { mode: SupervisorMode::Listen, .. } => "listens".to_owned(),
        Moment::Supervises { mode: SupervisorMode::Whisper, .. } => "whispers".to_owned(),
        Moment::Supervises { mode: SupervisorMode::Join, .. } => "speaks to both".to_owned(),
        Moment::Deleted => "DELETE".to_owned(),
        Moment::Ended { outcome } => format!("ended: {outcome}"),
        Moment::Lost => "stopped; what went before is lost".to_owned(),
    }
}

/// The sentence that sums the ladder up.
pub(super) fn summary(ladder: &Ladder) -> String {
    let messages = ladder.entries().filter(|entry| matches!(entry.what, super::What::Message(_))).count();
    let messages = messages + usize::try_from(ladder.omitted()).unwrap_or(0);
    let legs = ladder.parties().len();
    let how = match ladder.outcome() {
        None => "has not ended".to_owned(),
        Some(Outcome::Completed) => "ended after both had talked".to_owned(),
        Some(outcome) => format!("ended: {outcome}"),
    };
    let (s, g) = (if messages == 1 { "" } else { "s" }, if legs == 1 { "" } else { "s" });
    format!("{messages} SIP message{s} on {legs} leg{g}; the call {how}.")
}
