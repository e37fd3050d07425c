//! Logs: one line at the end of each call, what an operator is to be warned of, and on request every state and every SIP start
//! line; each with its call's identifier, as text or JSON. Owns the lines and the masking of numbers. Refuses passwords and
//! contents of messages.

use std::fmt;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::clock::Wall;
use crate::config::LogConfig;
use crate::engine::api::Notice;
use crate::io::engine_thread::Seen;
use crate::model::{Alarm, CallRecord, Endpoint};
use crate::sip::api::Way;

/// Starts logging to stderr, as text or JSON. A filter that cannot be read becomes `info` and is said so. The line `ready` is
/// always written. Only the first call in a process has an effect.
pub fn init_logging(config: &LogConfig) {
    let parsed = EnvFilter::try_new(&config.filter);
    let wrong = parsed.is_err();
    let mut filter = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    if let Ok(always) = "ready=info".parse() {
        filter = filter.add_directive(always);
    }
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.json {
        true => logs.json().try_init(),
        false => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    if wrong && started.is_ok() {
        tracing::warn!("[log] filter cannot be read; info is used");
    }
}

/// What is written of calls. At rest: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallLog {
    /// Numbers in clear.
    numbers: bool,
}

impl CallLog {
    /// As `[log]` says.
    pub fn new(config: &LogConfig) -> CallLog {
        CallLog { numbers: config.numbers }
    }

    /// Called on the engine's thread; what the filter leaves out costs a comparison.
    pub fn notice(&self, notice: &Notice) {
        match notice {
            Notice::State { call, from, to } => {
                let from = from.map_or("", |state| state.as_str());
                tracing::debug!(target: "callbridge::call", %call, from, state = to.as_str(), "call state");
            }
            Notice::Ended(record, attempts) => {
                self.ended(record);
                for leg in attempts.iter().filter(|leg| leg.is_unrated()) {
                    let (call, attempt) = (leg.call_id, leg.attempt);
                    tracing::warn!(target: "callbridge::call", %call, attempt, "the leg has no price: it costs nothing until it is rated anew");
                }
            }
            Notice::OneWayAudio { call } => {
                tracing::warn!(target: "callbridge::call", %call, "audio flows in one direction only");
            }
            Notice::Measured { .. } => {}
            Notice::Alarm { call, attempt, alarm: alarm @ (Alarm::Heard | Alarm::Good) } => {
                tracing::info!(target: "callbridge::call", %call, attempt, alarm = alarm.as_str(), "audio");
            }
            Notice::Alarm { call, attempt, alarm } => {
                tracing::warn!(target: "callbridge::call", %call, attempt, alarm = alarm.as_str(), "audio");
            }
            Notice::Failover { call, attempt, switch } => {
                tracing::warn!(target: "callbridge::call", %call, attempt, switch = &**switch, "another switch is tried");
            }
            Notice::TransferRefused { call, why } => {
                tracing::warn!(target: "callbridge::call", %call, why = why.as_str(), "a transfer was refused");
            }
            Notice::StoreRetry { call } => {
                tracing::warn!(target: "callbridge::call", %call, "the store refused; tried again");
            }
            Notice::LadderLost { call } => {
                tracing::warn!(target: "callbridge::call", %call, "the store would not take the ladder; it is lost");
            }
            Notice::Refused(refusal) => {
                tracing::debug!(target: "callbridge::call", reason = refusal.reason(), "message refused");
            }
            Notice::LimitReached { business, limit } => {
                tracing::warn!(target: "callbridge::call", %business, limit = limit.as_str(), "a limit was reached");
            }
            Notice::SipRefused(why) => {
                tracing::trace!(target: "callbridge::sip", reason = why.as_str(), "SIP message refused");
            }
            Notice::SwitchFailed { switch, reason } => {
                tracing::debug!(target: "callbridge::switch", switch, reason = reason.as_str(), "switch failed");
            }
            Notice::Switch { switch, up: true } => tracing::info!(target: "callbridge::switch", switch, "switch is up"),
            Notice::Switch { switch, up: false } => {
                tracing::warn!(target: "callbridge::switch", switch, "switch is down: it failed too often, or was not found");
            }
            Notice::Registration { switch, state } => {
                tracing::info!(target: "callbridge::switch", switch, state = state.as_str(), "registration");
            }
            Notice::SipReceived(_) | Notice::Waiting(_) | Notice::Setup { .. } | Notice::FirstRelay { .. } => {}
        }
    }

