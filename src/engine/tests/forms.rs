//! Keys between the legs of a talk, each told in the form that it understands. Sound and events are media's; here is who is told what.

use std::sync::Arc;

use super::{Rig, hop, switch};
use crate::engine::api::Input;
use crate::media::api::{Command, Event};
use crate::model::trunk::DtmfForm;
use crate::model::{Digits, Key, LegId, Trunk};
use crate::routing::Switch;

const EVENTS: &str = "0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const PLAIN: &str = "0\r\n";
const ALL: &str = "1234567890*#ABCD";

fn with(dtmf: DtmfForm) -> Vec<Switch> {
    vec![Switch { trunk: Arc::new(Trunk { dtmf, ..Trunk::default() }), ..switch("ssp-61", 1) }]
}

/// Both talk; what each agreed on.
fn talking(switches: Vec<Switch>, customer: &str, representative: &str) -> Rig {
    let mut rig = Rig::new(switches);
    rig.call();
    for formats in [customer, representative] {
        let (_, invite) = rig.next("INVITE");
        rig.accept_with(&hop(1), &invite, formats);
    }
    assert!(rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    rig
}

impl Rig {
    fn leg(&self, attempt: u16) -> LegId {
        LegId { call: self.last.unwrap(), attempt }
    }

    /// Media hears a key of the customer.
    fn pressed(&mut self, letter: char) {
        let (leg, key) = (self.leg(0), Key::of(letter).unwrap());
        self.give(Input::Media(Event::Digit { leg, key }));
    }

    /// The keys that media is to send to the representative.
    fn dialled(&self) -> String {
        let digits = |command: &Command| match command {
            Command::SendDigits { leg, digits, .. } if leg.attempt == 1 => Some(digits.clone()),
            _ => None,
        };
        let letter = |digits: Digits| match digits.steps() {
            [crate::model::digits::Step::Press(key)] => key.letter(),
            _ => '?',
        };
        self.media.iter().filter_map(digits).map(letter).collect()
    }

    /// The next INFO, as soon as it is sent.
    fn next_info(&mut self) -> String {
        for _ in 0..50 {
            if self.count("INFO") > 0 {
                return self.next("INFO").1;
            }
            self.pass(100);
        }
        panic!("no INFO within five seconds")
    }

    fn listened(&self) -> Vec<u16> {
        let leg = |command: &Command| if let Command::HearKeys { leg } = command { Some(leg.attempt) } else { None };
        self.media.iter().filter_map(leg).collect()
    }
}

#[test]
fn all_sixteen_keys_go_by_info_to_whom_did_not_agree_to_events() {
    for trunk in [DtmfForm::Rfc4733, DtmfForm::Info] {
        let mut rig = talking(with(trunk), PLAIN, PLAIN);
        for letter in ALL.chars() {
            rig.pressed(letter);
            let (_, info) = rig.next("INFO");
            assert!(info.contains(&format!("Signal={letter}\r\n")), "{info}");
            rig.answer(&hop(1), &info, 200, "");
            rig.pass(100);
        }
        assert_eq!((rig.dialled().as_str(), rig.count("INFO")), ("", 0));
    }
}

#[test]
fn media_tells_whom_agreed_to_events() {
    let mut rig = talking(with(DtmfForm::Rfc4733), PLAIN, EVENTS);
    ALL.chars().for_each(|letter| rig.pressed(letter));
    assert_eq!((rig.dialled().as_str(), rig.count("INFO")), ("", 0));
    assert_eq!(rig.listened(), [0], "the customer's keys may come as sound");
}

#[test]
fn who_refuses_info_hears_tones_from_the_refused_key_on() {
    let mut rig = talking(with(DtmfForm::Rfc4733), EVENTS, PLAIN);
    rig.pressed('5');
    rig.pressed('6');
    let (_, info) = rig.next("INFO");
    rig.answer(&hop(1), &info, 405, "");
    let both = rig.media.iter().find_map(|command| match command {
        Command::SendDigits { leg, digits, .. } if leg.attempt == 1 => Some(digits.steps().len()),
        _ => None,
    });
    assert_eq!(both, Some(2));
    rig.media.clear();
    ALL.chars().for_each(|letter| rig.pressed(letter));
    assert_eq!((rig.dialled().as_str(), rig.count("INFO")), (ALL, 0));
}

#[test]
fn a_switch_that_knows_tones_only_is_offered_no_events_and_asked_by_no_info() {
    let mut rig = Rig::new(with(DtmfForm::InBand));
    rig.call();
    for _ in 0..2 {
        let (_, invite) = rig.next("INVITE");
        assert!(!invite.contains("telephone-event"), "{invite}");
        rig.accept(&hop(1), &invite);
    }
    ALL.chars().for_each(|letter| rig.pressed(letter));
    assert_eq!((rig.dialled().as_str(), rig.count("INFO")), (ALL, 0));
    assert_eq!(rig.listened(), Vec::<u16>::new(), "tones pass as sound");
}

#[test]
fn only_a_leg_that_may_say_keys_by_sound_alone_is_listened_to() {
    assert_eq!(talking(with(DtmfForm::Rfc4733), EVENTS, EVENTS).listened(), Vec::<u16>::new());
    assert_eq!(talking(with(DtmfForm::Rfc4733), EVENTS, PLAIN).listened(), [1]);
    assert_eq!(talking(with(DtmfForm::Info), PLAIN, PLAIN).listened(), Vec::<u16>::new(), "theirs come by INFO");
}

/// The representative's number has an extension, and its phone answers the first INFO so.
fn extension_where_info_is(status: u16) -> Rig {
    let mut rig = Rig::new(with(DtmfForm::Rfc4733));
    let message = serde_json::json!({ "business_id": "abc", "customer": super::CUSTOMER, "representatives": ["tel:+12125550101;postd=4p2"] });
    let message = serde_json::from_value(message).unwrap();
    rig.give(Input::Initiate { reply: crate::engine::api::ReplyTo(5), message: Box::new(message) });
    for _ in 0..2 {
        let (_, invite) = rig.next("INVITE");
        rig.accept_with(&hop(1), &invite, PLAIN);
    }
    rig.media.clear();
    let info = rig.next_info();
    rig.answer(&hop(1), &info, status, "");
    rig
}

#[test]
fn an_extension_whose_info_is_refused_is_dialled_as_tones_and_the_call_goes_on() {
    for status in [403, 405, 415, 481 + 20, 603] {
        let mut rig = extension_where_info_is(status);
        let dialled = rig.media.iter().find_map(|command| match command {
            Command::SendDigits { leg, digits, .. } if leg.attempt == 1 => Some((*leg, digits.clone())),
            _ => None,
        });
        let (leg, digits) = dialled.unwrap_or_else(|| panic!("{status}: {:?}", rig.media));
        assert_eq!(digits.steps().len(), 3, "the refused key, the pause, the next key");
        assert!(
            !rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })),
            "not before all is dialled"
        );
        rig.give(Input::Media(Event::DigitsSent { leg }));
        assert!(rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })), "{status}");
        assert_eq!(rig.count("INFO"), 0);
    }
}

