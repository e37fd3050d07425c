//! The account's limits at work: judged before a call is accepted, counted when it is, kept while it lives, told when one is reached. Owns
//! the order of these questions; the verdicts are `access`'s, the prices `billing`'s.
//!
//! Minutes and money: what a call may cost until some moment is reserved for it; where live calls are to be hung up at the ceiling, each
//! asks for more a second before that moment, and is hung up where there is no more. Whoever is being called may answer at once, so what that
//! costs is reserved before: set-up, minimum and all. A party for whom there is no room is not called. So no call overruns a ceiling that
//! live calls are hung up at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::api::{Notice, Quotas, Refusal, StoreOp};
use super::{Engine, Live, Pending, Standing, TimerKey, direct};
use crate::access::destinations;
use crate::access::direct::{Held, mark, number_mark};
use crate::access::ledger::{Day, Entry, Ledger, Reached};
use crate::access::often::{Counted, Numbers, Often};
use crate::billing::Prices;
use crate::call::{self, leg::Phase};
use crate::clock::{Now, Wall};
use crate::model::{
    Business, BusinessId, CallId, CallRecord, Cost, Currency, DayAdjustment, DayUsage, Directory, Duplicates, Endpoint,
    InitiationMessage, Limit, LimitReached, Role, StoredCall,
};

/// More is asked for so long before what is reserved ends: a second that has begun is billed.
const EARLIER: Duration = Duration::from_secs(1);

/// What is counted of every business beside its permits.
#[derive(Debug, Default)]
pub(super) struct Books {
    ledger: Ledger,
    numbers: Numbers,
    /// Bounds that were told as reached, with the ends of their periods.
    told: BTreeSet<(Wall, BusinessId, Limit)>,
}

/// What one call holds of its account's bounds.
#[derive(Debug)]
pub(super) struct Share {
    entry: Entry,
    /// The call has been paid for until then; absent before the customer's answer, from which on it costs.
    pub(super) until: Option<Wall>,
    counted: Option<Counted>,
    /// The customer with each representative.
    pub(super) pairs: Vec<Held>,
}

impl Engine {
    /// Whether the account calls all of these.
    pub(super) fn check_account_destinations(business: &Business, message: &InitiationMessage) -> Result<(), Refusal> {
        let allowed = |endpoint: &Endpoint| destinations::judge(&business.guard.destinations, endpoint);
        let denied = |pointer: String, why| Refusal::DestinationDenied { pointer, why };
        allowed(&message.customer).map_err(|why| denied("/customer".to_owned(), why))?;
        let many = message.representatives.len() > 1;
        for (at, representative) in Engine::whom(business, message).iter().enumerate() {
            let pointer = if many { format!("/representative/{at}") } else { "/representative".to_owned() };
            allowed(representative).map_err(|why| denied(pointer, why))?;
        }
        Ok(())
    }

    /// Whether the account of a live call lets it dial there, and has a price for it and room for what it costs.
    pub(super) fn account_allows(&mut self, now: Now, call: CallId, endpoint: &Endpoint) -> bool {
        let allowed = |live: &Live| {
            destinations::judge(&live.business.guard.destinations, endpoint).is_ok()
                && live.prices.rate(Role::Representative, endpoint, live.call.wall(now)).is_some()
        };
        self.calls.get(&call).is_some_and(|live| allowed(live))
            && self.room_for(now, call, Role::Representative, endpoint).is_ok()
    }

    /// The same customer and representative in a call already, now or for the same moment.
    pub(super) fn check_duplicates(
        &self,
        business: &Business,
        message: &InitiationMessage,
        at: Option<Wall>,
    ) -> Result<(), Refusal> {
        // Two direct requests that were put off to the same moment.
        if message.direct.is_some() && self.singles.is_held(&direct::single(message, at)) {
            return Err(Refusal::Duplicate);
        }
        let held = || direct::pairs(message, at).any(|pair| self.singles.is_held(&pair));
        match business.limits.duplicates {
            Duplicates::Allow => Ok(()),
            Duplicates::Conflict if held() => Err(Refusal::PairInCall { too_many: false }),
            Duplicates::TooMany if held() => Err(Refusal::PairInCall { too_many: true }),
            Duplicates::Conflict | Duplicates::TooMany => Ok(()),
        }
    }

    /// Calls to this number, calls of the day, minutes and money.
    pub(super) fn check_limits(
        &mut self,
        now: Now,
        business: &Business,
        prices: &Prices,
        message: &InitiationMessage,
    ) -> Result<(), Refusal> {
        self.check_number(now, business, message)?;
        let day = Day::of_call(now.wall, message.desired_contact_time);
        let cost = self.reserved(business, prices, message, now.wall);
        let cost = (currency_of(prices, business), cost);
        self.books.ledger.check(&business.id, day, cost, &business.limits).map_err(|reached| {
            self.tell_reached(now, business, reached);
            let Reached { limit, quota, until, .. } = reached;
            Refusal::Limit { limit, quota, retry_after: seconds_to(now.wall, until) }
        })
    }

