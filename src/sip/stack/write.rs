//! The bytes of what the stack says: requests of a leg and answers to requests. Owns which fields go in; syntax is `wire`'s.
//! Refuses state.

use super::table::{Asked, BRANCH_COOKIE, Draft, Leg};
use super::{HangUpReason, StackConfig};
use crate::model::{Hop, SipTransport};
use crate::sip::dialog::Dialog;
use crate::sip::transaction::Stored;
use crate::sip::wire::{self, Message, Method, Name, RequestBuilder};

/// What we take inside a dialog.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY, REFER";

/// What a 405 or 501 carries.
pub(super) const ALLOWED: &[(Name, &str)] = &[(Name::Allow, ALLOW)];

/// What we can, as the answer to OPTIONS says (RFC 3261 §11.2).
pub(super) const CAPABLE: &[(Name, &str)] = &[
    (Name::Allow, ALLOW),
    (Name::Accept, "application/sdp, application/dtmf-relay, application/dtmf"),
    (Name::AcceptEncoding, "identity"),
    (Name::Supported, "100rel, timer, norefersub"),
];

const SDP: &str = "application/sdp";

pub(super) fn branch_text(branch: u128) -> String {
    format!("{BRANCH_COOKIE}{branch:032x}")
}

/// Our Contact as a peer at this hop is to reach us.
pub(super) fn contact(config: &StackConfig, hop: &Hop) -> String {
    let local = config.locals.of(hop);
    match hop.transport {
        // Where we do not listen on what carries this message, the peer's own requests come over UDP.
        SipTransport::Udp => format!("sip:callbridge@{local}"),
        reliable if !config.locals.has(reliable) => format!("sip:callbridge@{local}"),
        reliable => format!("sip:callbridge@{local};transport={}", reliable.as_str()),
    }
}

fn stored(bytes: Vec<u8>) -> Stored {
    Stored::from(bytes)
}

fn head(config: &StackConfig, leg: &Leg, hop: &Hop, method: &Method, uri: &str, branch: u128) -> RequestBuilder {
    RequestBuilder::new(method, uri)
        .via(hop.transport.via(), config.locals.of(hop), &branch_text(branch))
        .max_forwards(70)
        .from(leg.from_name.as_deref(), &leg.from, &leg.local_tag)
        .call_id(&leg.call_id)
}

/// The INVITE; `None` when a value of it cannot be written.
pub(super) fn invite(config: &StackConfig, leg: &Leg, hop: &Hop) -> Option<Stored> {
    let mut builder = head(config, leg, hop, &Method::Invite, &leg.target, leg.branch)
        .to(None, &leg.target, None)
        .cseq(leg.cseq, &Method::Invite)
        .contact(&contact(config, hop))
        .header(Name::Allow, ALLOW);
    match (leg.trunk.reliable_provisionals, leg.ask.is_some()) {
        (true, true) => builder = builder.header(Name::Supported, "100rel, timer"),
        (true, false) => builder = builder.header(Name::Supported, "100rel"),
        (false, true) => builder = builder.header(Name::Supported, "timer"),
        (false, false) => {}
    }
    if let Some(ask) = &leg.ask {
        builder =
            builder.header(Name::SessionExpires, ask.expires.to_string()).header(Name::MinSe, ask.min_se.to_string());
    }
    builder = builder.header(Name::UserAgent, &config.user_agent);
    for (name, value) in &leg.retry_fields {
        builder = builder.header(*name, value);
    }
    for (name, value) in &leg.headers {
        builder = builder.extension(name, value);
    }
    builder.body(SDP, &leg.offer).ok().map(stored)
}

/// The CANCEL of the INVITE: its Request-URI, branch and CSeq number (§9.1).
pub(super) fn cancel(config: &StackConfig, leg: &Leg, reason: &HangUpReason) -> Option<Stored> {
    head(config, leg, &leg.way, &Method::Cancel, &leg.target, leg.branch)
        .to(None, &leg.target, None)
        .cseq(leg.cseq, &Method::Cancel)
        .header(Name::Reason, reason_text(reason))
        .finish()
        .ok()
        .map(stored)
}

/// The ACK of a refusal: the INVITE's branch, the response's To (§17.1.1.3), its credentials (§22.1).
pub(super) fn ack_refusal(config: &StackConfig, leg: &Leg, response: &Message) -> Option<Stored> {
    let mut builder = head(config, leg, &leg.way, &Method::Ack, &leg.target, leg.branch)
        .header(Name::To, response.header(Name::To)?)
        .cseq(leg.cseq, &Method::Ack);
    for (name, value) in &leg.retry_fields {
        builder = builder.header(*name, value);
    }
    builder.finish().ok().map(stored)
}

