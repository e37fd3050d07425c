//! The limits of direct call requests: how often one number, one source and one business in an hour, each page token and each
//! piece of work only as often as it may, and one call at a time to one number. Owns what is counted and its bounds; refuses
//! clocks, and to know who asks: everything is a [`Mark`].
//!
//! Numbers are counted over the whole equipment: what protects a person from being rung does not depend on which business is named.
//! Only accepted requests are counted, so a stranger grows these tables no faster than calls are accepted, and never beyond
//! [`MAX_COUNTED`] (some 30 MB with all three counts of each); refused ones leave nothing but the work that they showed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ring::digest;

use crate::clock::{Mono, Now, Wall};
use crate::model::direct::{Direct, Mark, RequestMarks, Ticket};
use crate::model::{BusinessId, Endpoint};

/// What "an hour" is.
pub const WINDOW: Duration = Duration::from_secs(3600);
/// Accepted requests counted at once; with so many in an hour (fourteen a second) more are refused.
pub const MAX_COUNTED: usize = 50_000;
/// Page tokens remembered at once, and pieces of work.
pub const MAX_TICKETS: usize = 50_000;

/// Why a direct request is not taken now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TooMany {
    /// This number was called as often as it may be.
    #[error("this number has been called often enough for now")]
    Number {
        /// Seconds.
        retry_after: u32,
    },
    /// As many requests came from there as may.
    #[error("too many call requests from there")]
    Source {
        /// Seconds.
        retry_after: u32,
    },
    /// The business has as many direct calls as it wants in an hour.
    #[error("too many call requests for now")]
    Business {
        /// Seconds.
        retry_after: u32,
    },
    /// The page token has started as many calls as it may.
    #[error("this page token was used: load the page again")]
    PageTokenUsed,
    /// The work was shown before.
    #[error("this challenge was used: ask for another")]
    WorkUsed,
    /// More is being counted than there is room for.
    #[error("too many call requests for now")]
    Full {
        /// Seconds.
        retry_after: u32,
    },
}