    /// Calls to this number.
    pub(super) fn check_number(
        &mut self,
        now: Now,
        business: &Business,
        message: &InitiationMessage,
    ) -> Result<(), Refusal> {
        if let Some(number) = counted_number(business, message) {
            let day = Day::of(now.wall).begins();
            match self.books.numbers.check(now.mono, number, &business.limits) {
                Ok(()) => {}
                Err(Often::Full) => {
                    return Err(Refusal::Unavailable { retry_after: 60, why: "too many numbers are being counted" });
                }
                Err(Often::Reached { limit, quota, retry_after }) => {
                    let until = day + Duration::from_secs(86_400);
                    let reached = Reached { limit, quota: quota.into(), since: day, until };
                    self.tell_reached(now, business, reached);
                    return Err(Refusal::Limit { limit, quota: quota.into(), retry_after });
                }
            }
        }
        Ok(())
    }

    /// A call to this number that is not to be taken back.
    pub(super) fn count_number(
        &mut self,
        now: Now,
        business: &Business,
        message: &InitiationMessage,
    ) -> Option<Counted> {
        let number = counted_number(business, message)?;
        Some(self.books.numbers.count(now.mono, number))
    }

    /// The call is as good as accepted: it counts from now on.
    pub(super) fn take_share(
        &mut self,
        now: Now,
        business: &Business,
        prices: &Prices,
        message: &InitiationMessage,
    ) -> Share {
        let at = Engine::wall_in_future(now, message.desired_contact_time);
        let counted = self.count_number(now, business, message);
        let mut share = self.share(business, prices, now.wall, message, at);
        share.counted = counted;
        share
    }

    /// What a waiting call that a restart found holds; its number was counted by [`Engine::recall_usage`].
    pub(super) fn share_again(
        &mut self,
        business: &Business,
        prices: &Prices,
        stored: &StoredCall,
        at: Option<Wall>,
    ) -> Share {
        self.share(business, prices, stored.created_at, &stored.message, at)
    }

    fn share(
        &mut self,
        business: &Business,
        prices: &Prices,
        created: Wall,
        message: &InitiationMessage,
        at: Option<Wall>,
    ) -> Share {
        let day = Day::of_call(created, message.desired_contact_time);
        let cost = self.reserved(business, prices, message, created);
        let entry = self.books.ledger.open(&message.business_id, day, currency_of(prices, business), cost);
        Share { entry, until: None, counted: None, pairs: self.hold_pairs(message, at) }
    }

    /// What is kept free for a call before anybody answers, at the prices between the moment that it is wanted at and the latest at which
    /// it may be placed and answered.
    fn reserved(&self, business: &Business, prices: &Prices, message: &InitiationMessage, created: Wall) -> Cost {
        let due = message.desired_contact_time.map_or(created, |at| at.max(created));
        let limits = &self.config.limits;
        let placed = message.expires_at.map_or(due + self.config.late, |end| end.max(due));
        let latest = placed + limits.customer_ring + limits.max_hold;
        let others = Engine::whom(business, message);
        prices.both_legs(business.limits.reserve_seconds, &message.customer, &others, [due, latest])
    }

    /// Whether one more party may be called in a live call; what it costs if it answers at once is reserved then. Where live calls go on at
    /// the ceiling, nobody asks.
    pub(super) fn room_for(&mut self, now: Now, id: CallId, role: Role, address: &Endpoint) -> Result<(), Refusal> {
        let Some(live) = self.calls.get_mut(&id) else { return Ok(()) };
        let limits = live.business.limits;
        if !limits.has_ceiling() || limits.at_ceiling != crate::model::AtCeiling::HangUp {
            return Ok(());
        }
        let here = live.call.wall(now);
        let slice = Duration::from_secs(limits.reserve_seconds.into());
        let until = live.share.until.map_or(here + slice, |until| until.max(here));
        let seconds = until.millis_since(here).div_ceil(1000);
        let to = cost_until(live, here, until).plus(live.prices.most(role, address, [here, until], seconds));
        let business = Arc::clone(&live.business);
        self.books.ledger.pays_in(&business.id, &mut live.share.entry, currency_of(&live.prices, &business));
        self.books.ledger.extend(&business.id, &mut live.share.entry, to, &limits).map_err(|reached| {
            self.tell_reached(now, &business, reached);
            let Reached { limit, quota, until, .. } = reached;
            Refusal::Limit { limit, quota, retry_after: seconds_to(now.wall, until) }
        })
    }