#[test]
fn an_extension_whose_info_is_taken_goes_on_by_info() {
    let mut rig = extension_where_info_is(200);
    let info = rig.next_info();
    assert!(info.contains("Signal=2"), "{info}");
    rig.answer(&hop(1), &info, 200, "");
    rig.pass(1_000);
    assert!(rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    assert_eq!(rig.dialled(), "");
}

/// A re-INVITE of the leg that this INVITE began, with these formats.
fn reinvited(rig: &mut Rig, invite: &str, formats: &str) {
    let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let from = line("To:").replacen("To:", "From:", 1) + ";tag=far";
    let to = line("From:").replacen("From:", "To:", 1);
    let sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}"
    );
    let text = format!(
        "INVITE sip:callbridge@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKback\r\n{from}\r\n{to}\r\n{}\r\n\
         CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:phone@{}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        hop(1).address,
        line("Call-ID:"),
        hop(1).address,
        sdp.len()
    );
    rig.give(Input::Sip { from: &hop(1), bytes: text.as_bytes() });
}

#[test]
fn whose_events_are_gone_after_a_reinvite_is_listened_to_from_then_on() {
    let mut rig = Rig::new(with(DtmfForm::Rfc4733));
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.accept_with(&hop(1), &invite, EVENTS);
    let (_, second) = rig.next("INVITE");
    rig.accept_with(&hop(1), &second, EVENTS);
    assert_eq!(rig.listened(), Vec::<u16>::new());
    reinvited(&mut rig, &invite, "8\r\n");
    assert_eq!(rig.listened(), [0], "its keys come as sound, and the other is told events");
    let mut gated = Rig::new(with(DtmfForm::Rfc4733));
    let mut directory = crate::model::Directory::clone(&gated.engine.directory);
    for business in directory.businesses.values_mut() {
        Arc::make_mut(business).gates.customer = true;
    }
    gated.give(Input::Directory(Arc::new(directory)));
    gated.call();
    let (_, invite) = gated.next("INVITE");
    gated.accept_with(&hop(1), &invite, EVENTS);
    assert_eq!(gated.listened(), Vec::<u16>::new());
    reinvited(&mut gated, &invite, "8\r\n");
    assert_eq!(gated.listened(), [0], "the gate waits for its 1");
}
