//! Stories of RTCP on two legs: what our reports say, whose are taken, and what the figures become.

use super::*;
use crate::model::{Alarm, MasterKey, Quality, SrtpKeys, Suite};
use crate::rtp::rtcp::{self, Block, Packet, Report};
use crate::rtp::{Opener, Seal};

/// Our reports as the phone has them: the moment, the report, whether it was a goodbye.
fn reports(phone: &Phone) -> Vec<(Mono, Report<'_>, bool)> {
    phone
        .reports
        .iter()
        .map(|(at, bytes)| {
            let packets: Vec<_> = rtcp::read(bytes).expect("sound").packets().collect();
            let Some(Packet::Report(report)) = packets.first() else { panic!("no report first: {packets:?}") };
            assert!(matches!(packets.get(1), Some(Packet::Description(_))));
            (*at, *report, packets.iter().any(|packet| matches!(packet, Packet::Goodbye(_))))
        })
        .collect()
}

/// A phone's report that says this of our source.
fn said(phone: &Phone, block: Option<Block>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rtcp::write(&mut bytes, phone.ssrc, None, block.as_slice(), b"phone", false);
    bytes
}

fn about(ssrc: u32, lost: i32, highest: u32) -> Block {
    Block { ssrc, fraction: 0, lost, highest, jitter: 16, last_report: 0, delay: 0 }
}

impl Stage {
    /// A report of phone `n` from its own RTCP port.
    fn report_from(&mut self, n: usize, bytes: Vec<u8>) {
        let phone = &self.phones[n];
        let from = SocketAddr::new(phone.from.ip(), phone.from.port() + 1);
        self.report(n, Half::Rtcp, from, bytes);
    }

    fn report(&mut self, n: usize, half: Half, from: SocketAddr, mut bytes: Vec<u8>) {
        let verdict = self.shard.packet(self.now, self.phones[n].slot, half, from, &mut bytes);
        assert_eq!(verdict, Verdict::default(), "a report is never relayed");
        self.drain();
    }

    fn close(&mut self, n: u16) -> Quality {
        self.tell(Command::Close { leg: leg(n) });
        let closed = self.events.iter().rev().find_map(|event| match event {
            Event::Closed { leg: closed, quality } if *closed == leg(n) => Some(*quality),
            _ => None,
        });
        closed.expect("closed")
    }

    /// The last measured quality of a leg.
    fn measured(&self, n: u16) -> Vec<crate::model::Sample> {
        let of = |event: &Event| match event {
            Event::Measured { leg: measured, sample, .. } if *measured == leg(n) => Some(*sample),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}

#[test]
fn both_legs_are_told_of_what_they_send_and_get_every_few_seconds() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(60_000, &[0, 1]);
    for phone in &stage.phones {
        let reports = reports(phone);
        assert!((10..=25).contains(&reports.len()), "{}", reports.len());
        let (first, ..) = reports[0];
        assert!((2_000_000..=4_300_000).contains(&first.0), "after some two and a half seconds: {first:?}");
        assert!(reports.windows(2).all(|pair| (2_000_000..=6_400_000).contains(&(pair[1].0.0 - pair[0].0.0))));
        for (at, report, leaves) in &reports {
            let info = report.sender.expect("we send");
            let heard: Vec<_> = phone.heard.iter().filter(|(when, ..)| when <= at).collect();
            assert_eq!(report.ssrc, heard[0].1.ssrc, "our source of this leg");
            assert!(u32::try_from(heard.len()).unwrap().abs_diff(info.packets) <= 1);
            assert_eq!(info.octets, info.packets * 160);
            let block = report.blocks().next().expect("of the phone");
            assert_eq!((block.ssrc, block.fraction, block.lost), (phone.ssrc, 0, 0));
            assert!(!leaves);
        }
        assert!(reports.last().unwrap().1.blocks().next().unwrap().highest > 65_536, "the numbers turned");
    }
}

/// The pair of a report stands for one moment on both clocks: the timestamp that a packet of that moment would have.
#[test]
fn the_moment_of_a_report_is_true_on_the_streams_clock_in_a_message_and_in_a_talk() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(8_000, &[1]);
    stage.bridge();
    stage.run(12_000, &[0, 1]);
    let phone = &stage.phones[0];
    let all = reports(phone);
    assert!(all.len() >= 4);
    for (at, report, _) in &all {
        let info = report.sender.unwrap();
        let (when, header, _) = phone.heard.iter().rev().find(|(when, ..)| when <= at).unwrap();
        let passed = (at.0 - when.0) * 8 / 1000;
        assert_eq!(u64::from(info.timestamp.wrapping_sub(header.timestamp)), passed);
    }
    let pairs: Vec<_> = all.iter().map(|(_, report, _)| report.sender.unwrap()).map(|i| (i.ntp, i.timestamp)).collect();
    for pair in pairs.windows(2) {
        let seconds = (pair[1].0 - pair[0].0) as f64 / f64::from(u32::MAX);
        let ticks = f64::from(pair[1].1.wrapping_sub(pair[0].1));
        assert!((ticks / 8000.0 - seconds).abs() < 0.002, "{ticks} ticks in {seconds} s");
    }
}

