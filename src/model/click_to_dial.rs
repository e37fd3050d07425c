//! Click to Dial (CAMARA v0.1): what is kept with a call that was asked for that way, and the states and reasons of that interface. Owns its
//! words and how our states and outcomes become them; refuses JSON's shapes and how events travel (`io`).

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{CallState, CallView, LegView, Outcome, RecordingState, WebhookUrl};
use crate::clock::Wall;

/// Longest access token of a sink, in characters.
pub const MAX_TOKEN_CHARS: usize = 4096;

/// What is kept with the call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ClickToDial {
    /// Where its events go; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
}

/// Where the events of one call go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sink {
    /// Where to.
    pub url: WebhookUrl,
    /// What is shown there; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SinkCredential>,
}

impl Sink {
    /// False once its credential has expired: nothing is sent any more.
    pub fn is_open(&self, now: Wall) -> bool {
        self.credential.as_ref().is_none_or(|credential| now < credential.expires_at)
    }
}

/// An access token of the business's own making.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SinkCredential {
    /// Shown as `Authorization: Bearer`.
    pub token: SinkToken,
    /// Worth nothing from then on.
    pub expires_at: Wall,
}

/// The token: never printed, forgotten with the call's last event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SinkToken(Zeroizing<String>);

/// The text can be no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a bearer token: 1 to 4096 of A-Z a-z 0-9 - . _ ~ + / and = at the end")]
pub struct NoToken;

impl SinkToken {
    /// The secret, for the one who sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SinkToken {
    type Error = NoToken;

    /// `b64token` of RFC 6750 §2.1.
    fn try_from(text: String) -> Result<SinkToken, NoToken> {
        let text = Zeroizing::new(text);
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        let body = text.trim_end_matches('=');
        if !body.is_empty() && text.len() <= MAX_TOKEN_CHARS && body.bytes().all(letter) {
            Ok(SinkToken(text))
        } else {
            Err(NoToken)
        }
    }
}

impl From<SinkToken> for String {
    fn from(token: SinkToken) -> String {
        token.0.to_string()
    }
}

impl fmt::Debug for SinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SinkToken(…)")
    }
}

/// Where a call stands. What belongs to one state alone is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Accepted; nobody was dialled yet.
    Initiating,
    /// The caller (our customer) is dialled.
    CallingCaller,
    /// The caller has answered; the callee (our representative) is dialled.
    CallingCallee,
    /// Both talk.
    Connected,
    /// Over, as calls end.
    Disconnected {
        /// Why.
        reason: Reason,
        /// Whole seconds of the talk.
        seconds: u64,
    },
    /// Over, by the equipment's fault.
    Failed,
}

/// Why a call was disconnected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// After a talk, by either side or by the business.
    HangUp,
    /// The caller's phone was busy.
    CallerBusy,
    /// The caller did not answer; a machine in its place is no answer either.
    CallerNoAnswer,
    /// The caller could not be reached, or declined.
    CallerFailure,
    /// The caller hung up before the callee answered.
    CallerAbandon,
    /// The callee's phone was busy.
    CalleeBusy,
    /// The callee did not answer.
    CalleeNoAnswer,
    /// The callee could not be reached, or declined.
    CalleeFailure,
    /// The business ended it before anybody talked; or a talk was cut by the equipment.
    Other,
}

