//! Registrations with the switches that want them: which there are after a start, a look-up or a reload, what is sent when, and
//! who hears of their state. Owns the rows of REGISTERs; when each is due is `sip::registration`'s. No call waits for one.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::api::Notice;
use super::switches::Purpose;
use super::{Engine, TimerKey};
use crate::clock::{Mono, Now};
use crate::model::{Hop, Trunk};
use crate::sip::api::{Ask, Response};
use crate::sip::registration::{Register, Registration, Shown};
use crate::sip::wire::Method;

/// One row of REGISTERs: same Call-ID, growing CSeq (RFC 3261 §10.2.4).
#[derive(Debug)]
pub(super) struct Registrar {
    switch: String,
    hop: Hop,
    aor: String,
    call_id: String,
    trunk: Arc<Trunk>,
    machine: Registration,
}

impl Engine {
    /// Begins what the switches want now, and lets go of what none wants any more: at once, when the timer says so.
    pub(super) fn watch_registrations(&mut self) {
        let mut wanted = Vec::new();
        for switch in &self.config.switches {
            let Some(registration) = &switch.trunk.registration else { continue };
            // A switch whose name is not looked up yet is registered with when it is.
            let Some(hop) = self.routing.places(&switch.name).into_iter().next() else { continue };
            wanted.push((switch.name.clone(), hop, registration.clone(), Arc::clone(&switch.trunk)));
        }
        let stays = |one: &Registrar| {
            wanted.iter().any(|(name, hop, _, trunk)| (name, hop, trunk) == (&one.switch, &one.hop, &one.trunk))
        };
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.registrars).into_iter().partition(stays);
        self.registrars = kept;
        self.retired.extend(gone);
        for (switch, hop, registration, trunk) in wanted {
            if self.registrars.iter().any(|one| one.switch == switch) {
                continue;
            }
            let machine = Registration::new(registration.expires, StdRng::from_rng(&mut self.rng));
            let call_id = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
            self.notice(Notice::Registration { switch: switch.clone(), state: machine.shown() });
            self.registrars.push(Registrar { switch, hop, aor: registration.aor, call_id, trunk, machine });
        }
        self.registration_timer();
    }

    fn registration_timer(&mut self) {
        let due = self.registrars.iter().filter_map(|one| one.machine.deadline()).map(|(at, _)| at.unwrap_or(Mono(0)));
        let leaving = (!self.retired.is_empty()).then_some(Mono(0));
        match due.chain(leaving).min() {
            Some(at) => self.timers.set(TimerKey::Registration, at),
            None => self.timers.cancel(&TimerKey::Registration),
        }
    }

    /// Sends what is due.
    pub(super) fn registrations_due(&mut self, now: Now) {
        for mut one in std::mem::take(&mut self.retired) {
            if let Some(register) = one.machine.unregister() {
                self.send_register(now, &one, register);
            }
            let replaced = self.registrars.iter().any(|other| other.switch == one.switch);
            if !replaced {
                self.notice(Notice::Registration { switch: one.switch, state: Shown::Unregistered });
            }
        }
        let mut registrars = std::mem::take(&mut self.registrars);
        for one in &mut registrars {
            if let Some(register) = one.machine.due(now.mono) {
                self.send_register(now, one, register);
            }
        }
        self.registrars = registrars;
        self.registration_timer();
    }

    fn send_register(&mut self, now: Now, one: &Registrar, register: Register) {
        let purpose = Purpose::Register { switch: one.switch.clone(), call_id: one.call_id.clone() };
        let ask = Ask {
            id: self.purpose(purpose),
            hop: one.hop.clone(),
            method: Method::Register,
            uri: domain_of(&one.aor),
            from: one.aor.clone(),
            to: one.aor.clone(),
            call_id: Some(one.call_id.clone()),
            cseq: register.cseq,
            headers: vec![("Expires".to_owned(), register.expires.to_string())],
            trunk: Arc::clone(&one.trunk),
        };
        self.stack.ask(now.mono, ask);
    }

    /// A REGISTER was answered, or never will be.
    pub(super) fn registered(&mut self, now: Now, switch: &str, call_id: &str, answer: Option<&Response>) {
        let found = self.registrars.iter_mut().find(|one| one.switch == switch && one.call_id == call_id);
        let Some(one) = found else { return };
        let before = one.machine.shown();
        let contact = self.stack.contact(&one.hop);
        one.machine.answered(now.mono, answer.map(|response| &*response.bytes), &contact);
        let state = one.machine.shown();
        if state != before {
            self.notice(Notice::Registration { switch: switch.to_owned(), state });
        }
        self.registration_timer();
    }

    /// We leave: every binding is taken away. Nobody waits for the answers.
    pub(super) fn unregister_all(&mut self, now: Now) {
        self.retired.append(&mut self.registrars);
        self.registrations_due(now);
    }
}

/// The Request-URI of a REGISTER: the domain without a user (RFC 3261 §10.2).
fn domain_of(aor: &str) -> String {
    match (aor.split_once(':'), aor.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, domain))) => format!("{scheme}:{domain}"),
        _ => aor.to_owned(),
    }
}
