//! The back end with one socket for all ports: the kernel steers every open port's datagrams into it (`steer`), each tells its
//! port, and all answers leave in batches through a raw socket (`raw`). Owns which port is whose leg; refuses to look into
//! datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::backend::{Batch, LONGEST};
use super::choice::Missing;
use super::portable::drain;
use super::ports::{LegPort, bind};
use super::raw::RawSender;
use super::steer::Steer;
use crate::io::batch::{self, BATCH, tell_port};
use crate::media::{Half, Outgoing, Slot, Verdict};

/// Receive calls of one tick at most: 4,096 datagrams.
const ROUNDS: usize = 64;
/// Bytes of kernel buffer for each leg, which the kernel doubles: some ten packets on loopback, three of a network card. An
/// overloaded relay should lose early, not delay (performance.md).
const RECEIVE_BUFFER: usize = 4096;
/// For so many legs at least.
const FEWEST: usize = 32;
/// No leg has this port.
const NOBODY: u32 = u32::MAX;

/// One media thread's share of the ports.
pub(super) struct OneSocket {
    parts: OneSocketParts,
    /// The slot of each port there is.
    slots: Box<[u32]>,
    legs: Vec<Option<LegPort>>,
    open: usize,
    /// The kernel buffer is meant for so many.
    room_for: usize,
    batch: batch::Batch<{ LONGEST + 1 }>,
    astray: u64,
}

/// The system's part: made where a failure can be reported, used on the media thread.
pub(super) struct OneSocketParts {
    socket: UdpSocket,
    raw: RawSender,
    steer: Arc<Steer>,
    /// The socket's place among those that are steered to.
    place: usize,
    wake: Arc<OwnedFd>,
}

/// What all media threads share, and each one's sockets.
pub(super) struct Steered {
    steer: Arc<Steer>,
    sockets: Vec<(UdpSocket, RawSender)>,
}

impl Steered {
    /// Begins to steer for so many threads; says what is missing.
    pub(super) fn start(address: std::net::IpAddr, threads: usize) -> Result<Steered, Missing> {
        Missing::capability()?;
        let kernel = |what| move |error| Missing::Kernel { what, error };
        let mut receivers = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..threads {
            // Any port will do: nobody is told it.
            let socket = bind(SocketAddr::new(address, 0)).map_err(kernel("a socket"))?;
            tell_port(&socket, address.is_ipv6()).map_err(kernel("IP_RECVORIGDSTADDR"))?;
            receivers.push(socket);
            senders.push(RawSender::new(address).map_err(kernel("a raw socket"))?);
        }
        let steer = Steer::start(address, &receivers).map_err(kernel("bpf"))?;
        Ok(Steered { steer: Arc::new(steer), sockets: receivers.into_iter().zip(senders).collect() })
    }

    /// One for each thread; the wake-ups come in the same order.
    pub(super) fn parts(self, wakes: &[Arc<OwnedFd>]) -> Vec<OneSocketParts> {
        let each = self.sockets.into_iter().zip(wakes).enumerate();
        let part = |(place, ((socket, raw), wake)): (usize, ((UdpSocket, RawSender), &Arc<OwnedFd>))| OneSocketParts {
            socket,
            raw,
            steer: Arc::clone(&self.steer),
            place,
            wake: Arc::clone(wake),
        };
        each.map(part).collect()
    }
}

impl OneSocket {
    pub(super) fn new(parts: OneSocketParts) -> OneSocket {
        OneSocket {
            parts,
            slots: vec![NOBODY; 1 << 16].into_boxed_slice(),
            legs: Vec::new(),
            open: 0,
            room_for: 0,
            batch: batch::Batch::default(),
            astray: 0,
        }
    }

    /// A leg's two ports are this slot's, or nobody's.
    fn belong(&mut self, rtp: u16, slot: u32) {
        for port in pair(rtp) {
            if let Some(entry) = self.slots.get_mut(usize::from(port)) {
                *entry = slot;
            }
        }
    }

    fn make_room(&mut self) {
        if self.open <= self.room_for {
            return;
        }
        self.room_for = self.open.next_power_of_two().max(FEWEST);
        // Where the system refuses, the usual buffer serves: what it has no room for is lost.
        let _ = set_socket_recv_buffer_size_force(&self.parts.socket, self.room_for * RECEIVE_BUFFER);
    }
}

impl Batch for OneSocket {
    fn add(&mut self, slot: Slot, port: LegPort) -> io::Result<()> {
        let number = port.number();
        self.belong(number, u32::try_from(slot.0).unwrap_or(NOBODY));
        if self.legs.len() <= slot.0 {
            self.legs.resize_with(slot.0 + 1, || None);
        }
        if let Some(leg) = self.legs.get_mut(slot.0) {
            *leg = Some(port);
        }
        self.open += 1;
        self.make_room();
        for port in pair(number) {
            self.parts.steer.open(port, self.parts.place);
        }
        Ok(())
    }

    fn remove(&mut self, slot: Slot) {
        let Some(port) = self.legs.get_mut(slot.0).and_then(Option::take) else { return };
        for number in pair(port.number()) {
            self.parts.steer.close(number);
        }
        self.belong(port.number(), NOBODY);
        self.open -= 1;
    }

    fn connect(&mut self, _: Slot, _: Option<SocketAddr>) {}

    fn relay(&mut self, mut judge: impl FnMut(Slot, Half, SocketAddr, &mut [u8]) -> Verdict) {
        for _ in 0..ROUNDS {
            let got = self.batch.receive(&self.parts.socket).unwrap_or(0);
            for received in self.batch.received() {
                let port = received.to_port.unwrap_or(0);
                let slot = self.slots.get(usize::from(port));
                let Some(slot) = slot.filter(|slot| **slot != NOBODY) else {
                    self.astray += 1;
                    continue;
                };
                // One byte more than the longest: then it was cut off.
                if received.bytes.len() > LONGEST {
                    continue;
                }
                let verdict = judge(Slot(*slot as usize), half(port), received.from, received.bytes);
                if let Some(way) = verdict.send {
                    post(&mut self.parts.raw, &self.legs, way, received.bytes);
                }
            }
            if got < BATCH {
                break;
            }
        }
    }

    fn send(&mut self, way: Outgoing, datagram: &[u8]) {
        post(&mut self.parts.raw, &self.legs, way, datagram);
    }

    fn flush(&mut self) {
        self.parts.raw.flush();
    }

    fn astray(&self) -> u64 {
        self.astray
    }

    fn sleep(&mut self) {
        // A signal is an empty round: the worker sleeps again.
        let _ = poll(&mut [PollFd::new(&self.parts.wake, PollFlags::IN)], None);
        drain(&self.parts.wake);
    }
}

/// A leg's ports.
fn pair(rtp: u16) -> [u16; 2] {
    [rtp, rtp | 1]
}

fn half(port: u16) -> Half {
    if port.is_multiple_of(2) { Half::Rtp } else { Half::Rtcp }
}

fn post(raw: &mut RawSender, legs: &[Option<LegPort>], way: Outgoing, datagram: &[u8]) {
    if let Some(port) = legs.get(way.slot.0).and_then(Option::as_ref) {
        let from = match way.half {
            Half::Rtp => port.number(),
            Half::Rtcp => port.number() | 1,
        };
        raw.push(from, way.to, datagram);
    }
}
