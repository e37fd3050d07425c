//! What a call's followers are told: the states that it entered, in order, each with its number, and its end once the record is
//! durable. Owns who waits for the next one; refuses how it is sent (`io/http`).
//!
//! A follower asks [`super::api::Input::Watch`] again and again, each time from the number that it knows: nobody is missed, nothing is
//! pushed to one who is gone, and a lost connection goes on where it was.

use super::api::{CallEvent, Reply, ReplyTo, Watched};
use super::{Engine, taped};
use crate::clock::Wall;
use crate::model::{BusinessId, CallId, CallState, CallView};

/// Followers that wait at one call. One more, and the one who waited longest is answered with nothing: it asks again if it is
/// still there.
const MAX_WAITING: usize = 32;

/// What one call's followers have been told, and who waits for more.
#[derive(Debug, Default)]
pub(super) struct Moments {
    entered: Vec<CallEvent>,
    waiting: Vec<ReplyTo>,
}

impl Moments {
    /// The call entered a state. Its end is told by [`Engine::told_end`], when it is durable.
    pub(super) fn enter(&mut self, at: Wall, state: CallState) {
        if state != CallState::Ended {
            let sequence = self.entered.last().map_or(0, |event| event.sequence) + 1;
            self.entered.push(CallEvent { sequence, at, state });
        }
    }

    /// What came after this number.
    fn after(&self, sequence: u32) -> Vec<CallEvent> {
        self.entered.iter().filter(|event| event.sequence > sequence).copied().collect()
    }

    /// Keeps a follower until there is more; gives the one who has to make room.
    fn wait(&mut self, reply: ReplyTo) -> Option<ReplyTo> {
        self.waiting.push(reply);
        (self.waiting.len() > MAX_WAITING).then(|| self.waiting.remove(0))
    }
}

/// The number of every call's last event: one more than a call can enter states before its end (scheduled, queued, calling the
/// customer, calling a representative, bridged). So it is the same from memory, from the store and after a crash, and above all
/// that was told; numbers may be left out before it.
const LAST: u32 = 6;

impl Engine {
    /// The call entered a state: whoever follows it is told.
    pub(super) fn entered(&mut self, call: CallId, at: Wall, state: CallState) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.moments.enter(at, state);
        if state == CallState::Ended || live.moments.waiting.is_empty() {
            return;
        }
        let events: Vec<CallEvent> = live.moments.entered.last().copied().into_iter().collect();
        let waiting = std::mem::take(&mut live.moments.waiting);
        let view = taped::shown(live, live.call.view());
        for reply in waiting {
            let watched = Watched { events: events.clone(), call: view.clone() };
            self.reply(reply, Reply::Events(Some(Box::new(watched))));
        }
    }

    /// The call's record is durable: its last event.
    pub(super) fn told_end(&mut self, mut moments: Moments, view: &CallView) {
        let events = vec![end_of(view)];
        for reply in std::mem::take(&mut moments.waiting) {
            let watched = Watched { events: events.clone(), call: view.clone() };
            self.reply(reply, Reply::Events(Some(Box::new(watched))));
        }
    }

    /// A follower wants what came after `after`: at once if there is something, else when there is.
    pub(super) fn watch(&mut self, reply: ReplyTo, business: &BusinessId, call: CallId, after: u32) {
        let Some(view) = self.view(business, call) else { return self.reply(reply, Reply::Events(None)) };
        let moments = match self.calls.get_mut(&call) {
            Some(live) => Some(&mut live.moments),
            None => self.recording.get_mut(&call).map(|recorded| &mut recorded.moments),
        };
        let Some(moments) = moments else { return self.reply(reply, Reply::Events(None)) };
        let events = moments.after(after);
        let displaced = if events.is_empty() { moments.wait(reply) } else { None };
        if !events.is_empty() {
            self.reply(reply, Reply::Events(Some(Box::new(Watched { events, call: view }))));
        } else if let Some(displaced) = displaced {
            self.reply(displaced, Reply::Events(Some(Box::new(Watched { events: Vec::new(), call: view }))));
        }
    }
}

/// The event of an ended call.
pub fn end_of(call: &CallView) -> CallEvent {
    CallEvent { sequence: LAST, at: call.ended_at.unwrap_or(call.created_at), state: CallState::Ended }
}
