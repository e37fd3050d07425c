//! Which rate of a tariff a leg has: the longest prefix with a rate in force at the moment of its answer. Owns the index, made once for each
//! configuration, and what stands for a tariff that is not there; refuses to judge whether rates contradict each other (`model::tariff`).
//!
//! Prefixes stand in one sorted array, packed into words, each with the place of its longest own prefix: a look-up is one binary search
//! and a few steps up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Wall;
use crate::model::{
    Business, Currency, Destination, Endpoint, LegRate, Rate, RatePlan, Role, Tariff, TariffName, TariffVersion,
};

/// Digits of a packed number; E.164 has no more.
const DIGITS: usize = 16;

/// The carrier's tariffs by name.
pub type Plans = BTreeMap<TariffName, Arc<Plan>>;

/// Makes their indexes.
pub fn plans<'p>(plans: impl IntoIterator<Item = &'p RatePlan>) -> Plans {
    plans.into_iter().map(|plan| (plan.name.clone(), Arc::new(Plan::new(plan)))).collect()
}

/// A tariff that is ready to be asked.
#[derive(Clone, Debug)]
pub struct Plan {
    name: TariffName,
    version: TariffVersion,
    currency: Currency,
    /// Sorted by `key`; the first one is of the empty prefix.
    nodes: Vec<Node>,
    sip: Timelines,
    ip: Timelines,
    /// Of one destination and leg together, by the beginning.
    rates: Vec<Priced>,
}

/// A prefix that has rates.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    key: u64,
    /// The longest other prefix that it begins with; of the empty one itself.
    parent: u32,
    times: Timelines,
}

/// Where the rates of the customer's leg are, and where those of the others.
#[derive(Clone, Copy, Debug, Default)]
struct Timelines {
    customer: (u32, u32),
    other: (u32, u32),
}

/// A rate as it is asked for: its times, its prices.
#[derive(Clone, Debug)]
struct Priced {
    from: Wall,
    to: Wall,
    rate: Rate,
}

impl Plan {
    /// The index of a tariff without problems. Of rates that contradict each other the one that begins later counts.
    pub fn new(plan: &RatePlan) -> Plan {
        let mut by_place: BTreeMap<(&Destination, bool), Vec<&Rate>> = BTreeMap::new();
        for rate in &plan.rates {
            for role in [Role::Customer, Role::Representative] {
                if rate.leg.rates(role) {
                    by_place.entry((&rate.prefix, role == Role::Customer)).or_default().push(rate);
                }
            }
        }
        let (mut rates, mut places) = (Vec::new(), BTreeMap::<&Destination, Timelines>::new());
        for ((prefix, customer), mut line) in by_place {
            line.sort_by_key(|rate| rate.effective_from);
            let begin = place(rates.len());
            let mut next = line.iter().skip(1).map(|rate| begin_of(rate)).collect::<Vec<_>>().into_iter();
            for rate in line {
                let until = next.next().unwrap_or(Wall(i64::MAX));
                let to = rate.effective_to.map_or(until, |to| to.min(until));
                rates.push(Priced { from: begin_of(rate), to, rate: rate.clone() });
            }
            let span = (begin, place(rates.len()));
            let times = places.entry(prefix).or_default();
            *(if customer { &mut times.customer } else { &mut times.other }) = span;
        }
        let of = |destination: &Destination| places.get(destination).copied().unwrap_or_default();
        let (sip, ip) = (of(&Destination::Sip), of(&Destination::Ip));
        let mut nodes = vec![Node { times: of(&Destination::Any), ..Node::default() }];
        for (destination, times) in &places {
            if let Destination::Numbers(prefix) = destination {
                nodes.push(Node { key: pack(prefix.as_str()), parent: 0, times: *times });
            }
        }
        nodes.sort_unstable_by_key(|node| node.key);
        link(&mut nodes);
        let (name, version, currency) = (plan.name.clone(), plan.version(), plan.currency);
        Plan { name, version, currency, nodes, sip, ip, rates }
    }

    /// Its name.
    pub fn name(&self) -> &TariffName {
        &self.name
    }

