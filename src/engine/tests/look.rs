//! What an operator sees of the whole equipment.

use super::*;
use crate::engine::api::{Live, Look, LookFilter, Looked};
use crate::model::CallState;

impl Rig {
    fn look(&mut self, look: Look) -> Looked {
        self.replies += 1;
        self.give(Input::Look { reply: ReplyTo(self.replies), look });
        match self.replied.pop() {
            Some((_, Reply::Looked(looked))) => looked,
            other => panic!("{other:?}"),
        }
    }

    fn live(&mut self, text: Option<&str>) -> Live {
        match self.look(Look::Live(LookFilter { text: text.map(str::to_owned), limit: 10 })) {
            Looked::Live(live) => live,
            other => panic!("{other:?}"),
        }
    }
}

fn rig() -> Rig {
    Rig::new(vec![switch("a", 9)])
}

#[test]
fn live_calls_are_counted_by_state_and_found_by_a_part_of_what_names_them() {
    let mut rig = rig();
    rig.call();
    rig.call();
    let live = rig.live(None);
    assert_eq!(
        (live.calls.len(), live.states.as_slice(), live.cut),
        (2, &[(CallState::CallingCustomer, 2)][..], false)
    );
    assert!(live.calls[0].id > live.calls[1].id, "the newest first");
    let id = rig.last.unwrap().to_string();
    for (text, found) in [("5550100", 2), ("ABC", 2), (&*id, 1), ("5550199", 0)] {
        assert_eq!(rig.live(Some(text)).calls.len(), found, "{text}");
    }
    assert_eq!(
        rig.live(Some("5550199")).states,
        [(CallState::CallingCustomer, 2)],
        "what is counted is not what is searched"
    );
}

#[test]
fn a_call_that_waits_for_its_time_is_only_counted() {
    let mut rig = rig();
    let at = (rig.now.wall + Duration::from_secs(600)).to_string();
    let message = json!({
        "business_id": "abc", "customer": CUSTOMER, "representatives": ["+12125550101"], "desired_contact_time": at,
    });
    rig.give(Input::Initiate { reply: ReplyTo(1), message: Box::new(serde_json::from_value(message).unwrap()) });
    let live = rig.live(None);
    assert_eq!((live.calls.len(), live.scheduled, live.states.len()), (0, 1, 0));
}

#[test]
fn one_call_is_shown_with_its_ladder_whosever_it_is_and_none_where_there_is_none() {
    let mut rig = rig();
    rig.call();
    let id = rig.last.unwrap();
    assert!(matches!(rig.look(Look::Call(id)), Looked::Call(Some(view)) if view.id == id));
    rig.give(Input::Look { reply: ReplyTo(7), look: Look::Ladder(id) });
    assert!(matches!(rig.replied.pop(), Some((ReplyTo(7), Reply::Ladder(Some(_))))));
    let other = CallId::from_u128(5);
    assert_eq!(rig.look(Look::Call(other)), Looked::Call(None));
    assert_eq!(rig.look(Look::Ladder(other)), Looked::Call(None));
}

#[test]
fn a_call_that_is_not_durable_is_shown_to_nobody() {
    let mut rig = rig();
    rig.store_fails = true;
    rig.call();
    assert!(rig.live(None).calls.is_empty());
}

#[test]
fn switches_are_shown_with_their_legs() {
    let mut rig = rig();
    rig.call();
    let Looked::Switches(switches) = rig.look(Look::Switches) else { panic!("switches") };
    assert_eq!((switches[0].name.as_str(), switches[0].up), ("a", true));
    assert!(switches[0].channels >= 1, "{switches:?}");
}
