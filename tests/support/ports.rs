//! Free loopback ports, handed out once per test process. Stays below the ephemeral range, so that no outgoing socket takes
//! a port between its being found and its being used.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;

const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;

static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// A port of 127.0.0.1.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// One port that is free for UDP and TCP.
pub fn port() -> u16 {
    block(1)
}

/// The first of `count` consecutive free ports; even, as RTP wants it.
pub fn block(count: u16) -> u16 {
    let mut next = NEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Test processes that run side by side begin at different places.
    let start = FIRST + u16::try_from(std::process::id() % 43).expect("below 43") * 512;
    let mut candidate = next.unwrap_or(start);
    for _ in 0..1000 {
        candidate += candidate % 2;
        if candidate >= LAST - count {
            candidate = FIRST;
        }
        if (candidate..candidate + count).all(is_free) {
            *next = Some(candidate + count);
            return candidate;
        }
        candidate += count.max(2);
    }
    panic!("no {count} free loopback ports in {FIRST}..{LAST}");
}

fn is_free(port: u16) -> bool {
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    UdpSocket::bind(anywhere).is_ok() && TcpListener::bind(anywhere).is_ok()
}
