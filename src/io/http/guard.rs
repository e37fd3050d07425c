//! The guard against guessed passwords (`access::guessing`) at the doors of HTTP: its clock, its lock, and who is told when a source is locked. Owns
//! these; refuses to verify a password.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::problem::Problem;
use super::source::subscriber;
use crate::access::guessing::{Admission, Guard, Locked, Penalty, Trier};
use crate::clock::{Mono, Wall};
use crate::io::clock::SystemClock;
use crate::io::store::SqliteStore;
use crate::model::{Actor, AuditAction, AuditEntry, BusinessId, FieldChange};

/// Entries of the audit trail that locks may make in an hour: whoever has many addresses must not fill it.
const TOLD_AN_HOUR: u32 = 60;

/// Takes an entry of the audit trail, without waiting.
pub type Tell = Box<dyn Fn(AuditEntry) + Send + Sync>;

/// See the module.
pub struct PasswordGuard {
    state: Mutex<State>,
    clock: SystemClock,
    tell: Tell,
}

#[derive(Default)]
struct State {
    guard: Guard,
    hour: u64,
    told: u32,
}

impl fmt::Debug for PasswordGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordGuard")
    }
}

/// One attempt: who, from where.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name that is given; anybody's text.
    pub name: &'a str,
    /// The business, where there is one of that name.
    pub business: Option<&'a BusinessId>,
    /// Where it comes from.
    pub source: IpAddr,
}

impl Attempt<'_> {
    fn trier(&self) -> Trier {
        Trier::new(self.name, &subscriber(self.source).to_string())
    }
}

impl PasswordGuard {
    /// `tell` gets the entry of each lock, bounded in number.
    pub fn new(tell: Tell) -> PasswordGuard {
        PasswordGuard { state: Mutex::default(), clock: SystemClock::start(), tell }
    }

    /// Locks go to the store's audit trail, off the threads that serve.
    pub fn with_trail(store: &Arc<SqliteStore>) -> PasswordGuard {
        let store = Arc::clone(store);
        PasswordGuard::new(Box::new(move |entry| {
            let store = Arc::clone(&store);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = store.archive().note(&entry) {
                    tracing::error!(%error, "a lock is missing in the audit trail");
                }
            });
        }))
    }

    fn lock(&self) -> (MutexGuard<'_, State>, Mono) {
        (self.state.lock().unwrap_or_else(PoisonError::into_inner), self.clock.now().mono)
    }

    /// Before a password is verified: 429 where it is not looked at. `remembered` says whether it is one that was right lately.
    pub fn admit(&self, attempt: &Attempt<'_>, remembered: impl FnOnce() -> bool) -> Result<(), Problem> {
        let who = attempt.trier();
        let admission = {
            let (mut state, now) = self.lock();
            state.guard.admit(now, who)
        };
        let retry_after = match admission {
            Admission::Open => return Ok(()),
            Admission::RememberedOnly if remembered() => return Ok(()),
            Admission::RememberedOnly => {
                let (mut state, now) = self.lock();
                state.guard.missed(now, who);
                1
            }
            Admission::Closed { retry_after } => retry_after,
        };
        metrics::counter!("callbridge_rejected_total", "reason" => "guessing").increment(1);
        Err(Problem::guessing(retry_after))
    }

    /// The password was right.
    pub fn right(&self, attempt: &Attempt<'_>) {
        let (mut state, now) = self.lock();
        state.guard.right(now, attempt.trier());
    }

    /// It was wrong. The answer is to be held back for so long.
    pub fn wrong(&self, attempt: &Attempt<'_>, at: Wall) -> Duration {
        let (Penalty { delay, locked }, tell) = {
            let (mut state, now) = self.lock();
            let penalty = state.guard.wrong(now, attempt.trier());
            (penalty, penalty.locked.is_some() && state.may_tell(now))
        };
        if let Some(locked) = locked {
            self.locked(attempt, at, locked, tell);
        }
        delay
    }

    fn locked(&self, attempt: &Attempt<'_>, at: Wall, locked: Locked, tell: bool) {
        let (scope, time) = match locked {
            Locked::Pair(time) => ("source at this business", time),
            Locked::Source(time) => ("source", time),
        };
        let (business, seconds) = (attempt.business.map(BusinessId::as_str), time.as_secs());
        tracing::warn!(source = %attempt.source, business, scope, seconds, "passwords are guessed: the source has to wait");
        if tell {
            let changes = vec![FieldChange {
                field: scope.to_owned(),
                old: serde_json::Value::Null,
                new: serde_json::Value::from(format!("locked for {seconds} s")),
            }];
            (self.tell)(AuditEntry {
                at,
                actor: Actor::Guard,
                source: Some(attempt.source),
                // A name that nobody has is a stranger's text.
                business_id: attempt.business.cloned(),
                action: AuditAction::SourceLocked,
                changes,
            });
        }
    }
}

impl State {
    fn may_tell(&mut self, now: Mono) -> bool {
        let hour = now.0 / 3_600_000_000;
        if self.hour != hour {
            (self.hour, self.told) = (hour, 0);
        }
        self.told = self.told.saturating_add(1);
        self.told <= TOLD_AN_HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_told_once_and_many_locks_are_told_up_to_a_bound() {
        let told: Arc<Mutex<Vec<AuditEntry>>> = Arc::default();
        let to = Arc::clone(&told);
        let guard = PasswordGuard::new(Box::new(move |entry| to.lock().unwrap().push(entry)));
        let id: BusinessId = "abc".parse().unwrap();
        let from = |n: u32| Attempt { name: "abc", business: Some(&id), source: std::net::Ipv4Addr::from(n).into() };
        for n in 0..100 {
            for _ in 0..12 {
                guard.wrong(&from(n), Wall(0));
            }
            assert!(guard.admit(&from(n), || false).is_err());
        }
        assert!(guard.admit(&from(1000), || false).is_ok());
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 60);
        assert_eq!((told[0].action, told[0].business_id.as_ref()), (AuditAction::SourceLocked, Some(&id)));
    }

    #[test]
    fn an_ipv6_subscriber_has_one_count() {
        let guard = PasswordGuard::new(Box::new(|_| {}));
        for n in 0..12u128 {
            let source = std::net::Ipv6Addr::from((0x2001_0db8 << 96) + n).into();
            guard.wrong(&Attempt { name: "abc", business: None, source }, Wall(0));
        }
        let source = "2001:db8::ffff:1".parse().unwrap();
        assert!(guard.admit(&Attempt { name: "abc", business: None, source }, || false).is_err());
    }
}
