//! A Kamailio that dies in the middle of calls and comes back: media goes on, the talk ends by BYE through the new process, new
//! calls take another way or end with the right outcome meanwhile.

use crate::kamailio::{Kamailio, Office};
use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::sipp::Phone;
use crate::support::story::{Story, until_both_hear_more};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

fn is_up(story: &Story, switch: &str) -> bool {
    story.daemon.metric("callbridge_switch_up", &format!("switch={switch:?}")) == 1.0
}

/// The answer is acknowledged at both phones: what Kamailio still held would die with it.
fn until_acknowledged(phones: [&Phone; 2]) {
    for phone in phones {
        phone.until("ACK", |message| message.is_request("ACK"));
    }
}

#[test]
fn calls_outlive_their_kamailio_and_new_ones_take_the_other_until_it_is_back() {
    let phones = [ports::port(), ports::port()];
    let offices = [Office::before(phones), Office::before(phones)];
    let mut first = Kamailio::start(&offices[0]);
    let second = Kamailio::start(&offices[1]);
    let switch = |name, office: &Office, weight: u32| {
        let keys = [("weight", weight), ("answer_seconds", 2), ("options_seconds", 1)];
        let keys = keys.map(|(key, value)| (key, value.to_string())).to_vec();
        Switch { keys, ..Switch::new(name, office.port, &["+1"]) }
    };
    // One of weight 0 is tried last.
    let switches = vec![switch("kamailio-1", &offices[0], 1), switch("kamailio-2", &offices[1], 0)];
    let story = Story::behind(Setup { switches, rtp_ports: 20, ..Setup::default() }, phones);
    let [customers, representatives] = [Tone::Customer, Tone::Representative]
        .map(|who| story.phone(who, "phone-answers-and-is-hung-up", |phone| phone.calls = 3));
    let live = story.call();
    live.until("bridged");
    until_acknowledged([&customers, &representatives]);
    assert_eq!(second.logged("got INVITE"), 0);

    first.kill();
    until_both_hear_more(&customers, &representatives);
    let meanwhile = story.call();
    meanwhile.until("bridged");
    eventually("OPTIONS without an answer to tell", PATIENCE, || (!is_up(&story, "kamailio-1")).then_some(()));
    assert_eq!(live.now()["state"], "bridged");

    let first = Kamailio::start(&offices[0]);
    eventually("OPTIONS with an answer to tell", PATIENCE, || is_up(&story, "kamailio-1").then_some(()));
    let afterwards = story.call();
    afterwards.until("bridged");
    for (call, switch) in [(&live, "kamailio-1"), (&meanwhile, "kamailio-2"), (&afterwards, "kamailio-1")] {
        call.delete();
        let record = call.record();
        assert_eq!((&record["outcome"], &record["customer_switch"]), (&"completed".into(), &switch.into()));
    }
    // Both legs of the call that lived through it, and of the last; some perhaps twice.
    assert!(first.logged("got BYE") >= 4);
    customers.finish();
    representatives.finish();
    story.end();
}

#[test]
fn without_another_way_a_call_over_tcp_fails_at_once_and_the_live_one_ends_by_its_customer() {
    let office = Office::before([ports::port(), ports::port()]);
    let mut kamailio = Kamailio::start(&office);
    let keys = vec![("options_seconds", "1".to_owned())];
    let switch = Switch { transport: "tcp", keys, ..Switch::new("kamailio", office.port, &["+1"]) };
    let setup = Setup { switches: vec![switch], listen: vec!["udp", "tcp"], ..Setup::default() };
    let story = Story::behind(setup, office.phones);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let live = story.call();
    live.until("bridged");
    until_acknowledged([&customer, &representative]);

    kamailio.kill();
    until_both_hear_more(&customer, &representative);
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["customer_q850"]), (&"customer_unreachable".into(), &38.into()));
    eventually("the switch to be down", PATIENCE, || (!is_up(&story, "kamailio")).then_some(()));
    assert_eq!(live.now()["state"], "bridged");

    let kamailio = Kamailio::start(&office);
    eventually("the switch to be up", PATIENCE, || is_up(&story, "kamailio").then_some(()));
    customer.act();
    assert_eq!(live.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    assert!(kamailio.logged("got BYE") >= 2, "the customer's to us, ours to the representative");
    story.end();
}