/// The ACK of a 2xx: a request of the dialog with the INVITE's CSeq number (§13.2.2.4), and its credentials (§22.1).
pub(super) fn ack_success(config: &StackConfig, leg: &Leg, dialog: &Dialog, to: &Hop, branch: u128) -> Option<Stored> {
    let mut builder = in_dialog(config, leg, dialog, to, &Method::Ack, leg.cseq, branch);
    for (name, value) in &leg.retry_fields {
        builder = builder.header(*name, value);
    }
    builder.finish().ok().map(stored)
}

/// The ACK of a 2xx to a re-INVITE of ours.
pub(super) fn ack_again(
    config: &StackConfig,
    leg: &Leg,
    dialog: &Dialog,
    to: &Hop,
    asked: &Asked,
    branch: u128,
) -> Option<Stored> {
    let mut builder = in_dialog(config, leg, dialog, to, &Method::Ack, asked.cseq, branch);
    for (name, value) in &asked.draft.retry_fields {
        builder = builder.header(*name, value);
    }
    builder.finish().ok().map(stored)
}

/// The ACK of a refused re-INVITE: like the request, with its branch. Written along with it, since the dialog may change.
pub(super) fn ack_refused(config: &StackConfig, leg: &Leg, dialog: &Dialog, to: &Hop, branch: u128) -> Option<Stored> {
    in_dialog(config, leg, dialog, to, &Method::Ack, dialog.local_cseq, branch).finish().ok().map(stored)
}

/// Any other request of ours in a dialog.
pub(super) fn request(
    config: &StackConfig,
    leg: &Leg,
    dialog: &Dialog,
    to: &Hop,
    method: &Method,
    branch: u128,
    draft: &Draft,
) -> Option<Stored> {
    let mut builder = in_dialog(config, leg, dialog, to, method, dialog.local_cseq, branch)
        .header(Name::UserAgent, &config.user_agent);
    if matches!(method, Method::Invite | Method::Update) {
        builder = builder.contact(&contact(config, to)).header(Name::Allow, ALLOW);
    }
    for (name, value) in draft.fields.iter().chain(&draft.retry_fields) {
        builder = builder.header(*name, value);
    }
    let bytes = match &draft.body {
        Some(body) => builder.body(draft.content_type.unwrap_or(SDP), body),
        None => builder.finish(),
    };
    bytes.ok().map(stored)
}

fn in_dialog(
    config: &StackConfig,
    leg: &Leg,
    dialog: &Dialog,
    to: &Hop,
    method: &Method,
    cseq: u32,
    branch: u128,
) -> RequestBuilder {
    let (uri, routes) = dialog.way();
    let routes =
        routes.into_iter().map(|route| if route.contains('<') { route.to_owned() } else { format!("<{route}>") });
    head(config, leg, to, method, uri, branch).routes(routes).header(Name::To, dialog.to.as_bytes()).cseq(cseq, method)
}

/// RFC 3326, as `Q.850;cause=16;text="…"`.
pub(super) fn reason_text(reason: &HangUpReason) -> String {
    let plain: String = reason.text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    format!("Q.850;cause={};text=\"{plain}\"", reason.q850)
}

/// What else an answer carries.
#[derive(Default)]
pub(super) struct Extras<'a> {
    pub(super) fields: &'a [(Name, &'a str)],
    pub(super) contact: bool,
    pub(super) body: &'a [u8],
}

/// An answer to `request`, which came from `source`.
pub(super) fn answer(
    config: &StackConfig,
    request: &Message,
    source: &Hop,
    status: u16,
    to_tag: &str,
    extras: &Extras<'_>,
) -> Option<Stored> {
    let mut builder = wire::response(request, status, Some(to_tag), source.address);
    if extras.contact {
        builder = builder.contact(&contact(config, source));
    }
    builder = builder.headers(extras.fields.iter().copied());
    if let Some(q850) = refusal_cause(request, status) {
        builder = builder.header(Name::Reason, format!("Q.850;cause={q850}"));
    }
    if status > 100 {
        builder = builder.header(Name::Server, &config.user_agent);
    }
    let bytes = if extras.body.is_empty() { builder.finish() } else { builder.body(SDP, extras.body) };
    bytes.ok().map(stored)
}

/// Refusals of a call, or of what it is to become, say why in the words of the telephone network too (RFC 3326, RFC 6432). The
/// others are about the protocol only.
fn refusal_cause(request: &Message, status: u16) -> Option<u8> {
    let says = request.method() == Some(&Method::Invite) && matches!(status, 403 | 488 | 503);
    says.then(|| wire::q850_of_status(status))
}
