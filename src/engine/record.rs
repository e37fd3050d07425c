//! The record of a finished call: facts of the call, prices of billing. Owns the assembling; the rating is `billing`'s.

use crate::billing::rate_leg;
use crate::call::{Call, Leg};
use crate::clock::Wall;
use crate::model::{AttemptRecord, Business, CallRecord, Cause, Money, Outcome, Role, StoredCall, TriedLeg};

/// A record and the records of its attempts.
pub type Records = (CallRecord, Vec<AttemptRecord>);

/// The record of a call that the machine has finished.
pub fn finished(call: &Call, business: &Business, outcome: Outcome, ended_at: Wall) -> Records {
    let attempts: Vec<AttemptRecord> =
        (0u16..).zip(call.legs()).map(|(n, leg)| attempt(call, business, n, leg, ended_at)).collect();
    let mut record = blank(call.message(), call.id(), call.created_at(), business, outcome, ended_at);
    let mut price = 0;
    for (leg, written) in call.legs().iter().zip(&attempts) {
        let rated = rate_leg(leg.answered_at(), written.ended_at, &business.tariff, leg.role);
        price += rated.price.0;
        match leg.role {
            Role::Customer => record.customer_billable_seconds += rated.billable_seconds,
            Role::Representative => record.representative_billable_seconds += rated.billable_seconds,
            Role::Supervisor => record.supervisor_billable_seconds += rated.billable_seconds,
        }
    }
    record.price_micros = Money(price);
    record.tries = call.tries();
    if let Some(leg) = call.customer_leg() {
        let cause = leg.end().map(|end| &end.cause);
        record.customer_ringing_at = leg.ringing_at;
        record.customer_answered_at = leg.answered_at();
        record.customer_sip_status = cause.and_then(|c| c.sip_status);
        record.customer_q850 = cause.and_then(|c| c.q850);
        record.customer_switch = leg.switch.clone();
        record.codec_customer = leg.codec().map(str::to_owned);
        record.quality_customer = leg.quality();
    }
    if let Some(leg) = call.representative() {
        let cause = leg.end().map(|end| &end.cause);
        record.representative = Some(leg.address.clone());
        record.representative_ringing_at = leg.ringing_at;
        record.representative_answered_at = leg.answered_at();
        record.representative_sip_status = cause.and_then(|c| c.sip_status);
        record.representative_q850 = cause.and_then(|c| c.q850);
        record.representative_switch = leg.switch.clone();
        record.codec_representative = leg.codec().map(str::to_owned);
        record.quality_representative = leg.quality();
    }
    record.bridged_at = call.bridged_at();
    record.talk_seconds = call.bridged_at().map_or(0, |at| ended_at.millis_since(at) / 1000);
    record.one_way_audio = call.one_way_audio();
    record.detail = call.detail().to_owned();
    record.transferred_to = call.transferred_to().cloned();
    record.transfers = call.transfers();
    record.customer_answered_by = call.answered_by();
    (record.audio_alarms, record.quality_alarms) = call.alarms();
    (record, attempts)
}

