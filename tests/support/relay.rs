//! A bad road between the equipment and a phone: forwards datagrams both ways, except those that its rule takes away.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ports::loopback;

/// Which way a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Towards {
    /// From the equipment.
    Phone,
    /// From the phone.
    Equipment,
}

/// Decides whether a datagram arrives.
pub type Rule = Box<dyn FnMut(Towards, &str) -> bool + Send>;

/// Takes away the first so many messages that begin with `start`, on their way to `towards`.
pub fn loses_first(count: u32, towards: Towards, start: &'static str) -> Rule {
    let mut left = count;
    Box::new(move |way, text| {
        let hit = way == towards && text.starts_with(start) && left > 0;
        left -= u32::from(hit);
        !hit
    })
}

/// Takes away every message when it comes for the first time: only what is repeated arrives.
pub fn loses_everything_once() -> Rule {
    let mut seen = std::collections::BTreeSet::new();
    Box::new(move |way, text| !seen.insert((way, text.to_owned())))
}

/// A running relay; stops when dropped.
#[derive(Debug)]
pub struct Relay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Forwards between whoever sends to `port` and `phone`, as seen by the phone from the same port.
    pub fn start(port: u16, phone: u16, mut rule: Rule) -> Relay {
        let socket = UdpSocket::bind(loopback(port)).expect("the relay's port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let phone = loopback(phone);
            let mut equipment: Option<SocketAddr> = None;
            let mut datagram = [0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
                let way = if from == phone { Towards::Equipment } else { Towards::Phone };
                if way == Towards::Phone {
                    equipment = Some(from);
                }
                let text = String::from_utf8_lossy(&datagram[..length]);
                let to = if way == Towards::Phone { Some(phone) } else { equipment };
                if let Some(to) = to.filter(|_| rule(way, &text)) {
                    socket.send_to(&datagram[..length], to).ok();
                }
            }
        });
        Relay { stop, thread: Some(thread) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
