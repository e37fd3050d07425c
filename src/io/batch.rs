//! Many datagrams with one system call: `recvmmsg`, which no safe crate offers. The only file with unsafe code. Owns its
//! buffers; refuses addresses of other families than IP.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Datagrams taken with one call.
pub const BATCH: usize = 64;
/// Room for one datagram; a longer one is cut, as RTP of voice never is.
pub const SLOT: usize = 512;

/// Buffers for one call, made once.
pub struct Batch {
    buffers: Box<[[u8; SLOT]; BATCH]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [usize; BATCH],
    filled: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        // SAFETY: sockaddr_storage is plain data for which all zeroes is a valid value.
        let names = Box::new([unsafe { std::mem::zeroed() }; BATCH]);
        Batch { buffers: Box::new([[0; SLOT]; BATCH]), names, lengths: [0; BATCH], filled: 0 }
    }
}

impl Batch {
    /// Takes what waits on a non-blocking socket, at most [`BATCH`]. `WouldBlock` when nothing does.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.filled = 0;
        // SAFETY: mmsghdr and iovec are plain data for which all zeroes is a valid value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut pieces: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        for (at, header) in headers.iter_mut().enumerate() {
            pieces[at] = libc::iovec { iov_base: self.buffers[at].as_mut_ptr().cast(), iov_len: SLOT };
            header.msg_hdr.msg_iov = &raw mut pieces[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.names[at]).cast();
            header.msg_hdr.msg_namelen = u32::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
        }
        let vlen = u32::try_from(BATCH).unwrap_or(0);
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: every header points to its own iovec, buffer and name, all alive and unshared until the call returns.
        let got =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), vlen, flags, std::ptr::null_mut()) };
        self.filled = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers).take(self.filled) {
            *length = usize::try_from(header.msg_len).unwrap_or(0).min(SLOT);
        }
        Ok(self.filled)
    }

    /// The datagrams of the last call, with their senders.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let all = self.lengths.iter().zip(&*self.buffers).zip(&*self.names).take(self.filled);
        all.filter_map(|((length, buffer), name)| Some((address(name)?, buffer.get(..*length)?)))
    }
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
        let mut batch = Batch::default();
        assert_eq!(batch.receive(&to).unwrap(), 3);
        let got: Vec<_> = batch.datagrams().map(|(who, bytes)| (who, bytes.to_vec())).collect();
        assert_eq!(got, [0, 1, 2].map(|n| (from.local_addr().unwrap(), vec![n; 20])));
        assert_eq!(batch.receive(&to).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(batch.datagrams().count(), 0);
    }
}
