//! Peers that do anything at any time: whatever they send, nothing that the RFCs forbid is sent back, events keep their order,
//! and when the leg is hung up nothing is left.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::sip::api::OfferReply;
use crate::sip::wire::{Message, Verdict, judge};

const CONTACT: &str = "Contact: <sip:phone@192.0.2.1:5070>\r\n";
const TAGS: [&str; 3] = ["a", "b", "c"];

/// One thing that happens. Indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Move {
    Provisional { status: u16, tag: usize, rseq: Option<u32>, body: bool },
    Success { tag: usize, fields: usize, body: bool },
    Refuse { status: u16, min_se: u32 },
    Asks { method: usize, tag: usize, cseq: u32, fields: usize, body: bool },
    Acks { tag: usize, cseq: u32 },
    Answers { which: usize, status: u16, fields: usize, body: bool },
    Engine { accept: bool },
    Reoffer,
    HangUp,
    Wait { ms: u64 },
}

const FIELDS: [&str; 7] = [
    "",
    "Session-Expires: 90;refresher=uac\r\nAllow: UPDATE\r\n",
    "Session-Expires: 90;refresher=uac\r\nAllow: INVITE\r\n",
    "Session-Expires: 90;refresher=uas\r\n",
    "Supported: timer\r\nSession-Expires: 60\r\n",
    "Retry-After: 3\r\nMin-SE: 400\r\n",
    "Require: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 4294967295\r\n",
];
const METHODS: [&str; 8] = ["INVITE", "UPDATE", "BYE", "PRACK", "INFO", "OPTIONS", "CANCEL", "MESSAGE"];
const STATUSES: [u16; 12] = [100, 180, 200, 202, 302, 401, 405, 408, 422, 481, 491, 500];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let tag = 0..TAGS.len();
    let status = prop::sample::select(STATUSES.to_vec());
    let one = prop_oneof![
        3 => (prop::sample::select(vec![100u16, 180, 183]), tag.clone(), prop::option::of(0u32..5), any::<bool>())
            .prop_map(|(status, tag, rseq, body)| Move::Provisional { status, tag, rseq, body }),
        3 => (tag.clone(), 0..FIELDS.len(), any::<bool>()).prop_map(|(tag, fields, body)| Move::Success { tag, fields, body }),
        1 => (prop::sample::select(vec![302u16, 422, 422, 486, 503]), prop::sample::select(vec![0u32, 91, 1801, 3600]))
            .prop_map(|(status, min_se)| Move::Refuse { status, min_se }),
        4 => (0..METHODS.len(), tag.clone(), 1u32..30, 0..FIELDS.len(), any::<bool>())
            .prop_map(|(method, tag, cseq, fields, body)| Move::Asks { method, tag, cseq, fields, body }),
        2 => (tag, 1u32..30).prop_map(|(tag, cseq)| Move::Acks { tag, cseq }),
        6 => (any::<usize>(), status, 0..FIELDS.len(), any::<bool>())
            .prop_map(|(which, status, fields, body)| Move::Answers { which, status, fields, body }),
        2 => any::<bool>().prop_map(|accept| Move::Engine { accept }),
        2 => Just(Move::Reoffer),
        1 => Just(Move::HangUp),
        3 => prop_oneof![0u64..3_000, 3_000u64..50_000].prop_map(|ms| Move::Wait { ms }),
    ];
    prop::collection::vec(one, 1..60)
}

/// What was sent, judged by rules of its own.
#[derive(Default)]
struct Judge {
    /// New requests in order: branch → text. Copies are the same bytes.
    seen: BTreeMap<String, String>,
    requests: Vec<String>,
    last_invite: String,
    provisional: bool,
    /// By tag: highest CSeq of ours, BYE sent, last RAck.
    cseq: BTreeMap<String, u32>,
    byed: BTreeMap<String, bool>,
    rack: BTreeMap<String, u32>,
    /// Re-INVITEs of ours without a final answer, by tag.
    open: BTreeMap<String, String>,
}

impl Judge {
    fn sent(&mut self, text: &str) {
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(judge(&message), Verdict::Ok, "{text}");
        if message.is_response() {
            return;
        }
        let method = word(text);
        let key = format!("{method} {}", branch(text));
        if let Some(before) = self.seen.insert(key, text.into()) {
            return assert_eq!(before, text, "a copy differs");
        }
        let tag = field(text, "To").split(";tag=").nth(1).unwrap_or("").to_string();
        let number: u32 = field(text, "CSeq").split(' ').next().unwrap().parse().unwrap();
        match method.as_str() {
            "ACK" => return,
            "CANCEL" => {
                assert!(self.provisional, "CANCEL before a provisional");
                assert_eq!(branch(text), branch(&self.last_invite));
                return;
            }
            "INVITE" if tag.is_empty() => {
                let highest = self.cseq.values().copied().max().unwrap_or(0);
                assert!(number > highest, "{number} after {highest}");
                *self = Judge { seen: std::mem::take(&mut self.seen), ..Judge::default() };
                self.last_invite = text.into();
            }
            _ => {
                let floor: u32 = field(&self.last_invite, "CSeq").split(' ').next().unwrap().parse().unwrap();
                let before = self.cseq.get(&tag).copied().unwrap_or(floor);
                assert_eq!(number, before + 1, "{method} in {tag}");
                assert!(!self.byed.contains_key(&tag), "{method} after BYE in {tag}");
            }
        }
        self.cseq.insert(tag.clone(), number);
        match method.as_str() {
            "BYE" => drop(self.byed.insert(tag, true)),
            "PRACK" => {
                let rseq: u32 = field(text, "RAck").split(' ').next().unwrap().parse().unwrap();
                let fits = self.rack.insert(tag, rseq).is_none_or(|last| rseq == last + 1);
                assert!(fits && rseq > 0, "PRACK {rseq} out of order");
            }
            "INVITE" if !tag.is_empty() => {
                assert!(!self.open.contains_key(&tag), "two INVITEs at once");
                self.open.insert(tag, branch(text).into());
            }
            _ => {}
        }
        self.requests.push(text.into());
    }