    /// The start line of a message, without its Request-URI: that is a number.
    pub fn sip(&self, seen: &Seen<'_>) {
        // Asked first, so that nothing is formatted in vain.
        if !tracing::enabled!(target: "callbridge::sip", tracing::Level::TRACE) {
            return;
        }
        let note = seen.note;
        let way = if note.way == Way::Out { "sent" } else { "received" };
        let (method, status, peer) = (note.method, note.status, seen.peer);
        match note.leg {
            Some(leg) => {
                let (call, attempt, cseq) = (leg.call, leg.attempt, note.cseq);
                tracing::trace!(target: "callbridge::sip", %call, attempt, way, method, status, cseq, %peer, "SIP");
            }
            None => tracing::trace!(target: "callbridge::sip", way, method, status, %peer, "SIP"),
        }
    }

    fn ended(&self, record: &CallRecord) {
        let between = |from: Option<Wall>, to: Option<Wall>| Some(to?.millis_since(from?));
        let shown = |address: &Endpoint| Shown { address: address.clone(), numbers: self.numbers };
        let answered = record.customer_answered_at;
        tracing::info!(
            target: "callbridge::call",
            call = %record.call_id,
            business = record.business_id.as_str(),
            outcome = record.outcome.as_str(),
            customer = %shown(&record.customer),
            representative = record.representative.as_ref().map(|address| tracing::field::display(shown(address))),
            rang_ms = between(record.customer_ringing_at, answered),
            held_ms = between(answered, record.bridged_at),
            talk_seconds = record.talk_seconds,
            total_ms = record.ended_at.millis_since(record.created_at),
            billed_seconds = record.customer_billable_seconds + record.representative_billable_seconds,
            detail = record.detail.as_str(),
            "call ended"
        );
    }
}

/// An address as a log shows it.
struct Shown {
    address: Endpoint,
    numbers: bool,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            address if self.numbers => address.fmt(f),
            Endpoint::Number(number) => f.write_str(&masked(&number.e164)),
            Endpoint::Sip(sip) => write!(f, "sip:***@{}", sip.host),
            Endpoint::Ip(..) => f.write_str("***"),
        }
    }
}

/// `+1212*****00`: enough to know the country and to tell two calls apart, not to ring somebody.
fn masked(number: &str) -> String {
    let length = number.chars().count();
    let shown = |at: usize| at < 5 || at + 2 >= length;
    number.chars().enumerate().map(|(at, digit)| if shown(at) { digit } else { '*' }).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{CallId, Currency, Money, Outcome};

    pub fn record(outcome: Outcome) -> CallRecord {
        CallRecord {
            call_id: CallId::from_u128(1),
            business_id: "abc".parse().unwrap(),
            reference: None,
            customer: Endpoint::parse("+12125550100").unwrap(),
            representative: Some(Endpoint::parse("sip:anna@example.com").unwrap()),
            outcome,
            created_at: Wall(0),
            desired_contact_time: None,
            customer_ringing_at: Some(Wall(100)),
            customer_answered_at: Some(Wall(2_100)),
            representative_ringing_at: None,
            representative_answered_at: Some(Wall(5_000)),
            bridged_at: Some(Wall(5_000)),
            ended_at: Wall(9_000),
            customer_billable_seconds: 7,
            representative_billable_seconds: 4,
            talk_seconds: 4,
            price_micros: Money(0),
            currency: Currency::USD,
            customer_sip_status: Some(200),
            representative_sip_status: Some(200),
            customer_q850: Some(16),
            representative_q850: Some(16),
            customer_switch: None,
            representative_switch: None,
            codec_customer: None,
            codec_representative: None,
            quality_customer: None,
            quality_representative: None,
            one_way_audio: false,
            detail: "the customer hung up".to_owned(),
            transferred_to: None,
            transfers: 0,
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
            rerated_price_micros: None,
        }
    }

    #[test]
    fn a_number_cannot_be_rung_from_a_log() {
        let shown = |text: &str| Shown { address: Endpoint::parse(text).unwrap(), numbers: false }.to_string();
        assert_eq!(shown("+12125550100"), "+1212*****00");
        assert_eq!(shown("sip:anna@example.com:5062"), "sip:***@example.com");
        assert_eq!(shown("192.0.2.7"), "***");
        let clear = Shown { address: Endpoint::parse("+12125550100").unwrap(), numbers: true };
        assert_eq!(clear.to_string(), "+12125550100");
    }
}
