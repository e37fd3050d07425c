//! Records as lines: JSON and CSV, with the contract's names in the contract's order. Owns the columns; refuses files and
//! terminals (it makes text).

use serde::Serialize;

use crate::clock::Wall;
use crate::model::{AttemptRecord, CallRecord, Quality, SupervisorMode};

/// One column: its name and its cell.
type Column<R> = (&'static str, fn(&R) -> String);

const RECORD: [Column<CallRecord>; 73] = [
    ("call_id", |r| r.call_id.to_string()),
    ("business_id", |r| r.business_id.to_string()),
    ("reference", |r| text(&r.reference)),
    ("customer", |r| r.customer.to_string()),
    ("representative", |r| cell(r.representative.as_ref())),
    ("outcome", |r| r.outcome.to_string()),
    ("created_at", |r| r.created_at.to_string()),
    ("desired_contact_time", |r| at(r.desired_contact_time)),
    ("customer_ringing_at", |r| at(r.customer_ringing_at)),
    ("customer_answered_at", |r| at(r.customer_answered_at)),
    ("representative_ringing_at", |r| at(r.representative_ringing_at)),
    ("representative_answered_at", |r| at(r.representative_answered_at)),
    ("bridged_at", |r| at(r.bridged_at)),
    ("ended_at", |r| r.ended_at.to_string()),
    ("customer_billable_seconds", |r| r.customer_billable_seconds.to_string()),
    ("representative_billable_seconds", |r| r.representative_billable_seconds.to_string()),
    ("talk_seconds", |r| r.talk_seconds.to_string()),
    ("price_micros", |r| r.price_micros.0.to_string()),
    ("currency", |r| r.currency.to_string()),
    ("customer_sip_status", |r| cell(r.customer_sip_status)),
    ("representative_sip_status", |r| cell(r.representative_sip_status)),
    ("customer_q850", |r| cell(r.customer_q850)),
    ("representative_q850", |r| cell(r.representative_q850)),
    ("customer_switch", |r| text(&r.customer_switch)),
    ("representative_switch", |r| text(&r.representative_switch)),
    ("codec_customer", |r| text(&r.codec_customer)),
    ("codec_representative", |r| text(&r.codec_representative)),
    ("quality_customer_packets_received", |r| cell(r.quality_customer.map(|q| q.packets_received))),
    ("quality_customer_packets_sent", |r| cell(r.quality_customer.map(|q| q.packets_sent))),
    ("quality_customer_packets_lost", |r| cell(r.quality_customer.map(|q| q.packets_lost))),
    ("quality_customer_packets_refused", |r| cell(r.quality_customer.map(|q| q.packets_refused))),
    ("quality_customer_jitter_ms", |r| jitter(r.quality_customer)),
    ("quality_customer_peer_packets_lost", |r| cell(r.quality_customer.and_then(|q| q.peer_packets_lost))),
    ("quality_customer_peer_jitter_ms", |r| decimals(r.quality_customer.and_then(|q| q.peer_jitter_ms))),
    ("quality_customer_round_trip_ms", |r| decimals(r.quality_customer.and_then(|q| q.round_trip_ms))),
    ("quality_customer_round_trip_worst_ms", |r| decimals(r.quality_customer.and_then(|q| q.round_trip_worst_ms))),
    ("quality_customer_mos", |r| decimals(r.quality_customer.and_then(|q| q.mos))),
    ("quality_customer_mos_worst", |r| decimals(r.quality_customer.and_then(|q| q.mos_worst))),
    ("quality_customer_peer_mos", |r| decimals(r.quality_customer.and_then(|q| q.peer_mos))),
    ("quality_customer_peer_mos_worst", |r| decimals(r.quality_customer.and_then(|q| q.peer_mos_worst))),
    ("quality_customer_bad_seconds", |r| cell(r.quality_customer.map(|q| q.bad_seconds))),
    ("quality_representative_packets_received", |r| cell(r.quality_representative.map(|q| q.packets_received))),
    ("quality_representative_packets_sent", |r| cell(r.quality_representative.map(|q| q.packets_sent))),
    ("quality_representative_packets_lost", |r| cell(r.quality_representative.map(|q| q.packets_lost))),
    ("quality_representative_packets_refused", |r| cell(r.quality_representative.map(|q| q.packets_refused))),
    ("quality_representative_jitter_ms", |r| jitter(r.quality_representative)),
    ("quality_representative_peer_packets_lost", |r| cell(r.quality_representative.and_then(|q| q.peer_packets_lost))),
    ("quality_representative_peer_jitter_ms", |r| decimals(r.quality_representative.and_then(|q| q.peer_jitter_ms))),
    ("quality_representative_round_trip_ms", |r| decimals(r.quality_representative.and_then(|q| q.round_trip_ms))),
    ("quality_representative_round_trip_worst_ms", |r| {
        decimals(r.quality_representative.and_then(|q| q.round_trip_worst_ms))
    }),
    ("quality_representative_mos", |r| decimals(r.quality_representative.and_then(|q| q.mos))),
    ("quality_representative_mos_worst", |r| decimals(r.quality_representative.and_then(|q| q.mos_worst))),
    ("quality_representative_peer_mos", |r| decimals(r.quality_representative.and_then(|q| q.peer_mos))),
    ("quality_representative_peer_mos_worst", |r| decimals(r.quality_representative.and_then(|q| q.peer_mos_worst))),
    ("quality_representative_bad_seconds", |r| cell(r.quality_representative.map(|q| q.bad_seconds))),
    ("one_way_audio", |r| r.one_way_audio.to_string()),
    ("customer_answered_by", |r| r.customer_answered_by.map_or_else(String::new, |by| by.as_str().to_owned())),
    ("detail", |r| r.detail.clone()),
    ("transferred_to", |r| cell(r.transferred_to.as_ref())),
    ("transfers", |r| r.transfers.to_string()),
    ("recording", |r| cell(r.recording.as_ref().and_then(|taped| taped.name.clone()))),
    ("recording_seconds", |r| cell(r.recording.as_ref().and_then(|taped| taped.seconds))),
    ("recording_state", |r| cell(r.recording.as_ref().map(|taped| taped.state.as_str()))),
    ("supervisor_billable_seconds", |r| r.supervisor_billable_seconds.to_string()),
    ("audio_alarms", |r| r.audio_alarms.to_string()),
    ("quality_alarms", |r| r.quality_alarms.to_string()),
    ("source", |r| r.source.as_str().to_owned()),
    ("web_page", |r| cell(r.web_page.as_ref().map(|page| &page.url))),
    ("note", |r| r.note.as_deref().map(harmless).unwrap_or_default()),
    ("contact_window_from", |r| at(r.contact_window.map(|window| window.from))),
    ("contact_window_to", |r| at(r.contact_window.map(|window| window.to))),
    ("expires_at", |r| at(r.expires_at)),
    ("tries", |r| r.tries.to_string()),
];

const ATTEMPT: [Column<AttemptRecord>; 29] = [
    ("call_id", |a| a.call_id.to_string()),
    ("attempt", |a| a.attempt.to_string()),
    ("role", |a| role(a).to_owned()),
    ("address", |a| a.address.to_string()),
    ("switch", |a| text(&a.switch)),
    ("dialled_at", |a| a.dialled_at.to_string()),
    ("ringing_at", |a| at(a.ringing_at)),
    ("answered_at", |a| at(a.answered_at)),
    ("ended_at", |a| a.ended_at.to_string()),
    ("sip_status", |a| cell(a.cause.sip_status)),
    ("q850", |a| cell(a.cause.q850)),
    ("cause", |a| a.cause.text.clone()),
    ("codec", |a| text(&a.codec)),
    ("billable_seconds", |a| a.billable_seconds.to_string()),
    ("quality_packets_received", |a| cell(a.quality.map(|q| q.packets_received))),
    ("quality_packets_sent", |a| cell(a.quality.map(|q| q.packets_sent))),
    ("quality_packets_lost", |a| cell(a.quality.map(|q| q.packets_lost))),
    ("quality_packets_refused", |a| cell(a.quality.map(|q| q.packets_refused))),
    ("quality_jitter_ms", |a| jitter(a.quality)),
    ("mode", |a| cell(a.mode.map(SupervisorMode::as_str))),
    ("quality_peer_packets_lost", |a| cell(a.quality.and_then(|q| q.peer_packets_lost))),
    ("quality_peer_jitter_ms", |a| decimals(a.quality.and_then(|q| q.peer_jitter_ms))),
    ("quality_round_trip_ms", |a| decimals(a.quality.and_then(|q| q.round_trip_ms))),
    ("quality_round_trip_worst_ms", |a| decimals(a.quality.and_then(|q| q.round_trip_worst_ms))),
    ("quality_mos", |a| decimals(a.quality.and_then(|q| q.mos))),
    ("quality_mos_worst", |a| decimals(a.quality.and_then(|q| q.mos_worst))),
    ("quality_peer_mos", |a| decimals(a.quality.and_then(|q| q.peer_mos))),
    ("quality_peer_mos_worst", |a| decimals(a.quality.and_then(|q| q.peer_mos_worst))),
    ("quality_bad_seconds", |a| cell(a.quality.map(|q| q.bad_seconds))),
];

/// The first line of the CSV of calls, without its end.
pub fn record_csv_header() -> String {
    csv_line(RECORD.iter().map(|(name, _)| (*name).to_owned()))
}

/// One call as a line of CSV (RFC 4180), without its end.
pub fn record_csv(record: &CallRecord) -> String {
    csv_line(RECORD.iter().map(|(_, cell)| cell(record)))
}

/// One call as a JSON object on one line.
pub fn record_json(record: &CallRecord) -> String {
    json_line(record)
}

/// The first line of the CSV of leg attempts.
pub fn attempt_csv_header() -> String {
    csv_line(ATTEMPT.iter().map(|(name, _)| (*name).to_owned()))
}

/// One leg attempt as a line of CSV.
pub fn attempt_csv(attempt: &AttemptRecord) -> String {
    csv_line(ATTEMPT.iter().map(|(_, cell)| cell(attempt)))
}

/// One leg attempt as a JSON object on one line.
pub fn attempt_json(attempt: &AttemptRecord) -> String {
    json_line(attempt)
}

/// Writing plain structures into memory cannot fail; should it ever, the line is empty and seen.
fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line
}

