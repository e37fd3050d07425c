//! The stage of one story: a daemon, the customer's switch (+1212…) and the representatives' (+1646…), calls that are
//! followed to their record, and the judgements that every story shares.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::daemon::{Daemon, Setup, Switch};
use super::ports::{self, loopback};
use super::relay::{Relay, Rule};
use super::rtp::Frame;
use super::sipp::{Phone, PhoneSetup};
use super::tone::Tone;
use super::wait::{PATIENCE, eventually};

/// The customer's number in every story.
pub const CUSTOMER: &str = "+12125550100";
/// The representatives' numbers, in hunt order.
pub const REPRESENTATIVES: [&str; 3] = ["+16465550101", "+16465550102", "+16465550103"];

/// One story's stage.
#[derive(Debug)]
pub struct Story {
    /// The equipment.
    pub daemon: Daemon,
    customer_switch: u16,
    representative_switch: u16,
    transport: &'static str,
    relays: Vec<Relay>,
}

impl Story {
    /// A daemon at RFC timers and default limits.
    pub fn begin() -> Story {
        Story::with(Setup::default())
    }

    /// The same with other limits, in seconds.
    pub fn with_limits(call: &[(&'static str, u32)]) -> Story {
        Story::with(Setup { call: call.to_vec(), ..Setup::default() })
    }

    /// With another configuration; the two switches are added.
    pub fn with(mut setup: Setup) -> Story {
        let phones = [ports::port(), ports::port()];
        for (name, port, prefix) in [("ssp-62", phones[0], "+1212"), ("ssp-64", phones[1], "+1646")] {
            let (transport, keys) = (setup.transport, setup.trunk.clone());
            setup.switches.push(Switch { transport, keys, ..Switch::new(name, port, &[prefix]) });
        }
        Story::behind(setup, phones)
    }

    /// With switches of the story's own; the phones (the customer's, the representatives') are at these ports behind them.
    pub fn behind(mut setup: Setup, [customer_switch, representative_switch]: [u16; 2]) -> Story {
        setup.call.push(("drain_seconds", 10));
        let daemon = Daemon::start(&setup);
        // The first verification of a password is slow on purpose; no story is about that.
        assert_eq!(daemon.api("GET", "/v1/calls", None).status, 200);
        Story { daemon, customer_switch, representative_switch, transport: setup.transport, relays: Vec::new() }
    }

    /// A stage whose switches somebody else plays.
    pub fn at(daemon: Daemon) -> Story {
        assert_eq!(daemon.api("GET", "/v1/calls", None).status, 200);
        Story { daemon, customer_switch: 0, representative_switch: 0, transport: "udp", relays: Vec::new() }
    }

    /// A phone at the customer's number.
    pub fn customer(&self, scenario: &'static str) -> Phone {
        self.phone(Tone::Customer, scenario, |_| {})
    }

    /// A phone at the representatives' numbers.
    pub fn representative(&self, scenario: &'static str) -> Phone {
        self.phone(Tone::Representative, scenario, |_| {})
    }

    /// The phone of this speaker, with changes to what it is to do.
    pub fn phone(&self, who: Tone, scenario: &'static str, change: impl FnOnce(&mut PhoneSetup)) -> Phone {
        let port = self.switch_of(who);
        let mut setup = PhoneSetup { transport: self.transport, ..PhoneSetup::new(scenario, port, who) };
        change(&mut setup);
        Phone::start(&setup)
    }

    /// The phone of this speaker at the end of a bad road.
    pub fn phone_behind(&mut self, rule: Rule, who: Tone, scenario: &'static str) -> Phone {
        let behind = ports::port();
        self.relays.push(Relay::start(self.switch_of(who), behind, rule));
        self.phone(who, scenario, |setup| setup.port = behind)
    }

    /// A switch where nobody is: it takes datagrams and says nothing.
    pub fn nobody(&self, who: Tone) -> Nobody {
        let socket = UdpSocket::bind(loopback(self.switch_of(who))).expect("the silent switch's port");
        socket.set_nonblocking(true).expect("a socket that does not wait");
        Nobody { socket }
    }

    fn switch_of(&self, who: Tone) -> u16 {
        if who == Tone::Customer { self.customer_switch } else { self.representative_switch }
    }

    /// Posts the initiation message: the customer, then one representative.
    #[track_caller]
    pub fn call(&self) -> Call<'_> {
        self.call_with(json!({}))
    }

    /// The same with further or other fields.
    #[track_caller]
    pub fn call_with(&self, fields: Value) -> Call<'_> {
        let mut message =
            json!({ "customer": CUSTOMER, "representative": REPRESENTATIVES[0], "reference": "order 321" });
        if let (Some(message), Some(fields)) = (message.as_object_mut(), fields.as_object()) {
            message.extend(fields.clone());
        }
        let answer = self.daemon.api("POST", "/v1/calls", Some(&message));
        assert_eq!(answer.status, 202, "{}\n{}", answer.body, self.daemon.log());
        let id = answer.json()["id"].as_str().expect("the call's id").to_owned();
        Call { daemon: &self.daemon, id }
    }

