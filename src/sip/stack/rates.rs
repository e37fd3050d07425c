//! How many requests outside of dialogs one source may make: a bucket each (GCRA, one moment of memory). Owns the count;
//! refuses to know what a request is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::clock::Mono;

/// Sources remembered; only configured ones come here.
const MAX_SOURCES: usize = 4096;
/// A source may spend so many seconds of its rate at once.
const BURST_MICROS: u64 = 1_000_000;

/// The buckets.
#[derive(Debug)]
pub(super) struct Rates {
    /// Microseconds that one request costs.
    cost: u64,
    /// When each source will have paid for all that it asked.
    paid: BTreeMap<IpAddr, Mono>,
}

impl Rates {
    pub(super) fn new(per_second: u32) -> Rates {
        Rates { cost: 1_000_000 / u64::from(per_second.max(1)), paid: BTreeMap::new() }
    }

    /// Another rate; what was spent stays spent.
    pub(super) fn set(&mut self, per_second: u32) {
        self.cost = Rates::new(per_second).cost;
    }

    /// One more request of this source: false when it is above its rate.
    pub(super) fn allow(&mut self, now: Mono, source: IpAddr) -> bool {
        if self.paid.len() >= MAX_SOURCES && !self.paid.contains_key(&source) {
            self.paid.retain(|_, paid| *paid > now);
            if self.paid.len() >= MAX_SOURCES {
                return false;
            }
        }
        let paid = self.paid.entry(source).or_insert(now);
        let begin = (*paid).max(now);
        if begin.0 - now.0 + self.cost > BURST_MICROS.max(self.cost) {
            return false;
        }
        *paid = Mono(begin.0 + self.cost);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_spends_a_second_at_once_and_earns_it_back_and_no_other_pays_for_it() {
        let mut rates = Rates::new(10);
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let allowed = (0..100).filter(|_| rates.allow(Mono(5), a)).count();
        assert_eq!(allowed, 10);
        assert!(rates.allow(Mono(5), b));
        assert!(!rates.allow(Mono(50_000), a));
        assert!(rates.allow(Mono(100_005), a));
        assert!(!rates.allow(Mono(100_005), a));
    }

    #[test]
    fn memory_is_bounded_however_many_sources_there_are() {
        let mut rates = Rates::new(1);
        for n in 0..10_000u32 {
            rates.allow(Mono(0), IpAddr::from(n.to_be_bytes()));
        }
        assert_eq!(rates.paid.len(), MAX_SOURCES);
        assert!(rates.allow(Mono(2_000_000), IpAddr::from([255, 0, 0, 1])), "old ones make room");
    }
}
