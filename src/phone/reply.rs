//! Heads of the phone's responses, as RFC 3261 §8.2.6 wants them. Owns only their text.

use std::fmt::Write;
use std::net::SocketAddr;

use super::message::{Message, parameter, reason};

/// The Via headers of a request as its responses carry them (RFC 3261 §18.2.1, RFC 3581).
pub(super) fn vias(message: &Message<'_>, from: SocketAddr) -> String {
    let mut out = String::with_capacity(128);
    for (at, via) in message.all("Via").enumerate() {
        let _ = match via.split_once(";rport") {
            Some((head, tail)) if at == 0 && !tail.starts_with('=') => {
                write!(out, "Via: {head};rport={};received={}{tail}\r\n", from.port(), from.ip())
            }
            _ => write!(out, "Via: {via}\r\n"),
        };
    }
    out
}

/// The head of a response to a request inside or outside of a dialog.
pub(super) fn echo(message: &Message<'_>, status: u16, from: SocketAddr, tag: &str) -> String {
    let to = message.get("To").unwrap_or_default();
    let tagged = parameter(to, "tag").is_some();
    format!(
        "SIP/2.0 {status} {}\r\n{}From: {}\r\nTo: {to}{}{}\r\nCall-ID: {}\r\nCSeq: {}\r\n",
        reason(status),
        vias(message, from),
        message.get("From").unwrap_or_default(),
        if tagged { "" } else { ";tag=" },
        if tagged { "" } else { tag },
        message.get("Call-ID").unwrap_or_default(),
        message.get("CSeq").unwrap_or_default(),
    )
}