#[test]
fn a_leg_that_is_sent_nothing_is_told_as_by_a_receiver_and_a_closed_one_that_we_leave() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.run(10_000, &[0]);
    let (now, phones) = (stage.now, &mut stage.phones);
    stage.shard.farewell(now, leg(0), |way, bytes| hear(phones, now, way, bytes));
    let phone = &stage.phones[0];
    let reports = reports(phone);
    assert!(reports.iter().all(|(_, report, _)| report.sender.is_none() && report.blocks().count() == 1));
    let (last, before) = reports.split_last().unwrap();
    assert!(last.2 && before.iter().all(|(.., leaves)| !leaves));
    let names = |bytes: &'_ [u8]| -> Vec<u8> {
        let description = rtcp::read(bytes).unwrap().packets().nth(1);
        let Some(Packet::Description(chunks)) = description else { panic!("no name") };
        chunks.names().next().unwrap().1.to_vec()
    };
    let mine = names(&phone.reports[0].1);
    assert!(mine.len() == 24 && mine.iter().all(u8::is_ascii_hexdigit), "the name says nothing of anybody");
    assert_ne!(mine, names(&stage.phones[1].reports[0].1), "and joins no two legs");
}

#[test]
fn the_round_trip_is_measured_and_the_peer_is_given_what_it_needs_for_its_own() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(5_000, &[0, 1]);
    let (at, ntp, ours) = {
        let (at, report, _) = *reports(&stage.phones[0]).last().unwrap();
        (at, report.sender.unwrap().ntp, report.ssrc)
    };
    // Our report reached the phone, which kept it for a while; its own is here 80 ms after that.
    let kept = stage.now.since(at) - Duration::from_millis(80).min(stage.now.since(at));
    stage.now = at + kept + Duration::from_millis(80);
    let delay = u32::try_from(kept.as_micros() * 65_536 / 1_000_000).unwrap();
    let block = Block { last_report: (ntp >> 16) as u32, delay, ..about(ours, 0, 300) };
    let mut bytes = Vec::new();
    let info = rtcp::SenderInfo { ntp: 0x1111_2222_3333_4444, timestamp: 1, packets: 2, octets: 3 };
    rtcp::write(&mut bytes, stage.phones[0].ssrc, Some(info), &[block], b"phone", false);
    let came = stage.now;
    stage.report_from(0, bytes);
    stage.run(7_000, &[0, 1]);
    let (at, report, _) = *reports(&stage.phones[0]).last().unwrap();
    let block = report.blocks().next().unwrap();
    assert_eq!(block.last_report, 0x2222_3333);
    let kept = at.since(came).as_secs_f64();
    assert!((f64::from(block.delay) / 65_536.0 - kept).abs() < 0.001);
    let quality = stage.close(0);
    let trip = quality.round_trip_ms.unwrap();
    assert!((79.0..=81.0).contains(&trip), "{trip}");
    assert_eq!((quality.reports_received, quality.round_trip_worst_ms), (1, quality.round_trip_ms));
}

