//! Many datagrams with one system call: `recvmmsg`, which no safe crate offers. Owns its buffers; refuses addresses of other
//! families than IP.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Datagrams taken with one call.
pub const BATCH: usize = 64;
/// Room for one datagram; a longer one is cut, as RTP of voice never is.
pub const SLOT: usize = 512;

/// Room for what the kernel says beside a datagram: one address. Aligned as `cmsghdr` is.
const BESIDE: usize = 8;

/// Buffers for one call, made once, with so much room for each datagram.
pub struct Batch<const ROOM: usize = SLOT> {
    buffers: Box<[[u8; ROOM]]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    beside: Box<[[u64; BESIDE]; BATCH]>,
    lengths: [usize; BATCH],
    beside_lengths: [usize; BATCH],
    filled: usize,
}

/// A datagram of the last call.
pub struct Received<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// To which port, where [`tell_port`] was asked of the socket.
    pub to_port: Option<u16>,
    /// What it says.
    pub bytes: &'a mut [u8],
}

impl<const ROOM: usize> Default for Batch<ROOM> {
    fn default() -> Batch<ROOM> {
        // SAFETY: sockaddr_storage is plain data for which all zeroes is a valid value.
        let names = Box::new([unsafe { std::mem::zeroed() }; BATCH]);
        Batch {
            buffers: vec![[0; ROOM]; BATCH].into_boxed_slice(),
            names,
            beside: Box::new([[0; BESIDE]; BATCH]),
            lengths: [0; BATCH],
            beside_lengths: [0; BATCH],
            filled: 0,
        }
    }
}

/// From now on the kernel says beside each datagram to which port it was sent.
pub fn tell_port(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    let (level, name) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR)
    };
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads an int, whose size it is told.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), length) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl<const ROOM: usize> Batch<ROOM> {
    /// Takes what waits on a non-blocking socket, at most [`BATCH`]. `WouldBlock` when nothing does.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.filled = 0;
        // SAFETY: mmsghdr and iovec are plain data for which all zeroes is a valid value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut pieces: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        for (at, header) in headers.iter_mut().enumerate() {
            pieces[at] = libc::iovec { iov_base: self.buffers[at].as_mut_ptr().cast(), iov_len: ROOM };
            header.msg_hdr.msg_iov = &raw mut pieces[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.names[at]).cast();
            header.msg_hdr.msg_namelen = u32::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
            header.msg_hdr.msg_control = (&raw mut self.beside[at]).cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; BESIDE]>() as _;
        }
        let vlen = u32::try_from(BATCH).unwrap_or(0);
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: every header points to its own iovec, buffer, name and room beside, all alive and unshared until the call returns.
        let got =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), vlen, flags, std::ptr::null_mut()) };
        self.filled = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        let lengths = self.lengths.iter_mut().zip(&mut self.beside_lengths);
        for ((length, beside), header) in lengths.zip(&headers).take(self.filled) {
            *length = usize::try_from(header.msg_len).unwrap_or(0).min(ROOM);
            *beside = header.msg_hdr.msg_controllen;
        }
        Ok(self.filled)
    }

    /// The datagrams of the last call, with their senders.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let all = self.lengths.iter().zip(&*self.buffers).zip(&*self.names).take(self.filled);
        all.filter_map(|((length, buffer), name)| Some((address(name)?, buffer.get(..*length)?)))
    }

    /// The datagrams of the last call, to be changed where they lie.
    pub fn received(&mut self) -> impl Iterator<Item = Received<'_>> {
        let beside = self.beside.iter().zip(&self.beside_lengths);
        let all = self.lengths.iter().zip(&mut *self.buffers).zip(&*self.names).zip(beside).take(self.filled);
        all.filter_map(|(((length, buffer), name), (beside, beside_length))| {
            let from = address(name)?;
            Some(Received { from, to_port: port(beside, *beside_length), bytes: buffer.get_mut(..*length)? })
        })
    }
}

/// The port in an `IP_ORIGDSTADDR` or `IPV6_ORIGDSTADDR` message, whose sockaddr has it behind the family in either.
fn port(beside: &[u64; BESIDE], length: usize) -> Option<u16> {
    let [head, level_and_kind, address, ..] = beside;
    let [a, b, c, d, e, f, g, h] = level_and_kind.to_ne_bytes();
    let said = (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    let known = [(libc::IPPROTO_IP, libc::IP_ORIGDSTADDR), (libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR)];
    let whole = length >= 24 && *head >= 24;
    let [_, _, high, low, ..] = address.to_ne_bytes();
    (whole && known.contains(&said)).then(|| u16::from_be_bytes([high, low]))
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in, which sockaddr_storage has room and alignment for.
            let v4 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_in_order_with_their_senders() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..3u8 {
            from.send_to(&[n; 20], to.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::<SLOT>::default();
        assert_eq!(batch.receive(&to).unwrap(), 3);
        let got: Vec<_> = batch.datagrams().map(|(who, bytes)| (who, bytes.to_vec())).collect();
        assert_eq!(got, [0, 1, 2].map(|n| (from.local_addr().unwrap(), vec![n; 20])));
        assert_eq!(batch.receive(&to).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(batch.datagrams().count(), 0);
    }

    #[test]
    fn the_kernel_says_to_which_port_a_datagram_was_sent() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let to = UdpSocket::bind(address).unwrap();
            let from = UdpSocket::bind(address).unwrap();
            let port = to.local_addr().unwrap().port();
            let mut batch = Batch::<SLOT>::default();
            from.send_to(b"before", to.local_addr().unwrap()).unwrap();
            batch.receive(&to).unwrap();
            assert_eq!(batch.received().map(|one| one.to_port).collect::<Vec<_>>(), [None]);
            tell_port(&to, address.starts_with('[')).unwrap();
            from.send_to(b"after", to.local_addr().unwrap()).unwrap();
            batch.receive(&to).unwrap();
            let got: Vec<_> = batch.received().map(|one| (one.to_port, one.bytes.to_vec())).collect();
            assert_eq!(got, [(Some(port), b"after".to_vec())]);
        }
    }
}
