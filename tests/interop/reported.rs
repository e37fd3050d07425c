//! RTCP and SRTCP with an implementation that is not ours: baresip (libre) tells us what it heard of us, and says when it hangs up what
//! we told it. Owns what is judged of both sides' numbers; the sound of such talks is judged in `telephone` and `encrypted`.

use serde_json::Value;

use crate::baresip::{Baresip, Handset};
use crate::support::daemon::{Setup, Switch};
use crate::support::story::{CUSTOMER, Call, REPRESENTATIVES, Story};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// On loopback nothing takes longer, in milliseconds; what is longer is a sum gone wrong.
const FAR: f64 = 500.0;

/// Two baresips that sum their RTCP up when they hang up, changed so, behind switches with this `srtp`.
fn between(srtp: &str, change: impl Fn(Handset) -> Handset) -> (Story, [Baresip; 2]) {
    let handsets = [(CUSTOMER, Tone::Customer), (REPRESENTATIVES[0], Tone::Representative)].map(|(number, tone)| {
        let mut handset = change(Handset::new(number, tone));
        handset.config.push_str("module_app rtcpsummary.so\n");
        handset
    });
    let switches =
        [("ssp-62", "+1212"), ("ssp-64", "+1646")].into_iter().zip(&handsets).map(|((name, prefix), phone)| Switch {
            keys: vec![("srtp", format!("{srtp:?}"))],
            ..Switch::new(name, phone.port, &[prefix])
        });
    let phones = [&handsets[0], &handsets[1]].map(Baresip::start);
    let ports = [handsets[0].port, handsets[1].port];
    (Story::behind(Setup { switches: switches.collect(), ..Setup::default() }, ports), phones)
}

/// Waits until both have told us something three times: fifteen seconds, in which each heard of us at least twice.
#[track_caller]
fn until_all_are_told(call: &Call<'_>) -> Value {
    eventually("three reports of each baresip", PATIENCE, || {
        let now = call.now();
        let told = |role: &str| now[role]["quality"]["reports_received"].as_u64().unwrap_or(0) >= 3;
        (told("customer") && told("representative")).then_some(now)
    })
}

/// What was measured with the help of a baresip's reports.
#[track_caller]
fn judge(quality: &Value) {
    let number = |name: &str| quality[name].as_f64().unwrap_or_else(|| panic!("{name}: {quality:#}"));
    assert!((0.0..FAR).contains(&number("round_trip_ms")), "{quality:#}");
    assert!(number("round_trip_ms") <= number("round_trip_worst_ms"), "{quality:#}");
    assert!(number("peer_jitter_ms") < FAR && number("peer_packets_lost") <= 2.0, "{quality:#}");
    assert!(number("mos") > 3.5 && number("peer_mos") > 3.5, "{quality:#}");
    assert_eq!(quality["reports_refused"], 0, "{quality:#}");
}

/// baresip's sums: of both directions what it heard, and what it was told that was heard of it.
#[derive(Debug)]
struct Sums {
    received: f64,
    sent: f64,
    lost: [f64; 2],
    jitter: [f64; 2],
    round_trip: f64,
}

#[track_caller]
fn sums(phone: &Baresip) -> Sums {
    let line = phone.until("EX=BareSip;CS=");
    let numbers = |key: &str| -> Vec<f64> {
        let value =
            line.split(';').find_map(|part| part.trim().strip_prefix(key)).unwrap_or_else(|| panic!("{key} in {line}"));
        value.split(',').map(|number| number.parse().unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    };
    let pair = |key: &str| <[f64; 2]>::try_from(numbers(key)).unwrap_or_else(|_| panic!("two: {line}"));
    Sums {
        received: numbers("PR=")[0],
        sent: numbers("PS=")[0],
        lost: pair("PL="),
        jitter: pair("JI="),
        round_trip: numbers("DL=")[0],
    }
}

/// A talk of fifteen seconds, judged on both sides.
fn they_report(srtp: &str, change: impl Fn(Handset) -> Handset) -> [Baresip; 2] {
    let (story, mut phones) = between(srtp, change);
    let call = story.call();
    call.until("bridged");
    until_all_are_told(&call);
    phones[0].act("hangup", "");
    let record = call.record();
    for (role, phone) in ["customer", "representative"].into_iter().zip(&phones) {
        let quality = &record[format!("quality_{role}")];
        judge(quality);
        let sums = sums(phone);
        assert!(sums.received > 250.0 && sums.sent > 250.0, "{sums:?}");
        // What it heard of us, and what we told it that we heard.
        assert!(sums.lost.iter().all(|lost| (0.0..=2.0).contains(lost)), "{sums:?}");
        assert!(sums.jitter.iter().all(|ms| (0.0..FAR).contains(ms)), "{sums:?}");
        assert!(sums.jitter[1] > 0.0, "nobody told it of its jitter: {sums:?}");
        assert!((0.0..FAR).contains(&sums.round_trip), "{sums:?}");
    }
    story.end();
    phones
}

#[test]
fn two_baresips_are_told_what_we_hear_and_tell_us_what_they_hear() {
    they_report("off", |handset| handset);
}

#[test]
fn reports_are_told_both_ways_encrypted() {
    they_report("required", |handset| handset.encrypted("srtp-mand"));
}

#[test]
fn reports_are_told_both_ways_on_the_port_of_the_voice() {
    let phones = they_report("required", |mut handset| {
        handset.config.push_str("rtcp_mux yes\n");
        handset.encrypted("srtp-mand")
    });
    for phone in &phones {
        assert!(phone.lines("a=rtcp-mux") >= 2, "we offer it and the telephone takes it");
    }
}
