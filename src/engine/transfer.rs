//! Transfers between signalling and call: whom a REFER names, whether anybody may be called there, and in which status the asker
//! is told how it went. Owns these translations; who may transfer and what follows is the call's affair.
//!
//! An address is judged as that of an initiation message is, and more strictly in one point: a SIP URI that stands for a
//! telephone number is judged as that number, so that a representative's phone cannot reach by REFER what `prefixes` keep away.

use super::Engine;
use super::api::Notice;
use crate::call::{Event, FailureKind, TransferRefusal, TransferReport};
use crate::clock::Now;
use crate::ladder::Moment;
use crate::model::{CallId, Endpoint, LegId, TransferId};
use crate::sip::api::{Refer, ReferReply};
use crate::sip::wire::{Scheme, Uri};

/// Longer than any extension: digits alone that may be a telephone number of some dialling plan.
const LONGEST_EXTENSION: usize = 6;

/// What the INVITE to a new party says of the one who asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Referral {
    by: u16,
    id: TransferId,
    replaces: Option<String>,
    referred_by: Option<String>,
}

impl Engine {
    /// A party asks for a transfer.
    pub(super) fn transfer_asked(&mut self, now: Now, leg: LegId, id: TransferId, refer: Refer) {
        let target = endpoint_of(&refer.target).filter(|target| self.routing.covers(target));
        let target = target.filter(|target| self.account_allows(now, leg.call, target));
        let Some(live) = self.calls.get_mut(&leg.call) else {
            return self.stack.answer_refer(now.mono, id, ReferReply::Refuse(481));
        };
        live.asked = Some(Referral { by: leg.attempt, id, replaces: refer.replaces, referred_by: refer.referred_by });
        self.tell(now, leg.call, Event::TransferAsked { by: leg.attempt, id, target });
    }

    /// The call's verdict on a transfer.
    pub(super) fn answer_transfer(&mut self, now: Now, call: CallId, id: TransferId, refusal: Option<TransferRefusal>) {
        let asked = self.calls.get_mut(&call).and_then(|live| live.asked.take());
        let reply = match refusal {
            None => {
                if let Some(live) = self.calls.get_mut(&call) {
                    live.referral = asked;
                }
                ReferReply::Accept
            }
            Some(why) => {
                if let Some(by) = asked.map(|asked| asked.by) {
                    self.see(now, call, Moment::TransferRefused { by, why });
                }
                self.notice(Notice::TransferRefused { call, why });
                // What was kept free for the new party is not needed.
                self.mind_ceiling(now, call, false);
                ReferReply::Refuse(if why == TransferRefusal::Pending { 491 } else { 603 })
            }
        };
        self.stack.answer_refer(now.mono, id, reply);
    }

    /// Tells the asker how it goes.
    pub(super) fn report_transfer(&mut self, now: Now, id: TransferId, report: &TransferReport) {
        let (status, last) = match report {
            TransferReport::Ringing => (180, false),
            TransferReport::Answered => (200, true),
            TransferReport::Abandoned => (487, true),
            TransferReport::Failed(kind, cause) => {
                let theirs = cause.sip_status.filter(|status| (300..700).contains(status));
                (theirs.unwrap_or(status_of(*kind)), true)
            }
        };
        self.stack.report_refer(now.mono, id, status, last);
    }

    /// Fields of the INVITE to the party that a transfer names: the dialog that it is to replace (RFC 3891), and who wished so
    /// (RFC 3892).
    pub(super) fn referral_fields(&self, leg: LegId) -> Vec<(String, String)> {
        let Some(live) = self.calls.get(&leg.call) else { return Vec::new() };
        let Some(referral) = live.referral.as_ref().filter(|_| live.call.transferring_to() == Some(leg.attempt)) else {
            return Vec::new();
        };
        let field = |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
        [field("Replaces", &referral.replaces), field("Referred-By", &referral.referred_by)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The status of a failure that no status of SIP came with.
fn status_of(kind: FailureKind) -> u16 {
    match kind {
        FailureKind::Busy => 486,
        FailureKind::NoAnswer => 480,
        FailureKind::Rejected => 603,
        FailureKind::Unreachable => 404,
        FailureKind::Fault => 500,
    }
}

/// What a REFER names, as something that can be dialled. A global number is a number whichever URI it stands in (RFC 3261
/// §19.1.6), its extension included; a local one cannot be judged.
fn endpoint_of(target: &str) -> Option<Endpoint> {
    let uri = Uri::parse(target).ok()?;
    match uri.scheme {
        Scheme::Tel => Endpoint::parse(target).ok(),
        Scheme::Sip | Scheme::Sips => {
            let user = Uri::unescape(uri.user.unwrap_or_default());
            if user.starts_with('+') {
                return Endpoint::parse(&format!("tel:{user}")).ok();
            }
            let number = user.split(';').next().unwrap_or_default();
            let digits = number.chars().filter(char::is_ascii_digit).count();
            let is_number =
                number.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')' | '*' | '#'));
            let as_phone = uri.param("user").is_some_and(|user| user.eq_ignore_ascii_case("phone"));
            let local = as_phone || (is_number && digits > LONGEST_EXTENSION);
            if local { None } else { Endpoint::parse(target).ok() }
        }
        Scheme::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(target: &str) -> Option<String> {
        endpoint_of(target).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn a_number_is_a_number_in_whichever_uri_it_stands() {
        let number = Some("+16465550102".to_owned());
        assert_eq!(named("tel:+1-646-555-0102"), number);
        assert_eq!(named("sip:+16465550102@192.0.2.9;user=phone"), number);
        assert_eq!(named("sip:%2B16465550102@anywhere.example:5080"), number);
        assert_eq!(named("sip:+16465550102;ext=42@192.0.2.9;user=phone").as_deref(), Some("tel:+16465550102;ext=42"));
    }

    #[test]
    fn a_local_number_cannot_be_judged_and_an_extension_is_an_address() {
        for local in ["sip:19005550100@192.0.2.9", "sip:42@192.0.2.9;user=phone", "tel:5550100", "sip:900-555-0100@h"] {
            assert_eq!(named(local), None, "{local}");
        }
        assert_eq!(named("sip:1003@192.0.2.9").as_deref(), Some("sip:1003@192.0.2.9"));
        assert_eq!(named("sip:bob@pbx.example.com").as_deref(), Some("sip:bob@pbx.example.com"));
        assert_eq!(named("mailto:bob@example.com"), None);
    }
}
