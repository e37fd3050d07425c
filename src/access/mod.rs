//! Is this business allowed this call now: the account, its rate, its bounds. Pure; credentials are verified before, in `io`.
//! Owns the permits that count live and scheduled calls; they return themselves when dropped (field.md 14).

pub mod desk;
pub mod destinations;
pub mod direct;
pub mod follow;
pub mod grant;
pub mod guessing;
pub mod ledger;
pub mod often;
pub mod page_token;
pub mod quiet;
pub mod session;
pub mod window;
pub mod work;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::clock::Mono;
use crate::model::{Business, BusinessId};

/// Why a call is not allowed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Barred {
    /// The account is disabled.
    #[error("this account is disabled")]
    Disabled,
    /// Too many messages a second; seconds until one is taken again.
    #[error("too many messages a second")]
    Rate {
        /// Seconds.
        retry_after: u32,
    },
    /// Too many live calls.
    #[error("too many calls at once")]
    Concurrency,
    /// Too many waiting calls.
    #[error("too many scheduled calls")]
    Scheduled,
}

/// One counted call. Gives its place back when dropped.
#[derive(Debug)]
pub struct Permit {
    count: Arc<AtomicU32>,
}

impl Permit {
    fn take(count: &Arc<AtomicU32>, max: u32) -> Option<Permit> {
        // One thread owns the engine, so load and store need no exchange loop.
        let taken = count.load(Ordering::Relaxed);
        (taken < max).then(|| {
            count.store(taken + 1, Ordering::Relaxed);
            Permit { count: Arc::clone(count) }
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is counted of every business.
#[derive(Debug, Default)]
pub struct Access {
    usage: BTreeMap<BusinessId, Usage>,
}

#[derive(Debug)]
struct Usage {
    live: Arc<AtomicU32>,
    scheduled: Arc<AtomicU32>,
    /// Thousandths of a message that may be taken at `at`.
    tokens: u64,
    at: Mono,
}

impl Access {
    /// Takes one initiation message: the account and its rate (a token bucket of one second's burst).
    pub fn admit(&mut self, now: Mono, business: &Business) -> Result<(), Barred> {
        if !business.enabled {
            return Err(Barred::Disabled);
        }
        let rate = u64::from(business.limits.max_per_second);
        let usage = self.usage(business, now);
        let passed = now.since(usage.at).as_millis();
        let earned = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(rate);
        usage.tokens = usage.tokens.saturating_add(earned).min(rate * 1000);
        usage.at = now;
        if usage.tokens < 1000 {
            return Err(Barred::Rate { retry_after: 1 });
        }
        usage.tokens -= 1000;
        Ok(())
    }

    /// How many more messages are taken at this moment.
    pub fn messages_left(&self, business: &BusinessId) -> u32 {
        self.usage.get(business).map_or(0, |usage| u32::try_from(usage.tokens / 1000).unwrap_or(u32::MAX))
    }

    /// A place among the live calls.
    pub fn live(&mut self, now: Mono, business: &Business) -> Result<Permit, Barred> {
        let count = Arc::clone(&self.usage(business, now).live);
        Permit::take(&count, business.limits.max_concurrent).ok_or(Barred::Concurrency)
    }

    /// A place among the waiting calls.
    pub fn scheduled(&mut self, now: Mono, business: &Business) -> Result<Permit, Barred> {
        let count = Arc::clone(&self.usage(business, now).scheduled);
        Permit::take(&count, business.limits.max_scheduled).ok_or(Barred::Scheduled)
    }

    /// Permits that are out: zero when no call is left.
    pub fn permits_out(&self) -> u32 {
        self.usage.values().map(|u| u.live.load(Ordering::Relaxed) + u.scheduled.load(Ordering::Relaxed)).sum()
    }

    /// Businesses are registered by the carrier, so this map grows by no stranger's doing.
    fn usage(&mut self, business: &Business, now: Mono) -> &mut Usage {
        self.usage.entry(business.id.clone()).or_insert_with(|| Usage {
            live: Arc::default(),
            scheduled: Arc::default(),
            tokens: u64::from(business.limits.max_per_second) * 1000,
            at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;
    use crate::model::business::PasswordHash;

    fn business(limits: Limits) -> Business {
        Business { limits, ..Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new())) }
    }

    #[test]
    fn a_permit_returns_by_itself() {
        let abc = business(Limits { max_concurrent: 1, ..Limits::default() });
        let mut access = Access::default();
        let first = access.live(Mono(0), &abc).unwrap();
        assert_eq!(access.live(Mono(0), &abc).err(), Some(Barred::Concurrency));
        drop(first);
        assert!(access.live(Mono(0), &abc).is_ok());
        assert_eq!(access.permits_out(), 0);
    }

    #[test]
    fn messages_are_taken_at_their_rate_with_a_burst_of_a_second() {
        let abc = business(Limits { max_per_second: 2, ..Limits::default() });
        let mut access = Access::default();
        assert!(access.admit(Mono(0), &abc).is_ok());
        assert!(access.admit(Mono(0), &abc).is_ok());
        assert_eq!(access.admit(Mono(0), &abc), Err(Barred::Rate { retry_after: 1 }));
        assert!(access.admit(Mono(500_000), &abc).is_ok());
        assert_eq!(access.admit(Mono(500_000), &abc), Err(Barred::Rate { retry_after: 1 }));
    }

    #[test]
    fn a_disabled_account_is_barred() {
        let mut abc = business(Limits::default());
        abc.enabled = false;
        assert_eq!(Access::default().admit(Mono(0), &abc), Err(Barred::Disabled));
    }
}