impl Status {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Initiating => "initiating",
            Status::CallingCaller => "callingCaller",
            Status::CallingCallee => "callingCallee",
            Status::Connected => "connected",
            Status::Disconnected { .. } => "disconnected",
            Status::Failed => "failed",
        }
    }

    /// What the call's entering of `state` means; how it ended is taken from `call`.
    pub fn of(state: CallState, call: &CallView) -> Status {
        match state {
            CallState::Scheduled | CallState::Queued => Status::Initiating,
            CallState::CallingCustomer => Status::CallingCaller,
            CallState::CallingRepresentative => Status::CallingCallee,
            CallState::Bridged => Status::Connected,
            CallState::Ended => Status::ended(call),
        }
    }

    fn ended(call: &CallView) -> Status {
        let reason = match call.outcome {
            Some(Outcome::Completed) => Reason::HangUp,
            Some(Outcome::CustomerBusy) => Reason::CallerBusy,
            Some(Outcome::CustomerNoAnswer | Outcome::CustomerMachine) => Reason::CallerNoAnswer,
            Some(Outcome::CustomerRejected | Outcome::CustomerUnreachable) => Reason::CallerFailure,
            Some(Outcome::CustomerHungUp) => Reason::CallerAbandon,
            Some(Outcome::RepresentativeUnavailable) => unavailable(call.representative.as_ref()),
            Some(Outcome::Cancelled) => Reason::Other,
            Some(Outcome::Expired | Outcome::Interrupted | Outcome::Failed) | None => match call.bridged_at {
                Some(_) => Reason::Other,
                None => return Status::Failed,
            },
        };
        let talk = call.bridged_at.zip(call.ended_at).map(|(from, to)| to.millis_since(from) / 1000);
        Status::Disconnected { reason, seconds: talk.unwrap_or(0) }
    }
}

/// Why the callee was not had, by the end of its leg, read as the engine reads a customer's (`engine/failure`): what could be a phone that
/// nobody picks up is one where it rang.
fn unavailable(leg: Option<&LegView>) -> Reason {
    let Some(leg) = leg else { return Reason::CalleeFailure };
    let rang = leg.ringing_at.or(leg.answered_at).is_some();
    match (leg.sip_status, leg.q850_cause) {
        (Some(486 | 600), _) | (_, Some(17)) => Reason::CalleeBusy,
        (Some(408 | 480 | 487), _) | (_, Some(18 | 19)) if rang => Reason::CalleeNoAnswer,
        _ => Reason::CalleeFailure,
    }
}

impl Reason {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::HangUp => "hangUp",
            Reason::CallerBusy => "callerBusy",
            Reason::CallerNoAnswer => "callerNoAnswer",
            Reason::CallerFailure => "callerFailure",
            Reason::CallerAbandon => "callerAbandon",
            Reason::CalleeBusy => "calleeBusy",
            Reason::CalleeNoAnswer => "calleeNoAnswer",
            Reason::CalleeFailure => "calleeFailure",
            Reason::Other => "other",
        }
    }
}

/// What became of the recording of an ended call, where one was wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingResult {
    /// It is whole.
    Success,
    /// Nobody talked.
    NoRecord,
    /// A part of it is missing, or all.
    Fail,
}

impl RecordingResult {
    /// Of an ended call; absent where no recording was wanted.
    pub fn of(call: &CallView) -> Option<RecordingResult> {
        call.record.then(|| match call.recording.as_ref().map(|recording| recording.state) {
            Some(RecordingState::Made) => RecordingResult::Success,
            Some(RecordingState::Making | RecordingState::Incomplete) => RecordingResult::Fail,
            None if call.outcome == Some(Outcome::Interrupted) && call.bridged_at.is_some() => RecordingResult::Fail,
            None => RecordingResult::NoRecord,
        })
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordingResult::Success => "success",
            RecordingResult::NoRecord => "noRecord",
            RecordingResult::Fail => "fail",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CallId, Endpoint, RecordingView};

    fn call(outcome: Outcome) -> CallView {
        let leg = |number| LegView::idle(Endpoint::parse(number).unwrap());
        serde_json::from_value(serde_json::json!({
            "id": CallId::from_u128(7), "business_id": "abc", "state": "ended", "outcome": outcome,
            "customer": leg("+12125550100"), "representative": leg("+12125550101"), "attempts": [],
            "created_at": Wall(0), "desired_contact_time": null, "bridged_at": null, "ended_at": Wall(70_999),
            "billable_seconds": 0, "reference": null
        }))
        .unwrap()
    }

    fn ended(outcome: Outcome, bridged: bool) -> Status {
        Status::of(CallState::Ended, &CallView { bridged_at: bridged.then_some(Wall(10_000)), ..call(outcome) })
    }

    fn disconnected(reason: Reason, seconds: u64) -> Status {
        Status::Disconnected { reason, seconds }
    }

