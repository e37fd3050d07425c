//! A filter in the kernel that keeps strangers' datagrams from the socket while there is a flood of them: they neither wake the
//! engine's thread nor take the place of a switch's datagrams in the receive buffer. Owns when it is shut, and the program.
//!
//! At a usual rate every stranger comes through and is counted. Above it the filter is attached; then one in [`SAMPLE`] comes
//! through and stands for the others, until the flood is over.

use std::net::{IpAddr, UdpSocket};

use socket2::{SockFilter, SockRef};

use crate::sip::api::Sources;

/// Strangers in one second that make a flood.
const FLOOD: u64 = 500;
/// While it is shut, one in so many strangers comes through. A power of two.
const SAMPLE: u64 = 64;
/// It opens when so many seconds were quiet.
const QUIET: u64 = 5;
/// The kernel takes no longer programs.
const MAX_PROGRAM: usize = 4000;

/// Classic BPF (linux/filter.h): loads relative to the network header, and a random number.
const NETWORK: u32 = 0xfff0_0000;
const RANDOM: u32 = 0xffff_f000 + 56;
const LOAD_BYTE: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
const SHIFT_RIGHT: u16 = 0x74;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

/// One instruction: code, jump if true, jump if false, operand.
type Step = (u16, u8, u8, u32);
const TAKE: Step = (RETURN, 0, 0, u32::MAX);
const DROP: Step = (RETURN, 0, 0, 0);

/// When the filter is on.
#[derive(Debug, Default)]
pub struct Shutter {
    program: Vec<Step>,
    shut: bool,
    /// The sockets are not yet as they should be.
    stale: bool,
    second: u64,
    strangers: u64,
    /// The last second that was no quiet one.
    loud: u64,
}

impl Shutter {
    /// Strangers are all but these.
    pub fn set_sources(&mut self, sources: &Sources) {
        self.program = program(sources.ips());
        self.stale = self.shut;
    }

    /// A stranger came through in this second; gives for how many it stands.
    pub fn stranger(&mut self, second: u64) -> u64 {
        self.second(second);
        let stands_for = if self.shut { SAMPLE } else { 1 };
        self.strangers += stands_for;
        if self.strangers > FLOOD {
            self.loud = second;
            if !self.shut && !self.program.is_empty() {
                (self.shut, self.stale) = (true, true);
            }
        }
        stands_for
    }

    /// It is this second.
    pub fn second(&mut self, second: u64) {
        if second != self.second {
            (self.second, self.strangers) = (second, 0);
        }
        if self.shut && second > self.loud + QUIET {
            (self.shut, self.stale) = (false, true);
        }
    }

    /// Whether time matters to it.
    pub fn is_shut(&self) -> bool {
        self.shut
    }

    /// Makes the sockets as they should be.
    pub fn apply<'a>(&mut self, sockets: impl Iterator<Item = &'a UdpSocket>) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let program: Vec<SockFilter> =
            self.program.iter().map(|&(code, yes, no, k)| SockFilter::new(code, yes, no, k)).collect();
        for socket in sockets {
            let socket = SockRef::from(socket);
            let set = if self.shut { socket.attach_filter(&program) } else { socket.detach_filter() };
            if let Err(error) = set {
                tracing::warn!(%error, "the kernel takes no filter; strangers are dropped one by one");
            }
        }
        tracing::info!(shut = self.shut, "the kernel's filter against strangers");
    }
}

