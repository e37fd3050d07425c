//! Which back end is taken, and why not the other. Owns that choice and its words; what each does is `portable`'s and
//! `one_socket`'s.

use std::io;
use std::net::IpAddr;

use rustix::thread::{CapabilitySet, capabilities};

use super::claim::{Claim, ClaimError};
use super::one_socket::Steered;
use crate::config::MediaIo;

/// How datagrams get in and out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackEnd {
    /// A socket for each port.
    Portable,
    /// One socket for all ports of a thread.
    OneSocket,
}

/// What the one socket needs and has not.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// Permissions of this process.
    #[error("this process lacks {0} (systemd: AmbientCapabilities = CAP_BPF CAP_NET_ADMIN CAP_NET_RAW)")]
    Capabilities(String),
    /// Something that this kernel does not do.
    #[error("the kernel refuses {what}: {error}")]
    Kernel {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// Others use the ports in a way that does not go with it.
    #[error(transparent)]
    Ports(#[from] ClaimError),
}

/// Why there is no media.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// `io = "one-socket"` cannot be had.
    #[error("[media] io = \"one-socket\" is not possible: {0}; or write io = \"auto\"")]
    OneSocket(Missing),
    /// The ports are somebody else's.
    #[error("{0}")]
    Ports(#[from] ClaimError),
    /// Threads and the like.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// What was taken.
pub(super) struct Choice {
    /// The sockets of the one; none for the portable.
    pub(super) steered: Option<Steered>,
    /// Kept as long as the ports are used; none where the system cannot note it.
    pub(super) claim: Option<Claim>,
    /// Why it is the portable one, where nobody said so.
    pub(super) why: Option<Missing>,
}

impl BackEnd {
    /// Both.
    pub const ALL: [BackEnd; 2] = [BackEnd::Portable, BackEnd::OneSocket];

    /// As the configuration, the log and the metric write it.
    pub fn as_str(self) -> &'static str {
        match self {
            BackEnd::Portable => "portable",
            BackEnd::OneSocket => "one-socket",
        }
    }
}

impl Missing {
    /// Fails where this thread lacks one of the capabilities.
    pub(super) fn capability() -> Result<(), Missing> {
        let have =
            capabilities(None).map_err(|error| Missing::Kernel { what: "capget", error: error.into() })?.effective;
        let needed = [
            (CapabilitySet::BPF, "CAP_BPF"),
            (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
            (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        ];
        let lacks: Vec<&str> = needed.iter().filter(|(one, _)| !have.contains(*one)).map(|(_, name)| *name).collect();
        if lacks.is_empty() { Ok(()) } else { Err(Missing::Capabilities(lacks.join(", "))) }
    }
}

/// What `io` would lead to on this machine, were the ports free. Steers nothing.
pub fn would_take(io: MediaIo, address: IpAddr) -> Result<(BackEnd, Option<Missing>), MediaError> {
    if io == MediaIo::Portable {
        return Ok((BackEnd::Portable, None));
    }
    match Steered::start(address, 1) {
        Ok(_) => Ok((BackEnd::OneSocket, None)),
        Err(missing) if io == MediaIo::Auto => Ok((BackEnd::Portable, Some(missing))),
        Err(missing) => Err(MediaError::OneSocket(missing)),
    }
}

/// Takes what is wanted, or what can be had.
pub(super) fn choose(io: MediaIo, address: IpAddr, ports: (u16, u16), threads: usize) -> Result<Choice, MediaError> {
    let portable = |why| {
        let claim = match Claim::new(address, ports, BackEnd::Portable) {
            Err(ClaimError::System(error)) => {
                tracing::warn!(%error, "RTP ports cannot be noted as ours: keep other callbridges away from them");
                None
            }
            claim => Some(claim?),
        };
        Ok(Choice { steered: None, claim, why })
    };
    let one = || {
        let claim = Some(Claim::new(address, ports, BackEnd::OneSocket)?);
        let steered = Some(Steered::start(address, threads)?);
        Ok::<_, Missing>(Choice { steered, claim, why: None })
    };
    match io {
        MediaIo::Portable => portable(None),
        MediaIo::OneSocket => one().map_err(MediaError::OneSocket),
        MediaIo::Auto => one().or_else(|missing| portable(Some(missing))),
    }
}
