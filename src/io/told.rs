//! The one form in which an event of a call is told, to those who follow it and to a webhook. Owns its names; refuses how it travels.

use serde::Serialize;

use crate::clock::Wall;
use crate::engine::api::CallEvent;
use crate::model::CallState;

#[derive(Serialize)]
struct Told<'a, T> {
    r#type: &'static str,
    sequence: u32,
    timestamp: Wall,
    state: CallState,
    /// The call as it is now, which may be later than the event.
    data: &'a T,
}

/// The type of an event.
pub fn kind(event: &CallEvent) -> &'static str {
    if event.state == CallState::Ended { "call.ended" } else { "call.state_changed" }
}

/// The whole event, with the call as its hearer may see it.
pub fn json<T: Serialize>(event: &CallEvent, call: &T) -> serde_json::Result<String> {
    let told =
        Told { r#type: kind(event), sequence: event.sequence, timestamp: event.at, state: event.state, data: call };
    serde_json::to_string(&told)
}
