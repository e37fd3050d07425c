//! The calls of a business that have no durable record, a page at a time. Owns the order, the filter and the bound of one look; what has ended is
//! the store's to list.

use std::iter::Peekable;

use super::api::{ListFilter, Reply, ReplyTo};
use super::{Engine, Live};
use crate::model::{BusinessId, CallId, CallState, CallView};

/// One look reads so many of those that sleep: whoever asks for a reference that few have is told to go on.
const MAX_READ: usize = 1_000;

impl Engine {
    pub(super) fn list(&mut self, reply: ReplyTo, business: &BusinessId, filter: &ListFilter) {
        let (calls, cut) = self.listed(business, filter);
        self.reply(reply, Reply::Calls(calls, cut));
    }

    fn listed(&self, business: &BusinessId, filter: &ListFilter) -> (Vec<CallView>, Option<CallId>) {
        let most = filter.limit.saturating_add(1);
        let ends = [filter.before, filter.to.map(|to| CallId::new(to, [0; 10]))].into_iter().flatten().min();
        let ends = ends.unwrap_or(CallId::from_u128(u128::MAX));
        // As many as may live at once, and those that are followed.
        let ours = |live: &Live| {
            live.business.id == *business && filter.state.is_none_or(|state| live.call.public_state() == state)
        };
        let awake = self.calls.range(..ends).rev().filter(|(_, live)| ours(live)).map(|(id, _)| *id);
        let recording = self.recording.range(..ends).rev().map(|(id, _)| *id);
        let mut awake = newest(awake.peekable(), recording.peekable()).peekable();
        let sleeps = filter.state.is_none_or(|state| state == CallState::Scheduled);
        let mut asleep = self.asleep.newest(business, ends).take_while(|_| sleeps).peekable();
        let (mut found, mut read) = (Vec::new(), 0);
        while found.len() < most {
            let next_asleep = asleep.peek().copied();
            let view = match awake.next_if(|id| next_asleep.is_none_or(|other| *id > other)) {
                Some(id) => self.view(business, id),
                None => match asleep.next() {
                    Some(id) if read >= MAX_READ => {
                        return (found, Some(CallId::from_u128(id.as_u128().saturating_add(1))));
                    }
                    Some(id) => {
                        read += 1;
                        self.asleep_view(id)
                    }
                    None => break,
                },
            };
            let Some(mut view) = view else { continue };
            if filter.from.is_some_and(|from| view.created_at < from) {
                // Identifiers follow the time of acceptance: all below are older still.
                break;
            }
            if filter.takes(&view) {
                view.without_samples();
                found.push(view);
            }
        }
        (found, None)
    }
}

/// Two that are in order, as one; nothing is in both.
fn newest(
    mut one: Peekable<impl Iterator<Item = CallId>>,
    mut other: Peekable<impl Iterator<Item = CallId>>,
) -> impl Iterator<Item = CallId> {
    std::iter::from_fn(move || {
        let first = one.peek().copied();
        other.next_if(|id| first.is_none_or(|first| *id > first)).or_else(|| one.next())
    })
}

impl ListFilter {
    fn takes(&self, view: &CallView) -> bool {
        self.state.is_none_or(|state| view.state == state)
            && self.reference.as_ref().is_none_or(|wanted| view.reference.as_ref() == Some(wanted))
            && self.to.is_none_or(|to| view.created_at < to)
    }
}
