//! Session timers at the phone (RFC 4028): what the INVITE asks, 422, who refreshes, its own refreshes, and whether the
//! equipment keeps its part: refreshes in time, hangs up when the phone stops. Owns these deadlines.

use std::fmt::Write;
use std::time::Duration;

use super::behaviour::Act;
use super::call::Call;
use super::manners::{RefreshBy, Refresher, SessionFlaw};
use super::message::Message;
use super::story::{Ending, Fault};
use super::{Desk, Due};

/// RFC 4028 §5: the shortest interval there is.
const MIN_SE: u32 = 90;
/// A deadline may be missed by so much: retransmissions, and clocks that round.
const SLACK: Duration = Duration::from_secs(2);

/// What a request says of session timers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    supported: bool,
    expires: Option<u32>,
    refresher: Option<String>,
    min_se: Option<u32>,
    garbled: bool,
}

impl Asked {
    /// Reads its headers.
    pub fn read(message: &Message<'_>) -> Asked {
        let header = message.get("Session-Expires");
        let seconds = |value: &str| value.split(';').next().unwrap_or_default().trim().parse().ok();
        let expires = header.and_then(seconds);
        Asked {
            supported: message.lists("Supported", "timer"),
            refresher: header.and_then(|value| super::message::parameter(value, "refresher")).map(str::to_owned),
            min_se: message.get("Min-SE").and_then(seconds),
            garbled: header.is_some() && expires.is_none(),
            expires,
        }
    }
}

/// A session timer that runs.
pub(super) struct Keeping {
    interval: Duration,
    ours: bool,
}

impl Keeping {
    /// RFC 4028 §10: who does not refresh gives up a third of the interval (at most 32 s) before its end.
    fn gives_up_after(&self) -> Duration {
        self.interval.saturating_sub((self.interval / 3).min(Duration::from_secs(32)))
    }
}

impl Call {
    /// The headers of a 422, when the INVITE asks for too short an interval; judges what it asks.
    pub(super) fn interval_too_small(&mut self, desk: &Desk<'_>) -> Option<String> {
        let asked = self.invited.asked.clone();
        self.judge_asked(desk, &asked);
        let manner = self.behaviour.session.as_mut()?;
        if manner.flaw == Some(SessionFlaw::NeverEnough) {
            manner.min_se = manner.min_se.max(asked.expires.unwrap_or(MIN_SE) + 60);
        }
        let least = manner.min_se;
        let too_small = asked.supported && asked.expires.is_some_and(|expires| expires < least);
        if !too_small {
            return None;
        }
        let told = manner.flaw != Some(SessionFlaw::NoMinimum);
        if std::mem::replace(&mut self.told_least, true) && manner.flaw.is_none() {
            let text = format!("asked for {:?} s after a 422 with Min-SE {least}", asked.expires);
            self.story.blame(desk.now, Fault::Refresh, text);
        }
        Some(if told { format!("Min-SE: {least}\r\n") } else { String::new() })
    }

    fn judge_asked(&mut self, desk: &Desk<'_>, asked: &Asked) {
        let mut blame = |text: String| self.story.blame(desk.now, Fault::Refresh, text);
        if asked.garbled {
            blame("Session-Expires is no number".to_owned());
        }
        if asked.expires.is_some_and(|expires| expires < MIN_SE) {
            blame(format!("Session-Expires {:?} is below 90 s", asked.expires));
        }
        if let (Some(expires), Some(least)) = (asked.expires, asked.min_se)
            && expires < least
        {
            blame(format!("Session-Expires {expires} is below its own Min-SE {least}"));
        }
        if asked.refresher.as_deref().is_some_and(|r| r != "uac" && r != "uas") {
            blame(format!("refresher {:?}", asked.refresher));
        }
    }

    /// Lines of the 200 to the INVITE; starts the timer.
    pub(super) fn session_of_200(&mut self, desk: &mut Desk<'_>) -> String {
        let reinvites = self.behaviour.session.as_ref().is_some_and(|s| s.by == RefreshBy::Reinvite);
        let mut lines = format!(
            "Allow: INVITE, ACK, CANCEL, BYE, PRACK, INFO, NOTIFY, OPTIONS{}\r\n",
            if reinvites { "" } else { ", UPDATE" }
        );
        let (Some(manner), asked) = (self.behaviour.session.clone(), &self.invited.asked) else { return lines };
        if !asked.supported {
            return lines;
        }
        lines.push_str("Supported: timer\r\n");
        if manner.flaw == Some(SessionFlaw::Garbage) {
            lines.push_str("Session-Expires: soon;refresher=everybody\r\n");
            return lines;
        }
        let expires = asked.expires.map_or(manner.expires, |most| most.min(manner.expires)).max(MIN_SE);
        let expires = expires.max(asked.min_se.unwrap_or(MIN_SE));
        let refresher = match asked.refresher.as_deref() {
            Some("uac") => Refresher::Uac,
            Some("uas") => Refresher::Uas,
            _ => manner.refresher,
        };
        let word = if refresher == Refresher::Uac { "uac" } else { "uas" };
        let _ = write!(lines, "Require: timer\r\nSession-Expires: {expires};refresher={word}\r\n");
        self.keeping =
            Some(Keeping { interval: Duration::from_secs(u64::from(expires)), ours: refresher == Refresher::Uas });
        self.rearm(desk);
        lines
    }