    /// A call that was accepted earlier, perhaps by the daemon's former life.
    pub fn known(&self, id: &str) -> Call<'_> {
        Call { daemon: &self.daemon, id: id.to_owned() }
    }

    /// Ends the story: nothing may be left in the daemon, and it ends cleanly on SIGTERM.
    #[track_caller]
    pub fn end(mut self) {
        eventually("every port to be given back", PATIENCE, || {
            let metrics = self.daemon.metrics();
            let clean = metrics.contains("callbridge_rtp_ports_in_use")
                && self.daemon.metric("callbridge_rtp_ports_in_use", "") == 0.0;
            clean.then_some(())
        });
        assert_eq!(
            self.daemon.metric("callbridge_calls_active", ""),
            0.0,
            "a call lives on:\n{}",
            self.daemon.metrics()
        );
        self.daemon.ask_to_stop();
        let status = self.daemon.wait_for_exit();
        assert_eq!(status.code(), Some(0), "after SIGTERM:\n{}", self.daemon.log());
    }
}

/// A call that was accepted.
#[derive(Debug)]
pub struct Call<'a> {
    daemon: &'a Daemon,
    /// Its identifier.
    pub id: String,
}

impl Call<'_> {
    /// The call object as it is now.
    #[track_caller]
    pub fn now(&self) -> Value {
        let answer = self.daemon.api("GET", &format!("/v1/calls/{}", self.id), None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Waits until it is in this state.
    #[track_caller]
    pub fn until(&self, state: &str) -> Value {
        self.until_within(state, PATIENCE)
    }

    /// The same with another bound.
    #[track_caller]
    pub fn until_within(&self, state: &str, bound: Duration) -> Value {
        let mut last = Value::Null;
        let start = Instant::now();
        while start.elapsed() < bound {
            last = self.now();
            if last["state"] == state {
                return last;
            }
            assert!(last["state"] != "ended", "ended before it was {state}: {last:#}");
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not {state} within {bound:?}: {last:#}\n{}", self.daemon.log());
    }

    /// DELETE: cancel or hang up.
    #[track_caller]
    pub fn delete(&self) {
        let answer = self.daemon.api("DELETE", &format!("/v1/calls/{}", self.id), None);
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body);
    }

    /// Waits for its end, and for its one record, which must agree with the call object. Gives the record.
    #[track_caller]
    pub fn record(&self) -> Value {
        self.record_within(PATIENCE)
    }

    /// The same with another bound.
    #[track_caller]
    pub fn record_within(&self, bound: Duration) -> Value {
        let view = self.until_within("ended", bound);
        let mine = eventually("the call detail record", PATIENCE, || {
            let all = self.daemon.records();
            let mine: Vec<Value> = all.into_iter().filter(|r| r["call_id"] == self.id.as_str()).collect();
            (!mine.is_empty()).then_some(mine)
        });
        assert_eq!(mine.len(), 1, "exactly one record: {mine:#?}");
        let record = mine[0].clone();
        for field in ["outcome", "business_id", "created_at", "bridged_at", "ended_at", "reference"] {
            assert_eq!(view[field], record[field], "call object and record differ in {field}");
        }
        for role in ["customer", "representative"] {
            for (of_leg, of_record) in
                [("sip_status", "sip_status"), ("q850_cause", "q850"), ("answered_at", "answered_at")]
            {
                let leg = view[role].get(of_leg).cloned().unwrap_or(Value::Null);
                assert_eq!(leg, record[format!("{role}_{of_record}")], "{role}'s {of_leg}: {view:#}\n{record:#}");
            }
        }
        record
    }
}

/// A switch that never answers.
#[derive(Debug)]
pub struct Nobody {
    socket: UdpSocket,
}

impl Nobody {
    /// Where it is.
    pub fn address(&self) -> std::net::SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    /// It speaks all the same.
    pub fn send(&self, to: std::net::SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).expect("loopback takes a datagram");
    }

    /// Every datagram that came since the last look.
    pub fn datagrams(&self) -> Vec<String> {
        let mut datagram = [0; 65_536];
        let next =
            || self.socket.recv(&mut datagram).ok().map(|n| String::from_utf8_lossy(&datagram[..n]).into_owned());
        std::iter::from_fn(next).collect()
    }

    /// Nobody ever rang here.
    #[track_caller]
    pub fn assert_never_called(&self) {
        assert_eq!(self.datagrams(), Vec::<String>::new(), "this phone should never have been called");
    }
}

/// Waits until both phones hear each other's voice, for at least `frames` frames each.
#[track_caller]
pub fn until_both_hear_each_other(customer: &Phone, representative: &Phone) {
    for (phone, voice) in [(customer, Tone::Representative), (representative, Tone::Customer)] {
        eventually(&format!("25 frames of {voice:?}"), PATIENCE, || {
            let frames = phone.media.count(|f| f.tone() == Some(voice));
            (frames >= 25).then_some(())
        });
    }
}

/// Waits until both phones have heard another half second of each other, from now on.
#[track_caller]
pub fn until_both_hear_more(customer: &Phone, representative: &Phone) {
    let sides = [(customer, Tone::Representative), (representative, Tone::Customer)];
    let so_far = |(phone, voice): (&Phone, Tone)| phone.media.count(|f| f.tone() == Some(voice));
    let before = sides.map(so_far);
    for (side, before) in sides.into_iter().zip(before) {
        eventually(&format!("25 more frames of {:?}", side.1), PATIENCE, || {
            (so_far(side) >= before + 25).then_some(())
        });
    }
}

/// What must be true of what the two of a bridged call heard: the customer first the message, then the representative and
/// never the message again; the representative the customer and nothing else.
#[track_caller]
pub fn assert_bridged_by_content(customer: &[Frame], representative: &[Frame]) {
    let bridged = bridged_at(customer);
    assert!(customer[..bridged].iter().any(|f| f.tone() == Some(Tone::Prompt)), "the message comes first");
    assert_clean_bridge(customer, representative);
}

/// The first frame of the representative's voice.
#[track_caller]
fn bridged_at(customer: &[Frame]) -> usize {
    let voice = |f: &Frame| f.tone() == Some(Tone::Representative);
    customer.iter().position(voice).expect("the customer hears the representative")
}

/// The same of the talk alone, for stories whose representative may answer before the message has begun.
#[track_caller]
pub fn assert_clean_bridge(customer: &[Frame], representative: &[Frame]) {
    let bridged = bridged_at(customer);
    let of_equipment = [Tone::Prompt, Tone::Unavailable, Tone::HoldMusic];
    for frame in &customer[bridged..] {
        assert!(!of_equipment.iter().any(|t| frame.has_some_of(*t)), "the message sounds over the bridge: {frame:?}");
    }
    assert!(representative.iter().any(|f| f.tone() == Some(Tone::Customer)), "the representative hears the customer");
    for frame in representative {
        assert!(!of_equipment.iter().any(|t| frame.has_some_of(*t)), "the representative hears a message: {frame:?}");
        assert!(!frame.has_some_of(Tone::Representative), "the representative hears an echo: {frame:?}");
    }
    for heard in [customer, representative] {
        assert_one_stream(heard);
    }
}

/// To one phone everything comes as one RTP stream: one port, one SSRC, sequence numbers without a gap.
#[track_caller]
pub fn assert_one_stream(heard: &[Frame]) {
    for pair in heard.windows(2) {
        assert_eq!((pair[0].from, pair[0].ssrc), (pair[1].from, pair[1].ssrc), "one stream to one phone");
        assert_eq!(pair[0].sequence.wrapping_add(1), pair[1].sequence, "no gap in the sequence: {pair:?}");
    }
}
