//! What a price costs: the index of a tariff of 100,000 prefixes made, and a leg rated by it; beside it the account's own prices. Prefixes are of
//! two to nine digits behind a country's, each with two rates in time.

use callbridge::billing::{Plan, Prices, plans};
use callbridge::clock::Wall;
use callbridge::model::{Business, Currency, Endpoint, Rate, RatePlan, RatedLegs, Role, Tariff};
use divan::{Bencher, black_box};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::Arc;

fn main() {
    divan::main();
}

const CHANGE: Wall = Wall(1_795_521_600_000);

/// So many prefixes, twice as many rates.
fn tariff(prefixes: usize) -> RatePlan {
    let mut rng = StdRng::seed_from_u64(7);
    let mut all = BTreeSet::from([String::new()]);
    while all.len() < prefixes {
        let country = ["1", "44", "49", "33", "7", "86", "91"][rng.random_range(0..7)];
        let length = rng.random_range(2..10);
        let digits: String = (0..length).map(|_| char::from(b'0' + rng.random_range(0..10u8))).collect();
        all.insert(format!("+{country}{digits}"));
    }
    let rate = |prefix: &String, from: Option<Wall>| Rate {
        prefix: prefix.parse().expect("a prefix"),
        leg: RatedLegs::Both,
        per_minute_micros: 12_000,
        setup_micros: 500,
        increment_seconds: 6,
        minimum_seconds: 30,
        effective_from: from,
        effective_to: None,
    };
    let rates = all.iter().flat_map(|prefix| [rate(prefix, None), rate(prefix, Some(CHANGE))]).collect();
    RatePlan { name: "retail".parse().expect("a name"), currency: Currency::USD, rates }
}

fn numbers() -> Vec<Endpoint> {
    let mut rng = StdRng::seed_from_u64(8);
    let number = |_| {
        let e164 = format!("+4479{:08}", rng.random_range(0..100_000_000u32));
        Endpoint::Number(callbridge::model::endpoint::Number { e164, extension: None, post_dial: None })
    };
    (0..1024).map(number).collect()
}

fn rate_all(prices: &Prices, numbers: &[Endpoint]) -> i64 {
    let (answered, ended) = (Wall(CHANGE.0 + 1_000), Wall(CHANGE.0 + 62_000));
    let price = |number| prices.leg(Role::Customer, black_box(number), Some(answered), ended).price.0;
    numbers.iter().map(price).sum()
}

#[divan::bench(args = [100, 10_000, 100_000])]
fn a_thousand_legs_by_a_tariff_of(bencher: Bencher<'_, '_>, prefixes: usize) {
    let prices = Prices::Plan(Arc::new(Plan::new(&tariff(prefixes))));
    let numbers = numbers();
    bencher.bench_local(|| rate_all(&prices, &numbers));
}

#[divan::bench]
fn a_thousand_legs_by_the_accounts_own_prices(bencher: Bencher<'_, '_>) {
    let prices = Prices::Own(Tariff { customer_per_minute_micros: 12_000, ..Tariff::default() });
    let numbers = numbers();
    bencher.bench_local(|| rate_all(&prices, &numbers));
}

#[divan::bench(sample_count = 10)]
fn the_index_of_100_000_prefixes(bencher: Bencher<'_, '_>) {
    let tariff = tariff(100_000);
    bencher.bench_local(|| plans([black_box(&tariff)]));
}

#[divan::bench(sample_count = 10)]
fn contradictions_of_100_000_prefixes(bencher: Bencher<'_, '_>) {
    let tariff = tariff(100_000);
    bencher.bench_local(|| black_box(&tariff).problems().len());
}

/// Keeps the account's type in view: prices are made of it for each message.
#[divan::bench]
fn the_prices_of_an_account(bencher: Bencher<'_, '_>) {
    let plans = plans([&tariff(100)]);
    let hash = callbridge::model::business::PasswordHash(String::new());
    let account = Business::new("abc".parse().expect("an identifier"), "ABC", hash);
    let account = Business { tariff_name: "retail".parse().ok(), ..account };
    bencher.bench_local(|| Prices::of(black_box(&account), &plans));
}
