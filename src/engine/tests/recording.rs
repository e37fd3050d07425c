//! What the engine says of recordings: refused where the account has none, shown while it is made, in the record at the end.

use super::*;
use crate::engine::api::Refusal;
use crate::model::{Recording, RecordingState};

impl Rig {
    fn account(&mut self, recording: Recording) {
        let mut directory = Directory::clone(&self.engine.directory);
        for business in directory.businesses.values_mut() {
            Arc::make_mut(business).recording = recording;
        }
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn talk_asking(&mut self, record: bool) {
        let message = json!({ "business_id": "abc", "customer": CUSTOMER, "representatives": ["+12125550101"], "record": record });
        let message = serde_json::from_value(message).unwrap();
        self.give(Input::Initiate { reply: ReplyTo(5), message: Box::new(message) });
    }

    fn joined(&mut self) {
        for _ in 0..2 {
            let (to, invite) = self.next("INVITE");
            self.accept(&to, &invite);
        }
    }

    fn shown(&mut self) -> crate::model::CallView {
        let call = self.last.unwrap();
        self.give(Input::Get { reply: ReplyTo(6), business: "abc".parse().unwrap(), call });
        match self.replied.pop() {
            Some((_, Reply::Call(Some(view)))) => *view,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_recording_that_the_account_does_not_have_is_refused() {
    let mut rig = Rig::new(vec![switch("ssp", 1)]);
    rig.account(Recording::Off);
    rig.talk_asking(true);
    assert_eq!(rig.replied.pop(), Some((ReplyTo(5), Reply::Refused(Refusal::RecordingBarred))));
    rig.talk_asking(false);
    rig.joined();
    assert!(!rig.media.iter().any(|command| matches!(command, Command::Record { .. })));
    assert_eq!(rig.shown().recording, None);
}

#[test]
fn a_recordings_name_length_and_state_are_in_the_record() {
    for failed in [false, true] {
        let mut rig = Rig::new(vec![switch("ssp", 1)]);
        rig.talk_asking(true);
        assert_eq!(rig.shown().recording, None, "nobody talks yet");
        rig.joined();
        assert_eq!(rig.shown().recording.unwrap().state, RecordingState::Making);
        rig.pass(7_500);
        if failed {
            let call = rig.last.unwrap();
            rig.give(Input::RecordingFailed(call));
            assert_eq!(rig.shown().recording.unwrap().state, RecordingState::Incomplete);
        }
        rig.delete();
        for _ in 0..2 {
            let (to, bye) = rig.next("BYE");
            rig.answer(&to, &bye, 200, "");
        }
        let taped = rig.records[0].recording.clone().unwrap();
        let state = if failed { RecordingState::Incomplete } else { RecordingState::Made };
        assert_eq!((taped.name, taped.seconds, taped.state), (rig.last.map(|id| id.to_string()), Some(7), state));
    }
}