    /// What its prices are in.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What a leg of this role to this address pays that is answered then; none: this tariff does not go there.
    pub fn find(&self, role: Role, address: &Endpoint, answered: Wall) -> Option<&Rate> {
        let own = |times: &Timelines| self.in_force(times, role, answered);
        match number(address) {
            Some(number) => self.ways(&number).find_map(|node| own(&node.times)),
            None => {
                let kind = if matches!(address, Endpoint::Ip(..)) { &self.ip } else { &self.sip };
                own(kind).or_else(|| self.nodes.first().and_then(|any| own(&any.times)))
            }
        }
    }

    /// What is kept of the rate with a leg's record.
    fn rated_by(&self, rate: &Rate) -> LegRate {
        LegRate {
            tariff: Some(self.name.clone()),
            version: Some(self.version),
            prefix: Some(rate.prefix.clone()),
            per_minute_micros: rate.per_minute_micros,
            setup_micros: rate.setup_micros,
            increment_seconds: rate.increment_seconds,
            minimum_seconds: rate.minimum_seconds,
            currency: self.currency,
        }
    }

    /// The prefixes of this number that have rates, the longest first. All that stand between a prefix of the number and the number
    /// itself begin with that prefix, so each one that is sought is above the last one that is not greater than the number.
    fn ways(&self, e164: &str) -> impl Iterator<Item = &Node> {
        let number = pack(e164);
        let last = self.nodes.partition_point(|node| node.key <= number).checked_sub(1);
        let up = std::iter::successors(last, move |at| {
            let parent = usize::try_from(self.nodes.get(*at)?.parent).ok()?;
            (parent != *at).then_some(parent)
        });
        up.filter_map(move |at| self.nodes.get(at)).filter(move |node| begins(number, node.key))
    }

    fn in_force(&self, times: &Timelines, role: Role, at: Wall) -> Option<&Rate> {
        let (begin, end) = if role == Role::Customer { times.customer } else { times.other };
        let span: Range<usize> = usize::try_from(begin).ok()?..usize::try_from(end).ok()?;
        let line = self.rates.get(span)?;
        let last = line.partition_point(|priced| priced.from <= at).checked_sub(1)?;
        line.get(last).filter(|priced| at < priced.to).map(|priced| &priced.rate)
    }
}

fn begin_of(rate: &Rate) -> Wall {
    rate.effective_from.unwrap_or(Wall(i64::MIN))
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The number that is called, also where a SIP address has it for its user.
fn number(address: &Endpoint) -> Option<Cow<'_, str>> {
    match address {
        Endpoint::Number(number) => Some(Cow::Borrowed(&number.e164)),
        Endpoint::Sip(sip) => Some(sip.telephone_user()).filter(|user| user.starts_with('+')).map(Cow::Owned),
        Endpoint::Ip(..) => None,
    }
}

/// Digits as four bits each, from the left, one more than their value: the order of numbers is the order of texts, and what is not there
/// is less than any digit.
fn pack(e164: &str) -> u64 {
    let digits = e164.bytes().filter(u8::is_ascii_digit).take(DIGITS);
    digits.zip((0..64).step_by(4)).fold(0, |packed, (digit, at)| packed | (u64::from(digit - b'0') + 1) << (60 - at))
}

/// Whether a packed number begins with a packed prefix.
fn begins(number: u64, prefix: u64) -> bool {
    let unused = prefix.trailing_zeros() / 4 * 4;
    prefix == 0 || (number ^ prefix).checked_shr(unused).is_none_or(|differs| differs == 0)
}

/// Gives each prefix its parent, in one pass over the sorted array.
fn link(nodes: &mut [Node]) {
    let mut open: Vec<(usize, u64)> = Vec::new();
    for (at, node) in nodes.iter_mut().enumerate() {
        while open.last().is_some_and(|(_, key)| !begins(node.key, *key)) {
            open.pop();
        }
        node.parent = place(open.last().map_or(at, |(parent, _)| *parent));
        open.push((at, node.key));
    }
}

/// What a business pays by.
#[derive(Clone, Debug)]
pub enum Prices {
    /// Its account's own prices, the same everywhere.
    Own(Tariff),
    /// A tariff of the carrier's.
    Plan(Arc<Plan>),
    /// A tariff that its account names and the configuration does not have: nothing can be rated.
    Missing(TariffName),
}

impl Prices {
    /// The prices of this account.
    pub fn of(business: &Business, plans: &Plans) -> Prices {
        match &business.tariff_name {
            None => Prices::Own(business.tariff),
            Some(name) => {
                plans.get(name).map_or_else(|| Prices::Missing(name.clone()), |plan| Prices::Plan(Arc::clone(plan)))
            }
        }
    }