    /// Its pairs are in a call, now or at that moment.
    pub(super) fn hold_pairs(&mut self, message: &InitiationMessage, at: Option<Wall>) -> Vec<Held> {
        direct::pairs(message, at).map(|pair| self.singles.hold(pair)).collect()
    }

    /// The store did not take it.
    pub(super) fn give_share_back(&mut self, business: &BusinessId, share: Share) {
        self.books.ledger.undo(business, share.entry);
        if let Some(counted) = share.counted {
            self.books.numbers.undo(counted);
        }
    }

    /// It has its record: what it cost is known.
    pub(super) fn settle(&mut self, record: &CallRecord, share: &Share) {
        self.timers.cancel(&TimerKey::Ceiling(record.call_id));
        self.books.ledger.settle(&record.business_id, share.entry, record.currency, cost_of(record));
    }

    /// The record of a call that a crash cut is not in the store's sums.
    pub(super) fn settle_interrupted(&mut self, record: &CallRecord) {
        let day = Day::of_call(record.created_at, record.desired_contact_time);
        self.books.ledger.recall(&record.business_id, day, 1, record.currency, cost_of(record));
    }

    /// From which moment on records count: the first of this month (UTC).
    pub fn usage_since(now: Wall) -> Wall {
        Day::of(now).month().0.begins()
    }

    /// From which moment on calls to one number count: 24 hours ago.
    pub fn called_since(now: Wall) -> Wall {
        Wall(now.0.saturating_sub(86_400_000))
    }

    /// Takes back what the store's records say was used, and whom the businesses that bound it have called in the last 24 hours, the
    /// oldest first. Before [`Engine::restore`].
    pub fn recall_usage(&mut self, now: Now, days: &[DayUsage], called: &[(BusinessId, Wall, Endpoint)]) {
        for DayUsage { business, day, calls, currency, cost } in days {
            self.books.ledger.recall(business, Day::numbered(*day), *calls, *currency, *cost);
        }
        for (business, at, customer) in called {
            if self.directory.get(business).is_some_and(|known| known.limits.caps_numbers()) {
                self.books.numbers.recall(now, *at, number_of(business, customer));
            }
        }
    }

    /// Records have other prices now: what was used of their days is that.
    pub(super) fn adjust_usage(&mut self, adjusted: &[DayAdjustment]) {
        for DayAdjustment { business, day, currency, old, new } in adjusted {
            self.books.ledger.adjust(business, Day::numbered(*day), *currency, *old, *new);
        }
    }

    /// A leg was answered or ended, or what is reserved for the call soon ends: reserves what it costs until the next look.
    pub(super) fn mind_ceiling(&mut self, now: Now, id: CallId, asks_for_more: bool) {
        let Some(live) = self.calls.get_mut(&id) else { return };
        let answered = live.call.customer_leg().and_then(call::Leg::answered_at);
        let limits = live.business.limits;
        let placed = matches!(live.standing, Standing::Placed { .. }) && !live.call.is_ending();
        let Some(answered) = answered.filter(|_| placed && limits.has_ceiling()) else {
            return self.timers.cancel(&TimerKey::Ceiling(id));
        };
        let (here, slice) = (live.call.wall(now), Duration::from_secs(limits.reserve_seconds.into()));
        let until = match live.share.until {
            Some(until) if asks_for_more => until.max(here) + slice,
            Some(until) => until,
            None => answered.max(here) + slice,
        };
        let to = cost_until(live, here, until);
        let business = live.business.id.clone();
        self.books.ledger.pays_in(&business, &mut live.share.entry, currency_of(&live.prices, &live.business));
        // Who is dialled before a talk may be followed by somebody dearer; in it, nobody comes unasked.
        if !asks_for_more && live.bridged_at.is_some() {
            self.books.ledger.lower(&business, &mut live.share.entry, to);
        }
        let hang_up = limits.at_ceiling == crate::model::AtCeiling::HangUp;
        let granted = match hang_up {
            true => self.books.ledger.extend(&business, &mut live.share.entry, to, &limits),
            false => {
                self.books.ledger.grow(&business, &mut live.share.entry, to);
                Ok(())
            }
        };
        match granted {
            Ok(()) => {
                live.share.until = Some(until);
                let left = Duration::from_millis(until.millis_since(here));
                self.timers.set(TimerKey::Ceiling(id), now.mono + left.saturating_sub(EARLIER));
            }
            Err(reached) => {
                let account = Arc::clone(&live.business);
                self.tell_reached(now, &account, reached);
                self.tell(now, id, call::Event::CeilingReached);
            }
        }
    }

    /// Accounts changed: what they bound now holds for live calls, too.
    pub(super) fn mind_ceilings(&mut self, now: Now) {
        let bounded =
            |live: &Live| live.business.limits.has_ceiling() && matches!(live.standing, Standing::Placed { .. });
        let ids: Vec<CallId> = self.calls.values().filter(|live| bounded(live)).map(|live| live.call.id()).collect();
        ids.into_iter().for_each(|id| self.mind_ceiling(now, id, false));
    }

