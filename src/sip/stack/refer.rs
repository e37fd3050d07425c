//! REFER of a peer and the NOTIFYs that follow (RFC 3515, RFC 3891, RFC 3892, RFC 4488). Owns the reading of what is asked, the
//! answer as the engine decides, and that the asker is told to the end, also after the BYE: a subscription outlives the INVITE
//! usage (RFC 5057). Refuses to judge who may transfer, and where.

use super::Stack;
use super::table::Draft;
use super::write::{self, Extras};
use crate::clock::Mono;
use crate::model::TransferId;
use crate::sip::api::{LegEvent, Refer, ReferReply};
use crate::sip::transaction::Stored;
use crate::sip::wire::{self, Message, Method, Name, NameAddr, Uri};

/// Most REFERs of one leg whose subscription lives.
const MAX_REFERRALS: usize = 8;

/// A REFER that the engine has not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    leg: usize,
    fork: usize,
    transaction: usize,
    cseq: u32,
    /// `Refer-Sub: false`: the asker wants no NOTIFY (RFC 4488).
    quiet: bool,
}

/// Why a REFER asks for nothing that can be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unusable {
    /// Not exactly one Refer-To, or one that cannot be read.
    Malformed,
    /// Another request than a call is asked for.
    NoCall,
}

impl Stack {
    /// A REFER in a dialog; the engine answers by [`Stack::answer_refer`].
    pub(super) fn refer(&mut self, at: usize, fork: usize, tx: usize, message: &Message) -> Result<(), u16> {
        let refer = read(message).map_err(|why| match why {
            Unusable::Malformed => 400u16,
            Unusable::NoCall => 603,
        })?;
        let cseq = message.cseq().map_err(|_| 400u16)?.number;
        let leg = self.tables.legs.get(at).ok_or(481u16)?;
        // Of a forked call only the dialog that talks can be transferred.
        if leg.usage.winner() != Some(fork) || leg.usage.is_closed() {
            return Err(481);
        }
        if leg.referrals.len() >= MAX_REFERRALS {
            return Err(503);
        }
        let quiet = message
            .header_str(Name::ReferSub)
            .is_some_and(|value| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false"));
        self.next_offer += 1;
        let id = TransferId(self.next_offer);
        self.tables.asked.insert(id, Asked { leg: at, fork, transaction: tx, cseq, quiet });
        self.report(at, LegEvent::TransferAsked { id, refer });
        Ok(())
    }

    /// The engine's answer to [`LegEvent::TransferAsked`]. Answers that come too late are ignored.
    pub fn answer_refer(&mut self, now: Mono, id: TransferId, reply: ReferReply) {
        let Some(asked) = self.tables.asked.remove(&id) else { return };
        match reply {
            ReferReply::Refuse(status) => self.answer(now, asked.transaction, status, &Extras::default()),
            ReferReply::Accept if asked.quiet => {
                let fields = [(Name::ReferSub, "false")];
                let extras = Extras { fields: &fields, contact: true, body: &[] };
                self.answer(now, asked.transaction, 200, &extras);
            }
            ReferReply::Accept => {
                self.answer(now, asked.transaction, 202, &Extras { contact: true, ..Extras::default() });
                if let Some(leg) = self.tables.legs.get_mut(asked.leg) {
                    leg.referrals.begin(now, id, asked.fork, asked.cseq);
                    self.tables.by_transfer.insert(id, asked.leg);
                }
                self.notify_next(now, asked.leg);
            }
        }
        self.server_timer(asked.transaction);
        self.settle(asked.leg);
    }

    /// How a transfer goes on: the status of the call that was asked for. Nothing follows on the last one. Of a transfer whose
    /// asker wanted no news, or refused them, nothing is said.
    pub fn report_refer(&mut self, now: Mono, id: TransferId, status: u16, last: bool) {
        let Some(&at) = self.tables.by_transfer.get(&id) else { return };
        if let Some(leg) = self.tables.legs.get_mut(at) {
            leg.referrals.tell(id, status, last);
        }
        self.notify_next(now, at);
        self.settle(at);
    }

    fn notify_next(&mut self, now: Mono, at: usize) {
        while let Some(leg) = self.tables.legs.get_mut(at)
            && let Some(notice) = leg.referrals.next(now)
        {
            let contact = format!("<{}>", write::contact(&self.config, &leg.hop));
            let body = format!("SIP/2.0 {} {}\r\n", notice.status, wire::reason_phrase(notice.status));
            let draft = Draft {
                fields: vec![
                    (Name::Event, notice.event),
                    (Name::SubscriptionState, notice.state),
                    (Name::Contact, contact),
                ],
                body: Some(Stored::from(body.into_bytes())),
                content_type: Some("message/sipfrag;version=2.0"),
                ..Draft::default()
            };
            if self.start_request(now, at, notice.fork, Method::Notify, draft) {
                return;
            }
            self.notified(at, false);
        }
    }

    /// The NOTIFY on the way has its final answer, or never gets one.
    pub(super) fn notify_over(&mut self, now: Mono, at: usize, accepted: bool) {
        self.notified(at, accepted);
        self.notify_next(now, at);
    }

    fn notified(&mut self, at: usize, accepted: bool) {
        let over = self.tables.legs.get_mut(at).and_then(|leg| leg.referrals.answered(accepted));
        if let Some(id) = over {
            self.tables.by_transfer.remove(&id);
        }
    }
}

/// What a REFER asks for.
fn read(message: &Message) -> Result<Refer, Unusable> {
    let mut lines = message.lines(Name::ReferTo);
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(Unusable::Malformed) };
    let address = NameAddr::parse(line).map_err(|_| Unusable::Malformed)?;
    let uri = Uri::parse(address.uri).map_err(|_| Unusable::Malformed)?;
    if uri.param("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
        return Err(Unusable::NoCall);
    }
    let bare = address.uri.split('?').next().unwrap_or_default();
    let is_method = |param: &&str| param.get(..7).is_some_and(|name| name.eq_ignore_ascii_case("method="));
    let target: Vec<&str> = bare.split(';').filter(|param| !is_method(param)).collect();
    let headers = uri.headers.split('&').filter_map(|pair| pair.split_once('='));
    let replaces = headers.filter(|(name, _)| name.eq_ignore_ascii_case("Replaces")).map(|(_, value)| value).next();
    let replaces = replaces.map(|value| usable(&Uri::unescape(value)).ok_or(Unusable::Malformed)).transpose()?;
    let referred_by = message.header_str(Name::ReferredBy).filter(|by| NameAddr::parse(by.as_bytes()).is_ok());
    Ok(Refer { target: target.join(";"), replaces, referred_by: referred_by.and_then(usable) })
}