#[test]
fn a_tenth_lost_either_way_is_told_scored_and_kept() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(10_000, &[0, 1]);
    let ours = stage.phones[0].heard[0].1.ssrc;
    stage.report_from(0, said(&stage.phones[0], Some(about(ours, 0, 500))));
    for _ in 0..100 {
        stage.run(180, &[0, 1]);
        // One of ten is spoken and never comes.
        stage.phones[0].packet();
        stage.run(20, &[1]);
    }
    stage.report_from(0, said(&stage.phones[0], Some(about(ours, 100, 1500))));
    stage.run(5_000, &[0, 1]);
    let scores: Vec<_> = stage.measured(0).iter().map(|sample| sample.came.mos().unwrap()).collect();
    assert!(scores[0] > 4.3 && scores[3] < 3.6, "{scores:?}");
    let block = reports(&stage.phones[0])
        .iter()
        .map(|(_, report, _)| report.blocks().next().unwrap())
        .max_by_key(|b| b.fraction);
    let fraction = block.unwrap().fraction;
    assert!((20..=31).contains(&fraction), "a tenth of 256: {fraction}");
    let quality = stage.close(0);
    assert!((95..=105).contains(&quality.packets_lost), "{}", quality.packets_lost);
    assert_eq!((quality.peer_packets_lost, quality.peer_jitter_ms), (Some(100), Some(2.0)));
    assert!(quality.mos_worst.unwrap() < 3.6 && quality.mos.unwrap() > quality.mos_worst.unwrap());
    assert!(quality.peer_mos_worst.unwrap() < 3.6 && quality.peer_mos.unwrap() > 3.6);
}

#[test]
fn reports_of_strangers_and_of_another_source_are_counted_and_say_nothing() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(1_000, &[0, 1]);
    let ours = stage.phones[0].heard[0].1.ssrc;
    let sound = said(&stage.phones[0], Some(about(ours, 77, 500)));
    let own: SocketAddr = "192.0.2.9:4001".parse().unwrap();
    stage.report(0, Half::Rtcp, "203.0.113.66:4001".parse().unwrap(), sound.clone());
    stage.report(0, Half::Rtcp, own, b"\x80\xc9not rtcp".to_vec());
    let mut foreign = sound.clone();
    foreign[4] ^= 1;
    stage.report(0, Half::Rtcp, own, foreign);
    assert_eq!((stage.shard.counters().reports_refused, stage.shard.counters().reports_taken), (3, 0));
    stage.report(0, Half::Rtcp, own, sound.clone());
    stage.report(0, Half::Rtcp, "192.0.2.9:4003".parse().unwrap(), sound);
    let quality = stage.close(0);
    assert_eq!((quality.reports_received, quality.reports_refused), (1, 4));
    assert_eq!(quality.peer_packets_lost, Some(77));
}

#[test]
fn where_both_agreed_to_share_a_port_reports_go_and_come_with_the_packets() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree { leg: leg(0), plan: MediaPlan { rtcp: RtcpPath::Mux, ..plan(4000, Codec::Pcmu) } });
    stage.bridge();
    stage.run(100, &[0, 1]);
    let (from, ours) = (stage.phones[0].from, stage.phones[0].heard[0].1.ssrc);
    let sound = said(&stage.phones[0], Some(about(ours, 5, 500)));
    stage.report(0, Half::Rtp, from, sound.clone());
    stage.report(0, Half::Rtcp, from, sound.clone());
    stage.report(0, Half::Rtp, "192.0.2.9:4999".parse().unwrap(), sound.clone());
    assert_eq!((stage.shard.counters().reports_taken, stage.shard.counters().reports_refused), (1, 2));
    // The other leg has a port for each: on that of its packets a report is no packet.
    let refused = stage.shard.counters().refused;
    let (slot, from) = (stage.phones[1].slot, stage.phones[1].from);
    stage.hand_in(slot, from, sound);
    assert_eq!(stage.shard.counters().refused, refused + 1);
    let mut sent = Vec::new();
    let until = stage.now + Duration::from_secs(7);
    while stage.now < until {
        stage.now = stage.now + Duration::from_millis(50);
        stage.shard.tick(stage.now, |way, bytes| sent.push((way, bytes.to_vec())));
    }
    let mine: Vec<_> = sent.iter().filter(|(way, _)| way.slot == stage.phones[0].slot).collect();
    assert!(!mine.is_empty());
    assert!(
        mine.iter()
            .all(|(way, bytes)| way.half == Half::Rtp && way.to == stage.phones[0].from && rtcp::read(bytes).is_ok())
    );
}