/// The record of a call that a crash cut: what the durable marks know, billed up to the last sign of life and no further.
pub fn interrupted(stored: &StoredCall, business: &Business, last_alive: Option<Wall>, now: Wall) -> Records {
    let marks = &stored.progress;
    let legs = marks.answered.iter().flat_map(|mark| [Some(mark.answered_at), mark.ended_at]);
    let legs = legs.chain(marks.tried.iter().map(|tried| Some(tried.ended_at)));
    let times = [
        Some(stored.created_at),
        marks.started_at,
        marks.customer_ringing_at,
        marks.customer_answered_at,
        marks.representative_answered_at,
        marks.bridged_at,
    ];
    let last_mark = times.into_iter().chain(legs).flatten().max().unwrap_or(stored.created_at);
    let ended_at = last_alive.map_or(last_mark, |alive| alive.min(now).max(last_mark));
    let mut record = blank(&stored.message, stored.id, stored.created_at, business, Outcome::Interrupted, ended_at);
    let cause = Cause::local(41, "cut by a crash of the equipment");
    let answered_status = cause.clone().after_answer().sip_status;
    let (mut attempts, cut_at) = (Vec::new(), ended_at);
    for (number, tried) in (0u16..).zip(&marks.tried) {
        let (leg, price) = tried_leg(stored, business, number, tried);
        record.customer_billable_seconds += leg.billable_seconds;
        record.price_micros.0 += price.0;
        attempts.push(leg);
    }
    record.tries = marks.tried.len() as u64 + u64::from(marks.started_at.is_some());
    let present = u16::try_from(attempts.len()).unwrap_or(u16::MAX);
    let mut add = |number, role, address, dialled_at, ringing_at, answered_at: Option<Wall>, ended_at: Wall| {
        // A leg that had ended before was not cut.
        let cause = if ended_at < cut_at { Cause::local(16, "hung up") } else { cause.clone() };
        let cause = if answered_at.is_some() { cause.after_answer() } else { cause };
        let rated = rate_leg(answered_at, ended_at, &business.tariff, role);
        attempts.push(AttemptRecord {
            call_id: stored.id,
            attempt: number,
            role,
            address,
            switch: None,
            dialled_at,
            ringing_at,
            answered_at,
            ended_at,
            cause,
            codec: None,
            billable_seconds: rated.billable_seconds,
            quality: None,
            mode: None,
        });
        rated
    };
    if let Some(started) = marks.started_at {
        let address = stored.message.customer.clone();
        let (rang, answered) = (marks.customer_ringing_at, marks.customer_answered_at);
        let rated = add(present, Role::Customer, address, started, rang, answered, ended_at);
        record.customer_billable_seconds += rated.billable_seconds;
        record.price_micros.0 += rated.price.0;
        record.customer_ringing_at = marks.customer_ringing_at;
        record.customer_answered_at = marks.customer_answered_at;
        record.customer_sip_status = marks.customer_answered_at.and(answered_status);
        record.customer_q850 = cause.q850;
    }
    for mark in &marks.answered {
        let (address, answered, ended) = (mark.address.clone(), mark.answered_at, mark.ended_at.unwrap_or(ended_at));
        let rated = add(mark.attempt, mark.role, address, answered, None, Some(answered), ended);
        match mark.role {
            Role::Supervisor => record.supervisor_billable_seconds += rated.billable_seconds,
            Role::Customer | Role::Representative => record.representative_billable_seconds += rated.billable_seconds,
        }
        record.price_micros.0 += rated.price.0;
        if mark.transferred {
            record.transfers += 1;
            record.transferred_to = Some(mark.address.clone());
        }
    }
    if let (Some(address), Some(answered)) = (marks.representative.clone(), marks.representative_answered_at) {
        record.representative = Some(address);
        record.representative_answered_at = Some(answered);
        record.representative_sip_status = answered_status;
        let first = attempts.iter().find(|leg| leg.answered_at == Some(answered) && leg.role == Role::Representative);
        record.representative_q850 = first.and_then(|leg| leg.cause.q850);
    }
    record.bridged_at = marks.bridged_at;
    record.talk_seconds = marks.bridged_at.map_or(0, |at| ended_at.millis_since(at) / 1000);
    record.detail = cause.text;
    (record, attempts)
}

/// The customer's leg of a try that was over before the crash, and its price.
fn tried_leg(stored: &StoredCall, business: &Business, number: u16, tried: &TriedLeg) -> (AttemptRecord, Money) {
    let rated = rate_leg(tried.answered_at, tried.ended_at, &business.tariff, Role::Customer);
    let leg = AttemptRecord {
        call_id: stored.id,
        attempt: number,
        role: Role::Customer,
        address: stored.message.customer.clone(),
        switch: tried.switch.clone(),
        dialled_at: tried.dialled_at,
        ringing_at: tried.ringing_at,
        answered_at: tried.answered_at,
        ended_at: tried.ended_at,
        cause: tried.cause.clone(),
        codec: tried.codec.clone(),
        billable_seconds: rated.billable_seconds,
        quality: tried.quality,
        mode: None,
    };
    (leg, rated.price)
}

