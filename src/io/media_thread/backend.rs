//! How datagrams get in and out: the batch interface that both back ends fit. Owns its contract; refuses sockets, which are
//! `portable`'s and `one_socket`'s.

use std::io;
use std::net::SocketAddr;

use super::ports::LegPort;
use crate::media::{Half, Outgoing, Slot, Verdict};

/// Datagrams longer than this are no RTP of ours and are dropped.
pub(super) const LONGEST: usize = 1500;

/// Batches of datagrams for a shard's legs.
pub(super) trait Batch {
    /// A leg's two ports, from its opening on.
    fn add(&mut self, slot: Slot, port: LegPort) -> io::Result<()>;
    /// The leg is closed: its ports are free when this returns.
    fn remove(&mut self, slot: Slot);
    /// The leg's only peer of RTP from now on, or again nobody in particular.
    fn connect(&mut self, slot: Slot, peer: Option<SocketAddr>);
    /// One batch: each waiting datagram is judged, and sent on from where it lies. Bounded, so that a flood delays no frame.
    fn relay(&mut self, judge: impl FnMut(Slot, Half, SocketAddr, &mut [u8]) -> Verdict);
    /// Sends a datagram of ours, with [`Batch::flush`] at the latest. Losing one is no error.
    fn send(&mut self, way: Outgoing, datagram: &[u8]);
    /// The tick's last word: what waits leaves.
    fn flush(&mut self);
    /// Datagrams so far that were for no open leg.
    fn astray(&self) -> u64;
    /// Sleeps until woken: no leg is open.
    fn sleep(&mut self);
}
