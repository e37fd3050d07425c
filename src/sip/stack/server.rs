//! Requests of the peer inside a dialog: retransmissions, BYE, CANCEL, UPDATE, and the polite rest. Owns who gets which
//! answer. Refuses offers (`exchange`) and requests that belong to no leg (`stranger`).

use super::exchange::accepted_fields;
use super::refresh::{wish_of, written};
use super::table::{Identity, Key, ServerTx};
use super::write::{self, Extras};
use super::{ServerMachine, Stack};
use crate::clock::Mono;
use crate::model::{Cause, Hop};
use crate::sip::api::{LegEvent, RefusedWhy};
use crate::sip::dialog::reliable::Settled;
use crate::sip::dialog::session::Reply;
use crate::sip::dialog::{Order, State};
use crate::sip::transaction::{InviteServer, NonInviteServer, Stored};
use crate::sip::wire::{Message, Method, Name, Verdict, judge_supporting};

/// `100rel` binds who sends provisional responses; we send none but 100.
const EXTENSIONS: &[&str] = &["100rel", "timer", "norefersub"];

impl Stack {
    pub(super) fn request(&mut self, now: Mono, from: &Hop, message: Message) {
        let Some(method) = message.method().cloned() else { return };
        if let verdict @ (Verdict::Refuse { .. } | Verdict::Drop) = judge_supporting(&message, EXTENSIONS) {
            return self.refuse_judged(now, from, &message, &method, verdict);
        }
        // On a stream only Content-Length says where a body ends (§18.3, §20.14).
        if from.transport.is_reliable() && message.header(Name::ContentLength).is_none() {
            let headers = Vec::new();
            let verdict = match method {
                Method::Ack => Verdict::Drop,
                _ => Verdict::Refuse { status: 400, reason: "Missing Content-Length", headers },
            };
            return self.refuse_judged(now, from, &message, &method, verdict);
        }
        let leg = message.call_id().and_then(|call_id| self.tables.leg_of_call(call_id));
        let identity = Identity::of(&message);
        let (Some(leg), Some(identity)) = (leg, identity) else {
            return self.out_of_the_blue(now, from, &message, &method);
        };
        self.received(&message, Some(leg));
        if method == Method::Ack {
            self.ack(now, leg, &identity, &message);
        } else if let Some(tx) = self.tables.server_of(leg, &identity, &method) {
            self.again(tx);
        } else {
            self.new_request(now, from, leg, identity, message, method);
        }
        self.settle(leg);
    }

    /// A retransmission.
    fn again(&mut self, at: usize) {
        let Some(tx) = self.tables.servers.get_mut(at) else { return };
        let bytes = match &mut tx.machine {
            ServerMachine::Invite(machine) => machine.retransmission().send,
            ServerMachine::Other(machine) => machine.retransmission(),
        };
        let (to, leg, method) = (tx.to.clone(), tx.leg, tx.method.clone());
        if let Some(bytes) = bytes {
            self.send(to, bytes, &method, Some(leg));
        }
        self.server_timer(at);
    }

    fn new_request(&mut self, now: Mono, from: &Hop, at: usize, identity: Identity, message: Message, method: Method) {
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let fork =
            tags(&message).filter(|(ours, _)| **ours == *leg.local_tag).and_then(|(_, theirs)| leg.usage.find(&theirs));
        let Some(fork) = fork else { return self.out_of_the_blue(now, from, &message, &method) };
        if leg.servers.len() >= self.config.max_requests_per_leg {
            return self.overloaded(from, &message, &method);
        }
        leg.last_source = from.clone();
        let pending = self.tables.server_of(at, &identity, &Method::Invite);
        let tag = self.tables.legs.get(at).map(|leg| leg.local_tag.clone()).unwrap_or_default();
        let (timers, transport) = (self.config.timers, from.transport.into());
        let machine = match method {
            Method::Invite => {
                let Some(trying) = write::answer(&self.config, &message, from, 100, &tag, &Extras::default()) else {
                    return self.refused(RefusedWhy::Malformed);
                };
                ServerMachine::Invite(InviteServer::start(now, trying, timers, transport))
            }
            _ => ServerMachine::Other(NonInviteServer::start(timers, transport)),
        };
        let request = Some(message.clone());
        let tx = ServerTx { machine, leg: at, to: from.clone(), method: method.clone(), identity, request };
        let tx = self.tables.add_server(tx);
        match (method, pending) {
            (Method::Cancel, Some(pending)) => self.cancelled(now, at, fork, tx, pending),
            (Method::Cancel, None) => self.answer(now, tx, 481, &Extras::default()),
            _ => self.dispatch(now, at, fork, tx, &message),
        }
        self.server_timer(tx);
    }

