//! What an operator sees of the whole equipment: live calls of every business, one of them, its ladder, how the switches fare. Owns
//! the bound of one look; refuses to change anything, and to show what is not durable.

use std::collections::BTreeMap;

use super::api::{Live, Look, LookFilter, Looked, Reply, ReplyTo};
use super::{Engine, Standing};
use crate::clock::Now;
use crate::model::{BusinessId, CallId, CallState, InitiationMessage};

/// One look goes through so many calls, the newest first: a million that wait for their time must not hold the engine up.
const MAX_VISITED: usize = 20_000;

impl Engine {
    pub(super) fn look(&mut self, now: Now, reply: ReplyTo, look: &Look) {
        let looked = match look {
            Look::Live(filter) => Looked::Live(self.live(filter)),
            Look::Call(id) => {
                let view = self.business_of(*id).and_then(|business| self.view(&business, *id));
                Looked::Call(view.map(|view| Box::new(self.with_wait(now, view))))
            }
            // It outlives its call until the store has it.
            Look::Ladder(id) => match self.seen.held(*id) {
                Some(ladder) => return self.reply(reply, Reply::Ladder(Some(ladder))),
                None => Looked::Call(None),
            },
            Look::Switches => Looked::Switches(self.switches(now)),
            Look::Staff => Looked::Staff(Box::new(self.desks.sums(now.mono))),
            Look::Desks => Looked::Desks(self.desk_views(now, MAX_VISITED)),
        };
        self.reply(reply, Reply::Looked(looked));
    }

    fn business_of(&self, id: CallId) -> Option<BusinessId> {
        let live = self.calls.get(&id).map(|live| live.business.id.clone());
        // A call that sleeps was woken, as it was asked for.
        live.or_else(|| self.recording.get(&id).map(|recorded| recorded.view.business_id.clone()))
    }

    /// Calls that are placed or about to be, and how many there are in each state.
    fn live(&self, filter: &LookFilter) -> Live {
        let mut seen = Live { scheduled: self.schedule.len(), ..Live::default() };
        let mut states = BTreeMap::<CallState, usize>::new();
        let mut businesses = BTreeMap::<BusinessId, usize>::new();
        for (visited, (id, live)) in self.calls.iter().rev().enumerate() {
            if visited == MAX_VISITED {
                seen.cut = true;
                break;
            }
            if matches!(
                live.standing,
                Standing::Accepting { .. } | Standing::PuttingOff { .. } | Standing::Scheduled { .. }
            ) {
                continue;
            }
            *states.entry(live.call.public_state()).or_default() += 1;
            *businesses.entry(live.business.id.clone()).or_default() += 1;
            // A view is made of what is shown only: there may be thousands of calls, and this is the engine's thread.
            if seen.calls.len() < filter.limit && takes(filter, *id, live.call.message()) {
                seen.calls.extend(self.view(&live.business.id, *id).map(|mut view| {
                    view.without_samples();
                    view
                }));
            }
        }
        seen.states = states.into_iter().collect();
        seen.businesses = businesses.into_iter().collect();
        seen
    }
}

/// A part of a number, of an identifier, of a business, of its own reference.
fn takes(filter: &LookFilter, id: CallId, message: &InitiationMessage) -> bool {
    let Some(text) = filter.text.as_deref() else { return true };
    let text = text.to_ascii_lowercase();
    let has = |whole: &str| whole.to_ascii_lowercase().contains(&text);
    has(&message.customer.to_string())
        || message.representatives.iter().any(|address| has(&address.to_string()))
        || has(message.business_id.as_str())
        || message.reference.as_deref().is_some_and(has)
        || has(&id.to_string())
}
