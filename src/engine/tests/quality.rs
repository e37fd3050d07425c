//! What media measures of a call that lives: in its object, and its alarms in the record.

use super::*;
use crate::engine::api::{Look, Reply};
use crate::model::{Alarm, Heard, LegId, Sample};

#[test]
fn a_live_call_shows_its_last_ten_minutes_and_its_record_counts_the_alarms() {
    let mut rig = Rig::new(vec![switch("ssp", 1)]);
    rig.call();
    for _ in 0..2 {
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
    }
    let call = rig.last.unwrap();
    let leg = LegId { call, attempt: 1 };
    for n in 0..130u64 {
        let quality = Quality { packets_received: n, mos: Some(4.2), ..Quality::default() };
        let sample = Sample::new(Heard::new(0.01, 2.0, 4.2), Heard::UNKNOWN, Some(30.0));
        rig.give(Input::Media(Event::Measured { leg, quality, sample }));
    }
    for alarm in [Alarm::OneWay, Alarm::Heard, Alarm::Silence, Alarm::Bad, Alarm::Good] {
        rig.give(Input::Media(Event::Alarm { leg, alarm }));
        assert!(rig.notices.contains(&Notice::Alarm { call, attempt: 1, alarm }));
    }
    let business: crate::model::BusinessId = "abc".parse().unwrap();
    rig.give(Input::Get { reply: ReplyTo(70), business: business.clone(), call });
    rig.give(Input::List {
        reply: ReplyTo(71),
        business: business.clone(),
        filter: crate::engine::api::ListFilter { limit: 50, ..Default::default() },
    });
    let reply = |rig: &Rig, to| rig.replied.iter().find(|(reply, _)| *reply == ReplyTo(to)).unwrap().1.clone();
    let Reply::Call(Some(view)) = reply(&rig, 70) else { panic!("no call") };
    let shown = view.representative.unwrap();
    assert_eq!((shown.quality.unwrap().packets_received, shown.quality_samples.len()), (129, 120));
    assert_eq!(shown.quality_samples[0].round_trip_ms, Some(30.0));
    assert_eq!((view.attempts[1].quality_samples.len(), view.customer.quality_samples.len()), (120, 0));
    let Reply::Calls(views, None) = reply(&rig, 71) else { panic!("no list") };
    assert!(views[0].attempts.iter().all(|leg| leg.quality_samples.is_empty()), "a list is short");
    rig.give(Input::Delete { reply: ReplyTo(72), business, call });
    let record = &rig.records[0];
    assert_eq!((record.audio_alarms, record.quality_alarms, record.one_way_audio), (2, 1, true));
    rig.give(Input::Look { reply: ReplyTo(73), look: Look::Ladder(call) });
    let Reply::Ladder(Some(ladder)) = reply(&rig, 73) else { panic!("no ladder") };
    assert_eq!((ladder.sound(0).len(), ladder.sound(1).len()), (0, 120), "its last ten minutes outlive it");
}