/// A value that may stand in an INVITE of ours: nothing of it can begin another field.
fn usable(value: &str) -> Option<String> {
    let plain = !value.is_empty() && value.len() <= 512 && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    plain.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(fields: &str) -> Result<Refer, Unusable> {
        let text = format!(
            "REFER sip:callbridge@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 7 REFER\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        read(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_blind_transfer_names_its_target() {
        let asked =
            refer("Refer-To: \"Bob\" <sip:+16465550102@192.0.2.9;user=phone>\r\nReferred-By: <sip:rep@h>\r\n").unwrap();
        assert_eq!(asked.target, "sip:+16465550102@192.0.2.9;user=phone");
        assert_eq!((asked.replaces, asked.referred_by.as_deref()), (None, Some("<sip:rep@h>")));
        assert_eq!(refer("r: tel:+16465550102\r\n").unwrap().target, "tel:+16465550102");
    }

    #[test]
    fn an_attended_transfer_names_the_dialog_to_be_replaced() {
        let asked =
            refer("Refer-To: <sip:b@h;method=INVITE?Replaces=1%402%3Bto-tag%3Da%3Bfrom-tag%3Db&Require=replaces>\r\n");
        let asked = asked.unwrap();
        assert_eq!((asked.target.as_str(), asked.replaces.as_deref()), ("sip:b@h", Some("1@2;to-tag=a;from-tag=b")));
    }

    #[test]
    fn what_cannot_be_done_is_told_apart_from_what_cannot_be_read() {
        assert_eq!(refer(""), Err(Unusable::Malformed));
        assert_eq!(refer("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n"), Err(Unusable::Malformed));
        assert_eq!(refer("Refer-To: <>\r\n"), Err(Unusable::Malformed));
        assert_eq!(refer("Refer-To: <sip:a@b?Replaces=x%0D%0AEvil%3A1>\r\n"), Err(Unusable::Malformed));
        assert_eq!(refer("Refer-To: <sip:a@b;method=BYE>\r\n"), Err(Unusable::NoCall));
    }
}
