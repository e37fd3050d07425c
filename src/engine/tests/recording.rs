//! What the engine says of recordings: refused where the account has none, shown while it is made, in the record at the end.

use super::*;
use crate::engine::api::Refusal;
use crate::media::api::{Clip, Script};
use crate::model::{LegId, Recording, RecordingState, RecordingView, Voice};

impl Rig {
    fn account(&mut self, recording: Recording) {
        let mut directory = Directory::clone(&self.engine.directory);
        for business in directory.businesses.values_mut() {
            Arc::make_mut(business).recording = recording;
        }
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn voice(&mut self, voice: Voice) {
        let mut directory = Directory::clone(&self.engine.directory);
        for business in directory.businesses.values_mut() {
            Arc::make_mut(business).voice = voice.clone();
        }
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn scripts(&self, attempt: u16) -> Vec<&Script> {
        let script = |command| match command {
            &Command::Play { leg, ref script } if leg.attempt == attempt => Some(script),
            _ => None,
        };
        self.media.iter().filter_map(script).collect()
    }

    fn records(&self) -> usize {
        self.media.iter().filter(|command| matches!(command, Command::Record { .. })).count()
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

/// The consent text of a script's clip, where it is one: the business's own, or an empty word.
fn consent(clip: &Clip) -> Option<String> {
    let Clip::Consent(worded) = clip else { return None };
    Some(worded.text.as_deref().unwrap_or_default().to_owned())
}

#[test]
fn both_hear_the_consent_message_before_they_talk_and_nothing_is_recorded_before() {
    for own in [None, Some("We record this.".to_owned())] {
        let mut rig = Rig::of(EngineConfig { consent: own.is_none(), ..config(vec![switch("ssp", 1)]) });
        rig.voice(Voice { consent_text: own.clone(), ..Voice::default() });
        rig.talk_asking(true);
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
        let script = rig.scripts(0)[0].clone();
        assert_eq!(script.once.iter().filter_map(consent).collect::<Vec<_>>(), [own.clone().unwrap_or_default()]);
        assert!(matches!(script.once[..], [_, Clip::Connecting(_)]), "the consent message, then the message");
        assert_eq!(script.then_loop, Some(Clip::HoldMusic));
        let leg = |attempt| LegId { call: rig.last.unwrap(), attempt };
        let (customer, representative) = (leg(0), leg(1));
        rig.give(Input::Media(Event::ConsentSaid { leg: customer, heard: true }));
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
        let script = rig.scripts(1)[0].clone();
        assert_eq!((script.once.len(), script.then_loop.clone()), (1, None));
        assert_eq!(script.once.iter().filter_map(consent).count(), 1);
        assert!(!rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
        rig.give(Input::Media(Event::ConsentSaid { leg: representative, heard: true }));
        assert_eq!((rig.records(), rig.shown().recording), (0, None));
        rig.give(Input::Media(Event::PlayEnded { leg: representative }));
        assert_eq!((rig.records(), rig.shown().recording.unwrap().state), (1, RecordingState::Making));
        assert!(rig.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
    }
}

#[test]
fn an_account_may_want_nobody_told_and_what_it_changes_in_a_call_is_for_the_next_one() {
    let mut rig = Rig::of(EngineConfig { consent: true, ..config(vec![switch("ssp", 1)]) });
    rig.voice(Voice { consent: Some(false), ..Voice::default() });
    rig.talk_asking(true);
    rig.voice(Voice::default());
    rig.joined();
    assert_eq!(rig.scripts(0)[0].once.iter().filter_map(consent).count(), 0);
    assert_eq!(rig.records(), 1);
    let mut rig = Rig::of(EngineConfig { consent: true, ..config(vec![switch("ssp", 1)]) });
    rig.talk_asking(false);
    rig.account(Recording::Always);
    rig.joined();
    assert_eq!((rig.scripts(0)[0].once.iter().filter_map(consent).count(), rig.records()), (0, 0));
}

#[test]
fn a_whisper_and_the_consent_message_are_one_script() {
    let mut rig = Rig::of(EngineConfig { consent: true, ..config(vec![switch("ssp", 1)]) });
    let mut directory = Directory::clone(&rig.engine.directory);
    for business in directory.businesses.values_mut() {
        Arc::make_mut(business).gates.representative = crate::model::RepresentativeGate::Whisper;
    }
    rig.give(Input::Directory(Arc::new(directory)));
    rig.talk_asking(true);
    rig.joined();
    assert!(matches!(rig.scripts(1)[0].once[..], [Clip::Whisper(_), Clip::Consent(_)]));
}

/// Both answer; the consent message is said to both, and each heard it or not.
fn consented(rig: &mut Rig, heard: [bool; 2]) {
    let leg = |rig: &Rig, attempt| LegId { call: rig.last.unwrap(), attempt };
    for (attempt, heard) in (0..).zip(heard) {
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
        let leg = leg(rig, attempt);
        rig.give(Input::Media(Event::ConsentSaid { leg, heard }));
    }
    let representative = leg(rig, 1);
    rig.give(Input::Media(Event::PlayEnded { leg: representative }));
}

#[test]
fn a_recording_that_was_asked_for_and_is_absent_is_explained_in_call_and_record() {
    for heard in [[true, false], [false, true], [false, false]] {
        let mut rig = Rig::of(EngineConfig { consent: true, ..config(vec![switch("ssp", 1)]) });
        rig.talk_asking(true);
        consented(&mut rig, heard);
        let untold = RecordingView { name: None, seconds: None, state: RecordingState::Untold };
        assert_eq!((rig.records(), rig.shown().recording), (0, Some(untold.clone())));
        let call = rig.last.unwrap();
        rig.give(Input::RecordingFailed(call));
        rig.delete();
        for _ in 0..2 {
            let (to, bye) = rig.next("BYE");
            rig.answer(&to, &bye, 200, "");
        }
        assert_eq!(rig.records[0].recording, Some(untold));
    }
}
