//! The ports of `[media] ports`, in pairs: an even one for RTP and the next for RTCP (RFC 3550 §11). Owns which are free; a pair
//! is held by a [`Permit`] and comes back when that is dropped, whatever went wrong (field.md 22).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use rand::TryRngCore;
use rand::rngs::OsRng;
use socket2::{Domain, Protocol, Socket, Type};

use super::choice::BackEnd;
use crate::media::api::OpenError;

/// Bytes of kernel buffer we ask for per leg; the kernel doubles it. Enough for some ten packets: an overloaded relay
/// should lose early, not delay (performance.md).
const RECEIVE_BUFFER: usize = 8192;
/// Ports tried that somebody else of this machine holds.
const TRIES: usize = 64;

/// The pairs of a range by their even ports, those longest unused first.
#[derive(Clone)]
pub(super) struct Pool {
    address: IpAddr,
    free: Arc<Mutex<VecDeque<u16>>>,
    total: usize,
    back_end: BackEnd,
}

/// A pair in use.
pub(super) struct Permit {
    port: u16,
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// A leg's pair, and sockets bound to it where the back end has one for each port.
pub(super) struct LegPort {
    sockets: Option<Pair>,
    permit: Permit,
}

/// One for RTP, one for RTCP.
struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// A leg's sockets and their ports. The sockets close before the ports are free: fields drop in this order.
pub(super) struct LegSocket {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    _permit: Permit,
}

impl LegPort {
    /// The number of the RTP port; RTCP has the next.
    pub(super) fn number(&self) -> u16 {
        self.permit.port
    }

    /// The leg as the portable back end wants it.
    pub(super) fn into_socket(self) -> Option<LegSocket> {
        let Pair { rtp, rtcp } = self.sockets?;
        Some(LegSocket { rtp, rtcp, _permit: self.permit })
    }
}

impl Pool {
    /// All pairs from `first` to `last`, beginning anywhere: after a crash the phones of the life before still send to
    /// their ports, and must not meet new calls there (found by tests/sim, seed 8006).
    pub(super) fn new(address: IpAddr, (first, last): (u16, u16), back_end: BackEnd) -> Pool {
        let mut free: VecDeque<u16> = (first..last).filter(|port| port % 2 == 0 && *port > 0).collect();
        let draw = usize::try_from(OsRng.try_next_u32().unwrap_or(0)).unwrap_or(0);
        free.rotate_left(draw.checked_rem(free.len()).unwrap_or(0));
        Pool { address, total: free.len(), free: Arc::new(Mutex::new(free)), back_end }
    }

    /// Pairs held by legs.
    pub(super) fn in_use(&self) -> usize {
        self.total - self.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The next free pair, bound; said is the RTP port. One that somebody else holds goes back to the end of the row. Where ports are steered, it is
    /// only tried: nobody else's packets are to come to us.
    pub(super) fn open(&self) -> Result<(LegPort, SocketAddr), OpenError> {
        let mut why = OpenError::PoolEmpty;
        // Kept until the end, so that no port is tried twice.
        let mut taken_by_others = Vec::new();
        for _ in 0..TRIES {
            let Some(permit) = self.take() else { break };
            let local = SocketAddr::new(self.address, permit.port);
            let sockets = match self.back_end {
                BackEnd::Portable => bind_pair(local).map(Some),
                BackEnd::OneSocket => try_pair(local).map(|()| None),
            };
            match sockets {
                Ok(sockets) => return Ok((LegPort { sockets, permit }, local)),
                Err(error) => {
                    why = OpenError::System;
                    taken_by_others.push(permit);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        break;
                    }
                }
            }
        }
        Err(why)
    }

    fn take(&self) -> Option<Permit> {
        let port = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        Some(Permit { port, free: Arc::clone(&self.free) })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.port);
    }
}

fn bind_pair(rtp: SocketAddr) -> io::Result<Pair> {
    Ok(Pair { rtp: bind(rtp)?, rtcp: bind(next(rtp))? })
}

/// Whether nobody else holds one of the two.
fn try_pair(rtp: SocketAddr) -> io::Result<()> {
    bound(rtp, |_| Ok(()))?;
    bound(next(rtp), |_| Ok(()))?;
    Ok(())
}

/// Even ports have a next one.
fn next(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() | 1)
}

/// A socket that does not block, with little room.
pub(super) fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    bound(local, |socket| socket.set_recv_buffer_size(RECEIVE_BUFFER)).map(UdpSocket::from)
}

fn bound(local: SocketAddr, prepare: impl FnOnce(&Socket) -> io::Result<()>) -> io::Result<Socket> {
    // Said with the kind: two calls fewer for each port than setting it afterwards.
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    prepare(&socket)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> IpAddr {
        "127.0.0.1".parse().unwrap()
    }

    #[test]
    fn pairs_are_lent_and_come_back() {
        let pool = Pool::new(loopback(), (36_001, 36_005), BackEnd::Portable);
        let (first, local) = pool.open().unwrap();
        let (second, _) = pool.open().unwrap();
        assert_eq!(local.port() % 2, 0);
        assert!(matches!(pool.open(), Err(OpenError::PoolEmpty)));
        assert_eq!(pool.in_use(), 2);
        drop((first, second));
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_pair_of_which_another_program_holds_one_is_passed_over() {
        for (back_end, held) in BackEnd::ALL.into_iter().flat_map(|one| [(one, 36_010), (one, 36_011)]) {
            let other = UdpSocket::bind(("127.0.0.1", held)).unwrap();
            let pool = Pool::new(loopback(), (36_010, 36_013), back_end);
            let (_held, local) = pool.open().unwrap();
            assert_eq!(local.port(), 36_012);
            assert!(matches!(pool.open(), Err(OpenError::System)));
            assert_eq!(pool.in_use(), 1);
            drop(other);
            assert!(pool.open().is_ok());
        }
    }
}
