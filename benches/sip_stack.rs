//! What one leg costs the SIP stack: INVITE, 100, 180, 200, ACK, BYE, 200, with every transaction living out its timers. The
//! peer's answers are made by copying header lines, so the figure is nearly all the stack's.

use std::time::Duration;

use callbridge::clock::{Mono, Wall};
use callbridge::model::{CallId, Hop, LegId};
use callbridge::sip::api::{Invite, Locals, SipOutput, Sources};
use callbridge::sip::{HangUpReason, Stack, StackConfig};
use divan::Bencher;
use divan::counter::ItemsCount;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 49216 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

fn switch() -> Hop {
    Hop::udp(([192, 0, 2, 1], 5070).into())
}

/// Lines of the request that a response repeats, then the rest.
fn reply(request: &[u8], status: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(status.as_bytes());
    for line in request.split_inclusive(|&byte| byte == b'\n').take_while(|line| line.len() > 2) {
        let repeated = [&b"Via:"[..], b"From:", b"Call-ID:", b"CSeq:"].iter().any(|name| line.starts_with(name));
        if repeated {
            out.extend_from_slice(line);
        } else if line.starts_with(b"To:") {
            out.extend_from_slice(line.trim_ascii_end());
            if !line.windows(5).any(|part| part == b";tag=") {
                out.extend_from_slice(b";tag=phone");
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    let end = format!(
        "Contact: <sip:phone@192.0.2.1:5070>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(body);
    out
}

struct World {
    stack: Stack,
    now: Mono,
    legs: u64,
}

impl World {
    fn new() -> World {
        let config = StackConfig::new(
            Locals::udp(([192, 0, 2, 100], 5060).into()),
            Sources::of(&[switch().address.ip()]),
            "callbridge".into(),
        );
        World { stack: Stack::new(config, StdRng::seed_from_u64(1)), now: Mono(0), legs: 0 }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, _)) = self.stack.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at;
            self.stack.timeout(at);
            self.sent();
        }
        self.now = until;
    }

    fn sent(&mut self) -> Option<std::sync::Arc<[u8]>> {
        let mut last = None;
        while let Some(output) = self.stack.poll_output() {
            if let SipOutput::Send { bytes, .. } = output {
                last = Some(bytes);
            }
        }
        last
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.stack.receive(self.now, &switch(), bytes);
    }

    /// One leg from the INVITE to the end of the BYE; `gap` passes before the next.
    fn leg(&mut self, gap: Duration) {
        self.legs += 1;
        let random = (u128::from(self.legs) << 16).to_be_bytes();
        let random: [u8; 10] = std::array::from_fn(|at| random[at + 6]);
        let leg = LegId { call: CallId::new(Wall(0), random), attempt: 0 };
        self.stack.invite(
            self.now,
            Invite {
                leg,
                hop: switch(),
                target: "sip:+12125550100@192.0.2.1;user=phone".into(),
                from: "sip:+12125550199@192.0.2.100".into(),
                from_name: Some("ABC".into()),
                headers: Vec::new(),
                trunk: Default::default(),
                offer: SDP.into(),
            },
        );
        let invite = self.sent().expect("an INVITE");
        self.receive(&reply(&invite, "SIP/2.0 100 Trying\r\n", b""));
        self.receive(&reply(&invite, "SIP/2.0 180 Ringing\r\n", b""));
        self.receive(&reply(&invite, "SIP/2.0 200 OK\r\n", SDP));
        self.sent().expect("an ACK");
        self.stack.hang_up(self.now, leg, HangUpReason { q850: 16, text: "done".into() });
        let bye = self.sent().expect("a BYE");
        self.receive(&reply(&bye, "SIP/2.0 200 OK\r\n", b""));
        self.sent();
        self.pass(gap);
    }
}

/// Legs a second of virtual time: this many usages wait for timer M at once, times 32.
#[divan::bench(args = [100, 1_000, 5_000], sample_count = 3, sample_size = 1)]
fn legs(bencher: Bencher<'_, '_>, per_second: u64) {
    const LEGS: u64 = 20_000;
    let gap = Duration::from_micros(1_000_000 / per_second);
    bencher
        .counter(ItemsCount::new(LEGS))
        .with_inputs(|| {
            let mut world = World::new();
            (0..per_second * 33).for_each(|_| world.leg(gap));
            world
        })
        .bench_local_values(|mut world| {
            (0..LEGS).for_each(|_| world.leg(gap));
            world
        });
}