fn cell<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

/// A stranger's text that a spreadsheet would take for a formula, as text.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn at(time: Option<Wall>) -> String {
    cell(time)
}

fn jitter(quality: Option<Quality>) -> String {
    quality.map(|quality| format!("{:.3}", quality.jitter_ms)).unwrap_or_default()
}

fn decimals(value: Option<f32>) -> String {
    value.map(|value| format!("{value:.2}")).unwrap_or_default()
}

fn role(attempt: &AttemptRecord) -> &'static str {
    match attempt.role {
        crate::model::Role::Customer => "customer",
        crate::model::Role::Representative => "representative",
        crate::model::Role::Supervisor => "supervisor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallId, Currency, Endpoint, Money, Outcome};

    fn record() -> CallRecord {
        CallRecord {
            call_id: CallId::new(Wall(1_700_000_000_000), [7; 10]),
            business_id: "abc".parse().unwrap(),
            reference: Some("order \"7\", blue\nlate".to_owned()),
            customer: Endpoint::parse("+12125550100").unwrap(),
            representative: Some(Endpoint::parse("+12125550101").unwrap()),
            outcome: Outcome::Completed,
            created_at: Wall(1_700_000_000_000),
            desired_contact_time: None,
            customer_ringing_at: Some(Wall(1_700_000_001_000)),
            customer_answered_at: Some(Wall(1_700_000_002_000)),
            representative_ringing_at: None,
            representative_answered_at: Some(Wall(1_700_000_005_000)),
            bridged_at: Some(Wall(1_700_000_005_020)),
            ended_at: Wall(1_700_000_065_020),
            customer_billable_seconds: 64,
            representative_billable_seconds: 61,
            talk_seconds: 60,
            price_micros: Money(36_583),
            currency: Currency::USD,
            customer_sip_status: Some(200),
            representative_sip_status: Some(200),
            customer_q850: Some(16),
            representative_q850: Some(16),
            customer_switch: Some("ssp-62".to_owned()),
            representative_switch: Some("ssp-62".to_owned()),
            codec_customer: Some("PCMU".to_owned()),
            codec_representative: Some("PCMA".to_owned()),
            quality_customer: Some(Quality { packets_received: 3000, jitter_ms: 0.25, ..Quality::default() }),
            quality_representative: None,
            one_way_audio: false,
            detail: "the customer hung up".to_owned(),
            transferred_to: Some(Endpoint::parse("+12125550102").unwrap()),
            transfers: 1,
            recording: None,
            supervisor_billable_seconds: 0,
            customer_answered_by: None,
            audio_alarms: 0,
            quality_alarms: 0,
            source: Default::default(),
            web_page: None,
            note: None,
            record: false,
            contact_window: None,
            expires_at: None,
            tries: 0,
        }
    }

    #[test]
    fn the_contracts_names_stand_in_the_contracts_order() {
        let contract = "call_id,business_id,reference,customer,representative,outcome,created_at,desired_contact_time,\
                        customer_ringing_at,customer_answered_at,representative_ringing_at,representative_answered_at,\
                        bridged_at,ended_at,customer_billable_seconds,representative_billable_seconds,talk_seconds,\
                        price_micros,currency,customer_sip_status,representative_sip_status,customer_q850,\
                        representative_q850,customer_switch,representative_switch,codec_customer,codec_representative,\
                        quality_customer_packets_received";
        assert!(record_csv_header().starts_with(contract));
        let json = record_json(&record());
        let places: Vec<usize> =
            contract.split(',').take(27).map(|name| json.find(&format!("\"{name}\":")).expect(name)).collect();
        assert!(places.is_sorted(), "{json}");
    }

    #[test]
    fn csv_quotes_what_would_break_a_line() {
        let line = record_csv(&record());
        assert!(line.contains(",\"order \"\"7\"\", blue\nlate\","), "{line}");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(true)
            .from_reader(std::io::Cursor::new(format!("{}\r\n{line}\r\n", record_csv_header())));
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(row.len(), RECORD.len());
        assert_eq!(&row[2], "order \"7\", blue\nlate");
        assert_eq!(&row[17], "36583");
    }

    #[test]
    fn a_strangers_note_is_no_formula() {
        let noted = |note: &str| record_csv(&CallRecord { note: Some(note.to_owned()), ..record() });
        let formula = noted("=HYPERLINK(\"https://evil.example\")");
        assert!(formula.contains(",\"'=HYPERLINK(\"\"https://evil.example\"\")\","), "{formula}");
        assert!(noted("in the evening").contains(",in the evening,"));
    }

    #[test]
    fn json_lines_are_one_line_and_read_back() {
        let line = record_json(&record());
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<CallRecord>(&line).unwrap(), record());
    }
}
