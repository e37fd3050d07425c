//! The stored form: one short JSON text, numbers in place of names. Owns its layout and version; refuses to be read by people.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Message, Moment, SdpMode, Verb, What};
use super::sound::Sound;
use super::{Ladder, Party, Peer};
use crate::clock::{Mono, Now, Wall};
use crate::model::{BusinessId, CallId, Endpoint, Role, SipTransport};

/// Today's layout.
const VERSION: u8 = 1;

/// A stored ladder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No JSON of this shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Of a later callbridge.
    #[error("a ladder of version {0}")]
    Version(u8),
}

#[derive(Serialize, Deserialize)]
struct Whole {
    v: u8,
    call: CallId,
    business: BusinessId,
    /// Milliseconds since the Unix epoch; each entry adds its own.
    from: i64,
    parties: Vec<(u16, Role, Endpoint)>,
    peers: Vec<(u8, SocketAddr)>,
    switches: Vec<Box<str>>,
    omitted: u32,
    /// How many of the entries come before what is left out.
    first: usize,
    entries: Vec<(i64, Line)>,
    /// None of calls that ended before there was any, and of those of which nothing was measured.
    #[serde(default, skip_serializing_if = "Sound::is_empty")]
    sound: Sound,
}

#[derive(Serialize, Deserialize)]
enum Line {
    /// Leg, flags, method, status, CSeq, peer, SDP, Q.850.
    #[serde(rename = "s")]
    Sip(u16, u8, Verb, u16, u32, u8, u8, u8),
    #[serde(rename = "m")]
    Moment(Moment),
}

const OUT: u8 = 1;
const AGAIN: u8 = 2;
const NONE: u8 = u8::MAX;

pub(super) fn write(ladder: &Ladder) -> String {
    let from = ladder.entries().next().map_or(ladder.anchor.wall.0, |entry| entry.at.0);
    let mut before = from;
    let entries = ladder.entries().map(|entry| {
        let since = entry.at.0 - before;
        before = entry.at.0;
        (since, line(&entry.what))
    });
    let transport = |kind: SipTransport| SipTransport::ALL.iter().position(|known| *known == kind);
    let number = |at: Option<usize>| at.and_then(|at| u8::try_from(at).ok()).unwrap_or(NONE);
    let whole = Whole {
        v: VERSION,
        call: ladder.call,
        business: ladder.business.clone(),
        from,
        entries: entries.collect(),
        parties: ladder.parties.iter().map(|p| (p.attempt, p.role, p.address.clone())).collect(),
        peers: ladder.peers.iter().map(|(kind, address)| (number(transport(*kind)), *address)).collect(),
        switches: ladder.switches.clone(),
        omitted: ladder.omitted,
        first: ladder.first.len(),
        sound: ladder.sound.clone(),
    };
    // Nothing in it can fail: no map has keys that are no text.
    serde_json::to_string(&whole).unwrap_or_default()
}

fn line(what: &What) -> Line {
    match what {
        What::Moment(moment) => Line::Moment(moment.clone()),
        What::Message(message) => {
            let flags = if message.out { OUT } else { 0 } | if message.again { AGAIN } else { 0 };
            let mode = message.sdp.and_then(|sdp| SdpMode::ALL.iter().position(|known| *known == sdp));
            let mode = mode.and_then(|at| u8::try_from(at).ok()).unwrap_or(NONE);
            let Message { attempt, verb, cseq, peer, .. } = *message;
            Line::Sip(attempt, flags, verb, message.status.unwrap_or(0), cseq, peer, mode, message.q850.unwrap_or(NONE))
        }
    }
}

pub(super) fn read(text: &str) -> Result<Ladder, Unreadable> {
    let whole: Whole = serde_json::from_str(text)?;
    if whole.v != VERSION {
        return Err(Unreadable::Version(whole.v));
    }
    let mut at = whole.from;
    let mut entries: Vec<Entry> = Vec::with_capacity(whole.entries.len());
    for (since, line) in whole.entries {
        at = at.saturating_add(since);
        entries.push(Entry { at: Wall(at), what: what(line) });
    }
    let last = entries.split_off(whole.first.min(entries.len()));
    let transport = |at: u8| SipTransport::ALL.get(usize::from(at)).copied().unwrap_or(SipTransport::Udp);
    Ok(Ladder {
        call: whole.call,
        business: whole.business,
        anchor: Now { mono: Mono(0), wall: Wall(whole.from) },
        parties: whole.parties.into_iter().map(|(attempt, role, address)| Party { attempt, role, address }).collect(),
        peers: whole.peers.into_iter().map(|(kind, address)| -> Peer { (transport(kind), address) }).collect(),
        switches: whole.switches,
        first: entries,
        last: last.into(),
        omitted: whole.omitted,
        sound: whole.sound,
    })
}

fn what(line: Line) -> What {
    match line {
        Line::Moment(moment) => What::Moment(moment),
        Line::Sip(attempt, flags, verb, status, cseq, peer, mode, q850) => What::Message(Message {
            attempt,
            out: flags & OUT != 0,
            verb,
            status: (status != 0).then_some(status),
            cseq,
            sdp: SdpMode::ALL.get(usize::from(mode)).copied(),
            q850: (q850 != NONE).then_some(q850),
            digest: 0,
            peer,
            again: flags & AGAIN != 0,
        }),
    }
}
