//! The one form in which an event of a call is told, to those who follow it and to a webhook. Owns its names; refuses how it travels.

use serde::Serialize;

use crate::clock::Wall;
use crate::engine::api::CallEvent;
use crate::model::{BusinessId, CallState, LimitReached};

#[derive(Serialize)]
struct Told<'a, T> {
    r#type: &'static str,
    sequence: u32,
    timestamp: Wall,
    state: CallState,
    /// The call as it is now, which may be later than the event.
    data: &'a T,
}

/// The type of the event of a bound that was reached.
pub const LIMIT_REACHED: &str = "business.limit_reached";

#[derive(Serialize)]
struct ToldLimit<'a> {
    r#type: &'static str,
    timestamp: Wall,
    data: LimitData<'a>,
}

#[derive(Serialize)]
struct LimitData<'a> {
    business_id: &'a BusinessId,
    limit: &'static str,
    quota: u64,
    period_begins: Wall,
    period_ends: Wall,
}

/// The whole event of a bound that was reached.
pub fn limit(reached: &LimitReached) -> serde_json::Result<String> {
    let data = LimitData {
        business_id: &reached.business,
        limit: reached.limit.as_str(),
        quota: reached.quota,
        period_begins: reached.since,
        period_ends: reached.until,
    };
    serde_json::to_string(&ToldLimit { r#type: LIMIT_REACHED, timestamp: reached.at, data })
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
