//! Kamailio as the softswitch in front of the phones.

use serde_json::{Value, json};

use crate::baresip::{Baresip, Handset};
use crate::kamailio::{Kamailio, Office};
use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::story::{CUSTOMER, REPRESENTATIVES, Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tls::Authority;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// A story whose phones are behind one Kamailio.
fn behind(office: &Office, setup: Setup) -> (Story, Kamailio) {
    let kamailio = Kamailio::start(office);
    let switch = Switch::new("kamailio", office.port, &["+1"]);
    (Story::behind(Setup { switches: vec![switch], ..setup }, office.phones), kamailio)
}

#[test]
fn kamailio_stays_in_the_path_of_a_call() {
    let office = Office::before([ports::port(), ports::port()]);
    let (story, kamailio) = behind(&office, Setup::default());
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["customer_switch"]), (&"completed".into(), &"kamailio".into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    for (request, times) in [("got INVITE", 2), ("got ACK", 2), ("got BYE", 2)] {
        assert_eq!(kamailio.logged(request), times, "{request}: every request of both dialogs by way of Kamailio");
    }
    story.end();
}

#[test]
fn a_busy_customer_behind_kamailio_is_busy() {
    let office = Office::before([ports::port(), ports::port()]);
    let (story, kamailio) = behind(&office, Setup::default());
    let customer = story.customer("customer-busy");
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["customer_sip_status"]), (&"customer_busy".into(), &486.into()));
    customer.finish();
    assert_eq!(kamailio.logged("got INVITE"), 1);
    story.end();
}

