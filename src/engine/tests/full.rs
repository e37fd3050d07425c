//! Media threads that are full: new calls are refused before anybody hears it, and those that live go on.

use super::*;
use crate::engine::api::Refusal;

#[test]
fn no_new_call_is_taken_while_media_is_full_and_those_that_live_go_on() {
    let mut rig = Rig::new(vec![switch("a", 1)]);
    rig.call();
    let (to, invite) = rig.next("INVITE");
    rig.give(Input::MediaFull(true));
    rig.call();
    assert!(rig.notices.contains(&Notice::Refused(Refusal::MediaFull { retry_after: 2 })), "{:?}", rig.notices);
    assert_eq!(rig.count("INVITE"), 0);
    rig.accept(&to, &invite);
    assert_eq!(rig.count("INVITE"), 1, "the representative of the call that lives");
    rig.give(Input::MediaFull(false));
    rig.call();
    assert_eq!(rig.count("INVITE"), 2);
}
