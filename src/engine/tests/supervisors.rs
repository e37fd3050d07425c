//! A supervisor through the engine: whose call, which numbers, what goes out, what the record says.

use super::*;
use crate::call::SupervisorRefusal;
use crate::engine::api::{Refusal, Reply, SupervisorWish};
use crate::model::{AttemptRecord, Endpoint, Role, SupervisorMode};

const SUPERVISOR: &str = "+12125550109";

/// Both talk through one switch.
fn talking() -> Rig {
    let mut rig = Rig::new(vec![switch("ssp", 1)]);
    rig.call();
    for _ in 0..2 {
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
    }
    rig.next("ACK");
    rig
}

impl Rig {
    fn wish(&mut self, business: &str, wish: SupervisorWish) -> Reply {
        let call = self.last.unwrap();
        let reply = ReplyTo(77);
        self.give(Input::Supervise { reply, business: business.parse().unwrap(), call, wish });
        self.replied.iter().rev().find(|(to, _)| *to == reply).map(|(_, reply)| reply.clone()).unwrap()
    }

    fn invite_supervisor(&mut self, number: &str, mode: SupervisorMode) -> Reply {
        self.wish("abc", SupervisorWish::Invite { address: Endpoint::parse(number).unwrap(), mode })
    }

    fn bye_from(&mut self, from: &Hop, invite: &str) {
        let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let turned = |name: &str| line(name).split_once(": ").unwrap().1.to_owned();
        let text = format!(
            "BYE sip:callbridge@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye{}\r\nFrom: {};tag=far\r\nTo: {}\r\n{}\r\nCSeq: 9 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            from.address,
            self.ports,
            turned("To:"),
            turned("From:"),
            line("Call-ID:"),
        );
        self.give(Input::Sip { from, bytes: text.as_bytes() });
    }
}

fn supervises(command: &Command) -> Option<SupervisorMode> {
    match command {
        Command::Supervise { supervisor, customer, representative, mode } => {
            assert_eq!((supervisor.attempt, customer.attempt, representative.attempt), (2, 0, 1));
            Some(*mode)
        }
        _ => None,
    }
}

#[test]
fn a_supervisor_is_dialled_listens_changes_and_goes_while_the_talk_goes_on() {
    let mut rig = talking();
    let Reply::Supervised(Some(view)) = rig.invite_supervisor(SUPERVISOR, SupervisorMode::Listen) else { panic!("no") };
    assert_eq!((view.leg, view.mode), (2, Some(SupervisorMode::Listen)));
    let (to, invite) = rig.next(&format!("INVITE sip:{SUPERVISOR}"));
    rig.accept(&to, &invite);
    let change = SupervisorWish::Change { leg: 2, mode: SupervisorMode::Join };
    assert!(matches!(rig.wish("abc", change), Reply::Supervised(Some(_))));
    let modes: Vec<_> = rig.media.iter().filter_map(supervises).collect();
    assert_eq!(modes, [SupervisorMode::Listen, SupervisorMode::Join]);
    assert!(matches!(rig.wish("abc", SupervisorWish::Dismiss { leg: 2 }), Reply::Supervised(Some(_))));
    let (to, bye) = rig.next("BYE");
    rig.answer(&to, &bye, 200, "");
    assert!(rig.records.is_empty(), "the talk goes on");
    assert_eq!(rig.count("BYE"), 0);
    rig.delete();
    for _ in 0..2 {
        let (to, bye) = rig.next("BYE");
        rig.answer(&to, &bye, 200, "");
    }
    assert_eq!(rig.outcomes(), [Outcome::Completed]);
    rig.assert_nothing_left();
}

#[test]
fn only_the_business_whose_call_it_is_may_and_only_where_a_representative_might_be_called() {
    let mut rig = talking();
    let wish = SupervisorWish::Invite { address: Endpoint::parse(SUPERVISOR).unwrap(), mode: SupervisorMode::Join };
    assert_eq!(rig.wish("other", wish), Reply::Supervised(None));
    let barred = rig.invite_supervisor("+16465550109", SupervisorMode::Join);
    assert_eq!(barred, Reply::Refused(Refusal::DestinationBarred { pointer: "/supervisor".to_owned() }));
    assert_eq!(rig.count("INVITE"), 0);
    let nobody = rig.wish("abc", SupervisorWish::Dismiss { leg: 1 });
    assert_eq!(nobody, Reply::NotSupervised(SupervisorRefusal::NoSuchLeg));
    rig.delete();
    let mut early = Rig::new(vec![switch("ssp", 1)]);
    early.call();
    let refused = early.invite_supervisor(SUPERVISOR, SupervisorMode::Join);
    assert_eq!(refused, Reply::NotSupervised(SupervisorRefusal::NotBridged));
}

#[test]
fn full_media_threads_and_a_drain_take_no_supervisor() {
    let mut rig = talking();
    rig.give(Input::MediaFull(true));
    let full = rig.invite_supervisor(SUPERVISOR, SupervisorMode::Join);
    assert!(matches!(full, Reply::Refused(Refusal::MediaFull { .. })), "{full:?}");
    rig.give(Input::MediaFull(false));
    rig.give(Input::Drain);
    let draining = rig.invite_supervisor(SUPERVISOR, SupervisorMode::Join);
    assert!(matches!(draining, Reply::Refused(Refusal::Unavailable { .. })), "{draining:?}");
    assert_eq!(rig.count("INVITE"), 0);
}

#[test]
fn the_customers_end_ends_the_supervisor_and_its_leg_is_recorded_and_billed() {
    let mut rig = Rig::new(vec![switch("ssp", 1)]);
    rig.call();
    let (to, customer) = rig.next("INVITE");
    rig.accept(&to, &customer);
    let (to, representative) = rig.next("INVITE");
    rig.accept(&to, &representative);
    rig.invite_supervisor(SUPERVISOR, SupervisorMode::Whisper);
    let (to, invite) = rig.next(&format!("INVITE sip:{SUPERVISOR}"));
    rig.accept(&to, &invite);
    rig.pass(10_000);
    rig.bye_from(&to, &customer);
    for _ in 0..2 {
        let (to, bye) = rig.next("BYE");
        rig.answer(&to, &bye, 200, "");
    }
    assert_eq!(rig.outcomes(), [Outcome::Completed]);
    let record = rig.records[0].clone();
    assert_eq!(record.supervisor_billable_seconds, 10);
    assert_eq!(
        record.billable_seconds(),
        record.customer_billable_seconds + record.representative_billable_seconds + 10
    );
    let kept: Vec<&AttemptRecord> = rig.attempts.iter().collect();
    assert_eq!(
        kept.iter().map(|a| a.role).collect::<Vec<_>>(),
        [Role::Customer, Role::Representative, Role::Supervisor]
    );
    assert_eq!((kept[2].mode, kept[2].billable_seconds), (Some(SupervisorMode::Whisper), 10));
    rig.assert_nothing_left();
}