    fn dispatch(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        let (Some(method), Ok(cseq)) = (message.method(), message.cseq()) else { return };
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        if dialog.take_cseq(cseq.number) == Order::Stale {
            return self.answer(now, tx, 500, &Extras::default());
        }
        let ended = matches!(dialog.state, State::Ended { .. });
        let confirmed = dialog.is_confirmed();
        match method {
            // A BYE that crosses ours is answered like any other.
            Method::Bye if ended => self.answer(now, tx, 200, &Extras::default()),
            Method::Bye if confirmed => self.peer_bye(now, at, fork, tx, message),
            Method::Bye => self.answer(now, tx, 481, &Extras::default()),
            _ if ended => self.answer(now, tx, 481, &Extras::default()),
            Method::Invite if !confirmed => self.answer(now, tx, 491, &Extras::default()),
            Method::Update if !confirmed => self.early_update(now, at, fork, tx, message),
            Method::Invite => self.offered(now, at, fork, tx, message),
            Method::Update if !message.body().is_empty() => self.offered(now, at, fork, tx, message),
            Method::Update => self.refresh(now, at, fork, tx, message),
            Method::Info => self.info(now, at, fork, tx, message),
            Method::Options => {
                self.answer(now, tx, 200, &Extras { fields: write::CAPABLE, ..Extras::default() });
            }
            // We never send a reliable provisional, so no RAck can match (RFC 3262 §3).
            Method::Prack => self.answer(now, tx, 481, &Extras::default()),
            // We subscribed to nothing, and know no event package (RFC 6665 §4.1.3, §8.3.2).
            Method::Notify => self.answer(now, tx, 489, &Extras::default()),
            Method::Refer => {
                if let Err(status) = self.refer(at, fork, tx, message) {
                    self.answer(now, tx, status, &Extras::default());
                }
            }
            method => {
                let status = if method.is_unknown() { 501 } else { 405 };
                self.answer(now, tx, status, &Extras { fields: write::ALLOWED, ..Extras::default() });
            }
        }
    }

    fn peer_bye(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        self.answer(now, tx, 200, &Extras::default());
        self.drop_offer(now, at, fork);
        self.abandon_offer(now, at, fork);
        let Some(usage) = self.tables.legs.get_mut(at).map(|leg| &mut leg.usage) else { return };
        let winner = usage.winner() == Some(fork);
        if let Some(dialog) = usage.fork_mut(fork) {
            dialog.end();
        }
        self.exchange_timer(now, at, fork);
        if winner {
            let given = message.reason_given();
            let q850 = given.as_ref().map_or(16, |given| given.q850);
            let text = given.and_then(|given| given.text).unwrap_or_else(|| "hung up".to_owned());
            self.report_last(at, LegEvent::HungUp { cause: Cause::local(q850, text) });
        }
    }

    /// An UPDATE before the 2xx. An offer in it is taken only after a reliable provisional answered ours (RFC 3311 §5.2).
    fn early_update(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        let Some(usage) = self.tables.legs.get(at).map(|leg| &leg.usage) else { return };
        let settled = usage.fork(fork).is_some_and(|dialog| dialog.reliable.settled != Settled::Nothing);
        // Another dialog has answered, or we hung up: this one is no more.
        let gone = usage.is_closed() || usage.winner().is_some();
        match (gone, message.body().is_empty(), settled) {
            (true, ..) => self.answer(now, tx, 481, &Extras::default()),
            (false, true, _) => self.refresh(now, at, fork, tx, message),
            (false, false, true) => self.offered(now, at, fork, tx, message),
            (false, false, false) => self.answer(now, tx, 491, &Extras::default()),
        }
    }

