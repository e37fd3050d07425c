//! The forms in which an event of a call is told: to those who follow it and to a webhook, and as a CloudEvent (Click to Dial). Owns their
//! names; refuses how they travel.

use serde::Serialize;

use crate::clock::Wall;
use crate::engine::api::CallEvent;
use crate::model::click_to_dial::{RecordingResult, Status};
use crate::model::{CallId, CallState, CallView};

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

/// The type of every event that a sink gets.
pub const STATUS_CHANGED: &str = "org.camaraproject.click-to-dial.v0.status-changed";
/// In what context events have their names; relative to the API that the call was asked for at.
const SOURCE: &str = "/click-to-dial/v0.1/calls";

/// A CloudEvent in structured mode, as click-to-dial.yaml has it.
#[derive(Serialize)]
struct CloudEvent<'a> {
    id: &'a str,
    source: &'static str,
    specversion: &'static str,
    r#type: &'static str,
    time: Wall,
    datacontenttype: &'static str,
    data: StatusChanged,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusChanged {
    call_id: CallId,
    caller: String,
    callee: String,
    status: StatusOf,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_duration: Option<String>,
    timestamp: Wall,
}

#[derive(Serialize)]
struct StatusOf {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The two numbers of a call of Click to Dial, caller first.
pub fn parties(call: &CallView) -> (String, String) {
    let callee = call.representative.as_ref().map(|leg| leg.address.to_string());
    (call.customer.address.to_string(), callee.unwrap_or_default())
}

/// The event for a sink. `reason` and `callDuration` are there where the call is disconnected, and only there.
pub fn cloud_event(id: &str, event: &CallEvent, call: &CallView) -> serde_json::Result<String> {
    let status = Status::of(event.state, call);
    let (reason, seconds) = match status {
        Status::Disconnected { reason, seconds } => (Some(reason.as_str()), Some(seconds)),
        _ => (None, None),
    };
    let ended = event.state == CallState::Ended;
    let (caller, callee) = parties(call);
    let data = StatusChanged {
        call_id: call.id,
        caller,
        callee,
        status: StatusOf { state: status.as_str(), reason },
        recording_result: RecordingResult::of(call).filter(|_| ended).map(RecordingResult::as_str),
        call_duration: seconds.map(|seconds| seconds.to_string()),
        timestamp: event.at,
    };
    serde_json::to_string(&CloudEvent {
        id,
        source: SOURCE,
        specversion: "1.0",
        r#type: STATUS_CHANGED,
        time: event.at,
        datacontenttype: "application/json",
        data,
    })
}