#[test]
fn reports_of_an_encrypted_leg_are_sealed_and_none_in_clear_is_taken() {
    for suite in Suite::ALL {
        let key = |seed| MasterKey::new(suite, &vec![seed; suite.key_length() + suite.salt_length()]).unwrap();
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        let keys = SrtpKeys { send: key(1), receive: key(2) };
        stage.tell(Command::Agree {
            leg: leg(0),
            plan: MediaPlan { srtp: Some(Box::new(keys)), ..plan(4000, Codec::Pcmu) },
        });
        let (mut seal, mut opener) = (Seal::new(&key(2)).unwrap(), Opener::new(&key(1)).unwrap());
        let own: SocketAddr = "192.0.2.9:4001".parse().unwrap();
        let clear = said(&stage.phones[0], None);
        let sealed = seal.seal_report(&clear).unwrap();
        stage.report(0, Half::Rtcp, own, clear);
        for _ in 0..2 {
            stage.report(0, Half::Rtcp, own, sealed.clone());
        }
        assert_eq!((stage.shard.counters().reports_taken, stage.shard.counters().reports_refused), (1, 2), "{suite:?}");
        stage.run(10_000, &[]);
        let sent = &stage.phones[0].reports;
        assert!(sent.len() >= 2);
        for (_, bytes) in sent {
            let report = opener.open_report(bytes).expect("sealed with our key");
            assert!(rtcp::read(&report).is_ok());
        }
    }
}

fn alarms(stage: &Stage) -> Vec<(u16, Alarm)> {
    let of = |event: &Event| match event {
        Event::Alarm { leg, alarm } => Some((leg.attempt, *alarm)),
        _ => None,
    };
    stage.events.iter().filter_map(of).collect()
}

#[test]
fn a_side_of_which_nothing_comes_is_told_within_five_seconds_once_and_its_return_too() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.run(7_000, &[0, 1]);
    stage.bridge();
    stage.run(3_000, &[0, 1]);
    stage.run(4_900, &[0]);
    assert_eq!(alarms(&stage), []);
    stage.run(250, &[0]);
    assert_eq!(alarms(&stage), [(1, Alarm::OneWay)]);
    stage.run(10_000, &[0]);
    stage.run(200, &[0, 1]);
    assert_eq!(alarms(&stage), [(1, Alarm::OneWay), (1, Alarm::Heard)]);
}

#[test]
fn a_silence_of_both_is_one_alarm_and_a_hold_or_comfort_noise_is_none() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(1_000, &[0, 1]);
    stage.run(20_000, &[]);
    assert_eq!(alarms(&stage), [(0, Alarm::Silence)]);
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(1_000, &[0, 1]);
    let held = MediaPlan { direction: Direction { send: false, receive: true }, ..plan(4000, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(0), plan: held });
    let (slot, from) = (stage.phones[1].slot, stage.phones[1].from);
    let mut noise = stage.phones[1].packet();
    noise[1] = 13;
    stage.hand_in(slot, from, noise);
    stage.run(20_000, &[]);
    assert_eq!(alarms(&stage), []);
}

#[test]
fn a_sound_that_is_bad_for_ten_seconds_is_told_once_and_so_is_that_it_is_good_again() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(10_000, &[0, 1]);
    for _ in 0..150 {
        stage.run(80, &[0, 1]);
        // One of five never comes.
        stage.phones[0].packet();
        stage.run(20, &[1]);
    }
    assert_eq!(alarms(&stage), [(0, Alarm::Bad)]);
    stage.run(10_000, &[0, 1]);
    assert_eq!(alarms(&stage), [(0, Alarm::Bad), (0, Alarm::Good)]);
    let bad = stage.close(0).bad_seconds;
    assert!((15..=20).contains(&bad), "{bad}");
}

