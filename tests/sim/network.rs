//! The network between the equipment and the phones: loss, duplication, delay and reordering, drawn from the seed. Owns what
//! happens to one datagram; refuses to know what is in it.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// How the network treats datagrams.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Weather {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that it arrives twice.
    pub duplication: f64,
    /// Every datagram takes at least this.
    pub delay: Duration,
    /// Up to this more, each on its own: datagrams overtake each other.
    pub jitter: Duration,
}

impl Weather {
    /// Nothing is lost, everything takes 2 ms.
    pub const CALM: Weather =
        Weather { loss: 0.0, duplication: 0.0, delay: Duration::from_millis(2), jitter: Duration::ZERO };

    /// Draws one.
    pub fn draw(rng: &mut StdRng) -> Weather {
        let pick = |rng: &mut StdRng, choices: [f64; 5]| choices[rng.random_range(0..5)];
        Weather {
            loss: pick(rng, [0.0, 0.0, 0.02, 0.1, 0.3]),
            duplication: pick(rng, [0.0, 0.0, 0.02, 0.1, 0.3]),
            delay: Duration::from_millis(rng.random_range(0..40)),
            jitter: Duration::from_millis([0, 0, 3, 60, 300][rng.random_range(0..5)]),
        }
    }

    /// After how long each copy of a datagram arrives; none: it is lost.
    pub fn carry(&self, rng: &mut StdRng, mut deliver: impl FnMut(Duration)) {
        let copies = if self.duplication > 0.0 && rng.random_bool(self.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            if self.loss > 0.0 && rng.random_bool(self.loss) {
                continue;
            }
            let jitter = match self.jitter.as_micros() as u64 {
                0 => 0,
                most => rng.random_range(0..=most),
            };
            deliver(self.delay + Duration::from_micros(jitter));
        }
    }
}
