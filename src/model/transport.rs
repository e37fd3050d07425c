//! What carries SIP, and the place a message goes to or came from. Owns these nouns; refuses sockets and name look-ups.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What carries SIP (RFC 3261 §18).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SipTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl SipTransport {
    /// Every one.
    pub const ALL: [SipTransport; 3] = [SipTransport::Udp, SipTransport::Tcp, SipTransport::Tls];

    /// As in a Via: `UDP`, `TCP`, `TLS`.
    pub fn via(self) -> &'static str {
        match self {
            SipTransport::Udp => "UDP",
            SipTransport::Tcp => "TCP",
            SipTransport::Tls => "TLS",
        }
    }

    /// As in a `transport` parameter and in our configuration: `udp`, `tcp`, `tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            SipTransport::Udp => "udp",
            SipTransport::Tcp => "tcp",
            SipTransport::Tls => "tls",
        }
    }

    /// Reads [`SipTransport::as_str`], whatever its case.
    pub fn parse(text: &str) -> Option<SipTransport> {
        SipTransport::ALL.into_iter().find(|transport| transport.as_str().eq_ignore_ascii_case(text))
    }

    /// The transport retransmits; we need not (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != SipTransport::Udp
    }

    /// 5060, or 5061 for TLS (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        if self == SipTransport::Tls { 5061 } else { 5060 }
    }
}

/// The next hop of a message, or where one came from. A peer over TCP or TLS is named by its end of the connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hop {
    /// What carries it.
    pub transport: SipTransport,
    /// The peer's address.
    pub address: SocketAddr,
    /// TLS: the name that the peer's certificate must show (to), or has shown (from).
    pub name: Option<Arc<str>>,
}

impl Hop {
    /// Over UDP.
    pub fn udp(address: SocketAddr) -> Hop {
        Hop { transport: SipTransport::Udp, address, name: None }
    }

    /// Over TCP.
    pub fn tcp(address: SocketAddr) -> Hop {
        Hop { transport: SipTransport::Tcp, address, name: None }
    }

    /// Over TLS to a peer that must prove this name.
    pub fn tls(address: SocketAddr, name: Arc<str>) -> Hop {
        Hop { transport: SipTransport::Tls, address, name: Some(name) }
    }
}

/// `udp:192.0.2.1:5060`.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.as_str(), self.address)
    }
}
