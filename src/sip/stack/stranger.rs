//! Requests that belong to no leg: answered from the message alone, so that they cost no memory (RFC 3261 §8.2.7). Owns
//! which refusal they get; refuses state.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Stack;
use super::write::{self, Extras};
use crate::clock::Mono;
use crate::model::Hop;
use crate::sip::api::RefusedWhy;
use crate::sip::wire::{Message, Method, Name, Verdict};

impl Stack {
    /// Not ours: 481 for whatever can only live in a dialog or a subscription, 403 to a call, 200 to OPTIONS, 405 or 501 with
    /// Allow to the rest (RFC 3261 §8.2.1). ACK: nothing.
    pub(super) fn out_of_the_blue(&mut self, now: Mono, from: &Hop, message: &Message, method: &Method) {
        if !self.rates.allow(now, from.address.ip()) {
            return self.refused(RefusedWhy::Rate);
        }
        self.received(message, None);
        let in_dialog = message.to().is_ok_and(|to| to.tag.is_some());
        let (status, fields) = match method {
            Method::Ack => return self.refused(RefusedWhy::OutOfTheBlue),
            Method::Options if !in_dialog => (200, write::CAPABLE),
            _ if method.is_unknown() => (501, write::ALLOWED),
            Method::Bye | Method::Cancel | Method::Update | Method::Prack | Method::Info => (481, &[][..]),
            // We subscribed to nothing (RFC 6665 §4.1.3).
            Method::Notify => (481, &[][..]),
            _ if in_dialog => (481, &[][..]),
            Method::Invite => (403, &[][..]),
            _ => (405, write::ALLOWED),
        };
        self.answer_stateless(from, message, method, status, fields);
        if status != 200 {
            self.refused(RefusedWhy::OutOfTheBlue);
        }
    }

    /// What `wire::judge` found wrong.
    pub(super) fn refuse_judged(
        &mut self,
        now: Mono,
        from: &Hop,
        message: &Message,
        method: &Method,
        verdict: Verdict,
    ) {
        if !self.rates.allow(now, from.address.ip()) {
            return self.refused(RefusedWhy::Rate);
        }
        self.received(message, None);
        if let Verdict::Refuse { status, headers, .. } = verdict {
            let fields: Vec<(Name, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.answer_stateless(from, message, method, status, &fields);
        }
        self.refused(RefusedWhy::Malformed);
    }

    /// More requests in one dialog than are kept.
    pub(super) fn overloaded(&mut self, from: &Hop, message: &Message, method: &Method) {
        self.answer_stateless(from, message, method, 503, &[(Name::RetryAfter, "5")]);
        self.refused(RefusedWhy::Overload);
    }

    fn answer_stateless(
        &mut self,
        from: &Hop,
        message: &Message,
        method: &Method,
        status: u16,
        fields: &[(Name, &str)],
    ) {
        // The same request must get the same tag each time (§8.2.7), and nobody shall guess it.
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        message.call_id().hash(&mut hasher);
        message.header(Name::From).hash(&mut hasher);
        let tag = format!("{:016x}", hasher.finish());
        let extras = Extras { fields, ..Extras::default() };
        if let Some(bytes) = write::answer(&self.config, message, from, status, &tag, &extras) {
            self.send(from.clone(), bytes, method, None);
        }
    }
}
