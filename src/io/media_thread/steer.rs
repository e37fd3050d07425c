//! The program that steers datagrams to open legs into the media threads' sockets (BPF, sk_lookup), and its table of ports.
//! Owns the instructions, as data; refuses system calls, which are `bpf`'s.
//!
//! The kernel runs it for each datagram that reaches this machine and belongs to no connected socket. A port that is not open
//! is none of its business: the kernel answers as if we were not there.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::OwnedFd;

use super::bpf::{PortTable, SocketTable, attach_lookup, load_lookup};

/// Instruction codes (RFC 9669 §4 and §5).
const LOAD_WORD: u8 = 0x61;
const LOAD_BYTE: u8 = 0x71;
const STORE_WORD: u8 = 0x63;
const LOAD_MAP: u8 = 0x18;
const MOVE: u8 = 0xbf;
const SET: u8 = 0xb7;
const ADD: u8 = 0x07;
const ADD_REGISTER: u8 = 0x0f;
const AND: u8 = 0x57;
const IF_EQUAL: u8 = 0x15;
const IF_WORD_DIFFERS: u8 = 0x56;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// What a map's number stands for in `LOAD_MAP`: the map, or its first value.
const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;

/// The kernel's functions (linux/bpf.h).
const LOOK_UP: i32 = 1;
const RELEASE: i32 = 86;
const ASSIGN: i32 = 124;

/// Where things are in `struct bpf_sk_lookup`.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const LOCAL_V4: i16 = 40;
const LOCAL_V6: i16 = 44;
const LOCAL_PORT: i16 = 60;

/// A jump to the end, where the kernel is told to go on as usual.
const PASS: i16 = i16::MAX;

/// One instruction: code, destination and source register, offset, operand.
type Step = (u8, u8, u8, i16, i32);

/// The program at work, and the ports that it steers. It stops when this is dropped.
pub(super) struct Steer {
    ports: PortTable,
    _link: OwnedFd,
}

impl Steer {
    /// Begins to steer into these bound sockets of this address; no port is open yet.
    pub(super) fn start(address: IpAddr, sockets: &[UdpSocket]) -> io::Result<Steer> {
        let (ports, table) = (PortTable::new()?, SocketTable::new(sockets)?);
        let program = load_lookup(&assemble(&program(address, ports.number(), table.number())))?;
        Ok(Steer { ports, _link: attach_lookup(&program)? })
    }

    /// From now on datagrams to this port go into that socket (its place among those of the start).
    pub(super) fn open(&self, port: u16, socket: usize) {
        // At most 64 threads are configured.
        self.ports.set(port, u8::try_from(socket + 1).unwrap_or(0));
    }

    /// They no longer do.
    pub(super) fn close(&self, port: u16) {
        self.ports.set(port, 0);
    }
}

/// Registers: 6 keeps the packet's description, 7 the socket.
fn program(address: IpAddr, ports: i32, sockets: i32) -> Vec<Step> {
    let load = |offset| (LOAD_WORD, 1, 6, offset, 0);
    let only = |value: i32| (IF_WORD_DIFFERS, 1, 0, PASS, value);
    let mut steps = vec![(MOVE, 6, 1, 0, 0), load(PROTOCOL), only(libc::IPPROTO_UDP), load(FAMILY)];
    match address {
        IpAddr::V4(ip) => {
            steps.extend([only(libc::AF_INET), load(LOCAL_V4), only(i32::from_ne_bytes(ip.octets()))]);
        }
        IpAddr::V6(ip) => {
            steps.push(only(libc::AF_INET6));
            for (at, word) in (0i16..).zip(ip.octets().as_chunks::<4>().0) {
                steps.extend([load(LOCAL_V6 + 4 * at), only(i32::from_ne_bytes(*word))]);
            }
        }
    }
    steps.extend([
        // The port's byte: 0, or one more than the place of its socket.
        (LOAD_WORD, 2, 6, LOCAL_PORT, 0),
        (AND, 2, 0, 0, 0xffff),
        (LOAD_MAP, 1, MAP_VALUE, 0, ports),
        (0, 0, 0, 0, 0),
        (ADD_REGISTER, 1, 2, 0, 0),
        (LOAD_BYTE, 1, 1, 0, 0),
        (IF_EQUAL, 1, 0, PASS, 0),
        (ADD, 1, 0, 0, -1),
        // The socket at that place.
        (STORE_WORD, 10, 1, -4, 0),
        (MOVE, 2, 10, 0, 0),
        (ADD, 2, 0, 0, -4),
        (LOAD_MAP, 1, MAP, 0, sockets),
        (0, 0, 0, 0, 0),
        (CALL, 0, 0, 0, LOOK_UP),
        (IF_EQUAL, 0, 0, PASS, 0),
        // The packet is for it.
        (MOVE, 7, 0, 0, 0),
        (MOVE, 1, 6, 0, 0),
        (MOVE, 2, 7, 0, 0),
        (SET, 3, 0, 0, 0),
        (CALL, 0, 0, 0, ASSIGN),
        (MOVE, 1, 7, 0, 0),
        (CALL, 0, 0, 0, RELEASE),
        (SET, 0, 0, 0, 1),
        (EXIT, 0, 0, 0, 0),
    ]);
    steps
}

/// As the kernel reads them. `PASS` leads to the last two steps.
fn assemble(steps: &[Step]) -> Vec<u64> {
    let pass = steps.len().saturating_sub(2);
    let encode = |(at, &(code, to, from, offset, operand)): (usize, &Step)| {
        let offset = if offset == PASS { i16::try_from(pass - at - 1).unwrap_or(0) } else { offset };
        let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
        let ([a, b], [c, d, e, f]) = (offset.to_ne_bytes(), operand.to_ne_bytes());
        u64::from_ne_bytes([code, registers, a, b, c, d, e, f])
    };
    steps.iter().enumerate().map(encode).collect()
}
