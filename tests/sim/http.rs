//! The HTTP clients of a world: they post, repeat, cancel and ask, and judge the kind of answer they get. Owns nothing but
//! these requests; what became of them is kept in the world's fates.

use std::time::Duration;

use callbridge::engine::api::{Input, Reply, ReplyTo};
use callbridge::model::{CallId, CallState, Endpoint, Idempotency, InitiationMessage};

use crate::contact;
use crate::promises::Promise;
use crate::setup::business;
use crate::staff;
use crate::world::{Asked, Event, World};

impl World {
    pub(crate) fn post(&mut self, wish: usize) {
        if self.engine.is_none() {
            return self.after(Duration::from_millis(500), Event::Post(wish));
        }
        let now = self.now_pair();
        let (w, staffed) = (&self.plan.wishes[wish], self.plan.staffed);
        let parse = |number: &str| Endpoint::parse(number).expect("a possible number");
        // A repeated POST is the same message to the letter: the time it names does not move.
        let base = contact::base(w);
        let mut message = InitiationMessage {
            need: staff::need(&self.plan, wish),
            language: w.language,
            desired_contact_time: w.desired.map(|after| base + after),
            reference: Some(format!("wish-{wish}")),
            idempotency: Some(Idempotency { key: format!("key-{wish}"), body_hash: format!("body-{wish}") }),
            ..InitiationMessage::new(
                business(),
                parse(&w.customer.address()),
                w.representatives.iter().filter(|_| !staffed).map(|r| parse(&r.address())).collect(),
            )
        };
        contact::said(&w.timing, base, &mut message);
        self.planted.asks(&mut message);
        let again = w.again.filter(|_| !self.fates[wish].posted);
        self.fates[wish].posted = true;
        if let Some(after) = again {
            self.after(after, Event::Post(wish));
        }
        self.note(|| format!("POST {wish} at {}", now.wall));
        let reply = self.ask(Asked::Post(wish));
        self.tell_engine(Input::Initiate { reply, message: Box::new(message) });
    }

    pub(crate) fn ask(&mut self, asked: Asked) -> ReplyTo {
        self.count += 1;
        let reply = ReplyTo(self.count);
        if self.engine.is_some() {
            self.asked.insert(reply, asked);
        }
        reply
    }

    pub(crate) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        let asked = self.asked.remove(&to);
        self.note(|| format!("reply to {asked:?}: {}", format!("{reply:?}").chars().take(90).collect::<String>()));
        match (asked, reply) {
            (Some(Asked::Post(wish)), Reply::Accepted(view, _)) => {
                if !self.store.holds(view.id) {
                    self.blame(Promise::AcceptedIsDurable, format!("call {} was answered 202", view.id));
                }
                self.know(wish, view.id);
            }
            (Some(Asked::Post(wish)), Reply::Replayed(call)) => self.know(wish, call),
            (Some(Asked::Post(wish)), Reply::Refused(refusal)) => match self.store.has_key(&format!("key-{wish}")) {
                // As the API does: a repeated message is no call more.
                Some(call) => self.know(wish, call),
                None => {
                    self.refused(&refusal);
                    self.fates[wish].refused = Some(refusal.to_string());
                }
            },
            (Some(Asked::Delete(_, call)), reply @ (Reply::Deleted(_) | Reply::AlreadyEnded)) => {
                let ended = match &reply {
                    Reply::Deleted(view) => view.as_ref().is_some_and(|view| view.state == CallState::Ended),
                    _ => true,
                };
                if ended && self.store.kept(call).is_none_or(|kept| kept.records.is_empty()) {
                    self.blame(Promise::CancelledIsDurable, format!("the end of {call} was told before"));
                }
            }
            (Some(Asked::Get(_)), Reply::Call(_)) => {}
            (Some(Asked::Supervise(wish, visit, step)), reply) if self.supervised(wish, visit, step, &reply) => {}
            (asked, reply) => {
                self.blame(Promise::RequestsAreAnswered, format!("{asked:?} was answered by {reply:?}"));
            }
        }
    }

    pub(crate) fn know(&mut self, wish: usize, call: CallId) {
        if self.fates[wish].calls.contains(&call) {
            return;
        }
        self.fates[wish].calls.push(call);
        self.expect_visits(wish);
        if let Some(after) = self.plan.wishes[wish].delete {
            self.after(after, Event::Delete(wish, call));
        }
        if let Some(after) = self.plan.wishes[wish].get {
            self.after(after, Event::Get(wish, call));
        }
    }
}
