//! Who holds how many connections of a listener. Owns the count by subscriber; refuses to know what goes over them.
//!
//! A listener has so many places. One stranger who opens them all and says nothing would keep everybody out, so each subscriber has
//! a share; proxies that are trusted speak for many and have none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::source::subscriber;

/// The places of one listener. Bounded by its connections: a subscriber without one is not kept.
#[derive(Clone, Debug)]
pub struct Places {
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    share: usize,
    trusted: Arc<[IpNet]>,
}

/// One connection's place, given back when it is dropped. The trusted hold none.
#[derive(Debug)]
pub struct Place {
    of: Option<(Places, IpAddr)>,
}

impl Places {
    /// Each subscriber may hold `share` connections, the trusted as many as there are.
    pub fn new(share: usize, trusted: Vec<IpNet>) -> Places {
        Places { held: Arc::default(), share, trusted: trusted.into() }
    }

    /// A place for a connection from there; `None` when its subscriber has its share.
    pub fn take(&self, from: IpAddr) -> Option<Place> {
        let from = from.to_canonical();
        if self.trusted.iter().any(|network| network.contains(&from)) {
            return Some(Place { of: None });
        }
        let who = subscriber(from);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&who).copied().unwrap_or(0);
        if count >= self.share {
            return None;
        }
        held.insert(who, count + 1);
        Some(Place { of: Some((self.clone(), who)) })
    }

    fn give_back(&self, who: IpAddr) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&who)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((places, who)) = &self.of {
            places.give_back(*who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::new(2, vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_has_its_share_and_no_more_and_takes_nobody_elses() {
        let places = places();
        let _held = [places.take(at("192.0.2.7")).unwrap(), places.take(at("192.0.2.7")).unwrap()];
        assert!(places.take(at("192.0.2.7")).is_none());
        assert!(places.take(at("::ffff:192.0.2.7")).is_none(), "the same address, written as IPv6");
        assert!(places.take(at("192.0.2.8")).is_some());
    }

    #[test]
    fn an_ipv6_subscriber_is_a_network_of_64_bits() {
        let places = places();
        let _held = [places.take(at("2001:db8::1")).unwrap(), places.take(at("2001:db8::2")).unwrap()];
        assert!(places.take(at("2001:db8::3")).is_none());
        assert!(places.take(at("2001:db8:0:1::3")).is_some());
    }

    #[test]
    fn a_place_comes_back_with_its_connection_and_nothing_is_kept_of_it() {
        let places = places();
        let held = [places.take(at("192.0.2.7")), places.take(at("192.0.2.7"))];
        drop(held);
        assert!(places.held.lock().unwrap().is_empty());
        assert!(places.take(at("192.0.2.7")).is_some());
    }

    #[test]
    fn a_trusted_proxy_speaks_for_many() {
        let places = places();
        let held: Vec<Option<Place>> = (0..10).map(|_| places.take(at("10.1.2.3"))).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
