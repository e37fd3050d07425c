//! What a decision of call distribution costs. A decision is an input that asks "who is next?": a customer who asks, or a representative
//! who is free. Items are inputs; of four inputs of a call two are such decisions.

use std::time::Duration;

use callbridge::acd::{CustomerId, Distribution, Input, Wish};
use callbridge::clock::{Mono, Now, Wall};
use callbridge::model::{Endpoint, Level, Need, Representative, Staffing, Strategy};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

const SKILLS: usize = 8;

/// A business whose representatives are all there; each has two of eight skills where `skilled`.
struct Business {
    desk: Distribution,
    now: Now,
    next: u128,
    needs: Vec<Need>,
}

impl Business {
    fn new(many: usize, strategy: Strategy, skilled: bool) -> Business {
        let skill = |n: usize| format!("skill-{}", n % SKILLS).parse().expect("a skill");
        let representatives: Vec<Representative> = (0..many)
            .map(|n| {
                let address = Endpoint::parse("sip:rep@192.0.2.9").expect("an address");
                let mut one = Representative::new(format!("rep-{n}").parse().expect("a name"), address);
                if skilled {
                    one.skills.extend([(skill(n), Level::default()), (skill(n + 1), Level::LEAST)]);
                }
                one
            })
            .collect();
        let names: Vec<_> = representatives.iter().map(|one| one.id.clone()).collect();
        let settings =
            Staffing { representatives, strategy, wrap_up_seconds: 0, max_customers: 20_000, ..Staffing::default() };
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_796_126_400_000) };
        let needs = if skilled { (0..SKILLS).map(|n| Need::skill(skill(n))).collect() } else { vec![Need::default()] };
        let mut business = Business { desk: Distribution::new(now, settings), now, next: 0, needs };
        for representative in names {
            business.give(Input::Session { representative, wish: Wish::Available, lease: Duration::from_secs(86_400) });
        }
        business
    }

    fn give(&mut self, input: Input) {
        self.now.mono = self.now.mono + Duration::from_micros(1);
        self.desk.handle(self.now, input);
        while let Some(output) = self.desk.poll_output() {
            black_box(output);
        }
    }

    fn ask(&mut self) -> CustomerId {
        self.next += 1;
        let customer = CustomerId(self.next);
        let need = self.needs[(self.next % self.needs.len() as u128) as usize].clone();
        self.give(Input::Ask { customer, need, waited: Duration::ZERO });
        customer
    }

    fn through(&mut self, customer: CustomerId) {
        self.give(Input::CustomerAnswered { customer });
        self.give(Input::Talking { customer });
        self.give(Input::Gone { customer });
    }
}

const INPUTS: usize = 4;

/// A call from asking to its end where somebody is free: the choice among the representatives.
#[divan::bench(args = [(50, Strategy::LongestIdle), (1_000, Strategy::LongestIdle), (1_000, Strategy::FewestCalls), (1_000, Strategy::RoundRobin)])]
fn somebody_is_free(bencher: Bencher, (many, strategy): (usize, Strategy)) {
    let mut business = Business::new(many, strategy, false);
    bencher.counter(ItemsCount::new(INPUTS)).bench_local(|| {
        let customer = business.ask();
        business.through(customer);
    });
}

/// The same with eight needs and two skills for each representative.
#[divan::bench(args = [50, 1_000])]
fn somebody_who_knows_is_free(bencher: Bencher, many: usize) {
    let mut business = Business::new(many, Strategy::SkillBest, true);
    bencher.counter(ItemsCount::new(INPUTS)).bench_local(|| {
        let customer = business.ask();
        business.through(customer);
    });
}

/// A call where a thousand wait: whoever is free gets the first of them, whoever comes is the last.
#[divan::bench(args = [50, 1_000])]
fn a_thousand_wait(bencher: Bencher, many: usize) {
    let mut business = Business::new(many, Strategy::LongestIdle, false);
    let all: Vec<CustomerId> = (0..many + 1_000).map(|_| business.ask()).collect();
    let mut talking = std::collections::VecDeque::from(all);
    for customer in talking.iter().take(many).copied().collect::<Vec<_>>() {
        business.give(Input::CustomerAnswered { customer });
        business.give(Input::Talking { customer });
    }
    bencher.counter(ItemsCount::new(INPUTS)).bench_local(|| {
        talking.push_back(business.ask());
        let customer = talking.pop_front().expect("somebody talks");
        business.give(Input::Gone { customer });
        if let Some(customer) = talking.get(many - 1).copied() {
            business.give(Input::CustomerAnswered { customer });
            business.give(Input::Talking { customer });
        }
    });
}