    /// The session was refreshed, or begins.
    fn rearm(&self, desk: &mut Desk<'_>) {
        // A late 200 to a re-INVITE sets no timer of a call that is over.
        let Some(keeping) = self.keeping.as_ref().filter(|_| self.story.ended_at.is_none()) else { return };
        let stops = self.behaviour.session.as_ref().and_then(|s| s.flaw) == Some(SessionFlaw::StopsRefreshing);
        if keeping.ours && !stops {
            desk.wake(Due::Refresh, desk.now + keeping.interval / 2);
            desk.forget(Due::Lapse);
        } else if keeping.ours {
            // The peer hangs up between its own limit and the end of the session.
            desk.wake(Due::Lapse, desk.now + keeping.interval + SLACK);
            desk.forget(Due::Refresh);
        } else {
            desk.wake(Due::Lapse, desk.now + keeping.gives_up_after());
            desk.forget(Due::Refresh);
        }
    }

    /// The phone's turn to refresh.
    pub(super) fn refresh_due(&mut self, desk: &mut Desk<'_>) {
        if !self.story.off_hook() || self.keeping.is_none() {
            return;
        }
        let by = self.behaviour.session.as_ref().map_or(RefreshBy::Update, |s| s.by);
        self.request(desk, if by == RefreshBy::Update { Act::Refresh } else { Act::RefreshByInvite });
        self.rearm(desk);
    }

    /// Lines of the phone's own refresh: it is the client of that request.
    pub(super) fn session_of_request(&self) -> String {
        match &self.keeping {
            Some(k) if k.ours => {
                format!("Supported: timer\r\nSession-Expires: {};refresher=uac\r\n", k.interval.as_secs())
            }
            Some(k) => format!("Supported: timer\r\nSession-Expires: {};refresher=uas\r\n", k.interval.as_secs()),
            None => String::new(),
        }
    }

    /// The equipment's 200 to a re-INVITE or UPDATE of the phone.
    pub(super) fn refreshed_by_us(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) {
        if self.keeping.is_none() {
            return;
        }
        let said = Asked::read(message);
        if said.expires.is_none() {
            self.story.blame(desk.now, Fault::Refresh, "the 200 to a refresh has no Session-Expires");
        }
        self.rearm(desk);
    }

    /// A re-INVITE or UPDATE of the equipment, which is about to be accepted. Returns the lines of the 200.
    pub(super) fn refreshed_by_peer(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> String {
        let said = Asked::read(message);
        self.judge_asked(desk, &said);
        let Some(keeping) = &mut self.keeping else { return String::new() };
        let Some(expires) = said.expires else {
            self.story.blame(desk.now, Fault::Refresh, "a refresh without Session-Expires switches the timer off");
            self.keeping = None;
            desk.forget(Due::Lapse);
            desk.forget(Due::Refresh);
            return String::new();
        };
        keeping.interval = Duration::from_secs(u64::from(expires));
        match said.refresher.as_deref() {
            Some("uas") => keeping.ours = true,
            Some("uac") => keeping.ours = false,
            _ => {}
        }
        let word = if keeping.ours { "uas" } else { "uac" };
        self.story.refreshes += 1;
        self.rearm(desk);
        format!("Require: timer\r\nSession-Expires: {expires};refresher={word}\r\n")
    }

    /// The equipment did not keep its part.
    pub(super) fn lapse(&mut self, desk: &mut Desk<'_>) {
        let Some(keeping) = &self.keeping else { return };
        if !self.story.off_hook() {
            return;
        }
        let text = if keeping.ours {
            "the session has expired, and nobody hung up".to_owned()
        } else {
            format!("no refresh within {} s", keeping.gives_up_after().as_secs())
        };
        if keeping.ours || !self.turned_down() {
            self.story.blame(desk.now, Fault::Refresh, text);
        }
        self.hang_up(desk, Ending::HungUp);
    }
}
