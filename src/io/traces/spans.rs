//! A call that has ended as spans of OpenTelemetry: one for the call, one for the talk, one for each leg. Owns their names and
//! attributes; refuses numbers, names and notes of people, and how spans travel.
//!
//! The trace's identifier is the call's (a UUID has the 16 bytes of one), so that who knows a call finds its trace. Span identifiers
//! are the attempt's number and the like: they need only be unique within their trace, and never zero.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::clock::Wall;
use crate::model::{AttemptRecord, CallId, CallRecord, Outcome, Quality, Role};

/// Span of the call: the root.
const CALL: u64 = 1;
/// Span of the talk, from the bridge to the end.
const TALK: u64 = 2;
/// Span of attempt 0; the others follow.
const FIRST_LEG: u64 = 16;

/// The spans of one call, the root first.
pub fn of_call(record: &CallRecord, attempts: &[AttemptRecord]) -> Vec<Span> {
    let mut spans = Vec::with_capacity(attempts.len() + 2);
    spans.push(call(record));
    spans.extend(record.bridged_at.map(|bridged| Span {
        name: "talk".to_owned(),
        ..span(record.call_id, TALK, SpanKind::Internal, bridged, record.ended_at)
    }));
    spans.extend(attempts.iter().map(leg));
    spans
}

/// What a collector takes: these spans, of the service of this name.
pub fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let about = vec![text("service.name", service), text("service.version", version)];
    let resource = Resource { attributes: about, ..Resource::default() };
    let scope = InstrumentationScope {
        name: "callbridge".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn call(record: &CallRecord) -> Span {
    let mut attributes = vec![
        text("callbridge.call_id", &record.call_id.to_string()),
        text("callbridge.business_id", record.business_id.as_str()),
        text("callbridge.outcome", record.outcome.as_str()),
        text("callbridge.source", record.source.as_str()),
        number("callbridge.billable_seconds", record.billable_seconds()),
        number("callbridge.talk_seconds", record.talk_seconds),
    ];
    attributes.extend(record.reference.as_deref().map(|reference| text("callbridge.reference", reference)));
    let moments = [
        ("customer ringing", record.customer_ringing_at),
        ("customer answered", record.customer_answered_at),
        ("representative ringing", record.representative_ringing_at),
        ("representative answered", record.representative_answered_at),
        ("bridged", record.bridged_at),
    ];
    // A call that was asked for later begins when it was due, not when it was asked for.
    let begun = record.desired_contact_time.map_or(record.created_at, |due| due.max(record.created_at));
    let failed = matches!(record.outcome, Outcome::Failed | Outcome::Interrupted);
    Span {
        name: "call".to_owned(),
        attributes,
        events: moments.into_iter().filter_map(event).collect(),
        status: failed.then(|| wrong(&record.detail)),
        parent_span_id: Vec::new(),
        ..span(record.call_id, CALL, SpanKind::Server, begun.min(record.ended_at), record.ended_at)
    }
}

fn leg(attempt: &AttemptRecord) -> Span {
    let (name, role) = match attempt.role {
        Role::Customer => ("customer leg", "customer"),
        Role::Representative => ("representative leg", "representative"),
        Role::Supervisor => ("supervisor leg", "supervisor"),
    };
    let mut attributes = vec![
        text("callbridge.role", role),
        number("callbridge.attempt", u64::from(attempt.attempt)),
        number("callbridge.billable_seconds", attempt.billable_seconds),
        text("callbridge.cause", &attempt.cause.text),
    ];
    attributes.extend(attempt.switch.as_deref().map(|switch| text("callbridge.switch", switch)));
    attributes.extend(attempt.codec.as_deref().map(|codec| text("callbridge.codec", codec)));
    attributes.extend(attempt.cause.sip_status.map(|status| number("sip.status_code", u64::from(status))));
    attributes.extend(attempt.cause.q850.map(|cause| number("q850.cause", u64::from(cause))));
    attributes.extend(attempt.quality.iter().flat_map(quality));
    let moments = [("ringing", attempt.ringing_at), ("answered", attempt.answered_at)];
    // RFC 3261 §21: from 400 on a request has failed. A leg that was answered has not.
    let failed = attempt.answered_at.is_none() && attempt.cause.sip_status.is_some_and(|status| status >= 400);
    let id = FIRST_LEG + u64::from(attempt.attempt);
    Span {
        name: name.to_owned(),
        attributes,
        events: moments.into_iter().filter_map(event).collect(),
        status: failed.then(|| wrong(&attempt.cause.text)),
        ..span(attempt.call_id, id, SpanKind::Client, attempt.dialled_at, attempt.ended_at)
    }
}

fn quality(quality: &Quality) -> Vec<KeyValue> {
    let known = [
        ("rtp.jitter_ms", Some(quality.jitter_ms)),
        ("rtp.round_trip_ms", quality.round_trip_ms),
        ("rtp.mos", quality.mos),
        ("rtp.peer_mos", quality.peer_mos),
    ];
    let measured = known.into_iter().filter_map(|(key, value)| {
        Some(KeyValue { value: Some(any(Value::DoubleValue(f64::from(value?)))), ..named(key) })
    });
    let counted =
        [number("rtp.packets_received", quality.packets_received), number("rtp.packets_lost", quality.packets_lost)];
    counted.into_iter().chain(measured).collect()
}

/// A child of the call; one that a clock's step put before its beginning has no length.
fn span(call: CallId, id: u64, kind: SpanKind, from: Wall, to: Wall) -> Span {
    Span {
        trace_id: call.as_u128().to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: CALL.to_be_bytes().to_vec(),
        kind: kind.into(),
        start_time_unix_nano: nanos(from),
        end_time_unix_nano: nanos(to.max(from)),
        ..Span::default()
    }
}

fn event((name, at): (&str, Option<Wall>)) -> Option<Event> {
    Some(Event { name: name.to_owned(), time_unix_nano: nanos(at?), ..Event::default() })
}

fn wrong(message: &str) -> Status {
    Status { message: message.to_owned(), code: StatusCode::Error.into() }
}

fn nanos(at: Wall) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000_000)
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn named(key: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { value: Some(any(Value::StringValue(value.to_owned()))), ..named(key) }
}

fn number(key: &str, value: u64) -> KeyValue {
    KeyValue { value: Some(any(Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))), ..named(key) }
}