/// RFC 7160 §4.1: whoever reads a timestamp must know how fast it counts.
#[test]
fn a_codec_of_another_clock_is_another_source_of_ours_and_the_old_one_says_goodbye() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(1_000, &[0]);
    let sources = |stage: &Stage| {
        let mut all: Vec<u32> = stage.phones[0].heard.iter().map(|(_, header, _)| header.ssrc).collect();
        all.dedup();
        all
    };
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::G722) });
    stage.run(1_000, &[]);
    assert_eq!(sources(&stage).len(), 1, "G.722 counts as G.711 does");
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::Opus) });
    stage.run(10_000, &[]);
    let both = sources(&stage);
    assert_eq!(both.len(), 2);
    let first = stage.phones[0].heard.iter().position(|(_, header, _)| header.ssrc == both[1]).unwrap();
    assert!(stage.phones[0].heard[first].1.marker);
    let stamps: Vec<u32> = stage.phones[0].heard[first..].iter().map(|(_, header, _)| header.timestamp).collect();
    assert!(
        stamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960),
        "48,000 a second from its first packet on"
    );
    let all = reports(&stage.phones[0]);
    let goodbye = all.iter().position(|(.., leaves)| *leaves).expect("of the old source");
    assert_eq!(all[goodbye].1.ssrc, both[0]);
    assert!(all[goodbye + 1..].len() >= 2 && all[goodbye + 1..].iter().all(|(_, report, _)| report.ssrc == both[1]));
    let info = all.last().unwrap().1.sender.unwrap();
    let heard =
        stage.phones[0].heard.iter().filter(|(at, header, _)| header.ssrc == both[1] && *at <= all.last().unwrap().0);
    assert!(u32::try_from(heard.count()).unwrap().abs_diff(info.packets) <= 1, "its counts begin at zero");
    let sent = stage.phones[0].heard.len() as u64;
    assert_eq!(stage.close(0).packets_sent, sent, "the leg's do not");
}

#[test]
fn a_peer_that_asks_for_ever_more_sources_gets_so_many_and_no_more() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    for turn in 0..100 {
        stage.run(40, &[]);
        let codec = if turn % 2 == 0 { Codec::Opus } else { Codec::Pcmu };
        stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, codec) });
    }
    let sources: std::collections::BTreeSet<u32> = stage.phones[0].heard.iter().map(|(_, h, _)| h.ssrc).collect();
    assert_eq!(sources.len(), 33);
}

#[test]
fn a_peer_that_loses_packets_of_opus_and_can_mend_them_is_told_twice_what_matters() {
    let speech = crate::audio::wav::read(include_bytes!("../../../assets/unavailable.wav")).unwrap();
    for (fec, fraction) in [(true, 26), (true, 0), (false, 26)] {
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        stage.phones[0].tone = g711::ulaw_encode_all(&speech[..24_000]);
        stage.tell(Command::Agree { leg: leg(1), plan: MediaPlan { fec, ..plan(4002, Codec::Opus) } });
        stage.bridge();
        stage.run(500, &[0]);
        let ours = stage.phones[1].heard[0].1.ssrc;
        let report = said(&stage.phones[1], Some(Block { fraction, ..about(ours, 3, 100) }));
        stage.report_from(1, report);
        let before = stage.phones[1].heard.len();
        stage.run(2_000, &[0]);
        let twice = stage.phones[1].heard[before..].iter().filter(|(_, header, bytes)| {
            let payload = &bytes[header.payload.clone()];
            payload[0] >> 3 < 16 && payload.get(1).is_some_and(|flags| flags & 0x40 != 0)
        });
        let twice = twice.count();
        assert_eq!(twice > 40, fec && fraction > 0, "{fec}, {fraction}: {twice} of 100");
        assert!(twice == 0 || (fec && fraction > 0), "{fec}, {fraction}: {twice}");
    }
}
