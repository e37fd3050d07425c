//! SIP's UDP sockets: several addresses, one pair of hands. Owns which socket a datagram leaves by, and that
//! strangers' are counted and dropped. Refuses to read what it carries.

mod shutter;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::epoll;

use crate::sip::api::Sources;
use shutter::Shutter;

/// Peers remembered where several sockets could answer them.
const MAX_PEERS: usize = 4096;

/// The sockets, each with its address.
pub struct UdpSockets {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    /// Some family has more than one: an answer leaves by the socket that its request came by (RFC 3581 §4).
    several: bool,
    peers: HashMap<SocketAddr, usize>,
    sources: Arc<Sources>,
    shutter: Shutter,
}

impl UdpSockets {
    /// Takes bound sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(sockets: Vec<UdpSocket>) -> io::Result<UdpSockets> {
        let mut bound = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true)?;
            bound.push((socket.local_addr()?, socket));
        }
        let of = |v4: bool| bound.iter().filter(|(address, _)| address.is_ipv4() == v4).count();
        let several = of(true) > 1 || of(false) > 1;
        Ok(UdpSockets {
            sockets: bound,
            several,
            peers: HashMap::new(),
            sources: Arc::default(),
            shutter: Shutter::default(),
        })
    }

    /// Wakes this `poll` when datagrams come; each socket is called `data`.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(&self, poll: impl AsFd, data: u64) -> io::Result<()> {
        for (_, socket) in &self.sockets {
            epoll::add(&poll, socket, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Strangers from now on are all but these.
    pub fn set_sources(&mut self, sources: Arc<Sources>) {
        self.shutter.set_sources(&sources);
        self.sources = sources;
        self.shutter.apply(self.sockets.iter().map(|(_, socket)| socket));
    }

    /// For how many strangers' datagrams this one stands: 0 when it is a switch's. `second` is now.
    pub fn strangers(&mut self, from: SocketAddr, second: u64) -> u64 {
        if self.sources.knows(from.ip()) {
            return 0;
        }
        let stands_for = self.shutter.stranger(second);
        self.shutter.apply(self.sockets.iter().map(|(_, socket)| socket));
        stands_for
    }

    /// Time goes on: after a flood the kernel lets everything through again.
    pub fn second(&mut self, second: u64) {
        if self.shutter.is_shut() {
            self.shutter.second(second);
            self.shutter.apply(self.sockets.iter().map(|(_, socket)| socket));
        }
    }

    /// The next datagram of this socket; `None` when none waits (or an earlier send's ICMP error came: its timer will tell).
    pub fn receive(&mut self, socket: usize, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let (length, from) = self.sockets.get(socket)?.1.recv_from(buffer).ok()?;
        // An IPv4 peer of a dual-stack socket is an IPv4 peer.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if self.several {
            if self.peers.len() >= MAX_PEERS {
                self.peers.clear();
            }
            self.peers.insert(from, socket);
        }
        Some((length, from))
    }

    /// Sends a datagram. A full socket buffer is a lost datagram: SIP retransmits.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let known = self.peers.get(&to).and_then(|at| self.sockets.get(*at));
        let fits = |(address, _): &&(SocketAddr, UdpSocket)| address.is_ipv4() == to.is_ipv4();
        if let Some((_, socket)) = known.or_else(|| self.sockets.iter().find(fits)) {
            let _sent = socket.send_to(bytes, to);
        }
    }
}