/// The digest of something that is counted, within the scope that `kind` names.
pub fn mark(kind: &str, parts: &[&[u8]]) -> Mark {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(kind.as_bytes());
    for part in parts {
        // The length parts them: "ab" and "c" are not "a" and "bc".
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let hash = context.finish();
    let (first, _) = hash.as_ref().split_at(16);
    Mark(first.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}

/// A number as it is counted: whatever hangs on it (an extension, parameters, a port) is the same phone.
pub fn number_mark(endpoint: &Endpoint) -> Mark {
    match endpoint {
        Endpoint::Number(number) => mark("number", &[number.e164.as_bytes()]),
        Endpoint::Ip(address, _) => mark("ip", &[address.to_canonical().to_string().as_bytes()]),
        Endpoint::Sip(sip) => {
            let rest = sip.uri.split_once(':').map_or(sip.uri.as_str(), |(_, rest)| rest);
            let user = rest.split_once('@').map_or("", |(user, _)| user);
            let user = user.split([':', ';']).next().unwrap_or_default();
            let (user, host) = (user.to_ascii_lowercase(), sip.host.to_ascii_lowercase());
            mark("sip", &[user.as_bytes(), host.as_bytes()])
        }
    }
}

/// A customer and a representative, whichever is dialled how.
pub fn pair_mark(customer: &Endpoint, representative: &Endpoint) -> Mark {
    let [customer, representative] = [customer, representative].map(|party| number_mark(party).0.to_be_bytes());
    mark("pair", &[&customer, &representative])
}

/// What is counted in the window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Number(Mark),
    Source(Mark),
    Business(Mark),
}

/// Every count of direct requests.
#[derive(Debug, Default)]
pub struct Requests {
    /// In the order of their leaving the window.
    log: VecDeque<(Mono, [Key; 3])>,
    /// When each leaves, the oldest first.
    counts: BTreeMap<Key, VecDeque<Mono>>,
    page_tokens: Tickets,
    work: Tickets,
}

impl Requests {
    /// Takes the work that a request shows: whatever becomes of the request, it is not taken again.
    pub fn spend(&mut self, now: Now, work: &Ticket) -> Result<(), TooMany> {
        self.work.forget(now.mono);
        if self.work.uses(work.mark) > 0 {
            return Err(TooMany::WorkUsed);
        }
        // To show what was forgotten once more costs less than new work, so whoever fills this has worked for it.
        self.work.make_room();
        self.work.use_once(work.mark, later(now, work.until));
        Ok(())
    }

    /// Whether one more request is within the bounds of this account.
    pub fn check(&mut self, now: Mono, marks: &RequestMarks, account: &Direct) -> Result<(), TooMany> {
        self.forget(now);
        if let Some(token) = &marks.page_token {
            if self.page_tokens.uses(token.mark) >= account.page_token_uses {
                return Err(TooMany::PageTokenUsed);
            }
            if self.page_tokens.is_full() && self.page_tokens.uses(token.mark) == 0 {
                return Err(TooMany::Full { retry_after: 60 });
            }
        }
        let wait = |key, most| self.wait(now, key, most);
        if let Some(retry_after) = wait(Key::Number(marks.number), account.max_per_number) {
            return Err(TooMany::Number { retry_after });
        }
        if let Some(retry_after) = wait(Key::Source(marks.source), account.max_per_source) {
            return Err(TooMany::Source { retry_after });
        }
        if let Some(retry_after) = wait(Key::Business(marks.business), account.max_per_hour) {
            return Err(TooMany::Business { retry_after });
        }
        match self.log.front().filter(|_| self.log.len() >= MAX_COUNTED) {
            Some((until, _)) => Err(TooMany::Full { retry_after: seconds(until.since(now)) }),
            None => Ok(()),
        }
    }

    /// How many more are taken from this source, and in how many seconds one leaves the window.
    pub fn source_left(&self, now: Mono, marks: &RequestMarks, account: &Direct) -> (u32, u32) {
        let counted = self.counts.get(&Key::Source(marks.source));
        let used = u32::try_from(counted.map_or(0, VecDeque::len)).unwrap_or(u32::MAX);
        let until = counted.and_then(VecDeque::front).map_or(0, |until| seconds(until.since(now)));
        (account.max_per_source.saturating_sub(used), until)
    }

    /// A request was accepted.
    pub fn count(&mut self, now: Now, marks: &RequestMarks) {
        self.count_until(now, now.mono + WINDOW, marks);
    }

    /// A request that was accepted before a restart, oldest first.
    pub fn recall(&mut self, now: Now, at: Wall, marks: &RequestMarks) {
        let age = Duration::from_millis(now.wall.millis_since(at));
        if self.log.len() < MAX_COUNTED {
            self.count_until(now, now.mono + WINDOW.saturating_sub(age), marks);
        }
    }

    fn count_until(&mut self, now: Now, until: Mono, marks: &RequestMarks) {
        if let Some(token) = &marks.page_token {
            self.page_tokens.use_once(token.mark, later(now, token.until));
        }
        if until <= now.mono {
            return;
        }
        let keys = [Key::Number(marks.number), Key::Source(marks.source), Key::Business(marks.business)];
        for key in keys {
            self.counts.entry(key).or_default().push_back(until);
        }
        self.log.push_back((until, keys));
    }

    /// In how many seconds there are fewer than `most`; `None`: there are now.
    fn wait(&self, now: Mono, key: Key, most: u32) -> Option<u32> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let counted = self.counts.get(&key);
        let over = counted.map_or(0, VecDeque::len).checked_sub(most)?;
        let until = counted.and_then(|counted| counted.get(over));
        Some(seconds(until.map_or(WINDOW, |until| until.since(now))))
    }

    fn forget(&mut self, now: Mono) {
        self.page_tokens.forget(now);
        while let Some((_, keys)) = self.log.pop_front_if(|(until, _)| *until <= now) {
            for key in keys {
                if let Some(counted) = self.counts.get_mut(&key) {
                    counted.pop_front();
                    if counted.is_empty() {
                        self.counts.remove(&key);
                    }
                }
            }
        }
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

/// A moment of the wall's on the monotonic scale.
fn later(now: Now, at: Wall) -> Mono {
    now.mono + Duration::from_millis(at.millis_since(now.wall))
}

/// Things that may be used so often until a moment each.
#[derive(Debug, Default)]
struct Tickets {
    uses: BTreeMap<Mark, (Mono, u32)>,
    ends: BTreeSet<(Mono, Mark)>,
}

impl Tickets {
    fn uses(&self, mark: Mark) -> u32 {
        self.uses.get(&mark).map_or(0, |(_, uses)| *uses)
    }

    fn is_full(&self) -> bool {
        self.uses.len() >= MAX_TICKETS
    }

    fn use_once(&mut self, mark: Mark, until: Mono) {
        let (end, uses) = self.uses.entry(mark).or_insert((until, 0));
        *uses = uses.saturating_add(1);
        self.ends.insert((*end, mark));
    }

    /// The one that ends first goes where there is no room.
    fn make_room(&mut self) {
        if self.is_full()
            && let Some((_, mark)) = self.ends.pop_first()
        {
            self.uses.remove(&mark);
        }
    }

    fn forget(&mut self, now: Mono) {
        while let Some((until, mark)) = self.ends.first().copied().filter(|(until, _)| *until <= now) {
            self.ends.remove(&(until, mark));
            self.uses.remove(&mark);
        }
    }
}

/// Which numbers are being called, so that nobody's phone rings for two calls at once.
#[derive(Debug, Default)]
pub struct Singles {
    held: BTreeMap<Single, Weak<()>>,
    /// The last one that was looked at; absent: begin anew.
    swept: Option<Single>,
}

/// One number of one business, now or at a desired contact time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Single {
    /// Whose call.
    pub business: BusinessId,
    /// Whom it calls.
    pub number: Mark,
    /// When; absent: it lives.
    pub at: Option<Wall>,
}

/// Held by a call that lives or waits.
#[derive(Clone, Debug)]
pub struct Held(#[allow(dead_code, reason = "being there is what it is for")] Arc<()>);

/// Each time that one is held so many others are looked at: a million of them are never gone through at once.
const SWEPT: usize = 4;

impl Singles {
    /// Whether a call holds this.
    pub fn is_held(&self, single: &Single) -> bool {
        self.held.get(single).is_some_and(|held| held.strong_count() > 0)
    }

    /// Holds it until what is given back is dropped.
    pub fn hold(&mut self, single: Single) -> Held {
        self.sweep();
        let place = self.held.entry(single).or_default();
        let held = place.upgrade().unwrap_or_default();
        *place = Arc::downgrade(&held);
        Held(held)
    }

    /// Forgets those of the next few that nobody holds any more: more than are put in.
    fn sweep(&mut self) {
        let after = self.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
        let next: Vec<(Single, bool)> = self
            .held
            .range((after, Bound::Unbounded))
            .take(SWEPT)
            .map(|(single, held)| (single.clone(), held.strong_count() > 0))
            .collect();
        self.swept = next.last().map(|(single, _)| single.clone()).filter(|_| next.len() == SWEPT);
        for (single, _) in next.into_iter().filter(|(_, held)| !held) {
            self.held.remove(&single);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now(seconds: u64) -> Now {
        let wall = Wall(1_764_550_000_000) + Duration::from_secs(seconds);
        Now { mono: Mono::default() + Duration::from_secs(seconds), wall }
    }

    fn asked(number: u128, source: u128) -> RequestMarks {
        let business = Mark(9);
        RequestMarks { number: Mark(number), source: Mark(source), business, page_token: None, work: None }
    }

    /// Asks and counts what is taken.
    fn ask(requests: &mut Requests, at: Now, marks: &RequestMarks, account: &Direct) -> Result<(), TooMany> {
        requests.check(at.mono, marks, account)?;
        requests.count(at, marks);
        Ok(())
    }

    #[test]
    fn a_number_is_called_so_often_an_hour_whoever_asks() {
        let account = Direct { max_per_number: 2, ..Direct::default() };
        let mut requests = Requests::default();
        assert_eq!(ask(&mut requests, now(0), &asked(1, 1), &account), Ok(()));
        assert_eq!(ask(&mut requests, now(600), &asked(1, 2), &account), Ok(()));
        let refused = TooMany::Number { retry_after: 3600 - 700 + 1 };
        assert_eq!(ask(&mut requests, now(700), &asked(1, 3), &account), Err(refused));
        assert_eq!(ask(&mut requests, now(700), &asked(2, 3), &account), Ok(()), "another number");
        assert_eq!(ask(&mut requests, now(3600), &asked(1, 3), &account), Ok(()));
        assert!(ask(&mut requests, now(3601), &asked(1, 3), &account).is_err());
    }

    #[test]
    fn a_source_and_a_business_have_their_hours_too() {
        let account = Direct { max_per_source: 1, max_per_hour: 2, ..Direct::default() };
        let mut requests = Requests::default();
        assert_eq!(ask(&mut requests, now(0), &asked(1, 1), &account), Ok(()));
        let refused = ask(&mut requests, now(1), &asked(2, 1), &account);
        assert_eq!(refused, Err(TooMany::Source { retry_after: 3600 }));
        assert_eq!(ask(&mut requests, now(1), &asked(2, 2), &account), Ok(()));
        let refused = ask(&mut requests, now(2), &asked(3, 3), &account);
        assert_eq!(refused, Err(TooMany::Business { retry_after: 3599 }));
    }

    #[test]
    fn a_limit_of_nothing_takes_nothing() {
        let account = Direct { max_per_number: 0, ..Direct::default() };
        let refused = Requests::default().check(now(0).mono, &asked(1, 1), &account);
        assert_eq!(refused, Err(TooMany::Number { retry_after: 3601 }));
    }

    #[test]
    fn what_was_accepted_before_a_restart_still_counts() {
        let account = Direct { max_per_number: 1, ..Direct::default() };
        let token = Ticket { mark: Mark(5), until: now(9_000).wall };
        let marks = RequestMarks { page_token: Some(token), ..asked(1, 1) };
        let started = Now { mono: Mono::default(), wall: now(7_000).wall };
        let mut requests = Requests::default();
        requests.recall(started, now(3_000).wall, &marks);
        requests.recall(started, now(5_000).wall, &asked(2, 1));
        assert!(requests.check(started.mono, &asked(1, 2), &account).is_ok(), "more than an hour ago");
        assert_eq!(requests.check(started.mono, &marks, &account), Err(TooMany::PageTokenUsed), "but its token lives");
        let refused = requests.check(started.mono, &asked(2, 2), &account);
        assert_eq!(refused, Err(TooMany::Number { retry_after: 1601 }));
    }

    #[test]
    fn a_page_token_starts_as_many_calls_as_it_may_and_work_counts_once() {
        let account = Direct { page_token_uses: 2, ..Direct::default() };
        let token = Ticket { mark: Mark(5), until: now(600).wall };
        let marks = |number| RequestMarks { page_token: Some(token), ..asked(number, number) };
        let mut requests = Requests::default();
        for number in [1, 2] {
            assert_eq!(ask(&mut requests, now(0), &marks(number), &account), Ok(()));
        }
        assert_eq!(ask(&mut requests, now(0), &marks(3), &account), Err(TooMany::PageTokenUsed));
        assert_eq!(requests.spend(now(0), &token), Ok(()));
        assert_eq!(requests.spend(now(599), &token), Err(TooMany::WorkUsed));
    }

    #[test]
    fn nothing_grows_without_bound_and_nothing_stays() {
        let account = Direct { max_per_source: u32::MAX, max_per_hour: u32::MAX, ..Direct::default() };
        let mut requests = Requests::default();
        for n in 0..MAX_COUNTED as u128 + 10 {
            let taken = ask(&mut requests, now(0), &asked(n, 1), &account);
            assert_eq!(taken.is_ok(), n < MAX_COUNTED as u128);
            let work = Ticket { mark: Mark(n), until: now(10).wall };
            assert_eq!(requests.spend(now(0), &work), Ok(()));
        }
        assert_eq!((requests.log.len(), requests.work.uses.len()), (MAX_COUNTED, MAX_TICKETS));
        assert_eq!(requests.work.uses.len(), requests.work.ends.len());
        assert_eq!(requests.check(now(3600).mono, &asked(1, 1), &account), Ok(()));
        assert!(requests.log.is_empty() && requests.counts.is_empty());
    }

    #[test]
    fn a_number_is_the_same_whatever_hangs_on_it() {
        let mark = |text: &str| number_mark(&Endpoint::parse(text).unwrap());
        assert_eq!(mark("+12125550100"), mark("tel:+1-212-555-0100;ext=7"));
        assert_eq!(mark("sip:anna@Pbx.example"), mark("sip:Anna@pbx.example:5070;transport=udp"));
        assert_eq!(mark("192.0.2.7"), mark("192.0.2.7:5062"));
        assert_ne!(mark("sip:anna@pbx.example"), mark("sip:bert@pbx.example"));
    }

    #[test]
    fn a_number_is_held_while_a_call_to_it_lives() {
        let single = |n| Single { business: "abc".parse().unwrap(), number: Mark(n), at: None };
        let mut singles = Singles::default();
        let (first, second) = (singles.hold(single(1)), singles.hold(single(1)));
        assert!(singles.is_held(&single(1)) && !singles.is_held(&single(2)));
        drop(second);
        assert!(singles.is_held(&single(1)), "the first still lives");
        drop(first);
        assert!(!singles.is_held(&single(1)));
        for n in 0..10_000 {
            drop(singles.hold(single(n)));
        }
        assert!(singles.held.len() <= 2 * SWEPT, "{}", singles.held.len());
    }

    proptest! {
        /// Judged against a list that forgets nothing.
        #[test]
        fn no_hour_has_more_than_it_may(
            most in 1u32..4,
            steps in proptest::collection::vec((0u64..2000, 0u128..3, 0u128..3), 1..60),
        ) {
            let account = Direct { max_per_number: most, max_per_source: most + 1, ..Direct::default() };
            let (mut requests, mut at, mut taken) = (Requests::default(), 0, Vec::new());
            for (pause, number, source) in steps {
                at += pause;
                let of = |pick: fn(&(u64, u128, u128)) -> u128, value| {
                    let lately = |entry: &&(u64, u128, u128)| entry.0 + 3600 > at && pick(entry) == value;
                    taken.iter().filter(lately).count() as u32
                };
                let fits = of(|e| e.1, number) < most && of(|e| e.2, source) < most + 1;
                let answer = ask(&mut requests, now(at), &asked(number, source), &account);
                prop_assert_eq!(answer.is_ok(), fits, "{:?} at {}", answer, at);
                if fits {
                    taken.push((at, number, source));
                }
            }
        }
    }
}