fn attempt(call: &Call, business: &Business, number: u16, leg: &Leg, ended_at: Wall) -> AttemptRecord {
    let at = leg.end().map_or(ended_at, |end| end.at);
    let rated = rate_leg(leg.answered_at(), at, &business.tariff, leg.role);
    AttemptRecord {
        call_id: call.id(),
        attempt: number,
        role: leg.role,
        address: leg.address.clone(),
        switch: leg.switch.clone(),
        dialled_at: leg.dialled_at,
        ringing_at: leg.ringing_at,
        answered_at: leg.answered_at(),
        ended_at: at,
        cause: leg.end().map(|end| end.cause.clone()).unwrap_or_default(),
        codec: leg.codec().map(str::to_owned),
        billable_seconds: rated.billable_seconds,
        quality: leg.quality(),
        mode: call.supervisor_mode(number),
    }
}

fn blank(
    message: &crate::model::InitiationMessage,
    call_id: crate::model::CallId,
    created_at: Wall,
    business: &Business,
    outcome: Outcome,
    ended_at: Wall,
) -> CallRecord {
    CallRecord {
        call_id,
        business_id: message.business_id.clone(),
        reference: message.reference.clone(),
        customer: message.customer.clone(),
        representative: message.representatives.first().cloned(),
        outcome,
        created_at,
        desired_contact_time: message.desired_contact_time,
        customer_ringing_at: None,
        customer_answered_at: None,
        representative_ringing_at: None,
        representative_answered_at: None,
        bridged_at: None,
        ended_at,
        customer_billable_seconds: 0,
        representative_billable_seconds: 0,
        talk_seconds: 0,
        price_micros: Money(0),
        currency: business.tariff.currency,
        customer_sip_status: None,
        representative_sip_status: None,
        customer_q850: None,
        representative_q850: None,
        customer_switch: None,
        representative_switch: None,
        codec_customer: None,
        codec_representative: None,
        quality_customer: None,
        quality_representative: None,
        one_way_audio: false,
        detail: String::new(),
        transferred_to: None,
        transfers: 0,
        recording: None,
        supervisor_billable_seconds: 0,
        customer_answered_by: None,
        audio_alarms: 0,
        quality_alarms: 0,
        source: message.source(),
        web_page: message.web_page.clone(),
        note: message.note.clone(),
        record: message.record,
        contact_window: message.contact_window,
        expires_at: message.expires_at,
        tries: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::business::PasswordHash;
    use crate::model::{AnsweredMark, CallId, CallView, Endpoint, InitiationMessage, Progress, Tariff};

    fn at(seconds: i64) -> Wall {
        Wall(1_000_000 + seconds * 1000)
    }

    fn number(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    fn stored(progress: Progress) -> StoredCall {
        let message =
            InitiationMessage::new("abc".parse().unwrap(), number("+12125550100"), vec![number("+16465550100")]);
        StoredCall { id: CallId::new(at(0), [7; 10]), created_at: at(0), message, progress }
    }

    fn business() -> Business {
        Business {
            tariff: Tariff { increment_seconds: 1, minimum_seconds: 0, ..Tariff::default() },
            ..Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()))
        }
    }

    #[test]
    fn a_crash_after_a_transfer_bills_both_representatives_and_each_for_its_own_time() {
        let mark = |attempt, address, from, to: Option<i64>, transferred| AnsweredMark {
            attempt,
            address: number(address),
            answered_at: at(from),
            ended_at: to.map(at),
            transferred,
            role: Role::Representative,
        };
        let progress = Progress {
            started_at: Some(at(1)),
            customer_answered_at: Some(at(5)),
            representative: Some(number("+16465550100")),
            representative_answered_at: Some(at(10)),
            bridged_at: Some(at(10)),
            answered: vec![mark(1, "+16465550100", 10, Some(40), false), mark(2, "+16465550102", 40, None, true)],
            ..Progress::default()
        };
        let (record, attempts) = interrupted(&stored(progress), &business(), Some(at(100)), at(500));
        assert_eq!((record.outcome, record.ended_at), (Outcome::Interrupted, at(100)));
        assert_eq!(record.customer_billable_seconds, 95);
        assert_eq!(attempts.iter().map(|leg| leg.billable_seconds).collect::<Vec<_>>(), [95, 30, 60]);
        assert_eq!(record.representative_billable_seconds, 90);
        assert_eq!(record.representative, Some(number("+16465550100")));
        assert_eq!((record.transferred_to.clone(), record.transfers), (Some(number("+16465550102")), 1));
        let shown = CallView::from_record(&record, &attempts).representative.unwrap();
        assert_eq!((shown.ended_at, shown.q850_cause), (Some(at(40)), record.representative_q850));
    }
}
