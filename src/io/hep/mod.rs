//! The capture for a Homer collector (HEP3): every SIP message that was sent, or received and understood, with the call's
//! identifier, so that both legs of a call are found together.
//!
//! Owns the bounded queue and the thread behind it: a slow or dead collector costs messages (counted), never the engine's time.
//! Credentials are masked (`encode`): the collector stands outside. Without `[hep]` none of this exists.

mod encode;

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use metrics::{Counter, counter, describe_counter};

pub use encode::{Agent, Captured, encode};

use super::engine_thread::Seen;
use crate::config::HepConfig;
use crate::model::{CallId, SipTransport};
use crate::sip::api::{Locals, Way};

/// Messages that may wait for the collector.
const QUEUE: usize = 4096;
/// A collector over TCP has so long to take a connection, and a message.
const PATIENCE: Duration = Duration::from_secs(2);
/// One that cannot be reached is tried again after this; meanwhile messages are dropped.
const AGAIN: Duration = Duration::from_secs(2);

/// The exporter. Dropping it sends what waits.
pub struct Hep {
    queue: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    locals: Locals,
    dropped: Counter,
}

/// A message on its way out.
struct Waiting {
    transport: SipTransport,
    from: SocketAddr,
    to: SocketAddr,
    micros: u64,
    call: Option<CallId>,
    bytes: Vec<u8>,
}

impl Hep {
    /// Starts the thread. A collector that is not there yet is no error.
    pub fn start(config: &HepConfig, locals: Locals) -> io::Result<Hep> {
        describe_counter!("callbridge_hep_packets_total", "SIP messages for the collector, by what became of them.");
        let (queue, waiting) = sync_channel(QUEUE);
        let counted = |result: &'static str| counter!("callbridge_hep_packets_total", "result" => result);
        let (sent, dropped) = (counted("sent"), counted("dropped"));
        let sender =
            Sender { config: config.clone(), line: Line::Closed { until: None }, sent, dropped: dropped.clone() };
        let thread = std::thread::Builder::new().name("hep".to_owned()).spawn(move || sender.run(&waiting))?;
        Ok(Hep { queue: Some(queue), thread: Some(thread), locals, dropped })
    }

    /// Called on the engine's thread: copies the message and goes on.
    pub fn capture(&self, seen: &Seen<'_>) {
        let (here, there) = (seen.local.unwrap_or_else(|| self.locals.of(seen.peer)), seen.peer.address);
        let (from, to) = if seen.note.way == Way::Out { (here, there) } else { (there, here) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let waiting = Waiting {
            transport: seen.peer.transport,
            from,
            to,
            micros: u64::try_from(now.as_micros()).unwrap_or(0),
            call: seen.note.leg.map(|leg| leg.call),
            bytes: seen.bytes.to_vec(),
        };
        if self.queue.as_ref().is_none_or(|queue| queue.try_send(waiting).is_err()) {
            self.dropped.increment(1);
        }
    }
}

impl Drop for Hep {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the capture panicked");
        }
    }
}

/// The way to the collector.
enum Line {
    /// Not open; not tried again before then.
    Closed { until: Option<Instant> },
    /// One packet, one datagram.
    Udp(UdpSocket),
    /// Packets one after the other: each begins with its length.
    Tcp(TcpStream),
}

impl Line {
    fn open(config: &HepConfig) -> io::Result<Line> {
        let to = config.collector;
        if config.reliable {
            let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            return Ok(Line::Tcp(stream));
        }
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        Ok(Line::Udp(socket))
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Line::Closed { .. } => Err(io::ErrorKind::NotConnected.into()),
            // An ICMP error of an earlier datagram says nothing of this one.
            Line::Udp(socket) => socket.send(packet).or_else(|_| socket.send(packet)).map(|_| ()),
            Line::Tcp(stream) => stream.write_all(packet),
        }
    }
}

struct Sender {
    config: HepConfig,
    line: Line,
    sent: Counter,
    dropped: Counter,
}

impl Sender {
    fn run(mut self, waiting: &Receiver<Waiting>) {
        let mut packet = Vec::new();
        while let Ok(message) = waiting.recv() {
            let correlation = message.call.map(|call| call.to_string());
            let captured = Captured {
                transport: message.transport,
                from: message.from,
                to: message.to,
                micros: message.micros,
                correlation: correlation.as_deref(),
                payload: &message.bytes,
            };
            let agent = Agent { capture_id: self.config.capture_id, password: self.config.password.as_deref() };
            encode(&mut packet, agent, &captured);
            match self.deliver(&packet) {
                true => self.sent.increment(1),
                false => self.dropped.increment(1),
            }
        }
    }

    /// True when the packet was handed to the system.
    fn deliver(&mut self, packet: &[u8]) -> bool {
        if let Line::Closed { until } = self.line {
            if until.is_some_and(|until| Instant::now() < until) {
                return false;
            }
            match Line::open(&self.config) {
                Ok(line) => self.line = line,
                Err(error) => return self.close(&error),
            }
        }
        match self.line.send(packet) {
            Ok(()) => true,
            // A lost datagram is one; a broken connection is made anew.
            Err(_) if matches!(self.line, Line::Udp(_)) => false,
            Err(error) => self.close(&error),
        }
    }

    fn close(&mut self, error: &io::Error) -> bool {
        // Said once for each time that it is tried, so at rest nothing.
        tracing::warn!(%error, collector = %self.config.collector, "the capture's collector is not reached");
        self.line = Line::Closed { until: Some(Instant::now() + AGAIN) };
        false
    }
}
