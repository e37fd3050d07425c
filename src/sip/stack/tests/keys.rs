//! Keys in INFO: the peer's and ours.

use super::*;
use crate::model::Key;

fn info(invite: &str, cseq: u32, kind: &str, body: &str) -> String {
    let plain = request(invite, "a", "INFO", cseq, "", body);
    plain.replace("Content-Type: application/sdp", &format!("Content-Type: {kind}"))
}

#[test]
fn a_key_in_an_info_is_answered_and_told() {
    let mut rig = Rig::new(60);
    let (invite, _) = rig.answered();
    rig.receive(&info(&invite, 5, "application/dtmf-relay", "Signal=7\r\nDuration=160\r\n"));
    assert_eq!(rig.words(), ["200"]);
    assert_eq!(rig.events(), [LegEvent::Key { key: Key::of('7').unwrap() }]);
    // A repetition is answered like the first and told no more.
    rig.receive(&info(&invite, 5, "application/dtmf-relay", "Signal=7\r\nDuration=160\r\n"));
    assert_eq!((rig.words(), rig.events()), (vec!["200".to_owned()], vec![]));
    for (cseq, kind, body, status) in [
        (6, "application/dtmf-relay", "Duration=160\r\n", "400"),
        (7, "text/plain", "7", "415"),
        (8, "application/dtmf", "#", "200"),
    ] {
        rig.receive(&info(&invite, cseq, kind, body));
        assert_eq!(rig.words(), [status]);
    }
    assert_eq!(rig.events(), [LegEvent::Key { key: Key::of('#').unwrap() }]);
}

#[test]
fn our_key_is_an_info_whose_answer_is_told() {
    for (status, accepted) in [(200, true), (415, false), (481, false)] {
        let mut rig = Rig::new(61);
        rig.answered();
        rig.stack.press(rig.now, leg(0), Key::of('*').unwrap());
        rig.drain();
        let info = rig.take().pop().unwrap();
        assert_eq!((word(&info).as_str(), field(&info, "Content-Type")), ("INFO", "application/dtmf-relay"));
        assert!(info.ends_with("\r\n\r\nSignal=*\r\nDuration=100\r\n"), "{info}");
        rig.receive(&reply(&info, status, "", ""));
        assert_eq!(rig.events(), [LegEvent::KeySent { accepted }]);
    }
}

#[test]
fn a_key_that_is_never_answered_is_told_once() {
    let mut rig = Rig::new(62);
    rig.answered();
    rig.stack.press(rig.now, leg(0), Key::of('*').unwrap());
    rig.drain();
    rig.until(31_900);
    assert_eq!(rig.events(), []);
    rig.until(80_000);
    assert_eq!(rig.events(), [LegEvent::KeySent { accepted: false }]);
    rig.take();
    rig.hang_up();
    rig.stack.press(rig.now, leg(0), Key::of('*').unwrap());
    rig.drain();
    assert_eq!((rig.words(), rig.events()), (vec!["BYE".to_owned()], vec![]));
}