    #[test]
    fn every_outcome_has_its_reason_and_faults_of_ours_are_failures() {
        assert_eq!(ended(Outcome::Completed, true), disconnected(Reason::HangUp, 60));
        for (outcome, reason) in [
            (Outcome::CustomerBusy, Reason::CallerBusy),
            (Outcome::CustomerNoAnswer, Reason::CallerNoAnswer),
            (Outcome::CustomerMachine, Reason::CallerNoAnswer),
            (Outcome::CustomerRejected, Reason::CallerFailure),
            (Outcome::CustomerUnreachable, Reason::CallerFailure),
            (Outcome::CustomerHungUp, Reason::CallerAbandon),
            (Outcome::Cancelled, Reason::Other),
        ] {
            assert_eq!(ended(outcome, false), disconnected(reason, 0), "{outcome:?}");
        }
        for outcome in [Outcome::Failed, Outcome::Interrupted, Outcome::Expired] {
            assert_eq!(ended(outcome, false), Status::Failed, "{outcome:?}");
            assert_eq!(ended(outcome, true), disconnected(Reason::Other, 60), "{outcome:?}: they talked");
        }
    }

    #[test]
    fn a_callee_who_is_not_had_is_busy_silent_or_out_of_reach() {
        for (status, q850, rang, reason) in [
            (Some(486), None, false, Reason::CalleeBusy),
            (Some(600), None, true, Reason::CalleeBusy),
            (Some(480), None, true, Reason::CalleeNoAnswer),
            (Some(480), None, false, Reason::CalleeFailure),
            (Some(408), None, true, Reason::CalleeNoAnswer),
            (None, Some(19), true, Reason::CalleeNoAnswer),
            (Some(404), None, false, Reason::CalleeFailure),
            (Some(603), Some(21), true, Reason::CalleeFailure),
            (None, None, false, Reason::CalleeFailure),
        ] {
            let mut call = call(Outcome::RepresentativeUnavailable);
            let leg = call.representative.as_mut().unwrap();
            (leg.sip_status, leg.q850_cause, leg.ringing_at) = (status, q850, rang.then_some(Wall(5)));
            assert_eq!(Status::of(CallState::Ended, &call), disconnected(reason, 0), "{status:?} {q850:?} {rang}");
        }
    }

    #[test]
    fn a_recording_has_a_result_where_one_was_wanted() {
        let result = |record, state: Option<RecordingState>| {
            let view = |state| RecordingView { name: None, seconds: None, state };
            RecordingResult::of(&CallView { record, recording: state.map(view), ..call(Outcome::Completed) })
        };
        assert_eq!(result(false, None), None);
        assert_eq!(result(true, None), Some(RecordingResult::NoRecord));
        assert_eq!(result(true, Some(RecordingState::Made)), Some(RecordingResult::Success));
        assert_eq!(result(true, Some(RecordingState::Incomplete)), Some(RecordingResult::Fail));
    }

    #[test]
    fn a_sink_is_open_until_its_token_expires_and_shows_it_to_nobody() {
        let token = SinkToken::try_from("ya29.A0AR-secret==".to_owned()).unwrap();
        let sink = Sink {
            url: "https://example.com/s3cret".parse().unwrap(),
            credential: Some(SinkCredential { token, expires_at: Wall(100) }),
        };
        assert!(sink.is_open(Wall(99)) && !sink.is_open(Wall(100)));
        assert!(Sink { credential: None, ..sink.clone() }.is_open(Wall(i64::MAX)));
        let shown = format!("{sink:?}");
        assert!(!shown.contains("ya29") && !shown.contains("s3cret"), "{shown}");
        let kept = ClickToDial { sink: Some(sink) };
        assert_eq!(serde_json::from_str::<ClickToDial>(&serde_json::to_string(&kept).unwrap()).unwrap(), kept);
    }

    proptest! {
        #[test]
        fn no_token_breaks_a_header(text in any::<String>()) {
            if let Ok(token) = SinkToken::try_from(text) {
                prop_assert!(token.expose().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
