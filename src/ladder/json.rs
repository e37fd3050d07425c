//! The ladder for programs. Owns the names of its fields (docs/API.md); refuses layout.

use serde_json::{Map, Value, json};

use super::entry::{Entry, Message, What};
use super::{Ladder, words};

pub(super) fn write(ladder: &Ladder) -> Value {
    let began = ladder.entries().next().map(|entry| entry.at);
    let participants = ladder.parties().iter().map(|party| {
        let mut fields = json!({
            "attempt": party.attempt,
            "role": party.role,
            "name": words::party(ladder, party),
            "address": party.address,
        });
        let sound: Vec<_> = ladder.sound(party.attempt).iter().map(|(at, sample)| sample.view(*at)).collect();
        if !sound.is_empty() {
            fields["quality_samples"] = json!(sound);
        }
        fields
    });
    let seconds = |entry: &Entry| entry.at.millis_since(began.unwrap_or(entry.at)) as f64 / 1000.0;
    json!({
        "call_id": ladder.call(),
        "business_id": ladder.business(),
        "outcome": ladder.outcome(),
        "summary": words::summary(ladder),
        "participants": participants.collect::<Vec<_>>(),
        "omitted": ladder.omitted(),
        "omitted_after": (ladder.omitted() > 0).then(|| ladder.before_gap()),
        "entries": ladder.entries().map(|entry| line(ladder, entry, seconds(entry))).collect::<Vec<_>>(),
    })
}

fn line(ladder: &Ladder, entry: &Entry, seconds: f64) -> Value {
    let mut fields = match &entry.what {
        What::Message(message) => sip(ladder, message),
        What::Moment(moment) => {
            // A bare word, or one word with its fields.
            let (name, inner) = match serde_json::to_value(moment).unwrap_or_default() {
                Value::Object(one) => one.into_iter().next().unwrap_or_default(),
                word => (word.as_str().unwrap_or_default().to_owned(), Value::Null),
            };
            let mut fields = match inner {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            if let Some(switch) = fields.get("switch").and_then(Value::as_u64).and_then(|at| u8::try_from(at).ok()) {
                fields.insert("switch".to_owned(), ladder.switch(switch).into());
            }
            fields.insert("moment".to_owned(), name.into());
            fields.insert("text".to_owned(), words::moment(ladder, moment).into());
            fields
        }
    };
    fields.insert("at".to_owned(), entry.at.to_string().into());
    fields.insert("seconds".to_owned(), seconds.into());
    Value::Object(fields)
}

fn sip(ladder: &Ladder, message: &Message) -> Map<String, Value> {
    let peer = ladder.peer(message);
    let fields = json!({
        "attempt": message.attempt,
        "direction": if message.out { "sent" } else { "received" },
        "method": message.verb.name(),
        "status": message.status,
        "cseq": message.cseq,
        "again": message.again,
        "sdp": message.sdp.map(|mode| mode.as_str()),
        "q850": message.q850,
        "transport": peer.map(|(transport, _)| transport.as_str()),
        "peer": peer.map(|(_, address)| address.to_string()),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
