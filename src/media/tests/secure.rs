//! Stories of a leg in SRTP beside one in clear, and of keys that change.

use super::*;
use crate::model::{MasterKey, SrtpKeys, Suite};
use crate::rtp::{Opener, Seal};

pub(super) fn key(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::new(suite, &vec![seed; suite.key_length() + suite.salt_length()]).unwrap()
}

/// What the leg agrees on: ours is made of 1, the phone's of `theirs`.
pub(super) fn secured(port: u16, codec: Codec, suite: Suite, theirs: u8) -> MediaPlan {
    let keys = SrtpKeys { send: key(suite, 1), receive: key(suite, theirs) };
    MediaPlan { srtp: Some(Box::new(keys)), ..plan(port, codec) }
}

/// The telephone's end of an encrypted leg.
struct Ends {
    seal: Seal,
    opener: Opener,
    clear: Vec<Vec<u8>>,
}

impl Ends {
    fn new(suite: Suite, theirs: u8) -> Ends {
        Ends {
            seal: Seal::new(&key(suite, theirs)).unwrap(),
            opener: Opener::new(&key(suite, 1)).unwrap(),
            clear: Vec::new(),
        }
    }
}

/// Lets the encrypted first phone and the plain second one talk; what each hears in clear is returned.
fn talk(stage: &mut Stage, ends: &mut Ends, frames: usize) {
    for _ in 0..frames {
        stage.now = stage.now + Duration::from_millis(20);
        let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
        let sealed = ends.seal.seal(&stage.phones[0].packet()).unwrap();
        assert_eq!(stage.hand_in(slot, from, sealed), None, "it leaves by the tick");
        let (slot, from, packet) = (stage.phones[1].slot, stage.phones[1].from, stage.phones[1].packet());
        assert_eq!(stage.hand_in(slot, from, packet), None, "it leaves by the tick");
        tick(stage, ends);
    }
}

fn tick(stage: &mut Stage, ends: &mut Ends) {
    assert!(stage.shard.next_due().is_some());
    let (now, phones) = (stage.now, &mut stage.phones);
    stage.shard.tick(now, |way, bytes| {
        if way.slot == phones[0].slot {
            ends.clear.push(ends.opener.open(bytes).expect("sealed with our key"));
        } else {
            hear(phones, now, way, bytes);
        }
    });
    stage.drain();
}

fn heard_in_clear(ends: &Ends, codec: Codec) -> Vec<i16> {
    ends.clear.iter().flat_map(|bytes| decode(codec, &bytes[rtp::read(bytes).unwrap().payload])).collect()
}

#[test]
fn an_encrypted_leg_and_a_plain_one_hear_each_other_in_every_suite_and_law() {
    for suite in Suite::ALL {
        for codecs in [[Codec::Pcmu, Codec::Pcmu], [Codec::Pcmu, Codec::Pcma]] {
            let mut stage = Stage::new(codecs);
            stage.phones[0].sequence = 1;
            stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, codecs[0], suite, 2) });
            stage.bridge();
            let mut ends = Ends::new(suite, 2);
            talk(&mut stage, &mut ends, 50);
            assert!(tone::is_heard(&stage.phones[1].samples(), CUSTOMER_HZ), "{suite:?}");
            assert!(tone::is_heard(&heard_in_clear(&ends, codecs[0]), REPRESENTATIVE_HZ), "{suite:?}");
            assert_eq!((ends.clear.len(), stage.phones[1].heard.len()), (50, 50));
        }
    }
}

#[test]
fn what_does_not_authenticate_is_refused_and_latches_nobody() {
    let mut stage = Stage::new([Codec::Pcmu, Codec::Pcmu]);
    stage.phones[0].sequence = 1;
    let suite = Suite::AesCm128HmacSha1;
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, suite, 2) });
    stage.bridge();
    let slot = stage.phones[0].slot;
    // Another port of the same host would latch, if it spoke first.
    let stranger = "192.0.2.9:4999".parse().unwrap();
    let clear = stage.phones[0].packet();
    let forged = Seal::new(&key(suite, 9)).unwrap().seal(&clear).unwrap();
    let from = stage.phones[0].from;
    for (from, bytes) in [(stranger, clear.clone()), (stranger, forged.clone()), (from, clear), (from, forged)] {
        assert_eq!(stage.hand_in(slot, from, bytes), None);
    }
    assert_eq!((stage.shard.counters().refused, stage.shard.counters().taken), (4, 0));
    assert_eq!(stage.count(|event| matches!(event, Event::FirstPacket { .. })), 0);
    let mut ends = Ends::new(suite, 2);
    talk(&mut stage, &mut ends, 10);
    assert_eq!((ends.clear.len(), stage.phones[1].heard.len()), (10, 10));
    stage.tell(Command::Close { leg: leg(0) });
    let refused = stage.events.iter().find_map(|event| match event {
        Event::Closed { quality, .. } => Some(quality.packets_refused),
        _ => None,
    });
    assert_eq!(refused, Some(4));
}

