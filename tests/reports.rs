//! RTCP of the media threads as tshark reads it: real sockets, a talk of some seconds, every report of ours and the goodbye in a
//! capture that this test writes itself. Owns the capture; refuses SIP, which the other stories have.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command as Process;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use callbridge::audio::Prompt;
use callbridge::clock::Wall;
use callbridge::config::{MediaIo, Tick};
use callbridge::io::media_thread::{Alarms, MediaHandle, MediaSettings, Sinks};
use callbridge::media::api::{Clip, Command, Event, Prompts};
use callbridge::model::{CallId, LegId};
use callbridge::rtp::{self, HEADER, Stamp};
use callbridge::sdp::{Codec, Direction, MediaPlan, RtcpPath};

struct NoPrompt;

impl Prompts for NoPrompt {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes(vec![0xff; 160], vec![0xd5; 160]))
    }
}

/// A telephone with a socket for each of its two ports.
struct Phone {
    leg: LegId,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    to: SocketAddr,
}

impl Phone {
    fn new(media: &MediaHandle, attempt: u16, port: u16) -> Phone {
        let leg = LegId { call: CallId::new(Wall(0), [9; 10]), attempt };
        let Some(Event::Opened { local, .. }) = media.command(Command::Open { leg }) else { panic!("no port") };
        let bind = |port: u16| {
            let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (rtp, rtcp) = (bind(port), bind(port + 1));
        let plan = MediaPlan {
            remote: rtp.local_addr().unwrap(),
            rtcp: RtcpPath::Apart(rtcp.local_addr().unwrap()),
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive_payload_type: 0,
            telephone_event: None,
            direction: Direction::BOTH,
            ptime_ms: 20,
            max_ptime_ms: 120,
            fec: false,
            srtp: None,
            event_hz: 8000,
        };
        media.command(Command::Agree { leg, plan });
        Phone { leg, rtp, rtcp, to: local }
    }

    fn talk(&self, n: u16) {
        let mut bytes = [0xff; HEADER + 160];
        let stamp = Stamp { marker: n == 0, sequence: n, timestamp: u32::from(n) * 160, ssrc: 7 };
        rtp::write(bytes.first_chunk_mut().unwrap(), 0, stamp);
        self.rtp.send_to(&bytes, self.to).unwrap();
        let mut heard = [0; 1500];
        while self.rtp.recv_from(&mut heard).is_ok() {}
    }

    /// What came to its RTCP port.
    fn reports(&self, capture: &mut Capture) {
        let mut bytes = [0; 1500];
        while let Ok((length, from)) = self.rtcp.recv_from(&mut bytes) {
            assert_eq!(from, SocketAddr::new(self.to.ip(), self.to.port() + 1), "from the port above that of RTP");
            capture.add(from.port(), self.rtcp.local_addr().unwrap().port(), &bytes[..length]);
        }
    }
}

/// A pcap file of UDP datagrams on loopback.
struct Capture {
    bytes: Vec<u8>,
    began: Instant,
    count: usize,
}

impl Capture {
    fn new() -> Capture {
        // Magic, version 2.4, zone, accuracy, longest packet, link type RAW.
        let words: [u32; 6] = [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, 101];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes[4..8].copy_from_slice(&[0, 2, 0, 4]);
        Capture { bytes, began: Instant::now(), count: 0 }
    }

    fn add(&mut self, from: u16, to: u16, payload: &[u8]) {
        let at = self.began.elapsed();
        let length = 28 + payload.len() as u32;
        for word in [at.as_secs() as u32, at.subsec_micros(), length, length] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        let [high, low] = (length as u16).to_be_bytes();
        self.bytes.extend_from_slice(&[0x45, 0, high, low, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        for word in [from, to, 8 + payload.len() as u16, 0] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        self.bytes.extend_from_slice(payload);
        self.count += 1;
    }
}

fn tshark(file: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Process::new("tshark");
    command.arg("-r").arg(file).args(["-d", "udp.port==32721,rtcp", "-d", "udp.port==32723,rtcp"]).args(arguments);
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tshark_reads_every_report_and_the_goodbye_without_a_warning() {
    let (said, events) = mpsc::channel();
    let sinks = Sinks {
        events: Arc::new(move |event| drop(said.send(event))),
        full: Arc::new(|_| {}),
        recordings: Arc::new(|_| {}),
    };
    let settings = MediaSettings {
        address: [127, 0, 0, 1].into(),
        ports: (32_700, 32_709),
        threads: 1,
        tick: Tick::Fixed(5),
        io: MediaIo::Portable,
        full_percent: 100,
        alarms: Alarms::default(),
    };
    let media = MediaHandle::start(settings, Arc::new(NoPrompt), sinks).unwrap();
    let phones = [Phone::new(&media, 0, 32_720), Phone::new(&media, 1, 32_722)];
    media.command(Command::Bridge { a: phones[0].leg, b: phones[1].leg });
    let (mut capture, began) = (Capture::new(), Instant::now());
    // Until each has two reports: 9.4 s at most.
    for n in 0..500u16 {
        phones.iter().for_each(|phone| phone.talk(n));
        phones.iter().for_each(|phone| phone.reports(&mut capture));
        std::thread::sleep(
            (began + Duration::from_millis(20) * u32::from(n)).saturating_duration_since(Instant::now()),
        );
    }
    for phone in &phones {
        media.command(Command::Close { leg: phone.leg });
    }
    let mut closed = 0;
    while closed < 2 {
        closed += usize::from(matches!(events.recv_timeout(Duration::from_secs(10)).unwrap(), Event::Closed { .. }));
    }
    phones.iter().for_each(|phone| phone.reports(&mut capture));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reports.pcap");
    std::fs::write(&file, &capture.bytes).unwrap();
    assert!(capture.count >= 6, "two reports and a goodbye for each: {}", capture.count);
    let fields = ["-T", "fields", "-e", "rtcp.pt", "-e", "rtcp.ssrc.fraction", "-e", "rtcp.sdes.text"];
    let all = tshark(&file, &fields);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), capture.count);
    assert!(lines.iter().all(|line| line.starts_with("200,202")), "{all}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("200,202,203")).count(), 2, "{all}");
    let wrong = tshark(&file, &["-Y", "_ws.malformed || _ws.expert.severity >= warning", "-V"]);
    assert_eq!(wrong, "");
}
