//! What the engine does about switches besides dialling: asks them whether they live, says who is up, moves them where a
//! look-up found them. Owns the questions under way; the judgement is `routing`'s.

use super::api::Notice;
use super::{Engine, TimerKey};
use crate::clock::{Mono, Now};
use crate::model::{Hop, Target};
use crate::routing::{Candidate, Failure, SwitchView};
use crate::sip::api::{Ask, AskId, Response};
use crate::sip::wire::Method;

/// What a request outside every dialog was sent for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To see whether this place lives.
    Probe { switch: String, hop: Hop, sent_at: Mono },
    /// To be known to the switch; the row it belongs to.
    Register { switch: String, call_id: String },
}

impl Engine {
    /// Begins to watch the switches of the configuration, as it is now.
    pub(super) fn watch_switches(&mut self) {
        match self.routing.next_probe() {
            Some(at) => self.timers.set(TimerKey::Probe, at),
            None => self.timers.cancel(&TimerKey::Probe),
        }
        self.switch_news();
    }

    /// A look-up named other places of a switch.
    pub(super) fn resolved(&mut self, switch: &str, targets: Vec<Target>) {
        self.routing.locate(switch, targets);
        self.know_sources();
        self.watch_switches();
        self.watch_registrations();
    }

    pub(super) fn probe_switches(&mut self, now: Now) {
        for Candidate { switch, hop } in self.routing.due_probes(now.mono) {
            let uri = format!("sip:{}", switch.address.authority());
            let ask = Ask {
                id: self.purpose(Purpose::Probe { switch: switch.name.clone(), hop: hop.clone(), sent_at: now.mono }),
                from: format!("sip:callbridge@{}", self.config.sip.of(&hop)),
                hop,
                method: Method::Options,
                to: uri.clone(),
                uri,
                call_id: None,
                cseq: 1,
                headers: vec![("Accept".to_owned(), "application/sdp".to_owned())],
                trunk: std::sync::Arc::clone(&switch.trunk),
            };
            self.stack.ask(now.mono, ask);
        }
        self.watch_switches();
    }

    /// Names a request outside every dialog.
    pub(super) fn purpose(&mut self, purpose: Purpose) -> AskId {
        self.next_ask += 1;
        let id = AskId(self.next_ask);
        self.asked.insert(id, purpose);
        id
    }

    /// Such a request was answered, or never will be.
    pub(super) fn asked(&mut self, now: Now, id: AskId, answer: Option<Response>) {
        match self.asked.remove(&id) {
            Some(Purpose::Probe { switch, hop, sent_at }) => {
                // Any other answer, a refusal too, comes from a switch that lives.
                let alive = answer.is_some_and(|response| !matches!(response.status, 408 | 503));
                self.routing.probed(now.mono, &switch, &hop, sent_at, alive);
                if !alive {
                    self.notice(Notice::SwitchFailed { switch, reason: Failure::Probe });
                }
                self.switch_news();
            }
            Some(Purpose::Register { switch, call_id }) => self.registered(now, &switch, &call_id, answer.as_ref()),
            None => {}
        }
    }

    pub(super) fn switch_succeeded(&mut self, switch: &str, hop: &Hop) {
        self.routing.succeeded(switch, hop);
        self.switch_news();
    }

    pub(super) fn switch_failed(
        &mut self,
        now: Now,
        switch: &str,
        hop: &Hop,
        reason: Failure,
        retry_after: Option<std::time::Duration>,
    ) {
        self.routing.failed(now.mono, switch, hop, reason, retry_after);
        self.notice(Notice::SwitchFailed { switch: switch.to_owned(), reason });
        self.switch_news();
    }

    fn switch_news(&mut self) {
        for (switch, up) in self.routing.news() {
            self.notice(Notice::Switch { switch, up });
        }
    }

    /// How the switches fare, for those who look.
    pub fn switches(&self, now: Now) -> Vec<SwitchView> {
        self.routing.views(now.mono)
    }
}
