//! What the phone demands of every SIP message (RFC 3261 §8.1.1, §20): headers that must be there, once, well-formed. Owns
//! these rules; what a message may say at that point of a call is judged where it is handled.

use super::message::{Message, Start, address_of, parameter, uri_of};
use super::story::Fault;

/// Everything wrong with the message as such; `via` is the transport it came over.
pub fn message(message: &Message<'_>, via: &str, blame: &mut dyn FnMut(Fault, String)) {
    let mut header = |text: String| blame(Fault::Header, text);
    for name in ["From", "To", "Call-ID", "CSeq"] {
        match message.all(name).count() {
            1 => {}
            n => header(format!("{n} {name} headers")),
        }
    }
    match message.branch() {
        Some(branch) if branch.starts_with("z9hG4bK") && branch.len() > 7 => {}
        other => header(format!("Via branch {other:?} is no RFC 3261 branch")),
    }
    let sent_by = message.get("Via").and_then(|value| value.strip_prefix("SIP/2.0/"));
    if !sent_by.and_then(|rest| rest.strip_prefix(via)).is_some_and(|rest| rest.starts_with(' ')) {
        header(format!("Via is not SIP/2.0/{via}"));
    }
    if message.get("From").and_then(|from| parameter(from, "tag")).is_none_or(str::is_empty) {
        header("From has no tag".to_owned());
    }
    if message.get("Call-ID").is_none_or(str::is_empty) {
        header("Call-ID is empty".to_owned());
    }
    match message.get("Content-Length").map(str::parse::<usize>) {
        Some(Ok(length)) if length == message.body.len() => {}
        other => header(format!("Content-Length {other:?}, the body has {} bytes", message.body.len())),
    }
    if !message.body.is_empty() && message.get("Content-Type").is_none() {
        header("a body without Content-Type".to_owned());
    }
    if message.cseq().is_none() {
        header("CSeq is malformed".to_owned());
    }
    if let Start::Request { method, uri } = message.start {
        request(message, method, uri, &mut header);
    }
}

fn request(message: &Message<'_>, method: &str, uri: &str, header: &mut dyn FnMut(String)) {
    if message.cseq().is_some_and(|(_, m)| m != method) {
        header(format!("CSeq names another method than {method}"));
    }
    match message.get("Max-Forwards").map(str::parse::<u8>) {
        Some(Ok(1..)) => {}
        other => header(format!("Max-Forwards {other:?}")),
    }
    if !uri.starts_with("sip:") {
        header(format!("Request-URI {uri} is no SIP URI"));
    }
    let contact = message.get("Contact").map(uri_of);
    if matches!(method, "INVITE" | "UPDATE") && contact.and_then(address_of).is_none() {
        header(format!("{method} without a Contact that can be reached"));
    }
    if matches!(method, "CANCEL" | "ACK") && message.get("Require").is_some() {
        header(format!("{method} with Require"));
    }
}