    /// An UPDATE without an offer refreshes the target, and the session.
    fn refresh(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        let reply = self.session_reply(now, at, fork, &wish_of(message));
        let (session, field, require) = match reply {
            Reply::TooSmall(min_se) => return self.too_small(now, tx, min_se),
            Reply::Accept { session, field, require } => (session, field.as_ref().map(written), require),
        };
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if let (Some(dialog), Ok(contact)) = (dialog, message.contact()) {
            dialog.remote_target = contact.uri.into();
        }
        self.set_session(at, fork, session);
        let fields = accepted_fields(field.as_deref(), require);
        self.answer(now, tx, 200, &Extras { fields: &fields, contact: true, ..Extras::default() });
        self.exchange_timer(now, at, fork);
    }

    /// 422 Session Interval Too Small (RFC 4028 §6).
    pub(super) fn too_small(&mut self, now: Mono, tx: usize, min_se: u32) {
        let min_se = min_se.to_string();
        self.answer(now, tx, 422, &Extras { fields: &[(Name::MinSe, &min_se)], ..Extras::default() });
    }

    /// A CANCEL of a re-INVITE: means something only until we answered it (§9.2).
    fn cancelled(&mut self, now: Mono, at: usize, fork: usize, tx: usize, pending: usize) {
        self.answer(now, tx, 200, &Extras::default());
        let waits = self
            .tables
            .servers
            .get(pending)
            .is_some_and(|tx| matches!(&tx.machine, ServerMachine::Invite(machine) if machine.is_proceeding()));
        if waits {
            self.drop_offer(now, at, fork);
            self.exchange_timer(now, at, fork);
        }
    }

    /// Gives a server transaction its final response.
    pub(super) fn answer(&mut self, now: Mono, tx: usize, status: u16, extras: &Extras<'_>) {
        self.answer_stored(now, tx, status, extras);
    }

    pub(super) fn answer_stored(&mut self, now: Mono, at: usize, status: u16, extras: &Extras<'_>) -> Option<Stored> {
        let tx = self.tables.servers.get_mut(at)?;
        let request = tx.request.take()?;
        let tag = self.tables.legs.get(tx.leg).map(|leg| leg.local_tag.clone()).unwrap_or_default();
        let bytes = write::answer(&self.config, &request, &tx.to, status, &tag, extras);
        let Some(bytes) = bytes else {
            // What the peer sent cannot be given back: forget it.
            self.timers.cancel(&Key::Server(at));
            self.tables.remove_server(at);
            return None;
        };
        let send = match &mut tx.machine {
            ServerMachine::Invite(machine) if status < 300 => machine.accept(now, bytes.clone()).send,
            ServerMachine::Invite(machine) => machine.refuse(now, bytes.clone()).send,
            ServerMachine::Other(machine) => machine.respond(now, bytes.clone()),
        };
        let (to, leg, method) = (tx.to.clone(), tx.leg, tx.method.clone());
        self.send(to, send?, &method, Some(leg));
        Some(bytes)
    }

    pub(super) fn server_timer(&mut self, at: usize) {
        let Some(tx) = self.tables.servers.get(at) else { return };
        match tx.deadline() {
            Some((when, _)) => self.timers.set(Key::Server(at), when),
            None => self.timers.cancel(&Key::Server(at)),
        }
        if tx.is_terminated() {
            self.tables.remove_server(at);
        }
    }

    pub(super) fn server_timeout(&mut self, now: Mono, at: usize) {
        let Some(tx) = self.tables.servers.get_mut(at) else { return };
        let bytes = match &mut tx.machine {
            ServerMachine::Invite(machine) => machine.timeout(now).send,
            ServerMachine::Other(machine) => {
                machine.timeout(now);
                None
            }
        };
        let (to, leg, method) = (tx.to.clone(), tx.leg, tx.method.clone());
        if let Some(bytes) = bytes {
            self.send(to, bytes, &method, Some(leg));
        }
        self.server_timer(at);
        self.settle(leg);
    }
}

/// Our tag (of To) and the peer's (of From), as a request of the peer has them.
pub(super) fn tags(message: &Message) -> Option<(Box<str>, Box<str>)> {
    let ours = message.to().ok()?.tag?.into();
    let theirs = message.from().ok()?.tag.unwrap_or("").into();
    Some((ours, theirs))
}
