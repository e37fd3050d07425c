//! SIP over TCP and TLS against the real daemon, and who is let in at its door: calls, connections that break, certificates,
//! streams that make no sense. The peers are real `sipp` processes and sockets of our own.

#[path = "transports/door.rs"]
mod door;
#[path = "transports/peer.rs"]
mod peer;
#[path = "transports/size.rs"]
mod size;
#[path = "transports/slow.rs"]
mod slow;
#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;
#[path = "transports/tcp.rs"]
mod tcp;
#[path = "transports/tls.rs"]
mod tls;
