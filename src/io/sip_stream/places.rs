//! How many connections there are, in all and of one source. Owns the count; a place is given back when its guard is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::StreamLimits;

#[derive(Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The count.
#[derive(Clone, Default)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    freed: Arc<Notify>,
}

/// One connection's place.
pub(super) struct Place {
    places: Places,
    ip: IpAddr,
}

impl Places {
    /// A place for a connection with this peer, unless it or all of them have enough.
    pub(super) fn take(&self, ip: IpAddr, limits: &StreamLimits) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_source.get(&ip).copied().unwrap_or(0);
        if taken.all >= limits.connections || own >= limits.per_source {
            return None;
        }
        taken.all += 1;
        taken.by_source.insert(ip, own + 1);
        Some(Place { places: self.clone(), ip })
    }

    fn is_free(&self) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all == 0
    }

    /// Returns when none is taken.
    pub(super) async fn all_free(&self) {
        loop {
            let freed = self.freed.notified();
            if self.is_free() {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_source.get_mut(&self.ip) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_source.remove(&self.ip);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_counted_by_source_and_given_back() {
        let limits = StreamLimits { connections: 3, per_source: 2, idle: Duration::from_secs(1), keepalive: None };
        let places = Places::default();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let first = places.take(a, &limits);
        let second = places.take(a, &limits);
        assert!(first.is_some() && second.is_some() && places.take(a, &limits).is_none());
        let third = places.take(b, &limits);
        assert!(third.is_some() && places.take(b, &limits).is_none(), "all are taken");
        drop(first);
        assert!(places.take(a, &limits).is_some());
        drop((second, third));
        assert!(places.is_free());
    }
}