/// Takes datagrams of these addresses, and one in [`SAMPLE`] of the rest. Empty when the kernel would not take it.
fn program(ips: &[IpAddr]) -> Vec<Step> {
    let mut v4 = vec![(LOAD_WORD, 0, 0, NETWORK + 12)];
    let mut v6 = Vec::new();
    for ip in ips {
        match ip {
            IpAddr::V4(ip) => v4.extend([(IF_EQUAL, 0, 1, u32::from(*ip)), TAKE]),
            IpAddr::V6(ip) => {
                let words = ip.octets();
                for (at, word) in words.chunks_exact(4).enumerate() {
                    let k = word.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                    // Past what is left of this address: two steps for each word, and TAKE.
                    let past = u8::try_from(7 - 2 * at).unwrap_or(7);
                    let offset = u32::try_from(8 + 4 * at).unwrap_or(8);
                    v6.extend([(LOAD_WORD, 0, 0, NETWORK + offset), (IF_EQUAL, 0, past, k)]);
                }
                v6.push(TAKE);
            }
        }
    }
    let skip = |steps: &[Step]| u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let mut program = vec![(LOAD_BYTE, 0, 0, NETWORK), (SHIFT_RIGHT, 0, 0, 4)];
    program.extend([(IF_EQUAL, 1, 0, 4), (JUMP, 0, 0, skip(&v4) + 1)]);
    program.extend(&v4);
    program.push((JUMP, 0, 0, skip(&v6)));
    program.extend(v6);
    let mask = u32::try_from(SAMPLE - 1).unwrap_or(0);
    program.extend([(LOAD_WORD, 0, 0, RANDOM), (AND, 0, 0, mask), (IF_EQUAL, 0, 1, 0), TAKE, DROP]);
    if program.len() > MAX_PROGRAM { Vec::new() } else { program }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_shuts_at_a_flood_and_opens_when_it_was_quiet_for_a_while() {
        let mut shutter = Shutter::default();
        shutter.set_sources(&Sources::of(&["192.0.2.1".parse().unwrap()]));
        for _ in 0..FLOOD {
            assert_eq!(shutter.stranger(7), 1);
        }
        assert!(!shutter.is_shut());
        shutter.stranger(7);
        assert!(shutter.is_shut());
        assert_eq!(shutter.stranger(8), SAMPLE);
        shutter.second(7 + QUIET);
        assert!(shutter.is_shut());
        shutter.second(8 + QUIET);
        assert!(!shutter.is_shut());
    }

    /// What comes through of so many datagrams.
    fn through(receiver: &UdpSocket, sender: &UdpSocket, count: usize) -> usize {
        let to = receiver.local_addr().unwrap();
        (0..count)
            .filter(|_| {
                sender.send_to(b"x", to).unwrap();
                receiver.recv_from(&mut [0; 8]).is_ok()
            })
            .count()
    }

    fn shut_for(address: &str, known: &[&str]) -> UdpSocket {
        let receiver = UdpSocket::bind(address).unwrap();
        receiver.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut shutter = Shutter::default();
        let known: Vec<IpAddr> = known.iter().map(|ip| ip.parse().unwrap()).collect();
        shutter.set_sources(&Sources::of(&known));
        (shutter.shut, shutter.stale) = (true, true);
        shutter.apply([&receiver].into_iter());
        receiver
    }

    #[test]
    fn the_kernel_lets_switches_through_and_few_strangers() {
        let receiver = shut_for("127.0.0.1:0", &["192.0.2.7", "127.0.0.1", "2001:db8::1"]);
        assert_eq!(through(&receiver, &UdpSocket::bind("127.0.0.1:0").unwrap(), 100), 100);
        let strangers = through(&receiver, &UdpSocket::bind("127.0.0.2:0").unwrap(), 500);
        assert!(strangers < 100, "{strangers} of 500 strangers came through");
    }

    #[test]
    fn it_knows_ipv6_addresses_whole() {
        let known = shut_for("[::1]:0", &["192.0.2.7", "2001:db8::1", "::1"]);
        assert_eq!(through(&known, &UdpSocket::bind("[::1]:0").unwrap(), 100), 100);
        let stranger = shut_for("[::1]:0", &["2001:db8::1", "::2"]);
        assert!(through(&stranger, &UdpSocket::bind("[::1]:0").unwrap(), 500) < 100);
    }
}
