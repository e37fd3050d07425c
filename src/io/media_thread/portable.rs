//! The portable back end: two sockets per leg, told ready by epoll; that of RTP is connected once the peer is known. Owns the sockets; refuses to
//! look into datagrams.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::backend::{Batch, LONGEST};
use super::ports::{LegPort, LegSocket};
use crate::media::{Half, Outgoing, Slot, Verdict};

/// Ready sockets told at once.
const READY: usize = 1024;
/// The wake-up's key among the sockets' slots.
const WAKE: u64 = u64::MAX;

/// Sockets of legs, told ready by epoll (level-triggered).
pub(super) struct Portable {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    sockets: Vec<Option<Entry>>,
    ready: Vec<epoll::Event>,
    datagram: Box<[u8; LONGEST + 1]>,
}

struct Entry {
    leg: LegSocket,
    connected: Option<SocketAddr>,
}

/// The system's part of a back end: made where a failure can be reported, used on the media thread.
pub(super) struct PortableParts {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
}

impl PortableParts {
    /// An empty set, woken by this eventfd.
    pub(super) fn new(wake: Arc<OwnedFd>) -> io::Result<PortableParts> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(PortableParts { epoll, wake })
    }
}

impl Portable {
    pub(super) fn new(PortableParts { epoll, wake }: PortableParts) -> Portable {
        Portable {
            epoll,
            wake,
            sockets: Vec::new(),
            ready: Vec::with_capacity(READY),
            datagram: Box::new([0; LONGEST + 1]),
        }
    }

    fn poll(&mut self, timeout: Option<&Timespec>) {
        self.ready.clear();
        // A signal or a full table is an empty round; the next tick comes anyway.
        if epoll::wait(&self.epoll, spare_capacity(&mut self.ready), timeout).is_err() {
            self.ready.clear();
        }
    }
}

impl Batch for Portable {
    fn add(&mut self, slot: Slot, port: LegPort) -> io::Result<()> {
        let leg = port.into_socket().ok_or(io::ErrorKind::NotConnected)?;
        for (socket, half) in [(&leg.rtp, Half::Rtp), (&leg.rtcp, Half::Rtcp)] {
            epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key(slot, half)), epoll::EventFlags::IN)?;
        }
        if self.sockets.len() <= slot.0 {
            self.sockets.resize_with(slot.0 + 1, || None);
        }
        if let Some(entry) = self.sockets.get_mut(slot.0) {
            *entry = Some(Entry { leg, connected: None });
        }
        Ok(())
    }

    fn remove(&mut self, slot: Slot) {
        // Closing the only descriptors takes them out of the epoll set, too.
        self.sockets.get_mut(slot.0).map(Option::take);
    }

    fn connect(&mut self, slot: Slot, peer: Option<SocketAddr>) {
        let Some(entry) = self.sockets.get_mut(slot.0).and_then(Option::as_mut) else { return };
        if entry.connected == peer {
            return;
        }
        let done = match peer {
            Some(peer) => entry.leg.rtp.connect(peer),
            None => rustix::net::connect_unspec(&entry.leg.rtp).map_err(io::Error::from),
        };
        // Where the system refuses, the socket stays as it is and `send_to` does the work.
        if done.is_ok() {
            entry.connected = peer;
        }
    }

    fn relay(&mut self, mut judge: impl FnMut(Slot, Half, SocketAddr, &mut [u8]) -> Verdict) {
        let ready = {
            self.poll(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            std::mem::take(&mut self.ready)
        };
        for event in &ready {
            let key = event.data.u64();
            if key == WAKE {
                drain(&self.wake);
                continue;
            }
            let (slot, half) = place(key);
            let Some((from, length)) = self.receive(slot, half) else { continue };
            // One byte more than the longest: then it was cut off.
            if length > LONGEST {
                continue;
            }
            let verdict = match self.datagram.get_mut(..length) {
                Some(datagram) => judge(slot, half, from, datagram),
                None => continue,
            };
            if let Some(peer) = verdict.connect {
                self.connect(slot, Some(peer));
            }
            if let (Some(way), Some(datagram)) = (verdict.send, self.datagram.get(..length)) {
                transmit(&self.sockets, way, datagram);
            }
        }
        self.ready = ready;
    }

    fn send(&mut self, way: Outgoing, datagram: &[u8]) {
        transmit(&self.sockets, way, datagram);
    }

    fn flush(&mut self) {}

    fn astray(&self) -> u64 {
        0
    }

    fn sleep(&mut self) {
        self.poll(None);
        drain(&self.wake);
    }
}

impl Portable {
    fn receive(&mut self, slot: Slot, half: Half) -> Option<(SocketAddr, usize)> {
        let entry = self.sockets.get(slot.0)?.as_ref()?;
        let buffer = self.datagram.as_mut_slice();
        // An error is an ICMP complaint about something sent: reading it cleared it.
        match (half, entry.connected) {
            (Half::Rtcp, _) => entry.leg.rtcp.recv_from(buffer).ok().map(|(length, from)| (from, length)),
            (Half::Rtp, Some(peer)) => entry.leg.rtp.recv(buffer).ok().map(|length| (peer, length)),
            (Half::Rtp, None) => entry.leg.rtp.recv_from(buffer).ok().map(|(length, from)| (from, length)),
        }
    }
}

/// A socket's key in the epoll set.
fn key(slot: Slot, half: Half) -> u64 {
    ((slot.0 as u64) << 1) | u64::from(half == Half::Rtcp)
}

/// What a key stands for.
fn place(key: u64) -> (Slot, Half) {
    (Slot((key >> 1) as usize), if key & 1 == 0 { Half::Rtp } else { Half::Rtcp })
}

fn transmit(sockets: &[Option<Entry>], way: Outgoing, datagram: &[u8]) {
    let Some(entry) = sockets.get(way.slot.0).and_then(Option::as_ref) else { return };
    // A full buffer or an unreachable peer loses the packet, as the network may.
    let _ = match way.half {
        Half::Rtcp => entry.leg.rtcp.send_to(datagram, way.to),
        Half::Rtp if entry.connected == Some(way.to) => entry.leg.rtp.send(datagram),
        Half::Rtp => entry.leg.rtp.send_to(datagram, way.to),
    };
}

/// Takes back a wake-up.
pub(super) fn drain(wake: &OwnedFd) {
    let mut count = [0u8; 8];
    // Nothing to read is as good.
    let _ = rustix::io::read(wake, &mut count);
}
