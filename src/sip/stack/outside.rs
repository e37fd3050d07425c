//! Requests of ours outside every dialog: OPTIONS to see whether a switch lives, and the like. Owns their client transactions
//! and their bound; refuses to judge what the answers mean.

use std::collections::BTreeMap;

use slab::Slab;

use super::Stack;
use super::challenge::Tried;
use super::table::{BRANCH_COOKIE, Key};
use super::write;
use crate::clock::Mono;
use crate::model::Hop;
use crate::sip::api::{Ask, AskId, Response, SipOutput};
use crate::sip::note;
use crate::sip::transaction::non_invite_client::Event;
use crate::sip::transaction::{NonInviteClient, Step, Stored};
use crate::sip::wire::{Message, Method, Name, RequestBuilder};

/// Most such requests under way: some for each place of each switch.
const MAX_ASKED: usize = 4096;

/// Most answers to challenges of one request.
const MAX_RETRIES: u32 = 5;

#[derive(Debug)]
struct Asked {
    /// Its `cseq` is the first one's.
    ask: Ask,
    /// Of From.
    tag: String,
    call_id: String,
    tried: Tried,
    retries: u32,
    branch: u128,
    machine: NonInviteClient,
}

/// Those under way.
#[derive(Debug, Default)]
pub(super) struct Outside {
    asked: Slab<Asked>,
    by_branch: BTreeMap<u128, usize>,
}

impl Outside {
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn deadline(&self, at: usize) -> Option<(Mono, &'static str)> {
        self.asked.get(at).and_then(|asked| asked.machine.deadline())
    }

    fn find(&self, branch: &str, method: &Method) -> Option<usize> {
        let hex = branch.strip_prefix(BRANCH_COOKIE).filter(|hex| hex.len() == 32)?;
        let at = *self.by_branch.get(&u128::from_str_radix(hex, 16).ok()?)?;
        self.asked.get(at).filter(|asked| asked.ask.method == *method).map(|_| at)
    }
}

impl Stack {
    /// Sends a request outside every dialog. Answered by one [`SipOutput::Asked`], always.
    pub fn ask(&mut self, now: Mono, ask: Ask) {
        let (tag, call_id) = (self.random_hex(), ask.call_id.clone().unwrap_or_else(|| self.random_hex()));
        self.send_asked(now, ask, (tag, call_id), Tried::default(), 0);
    }

    /// Our Contact as a peer at this place is shown it.
    pub fn contact(&self, hop: &Hop) -> String {
        write::contact(&self.config, hop)
    }

    fn send_asked(&mut self, now: Mono, ask: Ask, (tag, call_id): (String, String), tried: Tried, retries: u32) {
        let branch = self.branch();
        let bytes = match self.outside.len() < MAX_ASKED {
            true => self.written(&ask, &tag, &call_id, ask.cseq.saturating_add(retries), branch),
            false => None,
        };
        let Some(bytes) = bytes else {
            return self.output.push_back(SipOutput::Asked { id: ask.id, answer: None });
        };
        let (machine, step) = NonInviteClient::start(now, bytes, self.config.timers, ask.hop.transport.into());
        let asked = Asked { ask, tag, call_id, tried, retries, branch, machine };
        let at = self.outside.asked.insert(asked);
        self.outside.by_branch.insert(branch, at);
        self.step_asked(now, at, step, None);
    }

    fn written(&mut self, ask: &Ask, tag: &str, call_id: &str, cseq: u32, branch: u128) -> Option<Stored> {
        let mut builder = RequestBuilder::new(&ask.method, &ask.uri)
            .via(ask.hop.transport.via(), self.config.locals.of(&ask.hop), &write::branch_text(branch))
            .max_forwards(70)
            .from(None, &ask.from, tag)
            .to(None, &ask.to, None)
            .call_id(call_id)
            .cseq(cseq, &ask.method)
            .contact(&write::contact(&self.config, &ask.hop))
            .header(Name::UserAgent, &self.config.user_agent);
        for (name, value) in self.keyring.authorize(&ask.hop, ask.trunk.credentials.as_ref(), &ask.method, &ask.uri) {
            builder = builder.header(name, value);
        }
        for (name, value) in &ask.headers {
            builder = builder.extension(name, value);
        }
        builder.finish().ok().map(Stored::from)
    }