    /// The tariff's name, where it is one of the carrier's.
    pub fn name(&self) -> Option<&TariffName> {
        match self {
            Prices::Own(_) => None,
            Prices::Plan(plan) => Some(plan.name()),
            Prices::Missing(name) => Some(name),
        }
    }

    /// What prices are in; absent: there are none.
    pub fn currency(&self) -> Option<Currency> {
        match self {
            Prices::Own(own) => Some(own.currency),
            Prices::Plan(plan) => Some(plan.currency()),
            Prices::Missing(_) => None,
        }
    }

    /// What a leg of this role to this address is rated by that is answered then; none: there is no price for it.
    pub fn rate(&self, role: Role, address: &Endpoint, answered: Wall) -> Option<LegRate> {
        match self {
            Prices::Own(own) => Some(of_account(own, role)),
            Prices::Plan(plan) => plan.find(role, address, answered).map(|rate| plan.rated_by(rate)),
            Prices::Missing(_) => None,
        }
    }
}

fn of_account(own: &Tariff, role: Role) -> LegRate {
    LegRate {
        tariff: None,
        version: None,
        prefix: None,
        per_minute_micros: match role {
            Role::Customer => own.customer_per_minute_micros,
            // A supervisor is somebody of the business's, as a representative is.
            Role::Representative | Role::Supervisor => own.representative_per_minute_micros,
        },
        setup_micros: 0,
        increment_seconds: own.increment_seconds,
        minimum_seconds: own.minimum_seconds,
        currency: own.currency,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::RatedLegs;

    fn rate(prefix: &str, leg: RatedLegs, price: i64, from: Option<i64>, to: Option<i64>) -> Rate {
        Rate {
            prefix: prefix.parse().unwrap(),
            leg,
            per_minute_micros: price,
            setup_micros: 0,
            increment_seconds: 1,
            minimum_seconds: 0,
            effective_from: from.map(Wall),
            effective_to: to.map(Wall),
        }
    }

    fn plan(rates: Vec<Rate>) -> RatePlan {
        RatePlan { name: "retail".parse().unwrap(), currency: Currency::USD, rates }
    }

    fn price(plan: &Plan, role: Role, address: &str, at: i64) -> Option<i64> {
        plan.find(role, &Endpoint::parse(address).unwrap(), Wall(at)).map(|rate| rate.per_minute_micros)
    }

    #[test]
    fn the_longest_prefix_counts_and_every_kind_of_address_has_its_own() {
        let both = |prefix, price| rate(prefix, RatedLegs::Both, price, None, None);
        let plan = Plan::new(&plan(vec![both("", 9), both("+1", 1), both("+1212", 2), both("sip", 3), both("ip", 4)]));
        let of = |address| price(&plan, Role::Customer, address, 0);
        assert_eq!(of("+12125550100"), Some(2));
        assert_eq!(of("+16465550100"), Some(1));
        assert_eq!(of("+442079460000"), Some(9));
        assert_eq!(of("sip:rep@pbx.example.com"), Some(3));
        assert_eq!(of("192.0.2.7"), Some(4));
        assert_eq!(of("sip:%2B1-212-555-0100@pbx.example.com"), Some(2), "a number under another name");
        assert_eq!(of("tel:+12125550100;ext=7"), Some(2));
    }

    #[test]
    fn a_tariff_without_a_rate_for_all_does_not_go_everywhere() {
        let plan = Plan::new(&plan(vec![rate("+1", RatedLegs::Customer, 1, None, None)]));
        assert_eq!(price(&plan, Role::Customer, "+12125550100", 0), Some(1));
        assert_eq!(price(&plan, Role::Representative, "+12125550100", 0), None);
        assert_eq!(price(&plan, Role::Customer, "+442079460000", 0), None);
        assert_eq!(price(&plan, Role::Customer, "192.0.2.7", 0), None);
    }

    #[test]
    fn a_leg_has_the_rate_that_is_in_force_when_it_is_answered() {
        let both = |prefix, price, from, to| rate(prefix, RatedLegs::Both, price, from, to);
        let rates =
            vec![both("+1", 5, None, None), both("+1212", 1, Some(10), None), both("+1212", 2, Some(20), Some(30))];
        let plan = Plan::new(&plan(rates));
        let of = |at| price(&plan, Role::Supervisor, "+12125550100", at);
        assert_eq!([9, 10, 19, 20, 29, 30].map(of), [5, 1, 1, 2, 2, 5].map(Some));
    }

    #[test]
    fn an_account_with_a_tariff_that_is_not_there_has_no_price_at_all() {
        use crate::model::business::PasswordHash;
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let address = Endpoint::parse("+12125550100").unwrap();
        let own = Prices::of(&account, &Plans::new());
        assert!(own.rate(Role::Customer, &address, Wall(0)).is_some());
        let lost = Business { tariff_name: "retail".parse().ok(), ..account };
        assert_eq!(Prices::of(&lost, &Plans::new()).rate(Role::Customer, &address, Wall(0)), None);
    }

    /// The rule in one line: of the rates in force for this leg whose prefix the number has, the longest prefix.
    fn oracle(rates: &[Rate], role: Role, e164: &str, at: i64) -> Option<i64> {
        let later = |one: &Rate| {
            let same = |other: &&Rate| {
                other.prefix == one.prefix && other.leg.rates(role) && other.effective_from > one.effective_from
            };
            rates.iter().filter(same).filter_map(|other| other.effective_from).min()
        };
        let holds = |one: &&Rate| {
            one.leg.rates(role)
                && e164.starts_with(one.prefix.as_str())
                && one.effective_from.is_none_or(|from| from.0 <= at)
                && one.effective_to.into_iter().chain(later(one)).all(|to| at < to.0)
        };
        rates.iter().filter(holds).max_by_key(|one| one.prefix.as_str().len()).map(|one| one.per_minute_micros)
    }

    /// Rates without contradictions: of each prefix a chain of moments, of which some have a price.
    fn rates() -> impl Strategy<Value = Vec<Rate>> {
        let prefix = "(\\+[1-3][0-2]{0,5}|)";
        let moments = proptest::collection::btree_set(0i64..100, 1..5);
        let leg = prop_oneof![Just(vec![RatedLegs::Both]), Just(vec![RatedLegs::Customer, RatedLegs::Representative])];
        let chain = (prefix, moments, leg, any::<bool>(), 0i64..1000).prop_map(|(prefix, at, legs, ends, price)| {
            let at: Vec<i64> = at.into_iter().collect();
            let of = |leg: RatedLegs| {
                let one = |(n, from): (usize, &i64)| {
                    let last = n + 1 == at.len();
                    let to = at.get(n + 1).copied().or(Some(from + 7)).filter(|_| ends || (!last && price % 2 == 0));
                    let price = price * 100 + n as i64 * 2 + i64::from(leg == RatedLegs::Customer);
                    rate(&prefix, leg, price, Some(*from).filter(|from| n > 0 || *from > 20), to)
                };
                at.iter().enumerate().map(one).collect::<Vec<_>>()
            };
            (prefix.clone(), legs.into_iter().flat_map(of).collect::<Vec<_>>())
        });
        proptest::collection::vec(chain, 0..12)
            .prop_map(|chains| chains.into_iter().collect::<BTreeMap<_, _>>().into_values().flatten().collect())
    }

    proptest! {
        #[test]
        fn prefix_and_date_are_those_of_the_naive_rule(
            rates in rates(), numbers in proptest::collection::vec(("\\+[1-3][0-3]{6,9}", 0i64..120, any::<bool>()), 1..20)
        ) {
            let written = plan(rates);
            prop_assert_eq!(written.problems(), vec![]);
            let index = Plan::new(&written);
            for (e164, at, customer) in numbers {
                let role = if customer { Role::Customer } else { Role::Representative };
                let address = Endpoint::Number(crate::model::endpoint::Number { e164: e164.clone(), extension: None, post_dial: None });
                let found = index.find(role, &address, Wall(at)).map(|rate| rate.per_minute_micros);
                prop_assert_eq!(found, oracle(&written.rates, role, &e164, at), "{} at {}", e164, at);
            }
        }

        #[test]
        fn packed_digits_sort_and_begin_as_texts_do(a in "[0-9]{0,15}", b in "[0-9]{0,15}") {
            prop_assert_eq!(pack(&a).cmp(&pack(&b)), a.cmp(&b));
            prop_assert_eq!(begins(pack(&a), pack(&b)), a.starts_with(&b));
        }
    }
}
