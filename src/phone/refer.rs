//! Transfer as the phone asks for it: REFER (RFC 3515, RFC 4488) and the NOTIFYs that tell how it goes, judged in their order.
//! Owns implicit subscriptions; whom the equipment dials is seen by the phone that is dialled.

use std::fmt::Write;
use std::time::Duration;

use super::call::Call;
use super::manners::{AfterRefer, OnNotify};
use super::message::{Message, parameter};
use super::story::{Ending, Fault};
use super::{Desk, Due};

/// RFC 3515 §2.4.4: a NOTIFY comes at once; on a faithful road so long at most.
const FIRST_NOTIFY: Duration = Duration::from_secs(1);
/// A transfer has come to something within this.
const LAST_NOTIFY: Duration = Duration::from_secs(60);

/// What one REFER made.
pub(super) struct Subscription {
    cseq: u32,
    accepted: bool,
    quiet: bool,
    told: Vec<u16>,
    over: bool,
    heard_cseq: u32,
    begun_faithfully: bool,
    reminded: bool,
}

impl Subscription {
    /// A stream broke, with what may have been told.
    pub fn torn(&mut self) {
        self.begun_faithfully = false;
    }
}

impl Call {
    /// Sends the next REFER of the script.
    pub(super) fn refer(&mut self, desk: &mut Desk<'_>) {
        let Some(tag) = self.dialogs.iter().find(|d| !d.over).map(|d| d.tag.clone()) else { return };
        let manner = &self.behaviour.transfer;
        let mut lines = String::new();
        if let Some(to) = manner.to.get(self.subscriptions.len()) {
            let _ = write!(lines, "Refer-To: <{to}>\r\n");
        }
        let _ = write!(lines, "Referred-By: <{}>\r\n", self.contact(desk));
        if manner.unsubscribed {
            lines.push_str("Refer-Sub: false\r\n");
        }
        let faithful = desk.faithful();
        let cseq = self.send_request(desk, "REFER", &tag, &lines);
        self.story.refers += 1;
        self.story.refers_from.get_or_insert(desk.now);
        self.subscriptions.push(Subscription {
            cseq,
            accepted: false,
            quiet: false,
            told: Vec::new(),
            over: false,
            heard_cseq: 0,
            begun_faithfully: faithful,
            reminded: false,
        });
    }

    /// The answer to a REFER.
    pub(super) fn referred(&mut self, desk: &mut Desk<'_>, cseq: u32, status: u16, message: &Message<'_>) {
        let Some(at) = self.subscriptions.iter().position(|s| s.cseq == cseq) else { return };
        let named = self.behaviour.transfer.to.get(at).is_some();
        let Some(subscription) = self.subscriptions.get_mut(at) else { return };
        if status >= 300 {
            subscription.over = subscription.told.is_empty();
            return;
        }
        if !named {
            self.story.blame(desk.now, Fault::Transfer, format!("a REFER without Refer-To was answered {status}"));
            return;
        }
        subscription.accepted = true;
        subscription.quiet = message.get("Refer-Sub").is_some_and(|value| value.starts_with("false"));
        if subscription.quiet && !self.behaviour.transfer.unsubscribed {
            self.story.blame(desk.now, Fault::Transfer, "Refer-Sub: false, and nobody asked for it");
        }
        self.story.referred.push(desk.now);
        if let Ok(index) = u16::try_from(at) {
            desk.wake(Due::Told(index), desk.now + FIRST_NOTIFY);
        }
        if self.behaviour.transfer.then == AfterRefer::HangUpAtOnce && self.story.off_hook() {
            self.hang_up(desk, Ending::HungUp);
        }
    }

