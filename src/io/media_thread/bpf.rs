//! The kernel's BPF by its one system call, which no light crate offers: a table of ports, a table of sockets, a program, its
//! link to the network namespace. Owns these descriptors; what the program says is `steer`'s. Everything goes away with them.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

/// Commands of bpf(2), and the kinds that they speak of (linux/bpf.h).
const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE: libc::c_int = 2;
const PROGRAM_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const MAP_ARRAY: u32 = 2;
const MAP_SOCKETS: u32 = 15;
const MAPPABLE: u32 = 1 << 10;
const PROGRAM_LOOKUP: u32 = 30;
const ATTACH_LOOKUP: u32 = 36;

/// A byte for each port there is.
const PORTS: usize = 1 << 16;

#[repr(C)]
struct MapShape {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct MapEntry {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct Load {
    kind: u32,
    steps: u32,
    program: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
}

#[repr(C)]
struct Attach {
    program: u32,
    namespace: u32,
    kind: u32,
    flags: u32,
}

/// A byte for each port, which the program reads and we write without a system call.
pub(super) struct PortTable {
    map: OwnedFd,
    bytes: NonNull<AtomicU8>,
}

// SAFETY: the mapping belongs to the table alone, is reached through atomics only and is unmapped once, when it is dropped.
unsafe impl Send for PortTable {}
// SAFETY: as above.
unsafe impl Sync for PortTable {}

impl PortTable {
    /// All zero.
    pub(super) fn new() -> io::Result<PortTable> {
        let map = make_map(MAP_ARRAY, PORTS as u32, 1, MAPPABLE, *b"callbridge_ports")?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new shared mapping of a descriptor that we own, at a place of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), PORTS, protection, libc::MAP_SHARED, map.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let bytes = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at nothing"))?;
        Ok(PortTable { map, bytes })
    }

    /// The byte of a port.
    pub(super) fn at(&self, port: u16) -> &AtomicU8 {
        // SAFETY: the mapping has a byte for each u16 and lives as long as the table; AtomicU8 has a byte's size and alignment.
        unsafe { self.bytes.add(usize::from(port)).as_ref() }
    }

    /// Says what is in the byte of a port.
    pub(super) fn set(&self, port: u16, value: u8) {
        self.at(port).store(value, Ordering::Release);
    }

    /// For the program that reads it.
    pub(super) fn number(&self) -> i32 {
        self.map.as_raw_fd()
    }
}

impl Drop for PortTable {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and nobody can hold a reference into it any more.
        let _ = unsafe { libc::munmap(self.bytes.as_ptr().cast::<c_void>(), PORTS) };
    }
}

/// Sockets by their place, for the program to choose from.
pub(super) struct SocketTable(OwnedFd);

impl SocketTable {
    /// Puts these in. They must be bound.
    pub(super) fn new(sockets: &[impl AsFd]) -> io::Result<SocketTable> {
        let entries = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        let map = make_map(MAP_SOCKETS, 8, entries, 0, *b"callbridge_socks")?;
        for (place, socket) in (0u32..).zip(sockets) {
            let value = u64::from(socket.as_fd().as_raw_fd().unsigned_abs());
            let (key, value) = (&raw const place, &raw const value);
            let mut entry = MapEntry { map: number(&map), padding: 0, key: key as u64, value: value as u64, flags: 0 };
            bpf(MAP_UPDATE, &mut entry)?;
        }
        Ok(SocketTable(map))
    }

    /// For the program that reads it.
    pub(super) fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A program that chooses the socket of a packet (sk_lookup), accepted by the kernel's verifier.
pub(super) fn load_lookup(steps: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut name = [0; 16];
    name[..10].copy_from_slice(b"callbridge");
    let mut load = Load {
        kind: PROGRAM_LOOKUP,
        steps: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        program: steps.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_bytes: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name,
        interface: 0,
        attach: ATTACH_LOOKUP,
    };
    made(bpf(PROGRAM_LOAD, &mut load)?)
}

/// Lets it choose for this network namespace, as long as what this gives is kept.
pub(super) fn attach_lookup(program: &OwnedFd) -> io::Result<OwnedFd> {
    let namespace = File::open("/proc/self/ns/net")?;
    let namespace = namespace.as_raw_fd().unsigned_abs();
    let mut attach = Attach { program: number(program), namespace, kind: ATTACH_LOOKUP, flags: 0 };
    made(bpf(LINK_CREATE, &mut attach)?)
}

fn make_map(kind: u32, value_bytes: u32, entries: u32, flags: u32, name: [u8; 16]) -> io::Result<OwnedFd> {
    let mut short = [0; 16];
    // The kernel wants a zero at the end.
    short[..15].copy_from_slice(&name[..15]);
    let mut shape = MapShape { kind, key_bytes: 4, value_bytes, entries, flags, inner: 0, node: 0, name: short };
    made(bpf(MAP_CREATE, &mut shape)?)
}

fn number(descriptor: &OwnedFd) -> u32 {
    descriptor.as_raw_fd().unsigned_abs()
}

fn made(descriptor: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the kernel just gave us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The one call. The attributes are one of the shapes above: plain data, whose addresses stay valid until the call returns.
fn bpf<A>(command: libc::c_int, attributes: &mut A) -> io::Result<libc::c_int> {
    let at: *mut A = attributes;
    // SAFETY: the kernel reads and writes no more than the size that it is told.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, at, size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(libc::c_int::try_from(result).unwrap_or(-1)) }
}
