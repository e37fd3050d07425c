//! What is told of a talk's sound over real sockets: loss either way and its score, a side of which nothing comes, and reports of
//! strangers. The phones' reports are written here, from RFC 3550, without the crate's rtp room.

use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;

use crate::support::ports::loopback;
use crate::support::rtp::source;
use crate::support::sipp::Phone;
use crate::support::story::{Call, Story, until_both_hear_each_other};
use crate::support::wait::{PATIENCE, eventually};

/// A receiver report and a name: how many packets of ours up to this one a phone has lost, and which share of late, in 1/256.
fn report(own: u32, ours: u32, highest: u32, lost: u32, fraction: u32) -> Vec<u8> {
    let words = [0x81c9_0007, own, ours, fraction << 24 | lost, highest, 40, 0, 0, 0x81ca_0002, own, 0x0101_7000];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A phone's port for reports, and what its reports begin from.
struct Reporter {
    socket: UdpSocket,
    to: SocketAddr,
    own: u32,
    ours: u32,
    first: u32,
}

impl Reporter {
    /// Of a phone that has heard something.
    fn of(phone: &Phone) -> Reporter {
        let (from, ours, first) = phone.media.judge(|heard| (heard[0].from, heard[0].ssrc, heard[0].sequence.into()));
        let socket = UdpSocket::bind(loopback(phone.media.port() + 1)).expect("the phone's port for reports");
        Reporter { socket, to: loopback(from.port() + 1), own: source(from), ours, first }
    }

    /// It has heard so many of ours and lost so many of them.
    fn says(&self, of: u32, lost: u32) -> Vec<u8> {
        report(self.own, self.ours, self.first + of, lost, lost * 256 / of)
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).expect("loopback takes a datagram");
    }
}

/// Waits until this is known of a leg's quality.
#[track_caller]
fn until(call: &Call<'_>, role: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{what} of the {role}"), PATIENCE, || {
        let quality = call.now()[role]["quality"].clone();
        is(&quality).then_some(quality)
    })
}

#[test]
fn a_tenth_of_the_packets_lost_either_way_is_in_the_record_with_a_worse_score() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    customer.media.loses_one_of(10);
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    // Of ours the representative loses a tenth; the customer loses nothing.
    let (deaf, well) = (Reporter::of(&representative), Reporter::of(&customer));
    for hundreds in 1..=2 {
        deaf.send(&deaf.says(100 * hundreds, 10 * hundreds));
        well.send(&well.says(100 * hundreds, 0));
    }
    let scored = |quality: &Value| quality["mos"].is_number() && quality["peer_mos"].is_number();
    for role in ["customer", "representative"] {
        until(&call, role, "both scores", scored);
    }
    customer.act();
    let record = call.record();
    let (customer_leg, other_leg) = (&record["quality_customer"], &record["quality_representative"]);
    let number = |leg: &Value, name: &str| leg[name].as_f64().unwrap_or_else(|| panic!("{name}: {leg:#}"));
    let share = number(customer_leg, "packets_lost") / number(customer_leg, "packets_received");
    assert!((0.09..0.14).contains(&share), "{share}: {customer_leg:#}");
    assert_eq!(other_leg["packets_lost"], 0, "{other_leg:#}");
    assert!(number(customer_leg, "mos") < number(other_leg, "mos") - 0.5, "{customer_leg:#}\n{other_leg:#}");
    assert_eq!((&customer_leg["peer_packets_lost"], &other_leg["peer_packets_lost"]), (&0.into(), &20.into()));
    assert!(number(other_leg, "peer_mos") < number(customer_leg, "peer_mos") - 0.5, "{customer_leg:#}\n{other_leg:#}");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_phone_that_is_never_heard_raises_the_alarm_in_metric_ladder_and_record_and_its_voice_ends_it() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    representative.media.fall_silent();
    let call = story.call();
    call.until("bridged");
    let told = |alarm: &str| story.daemon.metric("callbridge_audio_alarms_total", &format!("alarm=\"{alarm}\""));
    eventually("the alarm", PATIENCE, || (told("one_way") == 1.0).then_some(()));
    representative.media.speak_again();
    eventually("its end", PATIENCE, || (told("heard_again") == 1.0).then_some(()));
    customer.act();
    let record = call.record();
    assert_eq!((&record["audio_alarms"], &record["quality_alarms"]), (&1.into(), &0.into()), "{record:#}");
    assert_eq!(told("silence"), 0.0);
    let answer = story.daemon.api("GET", &format!("/v1/calls/{}/ladder?format=json", call.id), None).json();
    let all = answer["entries"].as_array().expect("entries");
    let alarms: Vec<_> = all.iter().filter(|e| e["moment"] == "alarm").map(|e| (&e["attempt"], &e["alarm"])).collect();
    assert_eq!(alarms, [(&1.into(), &"one_way".into()), (&1.into(), &"heard".into())], "{answer:#}");
    let text = story.daemon.api("GET", &format!("/v1/calls/{}/ladder", call.id), None).body;
    assert!(text.contains("nothing is heard of it") && text.contains("is heard again"), "{text}");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn reports_of_strangers_and_broken_ones_are_counted_and_say_nothing() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let phone = Reporter::of(&customer);
    phone.send(&phone.says(100, 3));
    let lie = phone.says(200, 150);
    let strangers = ["127.0.0.1:0", "127.0.0.9:0"].map(|at| UdpSocket::bind(at).expect("a stranger's socket"));
    for stranger in &strangers {
        stranger.send_to(&lie, phone.to).expect("loopback takes a datagram");
    }
    // Of another source, cut off, and nothing at all.
    phone.send(&report(phone.own ^ 1, phone.ours, phone.first + 200, 150, 192));
    phone.send(&lie[..lie.len() - 3]);
    phone.send(b"hello");
    let counted = |quality: &Value| quality["reports_received"] == 1 && quality["reports_refused"] == 5;
    let shown = until(&call, "customer", "one report taken and five refused", counted);
    assert_eq!(shown["peer_packets_lost"], 3, "{shown:#}");
    customer.act();
    let record = call.record();
    assert_eq!(record["quality_customer"]["peer_packets_lost"], 3, "{record:#}");
    assert_eq!(record["quality_representative"]["reports_refused"], 0, "{record:#}");
    customer.finish();
    representative.finish();
    story.end();
}