    /// A NOTIFY. Returns the status of its answer; none: no answer.
    pub(super) fn notified(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> Option<u16> {
        let now = desk.now;
        let event = message.get("Event").unwrap_or_default();
        let id = parameter(event, "id").and_then(|id| id.parse::<u32>().ok());
        let several = self.subscriptions.len() > 1;
        let found = self.subscriptions.iter().position(|s| id.map_or(!several || s.accepted, |id| id == s.cseq));
        // Without an id it is of the REFER that came first, on a bad road not always the one that was sent first (RFC 3515 §2.4.6).
        let found = found.or_else(|| self.subscriptions.iter().position(|s| id.is_none() && !s.over));
        let number = message.cseq().map_or(0, |(n, _)| n);
        let Some(subscription) = found.and_then(|at| self.subscriptions.get_mut(at)) else {
            self.story.blame(now, Fault::Transfer, format!("NOTIFY of {event:?}, and nothing was referred"));
            return Some(481);
        };
        // Overtaken on the way: what came later has told more.
        let late = number < subscription.heard_cseq;
        subscription.heard_cseq = subscription.heard_cseq.max(number);
        let mut wrong = Vec::new();
        if !event.split(';').next().unwrap_or_default().eq_ignore_ascii_case("refer") {
            wrong.push(format!("Event is {event:?}"));
        }
        if subscription.quiet {
            wrong.push("NOTIFY after Refer-Sub: false".to_owned());
        }
        let status = sipfrag(message);
        let state = message.get("Subscription-State").unwrap_or_default();
        let ends = state.starts_with("terminated");
        if !late {
            if subscription.over {
                wrong.push("NOTIFY after the last one".to_owned());
            }
            match (status, ends) {
                (None, false) => wrong.push(format!("no sipfrag: {:?}", String::from_utf8_lossy(message.body))),
                (Some(200..), false) => wrong.push(format!("a final {status:?} while Subscription-State is {state:?}")),
                (_, false) if !state.starts_with("active") && !state.starts_with("pending") => {
                    wrong.push(format!("Subscription-State is {state:?}"));
                }
                _ => {}
            }
            if subscription.told.last().is_some_and(|last| status.is_some_and(|status| status < *last)) {
                wrong.push(format!("{status:?} after {:?}", subscription.told));
            }
            subscription.over |= ends;
        }
        subscription.told.extend(status);
        self.story.transfers.extend(status);
        wrong.into_iter().for_each(|text| self.story.blame(now, Fault::Transfer, text));
        match self.behaviour.transfer.on_notify {
            OnNotify::Refuse => {
                self.subscriptions.iter_mut().for_each(|s| s.over = true);
                return Some(481);
            }
            OnNotify::Silent => return None,
            OnNotify::Accept => {}
        }
        Some(200)
    }

    /// After a NOTIFY was answered: the phone may have what it wanted.
    pub(super) fn transferred(&mut self, desk: &mut Desk<'_>) {
        let success = self.story.transfers.last().is_some_and(|status| (200..300).contains(status));
        if success && self.behaviour.transfer.then == AfterRefer::HangUpOnSuccess && self.story.off_hook() {
            self.hang_up(desk, Ending::HungUp);
        }
    }

    /// NOTIFYs are overdue.
    pub(super) fn told_nothing(&mut self, desk: &mut Desk<'_>, index: u16) {
        let off_hook = self.story.off_hook();
        let Some(subscription) = self.subscriptions.get_mut(usize::from(index)) else { return };
        if subscription.quiet || subscription.over || !subscription.begun_faithfully || !off_hook {
            return;
        }
        if subscription.told.is_empty() {
            self.story.blame(desk.now, Fault::Transfer, "no NOTIFY after the 202");
        } else if std::mem::replace(&mut subscription.reminded, true) {
            self.story.blame(desk.now, Fault::Transfer, "the transfer never came to anything");
        } else {
            desk.wake(Due::Told(index), desk.now + LAST_NOTIFY);
        }
    }

    /// NOTIFYs may come after the end of the call.
    pub(super) fn expects_notify(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

/// The status in a `message/sipfrag` body.
fn sipfrag(message: &Message<'_>) -> Option<u16> {
    let kind = message.get("Content-Type")?;
    kind.to_ascii_lowercase().starts_with("message/sipfrag").then_some(())?;
    let text = std::str::from_utf8(message.body).ok()?;
    let mut words = text.lines().next()?.split(' ');
    (words.next()? == "SIP/2.0").then_some(())?;
    words.next()?.parse().ok().filter(|status| (100..700).contains(status))
}