#[test]
fn a_replayed_packet_is_not_heard_again() {
    let mut stage = Stage::new([Codec::Pcmu, Codec::Pcmu]);
    stage.phones[0].sequence = 1;
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, Suite::AeadAes128Gcm, 2) });
    stage.bridge();
    let mut ends = Ends::new(Suite::AeadAes128Gcm, 2);
    let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
    let sealed = ends.seal.seal(&stage.phones[0].packet()).unwrap();
    for _ in 0..3 {
        stage.hand_in(slot, from, sealed.clone());
    }
    tick(&mut stage, &mut ends);
    assert_eq!((stage.phones[1].heard.len(), stage.shard.counters().refused), (1, 2));
}

#[test]
fn messages_and_digits_leave_encrypted() {
    let mut stage = Stage::new([Codec::Pcmu, Codec::Pcmu]);
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, Suite::AeadAes256Gcm, 2) });
    stage.tell(Command::Play { leg: leg(0), script: message() });
    let mut ends = Ends::new(Suite::AeadAes256Gcm, 2);
    for _ in 0..200 {
        stage.now = stage.now + Duration::from_millis(5);
        tick(&mut stage, &mut ends);
    }
    assert!(tone::is_heard(&heard_in_clear(&ends, Codec::Pcmu), MESSAGE_HZ));
    let digits = crate::model::Digits::key(Key::of_event(5).unwrap());
    stage.tell(Command::SendDigits { leg: leg(0), digits, after: Duration::ZERO });
    ends.clear.clear();
    for _ in 0..60 {
        stage.now = stage.now + Duration::from_millis(5);
        tick(&mut stage, &mut ends);
    }
    let events = ends.clear.iter().filter(|bytes| rtp::read(bytes).unwrap().payload_type == 101).count();
    assert_eq!(events, 7);
}

#[test]
fn a_new_key_of_the_peer_takes_over_and_ours_goes_on_counting() {
    let suite = Suite::AeadAes128Gcm;
    let mut stage = Stage::new([Codec::Pcmu, Codec::Pcmu]);
    stage.phones[0].sequence = 1;
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, suite, 2) });
    stage.bridge();
    let mut ends = Ends::new(suite, 2);
    talk(&mut stage, &mut ends, 10);
    let old = ends.seal.seal(&stage.phones[0].packet()).unwrap();
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, suite, 3) });
    let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
    stage.hand_in(slot, from, old);
    assert_eq!(stage.shard.counters().refused, 1, "the old key is worth nothing any more");
    ends.seal = Seal::new(&key(suite, 3)).unwrap();
    // The phone's opener has seen our numbers: it would refuse any that came twice.
    talk(&mut stage, &mut ends, 10);
    assert_eq!((ends.clear.len(), stage.phones[1].heard.len()), (20, 20));
}

#[test]
fn a_key_that_comes_back_uses_no_number_twice() {
    let mut stage = Stage::new([Codec::Pcmu, Codec::Pcmu]);
    stage.phones[0].sequence = 1;
    let (gcm, sha) = (Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1);
    stage.bridge();
    let (mut first, mut second) = (Ends::new(gcm, 2), Ends::new(sha, 2));
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, gcm, 2) });
    talk(&mut stage, &mut first, 5);
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, sha, 2) });
    talk(&mut stage, &mut second, 5);
    stage.tell(Command::Agree { leg: leg(0), plan: secured(4000, Codec::Pcmu, gcm, 2) });
    talk(&mut stage, &mut first, 5);
    assert_eq!((first.clear.len(), second.clear.len()), (10, 5));
}