#[test]
fn the_next_representative_behind_kamailio_answers() {
    let office = Office::before([ports::port(), ports::port()]);
    let (story, _kamailio) = behind(&office, Setup::default());
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative =
        story.phone(Tone::Representative, "representative-busy-then-next-answers", |phone| phone.calls = 2);
    let call = story.call_with(json!({ "representative": &REPRESENTATIVES[..2] }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative"]), (&"completed".into(), &REPRESENTATIVES[1].into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_cancelled_call_stops_ringing_behind_kamailio() {
    let customer = Handset::new(CUSTOMER, Tone::Customer).answered_by_hand();
    let office = Office::before([customer.port, ports::port()]);
    let (story, kamailio) = behind(&office, Setup::default());
    let customer = Baresip::start(&customer);
    let call = story.call();
    customer.until("SIP/2.0 180 ");
    eventually("the call to know that it rings", PATIENCE, || {
        (call.now()["customer"]["state"] == "ringing").then_some(())
    });
    call.delete();
    assert_eq!(call.record()["outcome"], "cancelled");
    kamailio.until("got CANCEL");
    customer.until("SIP/2.0 487 ");
    story.end();
}

#[test]
fn nobody_behind_kamailio_is_an_unreachable_customer() {
    let office = Office::before([ports::port(), ports::port()]);
    let (story, _kamailio) = behind(&office, Setup::default());
    let representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    assert_eq!(record["outcome"], "customer_unreachable", "{record:#}");
    representatives.assert_never_called();
    story.end();
}

#[test]
fn a_trunk_whose_password_we_do_not_have_refuses() {
    let office = Office::before([ports::port(), ports::port()]).asking("MD5", 300);
    let (story, kamailio) = behind(&office, Setup::default());
    let customers = story.nobody(Tone::Customer);
    let record = story.call().record();
    assert_eq!((&record["customer_sip_status"], &record["bridged_at"]), (&407.into(), &Value::Null));
    kamailio.until("challenged INVITE");
    customers.assert_never_called();
    story.end();
}

#[test]
fn a_kamailio_out_of_service_is_passed_over() {
    let phones = [ports::port(), ports::port()];
    let (first, second) = (Office::before(phones).out_of_service(), Office::before(phones));
    let kamailios = [&first, &second].map(Kamailio::start);
    let by_weight = |name, office: &Office, weight: u32| {
        let keys = vec![("weight", weight.to_string())];
        Switch { keys, ..Switch::new(name, office.port, &["+1"]) }
    };
    // The one that is out of service is tried first, nearly always.
    let switches = vec![by_weight("kamailio-1", &first, 100), by_weight("kamailio-2", &second, 1)];
    let story = Story::behind(Setup { switches, ..Setup::default() }, phones);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["customer_switch"]), (&"completed".into(), &"kamailio-2".into()));
    assert!(kamailios[0].logged("got INVITE") > 0, "the first one was asked");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn kamailio_registers_us_by_our_password() {
    let office = Office::before([ports::port(), ports::port()]).asking("MD5", 300);
    let kamailio = Kamailio::start(&office);
    let keys = vec![
        ("username", "\"callbridge\"".to_owned()),
        ("password", "\"open sesame\"".to_owned()),
        ("register", "\"sip:callbridge@127.0.0.1\"".to_owned()),
    ];
    let switch = Switch { keys, ..Switch::new("kamailio", office.port, &["+1"]) };
    let story = Story::behind(Setup { switches: vec![switch], ..Setup::default() }, office.phones);
    kamailio.until("registered sip:callbridge@127.0.0.1");
    eventually("the daemon to know", PATIENCE, || {
        let registered = story.daemon.metric("callbridge_registrations", "state=\"registered\"");
        (registered == 1.0).then_some(())
    });
    story.end();
}

/// A call through a Kamailio that wants to know our password.
fn is_let_through(office: &Office, password: &str) -> Kamailio {
    let kamailio = Kamailio::start(office);
    let keys = vec![("username", "\"callbridge\"".to_owned()), ("password", format!("\"{password}\""))];
    let switch = Switch { keys, ..Switch::new("kamailio", office.port, &["+1"]) };
    let story = Story::behind(Setup { switches: vec![switch], ..Setup::default() }, office.phones);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
    kamailio
}

#[test]
fn kamailio_is_spoken_to_over_tcp() {
    let office = Office::before([ports::port(), ports::port()]);
    let kamailio = Kamailio::start(&office);
    let switch = Switch { transport: "tcp", ..Switch::new("kamailio", office.port, &["+1"]) };
    let setup = Setup { switches: vec![switch], listen: vec!["udp", "tcp"], ..Setup::default() };
    let story = Story::behind(setup, office.phones);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    kamailio.until("from tcp:127.0.0.1:");
    story.end();
}

#[test]
fn kamailio_asks_for_our_password_with_md5() {
    let kamailio = is_let_through(&Office::before([ports::port(), ports::port()]).asking("MD5", 300), "open sesame");
    assert!(kamailio.logged("challenged INVITE") >= 1);
    assert_eq!(kamailio.logged("authenticated INVITE of callbridge"), 2);
}

#[test]
fn kamailio_asks_for_our_password_with_sha_256() {
    let kamailio =
        is_let_through(&Office::before([ports::port(), ports::port()]).asking("SHA-256", 300), "open sesame");
    assert_eq!(kamailio.logged("authenticated INVITE of callbridge"), 2);
}

#[test]
fn kamailio_proves_its_name_over_tls() {
    let folder = tempfile::tempdir().expect("a folder for certificates");
    let authority = Authority::new(folder.path());
    let file = |name: &str| folder.path().join(name);
    authority.sign("own", &["callbridge.example"]);
    authority.sign("kamailio", &["kamailio.example"]);
    let tls = Some([file("kamailio.pem"), file("kamailio.key")]);
    let office = Office { tls, ..Office::before([ports::port(), ports::port()]) };
    let kamailio = Kamailio::start(&office);
    let keys = vec![("tls_name", "\"kamailio.example\"".to_owned())];
    let switch = Switch { transport: "tls", keys, ..Switch::new("kamailio", office.port + 1, &["+1"]) };
    let pair = format!("{{ certificate = {:?}, key = {:?} }}", file("own.pem"), file("own.key"));
    let sip = vec![("tls", pair), ("ca", format!("{:?}", file("ca.pem")))];
    let setup = Setup { switches: vec![switch], listen: vec!["udp", "tls"], sip, ..Setup::default() };
    let story = Story::behind(setup, office.phones);
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    kamailio.until("from tls:127.0.0.1:");
    story.end();
}
