//! The wall W (performance.md): the CPU that the kernel asks for one packet received and sent on loopback, with nothing in
//! between: one hot loop of batched sends and receives of 172 bytes on one core, the minimum of a few runs.

use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use crate::io::batch::{BATCH, Batch};

use super::voice::{PACKET, send_all};

const ROUNDS: u32 = 2_000;
const RUNS: u32 = 5;

/// Microseconds per packet, received and sent.
pub fn micros_per_packet() -> io::Result<f64> {
    let to = UdpSocket::bind("127.0.0.1:0")?;
    let from = UdpSocket::bind("127.0.0.1:0")?;
    let address = to.local_addr()?;
    let packets = vec![(address, [0u8; PACKET]); BATCH];
    let mut batch: Batch = Batch::default();
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let begin = Instant::now();
        let mut received = 0;
        for _ in 0..ROUNDS {
            send_all(&from, &packets)?;
            while let Ok(got) = batch.receive(&to) {
                received += got;
                if got < BATCH {
                    break;
                }
            }
        }
        let micros = begin.elapsed().as_secs_f64() * 1e6;
        best = best.min(micros / received.max(1) as f64);
    }
    Ok(best)
}