    fn answered(&mut self, request: &str, status: u16) {
        let tag = field(request, "To").split(";tag=").nth(1).unwrap_or("");
        if status >= 200 && self.open.get(tag).is_some_and(|open| open == branch(request)) {
            self.open.remove(tag);
        }
    }
}

fn look(rig: &mut Rig, judge: &mut Judge, offers: &mut Vec<crate::sip::api::OfferId>, told: &mut Vec<LegEvent>) {
    for text in rig.take() {
        judge.sent(&text);
    }
    for event in rig.events() {
        if let LegEvent::Offered { id, .. } = &event {
            offers.push(*id);
        }
        told.push(event);
    }
}

fn play(rig: &mut Rig, judge: &mut Judge, offers: &mut Vec<crate::sip::api::OfferId>, one: Move) {
    let description = |body: bool| if body { "v=0 x" } else { "" };
    let invite = judge.last_invite.clone();
    match one {
        Move::Provisional { status, tag, rseq, body } => {
            judge.provisional = true;
            let extra = rseq.map_or(String::new(), |rseq| format!("Require: 100rel\r\nRSeq: {rseq}\r\n"));
            rig.receive(&reply_body(&invite, status, TAGS[tag], &format!("{CONTACT}{extra}"), description(body)));
        }
        Move::Success { tag, fields, body } => {
            let extra = format!("{CONTACT}{}", FIELDS[fields]);
            rig.receive(&reply_body(&invite, 200, TAGS[tag], &extra, description(body)));
        }
        Move::Refuse { status, min_se } => {
            rig.receive(&reply(&invite, status, "a", &format!("Min-SE: {min_se}\r\n")));
        }
        Move::Asks { method, tag, cseq, fields, body } => {
            let extra = format!("{CONTACT}{}", FIELDS[fields]);
            rig.receive(&request(&invite, TAGS[tag], METHODS[method], cseq, &extra, description(body)));
        }
        Move::Acks { tag, cseq } => rig.receive(&request(&invite, TAGS[tag], "ACK", cseq, "", "v=0 y")),
        Move::Answers { which, status, fields, body } => {
            let Some(ours) = judge.requests.get(which % judge.requests.len().max(1)).cloned() else { return };
            if word(&ours) == "INVITE" && !field(&ours, "To").contains(";tag=") {
                return;
            }
            judge.answered(&ours, status);
            rig.receive(&reply_body(&ours, status, "", &format!("{CONTACT}{}", FIELDS[fields]), description(body)));
        }
        Move::Engine { accept } => {
            let Some(id) = offers.pop() else { return };
            let reply = if accept { OfferReply::Accept(b"v=0 z".to_vec()) } else { OfferReply::Refuse };
            rig.stack.answer_offer(rig.now, leg(0), id, reply);
            rig.drain();
        }
        Move::Reoffer => {
            rig.stack.reoffer(rig.now, leg(0), b"v=0 w".to_vec());
            rig.drain();
        }
        Move::HangUp => rig.hang_up(),
        Move::Wait { ms } => {
            let later = rig.now.0 / 1000 + ms;
            rig.until(later);
        }
    }
}

/// One verdict, answers only after one, nothing after the end.
fn lawful(told: &[LegEvent]) -> bool {
    let (mut answered, mut over) = (false, false);
    told.iter().all(|event| {
        let fine = !over
            && match event {
                LegEvent::Answered { .. } => !std::mem::replace(&mut answered, true),
                LegEvent::Ringing | LegEvent::Failed { .. } => !answered,
                LegEvent::HungUp { .. } | LegEvent::OfferAnswered { .. } | LegEvent::OfferRefused { .. } => answered,
                _ => true,
            };
        over |= matches!(event, LegEvent::Failed { .. } | LegEvent::HungUp { .. });
        fine
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn whatever_a_peer_does_nothing_forbidden_is_sent_and_nothing_is_left(seed in any::<u64>(), script in moves()) {
        let mut rig = Rig::new(seed);
        let (mut judge, mut offers, mut told) = (Judge::default(), Vec::new(), Vec::new());
        let invite = rig.dial();
        judge.sent(&invite);
        for one in script {
            play(&mut rig, &mut judge, &mut offers, one);
            look(&mut rig, &mut judge, &mut offers, &mut told);
        }
        rig.hang_up();
        look(&mut rig, &mut judge, &mut offers, &mut told);
        let later = rig.now.0 / 1000 + 700_000;
        rig.until(later);
        look(&mut rig, &mut judge, &mut offers, &mut told);
        prop_assert!(lawful(&told), "{told:?}");
        // An INVITE whose ringing nobody ended is cancelled when its ring limit has passed; then all is over.
        rig.assert_freed();
    }
}