    /// A response to one of them; false when it is not.
    pub(super) fn outside_response(&mut self, now: Mono, branch: &str, method: &Method, message: &Message) -> bool {
        let Some(at) = self.outside.find(branch, method) else { return false };
        self.output.push_back(SipOutput::Received(note::of_received(message, None)));
        let (Some(asked), Some(status)) = (self.outside.asked.get_mut(at), message.status()) else { return true };
        let step = asked.machine.response(now, status);
        self.step_asked(now, at, step, Some(message));
        true
    }

    pub(super) fn outside_timeout(&mut self, now: Mono, at: usize) {
        let Some(asked) = self.outside.asked.get_mut(at) else { return };
        let step = asked.machine.timeout(now);
        self.step_asked(now, at, step, None);
    }

    /// The connection that carries some of them is gone.
    pub(super) fn outside_lost(&mut self, hop: &Hop) {
        let lost: Vec<usize> =
            self.outside.asked.iter().filter(|(_, asked)| asked.ask.hop == *hop).map(|(at, _)| at).collect();
        for at in lost {
            // One that waits for stragglers has had its answer.
            let waits =
                self.outside.asked.get(at).filter(|asked| asked.machine.waiting().is_some()).map(|asked| asked.ask.id);
            self.forget_asked(at, waits);
        }
    }

    /// A challenge that our credentials answer: the request goes out again, and what came is not told.
    fn asked_again(&mut self, now: Mono, at: usize, message: &Message) -> bool {
        let Some(asked) = self.outside.asked.get_mut(at) else { return false };
        if !matches!(message.status(), Some(401 | 407)) || asked.retries >= MAX_RETRIES {
            return false;
        }
        let (hop, credentials) = (&asked.ask.hop, asked.ask.trunk.credentials.as_ref());
        if self.keyring.learn(hop, credentials, &mut asked.tried, message).is_err() {
            return false;
        }
        let (ask, row) = (asked.ask.clone(), (asked.tag.clone(), asked.call_id.clone()));
        let (tried, retries) = (asked.tried.clone(), asked.retries + 1);
        self.send_asked(now, ask, row, tried, retries);
        true
    }

    fn step_asked(&mut self, now: Mono, at: usize, step: Step<Event>, message: Option<&Message>) {
        let Some(asked) = self.outside.asked.get(at) else { return };
        let (id, deadline) = (asked.ask.id, asked.machine.deadline());
        if let Some(bytes) = step.send {
            let (hop, method) = (asked.ask.hop.clone(), asked.ask.method.clone());
            self.send(hop, bytes, &method, None);
        }
        match step.event {
            Some(Event::Final) if message.is_some_and(|message| self.asked_again(now, at, message)) => {}
            Some(Event::Final) => {
                let response = message.and_then(|message| {
                    Some(Response { status: message.status()?, bytes: Stored::from(message.as_bytes()) })
                });
                self.output.push_back(SipOutput::Asked { id, answer: response });
            }
            Some(Event::TimedOut) => return self.forget_asked(at, Some(id)),
            None => {}
        }
        match deadline {
            Some((when, _)) => self.timers.set(Key::Outside(at), when),
            None => self.forget_asked(at, None),
        }
    }

    /// It is over; whoever has not heard so hears it.
    fn forget_asked(&mut self, at: usize, unanswered: Option<AskId>) {
        self.timers.cancel(&Key::Outside(at));
        if let Some(asked) = self.outside.asked.try_remove(at) {
            self.outside.by_branch.remove(&asked.branch);
        }
        if let Some(id) = unanswered {
            self.output.push_back(SipOutput::Asked { id, answer: None });
        }
    }
}
