//! What the ladder of one call costs: noting its lines on the engine's thread, writing its row on the store's, drawing it for
//! whoever asks. A call here has 27 messages and 8 moments, as a bridged one has.

use std::net::SocketAddr;
use std::time::Duration;

use callbridge::clock::{Mono, Now, Wall};
use callbridge::ladder::{Clip, Ladder, Message, Moment, SdpMode, Verb};
use callbridge::model::{CallId, Endpoint, Outcome, Role, SipTransport};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const BEGIN: Now = Now { mono: Mono(1), wall: Wall(1_764_000_000_000) };

/// One call's ladder, noted.
fn note(address: &[Endpoint; 2]) -> Ladder {
    let mut now = BEGIN;
    let mut ladder = Ladder::new(CallId::from_u128(7), "abc".parse().expect("an identifier"), now);
    ladder.moment(now, Moment::Asked);
    ladder.moment(now, Moment::Accepted);
    let mut digest = 0;
    for (attempt, address) in [0u16, 1].into_iter().zip(address) {
        let role = if attempt == 0 { Role::Customer } else { Role::Representative };
        ladder.dials(now, attempt, role, address, "ssp-62");
        for at in 0..13 {
            now.mono = now.mono + Duration::from_millis(7);
            digest += 1;
            let message = Message {
                attempt,
                out: at % 2 == 0,
                verb: Verb::of(black_box("INVITE")),
                status: (at % 3 == 0).then_some(180),
                cseq: 1 + at,
                sdp: (at == 0).then_some(SdpMode::SendRecv),
                q850: None,
                digest,
                peer: 0,
                again: false,
            };
            let peer = (SipTransport::Udp, SocketAddr::from(([192, 0, 2, 1], 5070 + attempt)));
            ladder.message(now, peer, message);
        }
        ladder.moment(now, Moment::Plays { attempt: 0, clip: Clip::Message });
    }
    ladder.moment(now, Moment::Bridged { a: 0, b: 1 });
    ladder.moment(now, Moment::Ended { outcome: Outcome::Completed });
    ladder
}

fn addresses() -> [Endpoint; 2] {
    ["+12125550100", "+16465550101"].map(|number| Endpoint::parse(number).expect("a number"))
}

/// A whole call's lines.
#[divan::bench]
fn note_a_call(bencher: Bencher) {
    let addresses = addresses();
    bencher.bench_local(|| note(black_box(&addresses)));
}

/// Its row.
#[divan::bench]
fn write_its_row(bencher: Bencher) {
    let ladder = note(&addresses());
    println!("{} bytes", ladder.to_stored().len());
    bencher.bench_local(|| black_box(&ladder).to_stored());
}

#[divan::bench]
fn draw_text(bencher: Bencher) {
    let ladder = note(&addresses());
    bencher.bench_local(|| black_box(&ladder).to_text());
}

#[divan::bench]
fn draw_picture(bencher: Bencher) {
    let ladder = note(&addresses());
    bencher.bench_local(|| black_box(&ladder).to_svg());
}
