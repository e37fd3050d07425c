//! One range of ports, one callbridge: each says in the kernel's list of local sockets which range is its own, for as long as
//! it lives. Owns the words of that claim. Without it, two programs would steer the same port and neither could know: binding
//! a port that another one steers succeeds.

use std::io;
use std::net::IpAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::choice::BackEnd;

/// How every claim begins.
const FAMILY: &str = "callbridge-media";

/// Claims of one range by one process, at most.
const MOST: u32 = 1000;

/// A range that is ours until this is dropped.
pub(super) struct Claim {
    _socket: UnixDatagram,
}

/// Why a range cannot be ours.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody has some of it.
    #[error(
        "another callbridge has RTP ports {}-{} of this address ({}), and ours are {}-{}; give each its own [media] ports",
        .theirs.0, .theirs.1, .how.as_str(), .ours.0, .ours.1
    )]
    Taken {
        /// Its range.
        theirs: (u16, u16),
        /// Its back end.
        how: BackEnd,
        /// What we wanted.
        ours: (u16, u16),
    },
    /// The claim could not be made.
    #[error("the system refused to note our RTP ports: {0}")]
    System(#[from] io::Error),
}

impl Claim {
    /// Claims the range. Those who bind each port may share one, as each finds the other's ports taken; nobody shares one with
    /// somebody who steers.
    pub(super) fn new(address: IpAddr, ours: (u16, u16), how: BackEnd) -> Result<Claim, ClaimError> {
        let mine = format!("{FAMILY}/{address}/{}-{}/{}/{}", ours.0, ours.1, how.as_str(), std::process::id());
        // First said, then looked: of two that begin at once, none misses the other.
        let (socket, mine) = say(&mine)?;
        let claim = Claim { _socket: socket };
        let listed = std::fs::read_to_string("/proc/net/unix")?;
        let others = listed.lines().filter_map(|line| line.rsplit_once('@')).map(|(_, name)| name);
        let meets = |(theirs, other): ((u16, u16), BackEnd)| {
            let overlap = theirs.0 <= ours.1 && ours.0 <= theirs.1;
            let shared = other == BackEnd::Portable && how == BackEnd::Portable;
            (overlap && !shared).then_some((theirs, other))
        };
        let clash = others.filter(|name| *name != mine).find_map(|name| meets(read(name, address)?));
        match clash {
            Some((theirs, how)) => Err(ClaimError::Taken { theirs, how, ours }),
            None => Ok(claim),
        }
    }
}

/// One process may claim twice (tests do): a number makes each its own.
fn say(claim: &str) -> io::Result<(UnixDatagram, String)> {
    let mut number = 0;
    loop {
        let name = format!("{claim}/{number}");
        match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?) {
            Ok(socket) => return Ok((socket, name)),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse || number == MOST => return Err(error),
            Err(_) => number += 1,
        }
    }
}

fn read(name: &str, address: IpAddr) -> Option<((u16, u16), BackEnd)> {
    let mut words = name.split('/');
    if words.next()? != FAMILY || words.next()?.parse::<IpAddr>().ok()? != address {
        return None;
    }
    let (first, last) = words.next()?.split_once('-')?;
    let ports = (first.parse().ok()?, last.parse().ok()?);
    let how = words.next()?;
    BackEnd::ALL.into_iter().find(|known| known.as_str() == how).map(|how| (ports, how))
}