    /// A bound was reached: logged, and told to the business's webhook, once for each of its periods.
    fn tell_reached(&mut self, now: Now, business: &Business, reached: Reached) {
        let Reached { limit, quota, since, until } = reached;
        self.books.told = self.books.told.split_off(&(now.wall, business.id.clone(), Limit::ALL[0]));
        if !self.books.told.insert((until, business.id.clone(), limit)) {
            return;
        }
        self.books.ledger.forget(now.wall);
        self.notice(Notice::LimitReached { business: business.id.clone(), limit });
        if business.is_told() {
            // The same event has the same name, also after a restart: it is stored once.
            let name =
                mark("limit", &[business.id.as_str().as_bytes(), limit.as_str().as_bytes(), &since.0.to_be_bytes()]);
            let mut unique = [0; 10];
            unique.copy_from_slice(name.0.to_be_bytes().split_at(10).0);
            let event = LimitReached {
                id: CallId::new(since, unique),
                business: business.id.clone(),
                limit,
                quota,
                since,
                until,
                at: now.wall,
            };
            self.store(StoreOp::LimitReached(Box::new(event.clone())), Pending::Limit(Box::new(event)));
        }
    }

    /// It could not be stored: the next refusal tells it.
    pub(super) fn limit_untold(&mut self, event: LimitReached) {
        self.books.told.remove(&(event.until, event.business, event.limit));
    }

    /// What is left to who sent this message.
    pub(super) fn quotas(&self, now: Now, message: &InitiationMessage, business: &Business) -> Quotas {
        if let Some(direct) = &message.direct {
            let source = self.requests.source_left(now.mono, &direct.marks, &business.direct);
            return Quotas { source: Some(source), ..Quotas::default() };
        }
        let day = Day::of_call(now.wall, message.desired_contact_time);
        let calls = self.books.ledger.calls_left(&business.id, day, &business.limits);
        let tomorrow = day.begins() + Duration::from_secs(86_400);
        Quotas {
            rate: Some((self.access.messages_left(&business.id), 1)),
            calls: calls.map(|left| (left, seconds_to(now.wall, tomorrow))),
            source: None,
        }
    }

    /// Businesses that are gone keep no news of bounds.
    pub(super) fn forget_gone(&mut self, directory: &Directory) {
        self.books.told.retain(|(_, business, _)| directory.get(business).is_some());
    }
}

/// What the call will have cost then, if it goes on as it is: whoever is being called is taken to answer now, and where nobody of the
/// business's talks, the dearest of those who may still be called.
fn cost_until(live: &Live, here: Wall, until: Wall) -> Cost {
    let seconds = until.millis_since(here).div_ceil(1000);
    let at_once = |role: Role, address: &Endpoint| live.prices.most(role, address, [here, until], seconds);
    let mut sum = Cost::default();
    let mut joined = false;
    for leg in live.call.legs() {
        let end = leg.end().map_or(until, |end| end.at);
        sum = sum.plus(match leg.phase {
            Phase::Calling => at_once(leg.role, &leg.address),
            Phase::Up { .. } | Phase::Over(_) => live.prices.leg(leg.role, &leg.address, leg.answered_at(), end).cost(),
        });
        joined |= leg.role == Role::Representative && leg.end().is_none();
    }
    if !joined {
        let tried = |address: &Endpoint| live.call.legs().iter().any(|leg| leg.address == *address);
        let whom = Engine::whom(&live.business, live.call.message());
        let others = whom.iter().filter(|address| !tried(address));
        sum = sum
            .plus(others.map(|address| at_once(Role::Representative, address)).fold(Cost::default(), Cost::at_least));
    }
    sum
}

/// What the account's calls are paid in.
fn currency_of(prices: &Prices, business: &Business) -> Currency {
    prices.currency().unwrap_or(business.tariff.currency)
}

fn cost_of(record: &CallRecord) -> Cost {
    Cost { seconds: record.billable_seconds(), price: record.price_micros }
}

/// What a message counts against, where its account bounds it; direct requests have bounds of their own.
fn counted_number(business: &Business, message: &InitiationMessage) -> Option<crate::model::direct::Mark> {
    let counts = business.limits.caps_numbers() && message.direct.is_none();
    counts.then(|| number_of(&business.id, &message.customer))
}

fn number_of(business: &BusinessId, customer: &Endpoint) -> crate::model::direct::Mark {
    mark("called", &[business.as_str().as_bytes(), &number_mark(customer).0.to_be_bytes()])
}

/// Whole seconds, at least one.
pub(super) fn seconds_to(now: Wall, until: Wall) -> u32 {
    u32::try_from(until.millis_since(now).div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}
