//! A virtual day: a thousand customers and fifty representatives, against Erlang's formulas.
//!
//! Customers come by a Poisson process and wait in line with an exponential patience; phones ring for times of their own; talks are
//! exponential. The distribution dials each customer only when a representative is kept, so a representative is taken from then until
//! the wrap-up ends: the service time of the formulas is that whole, its mean the sum of the parts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::erlang::{Steady, steady};
use super::world::{NOON, one, seconds, staff};
use crate::acd::{CustomerId, Distribution, Input, Output, Wish};
use crate::clock::{Mono, Now, Wall};
use crate::model::{Need, Staffing};

/// What a day is made of: means in seconds.
#[derive(Clone, Copy)]
struct Plan {
    representatives: usize,
    customers: u64,
    gap: f64,
    talk: f64,
    wrap_up: u32,
    /// Customers' phones ring for a second more than half of this up to three halves.
    ring: f64,
    patience: f64,
    late_per_mille: u16,
    seed: u64,
}

/// A representative's phone rings for so long.
const REPRESENTATIVE_RINGS: f64 = 5.0;

#[derive(Clone, Copy, Debug)]
enum Next {
    Comes,
    LosesPatience(u128),
    Answers(u128),
    RepresentativeAnswers(u128),
    Ends(u128),
    Renew,
}

#[derive(Default, Debug)]
struct Report {
    /// From asking to the phone, of those dialled, in seconds.
    waits: Vec<f64>,
    /// From answering to a representative's phone.
    holds: Vec<f64>,
    left: u64,
    served: u64,
    /// What the room foretold to those who came into a line, and how long it then took.
    told: Vec<(f64, f64)>,
    busy: f64,
    length: f64,
    ahead: u64,
    late: u64,
    answered: u64,
}

struct Day {
    plan: Plan,
    rng: StdRng,
    desk: Distribution,
    now: Now,
    next: BTreeMap<(u64, u64), Next>,
    sequence: u64,
    came: u64,
    asked: BTreeMap<u128, (u64, Option<f64>)>,
    waiting: BTreeSet<u128>,
    answered_at: BTreeMap<u128, u64>,
    report: Report,
}

impl Day {
    fn run(plan: Plan) -> Report {
        let names: Vec<String> = (0..plan.representatives).map(|n| format!("r{n:03}")).collect();
        let representatives = names.iter().map(|name| one(name, &[])).collect();
        let settings = Staffing {
            representatives,
            wrap_up_seconds: plan.wrap_up,
            late_per_mille: plan.late_per_mille,
            max_wait_seconds: 86_400,
            max_customers: 20_000,
            ..staff(&[])
        };
        let now = Now { mono: Mono(0), wall: NOON };
        let mut day = Day {
            plan,
            rng: StdRng::seed_from_u64(plan.seed),
            desk: Distribution::new(now, settings),
            now,
            next: BTreeMap::new(),
            sequence: 0,
            came: 0,
            asked: BTreeMap::new(),
            waiting: BTreeSet::new(),
            answered_at: BTreeMap::new(),
            report: Report::default(),
        };
        day.at(0.0, Next::Renew);
        day.at(0.0, Next::Comes);
        while day.step() {}
        let figures = day.desk.figures();
        assert_eq!(figures.asked, plan.customers);
        assert_eq!(
            figures.talked + figures.left_waiting + figures.abandoned + figures.unanswered,
            plan.customers,
            "nobody is lost"
        );
        (day.report.ahead, day.report.late, day.report.answered) = (figures.ahead, figures.late, figures.answered);
        day.report
    }

    fn draw(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.rng.random::<f64>()).ln()
    }

    fn at(&mut self, after: f64, what: Next) {
        self.sequence += 1;
        let at = self.now.mono + Duration::from_secs_f64(after);
        self.next.insert((at.0, self.sequence), what);
    }

    /// The next thing that happens, in the world or in the room. False when the last customer is gone.
    fn step(&mut self) -> bool {
        if self.came == self.plan.customers && self.desk.customers() == 0 {
            self.report.length = self.now.mono.0 as f64 / 1e6;
            return false;
        }
        let world = self.next.first_key_value().map(|((at, _), _)| *at).unwrap_or(u64::MAX);
        match self.desk.poll_timeout().filter(|(at, _)| at.0 <= world) {
            Some((at, _)) => {
                self.move_to(at.0.max(self.now.mono.0));
                self.give(Input::Timeout);
            }
            None => {
                let ((at, _), what) = self.next.pop_first().expect("something happens until all are gone");
                self.move_to(at);
                self.happens(what);
            }
        }
        true
    }

    fn move_to(&mut self, at: u64) {
        self.now = Now { mono: Mono(at), wall: Wall(NOON.0 + i64::try_from(at / 1_000).unwrap()) };
    }

    fn happens(&mut self, what: Next) {
        match what {
            Next::Comes => {
                let n = u128::from(self.came);
                self.came += 1;
                if self.came < self.plan.customers {
                    let gap = self.draw(self.plan.gap);
                    self.at(gap, Next::Comes);
                }
                self.waiting.insert(n);
                self.asked.insert(n, (self.now.mono.0, None));
                self.give(Input::Ask { customer: CustomerId(n), need: Need::default(), waited: Duration::ZERO });
                if self.waiting.contains(&n) {
                    let told =
                        self.desk.wait(CustomerId(n)).and_then(|wait| wait.estimate).map(|time| time.as_secs_f64());
                    self.asked.insert(n, (self.now.mono.0, told));
                    let patience = self.draw(self.plan.patience);
                    self.at(patience, Next::LosesPatience(n));
                }
            }
            Next::LosesPatience(n) => {
                if self.waiting.remove(&n) {
                    self.report.left += 1;
                    self.give(Input::Gone { customer: CustomerId(n) });
                }
            }
            Next::Answers(n) => {
                self.answered_at.insert(n, self.now.mono.0);
                self.give(Input::CustomerAnswered { customer: CustomerId(n) });
            }
            Next::RepresentativeAnswers(n) => {
                let talk = self.draw(self.plan.talk);
                self.report.busy += talk;
                self.at(talk, Next::Ends(n));
                self.give(Input::Talking { customer: CustomerId(n) });
            }
            Next::Ends(n) => {
                self.report.served += 1;
                self.give(Input::Gone { customer: CustomerId(n) });
            }
            Next::Renew => {
                self.at(40_000.0, Next::Renew);
                for n in 0..self.plan.representatives {
                    let representative = format!("r{n:03}").parse().unwrap();
                    self.give(Input::Session { representative, wish: Wish::Available, lease: seconds(86_400) });
                }
            }
        }
    }

    fn give(&mut self, input: Input) {
        self.desk.handle(self.now, input);
        while let Some(output) = self.desk.poll_output() {
            match output {
                Output::CallCustomer { customer: CustomerId(n) } => {
                    self.waiting.remove(&n);
                    let (asked, told) = self.asked[&n];
                    let wait = (self.now.mono.0 - asked) as f64 / 1e6;
                    self.report.waits.push(wait);
                    self.report.told.extend(told.map(|told| (told, wait)));
                    let ring = self.plan.ring * (0.5 + self.rng.random::<f64>());
                    self.at(ring, Next::Answers(n));
                }
                Output::CallRepresentative { customer: CustomerId(n), .. } => {
                    self.report.holds.push((self.now.mono.0 - self.answered_at[&n]) as f64 / 1e6);
                    self.at(REPRESENTATIVE_RINGS, Next::RepresentativeAnswers(n));
                }
                Output::Changed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn mean(those: &[f64]) -> f64 {
    those.iter().sum::<f64>() / those.len().max(1) as f64
}

/// The standard error of a mean of values that depend on each other: over twenty batches, each far longer than a talk.
fn standard_error(those: &[f64]) -> f64 {
    let size = those.len() / 20;
    let batches: Vec<f64> = those.chunks_exact(size.max(1)).take(20).map(mean).collect();
    let middle = mean(&batches);
    let variance = batches.iter().map(|batch| (batch - middle).powi(2)).sum::<f64>() / 19.0;
    (variance / 20.0).sqrt()
}

/// How long a representative is taken for one customer.
fn taken(plan: &Plan) -> f64 {
    plan.ring + REPRESENTATIVE_RINGS + plan.talk + f64::from(plan.wrap_up)
}

fn foretold(plan: &Plan) -> Steady {
    steady(1.0 / plan.gap, 1.0 / taken(plan), 1.0 / plan.patience, plan.representatives)
}

fn tell(what: &str, plan: &Plan, report: &Report) {
    let erlang = foretold(plan);
    let (customers, representatives) = (plan.customers as f64, plan.representatives as f64);
    let occupancy = report.busy / report.length / representatives;
    println!(
        "{what}: {} customers in {:.1} h, {} representatives, offered {:.1} erlangs\n  wait until the phone: mean {:.1} s (Erlang {:.1}), \
         left in line {:.2} % (Erlang {:.2}), had to wait {:.1} % (Erlang {:.1})\n  talking {:.1} % of the time, taken {:.1} % \
         (Erlang {:.1})\n  dialled ahead {}, of {} who answered {} late, held: mean {:.2} s",
        plan.customers,
        report.length / 3_600.0,
        plan.representatives,
        taken(plan) / plan.gap,
        mean(&report.waits),
        erlang.wait,
        report.left as f64 / customers * 100.0,
        erlang.leaves * 100.0,
        (report.waits.iter().filter(|wait| **wait > 0.0).count() as f64 + report.left as f64) / customers * 100.0,
        erlang.waits * 100.0,
        occupancy * 100.0,
        report.served as f64 * taken(plan) / report.length / representatives * 100.0,
        erlang.occupancy * 100.0,
        report.ahead,
        report.answered,
        report.late,
        mean(&report.holds),
    );
}

/// Twenty thousand customers of such a day, one after the other, so that the steady state of the formulas is what is seen.
fn long(plan: Plan) -> Plan {
    Plan { customers: 20_000, ..plan }
}

/// A thousand customers in about six hours for fifty representatives: 46.2 erlangs.
const BUSY: Plan = Plan {
    representatives: 50,
    customers: 1_000,
    gap: 22.0,
    talk: 960.0,
    wrap_up: 40,
    ring: 12.0,
    patience: 600.0,
    late_per_mille: 0,
    seed: 1,
};

#[test]
fn a_day_of_a_thousand_customers_and_fifty_representatives_is_reported() {
    for (what, late_per_mille) in [("a day, nobody dialled ahead", 0), ("a day, up to 3 % late", 30)] {
        let plan = Plan { late_per_mille, ..BUSY };
        let report = Day::run(plan);
        tell(what, &plan, &report);
        assert_eq!(report.served + report.left, 1_000);
    }
}

/// The band: four standard errors of the run itself (one run in some ten thousand is outside by chance), and for what the formulas
/// leave out a tenth of what they say: their service times are exponential, ours are an exponential talk and constant or uniform
/// parts (a squared coefficient of variation of 0.89), which by the usual correction (1 + 0.89) / 2 makes waits 5 % shorter; and the
/// run begins with an empty line.
#[test]
fn waits_and_those_who_leave_are_what_erlang_a_says() {
    let plan = long(BUSY);
    let report = Day::run(plan);
    let erlang = foretold(&plan);
    tell("long run, nobody dialled ahead", &plan, &report);
    let all: Vec<f64> = report.waits.clone();
    let error = standard_error(&all);
    // The formula's mean is over all who came; those who left waited, too, for as long as their patience.
    let left = report.left as f64 / plan.customers as f64;
    let in_line = erlang.leaves * plan.patience;
    let measured = left * plan.patience;
    assert!(
        (measured - in_line).abs() < 0.1 * in_line + 4.0 * error,
        "in line {measured:.1} s, Erlang A {in_line:.1} s ± {error:.1}"
    );
    let occupancy = report.served as f64 * taken(&plan) / report.length / plan.representatives as f64;
    assert!((occupancy - erlang.occupancy).abs() < 0.02, "taken {occupancy:.3}, Erlang A {:.3}", erlang.occupancy);
    assert_eq!((report.late, report.ahead), (0, 0), "whoever answered had somebody kept");
}

/// Erlang C has no impatience: customers who would wait for days. At 42 erlangs on 50 the line is short enough for a mean.
#[test]
fn patient_customers_wait_as_long_as_erlang_c_says() {
    let plan = long(Plan { gap: 24.2, patience: 1e9, seed: 2, ..BUSY });
    let report = Day::run(plan);
    let erlang = foretold(&plan);
    tell("long run, patient customers", &plan, &report);
    let (waited, error) = (mean(&report.waits), standard_error(&report.waits));
    assert!(
        (waited - erlang.wait).abs() < 0.1 * erlang.wait + 4.0 * error,
        "{waited:.1} s, Erlang C {:.1} s ± {error:.1}",
        erlang.wait
    );
}

/// Short talks, more customers than can be served: 57 erlangs on fifty representatives.
const BRISK: Plan = Plan { customers: 8_000, gap: 4.6, talk: 240.0, wrap_up: 5, patience: 300.0, seed: 3, ..BUSY };

/// Dialling ahead: representatives are taken for the time that the customer's phone rings no more, so more customers are served by as
/// many; and of those who answer no more find nobody than may: the bound, and four standard errors of such a share on top of it.
#[test]
fn dialling_ahead_serves_more_and_keeps_the_bound_on_those_who_find_nobody() {
    for late_per_mille in [10, 30, 100] {
        let plan = Plan { late_per_mille, ..BRISK };
        let report = Day::run(plan);
        let plain = Day::run(Plan { late_per_mille: 0, ..plan });
        tell(&format!("long run, up to {late_per_mille} ‰ late"), &plan, &report);
        let (bound, answered) = (f64::from(late_per_mille) / 1_000.0, report.answered as f64);
        let share = report.late as f64 / answered;
        assert!(share < bound + 4.0 * (bound / answered).sqrt(), "{share:.4} of {bound}");
        assert!(report.ahead > 0 && report.served > plain.served, "{} against {}", report.served, plain.served);
    }
}

/// What customers are told on average comes true on average, within a fifth: the estimate knows nothing of those who will leave before
/// them, which makes it longer, and is only asked of patient customers here.
#[test]
fn what_customers_are_told_of_their_wait_comes_true() {
    let plan = long(Plan { gap: 22.6, patience: 1e9, seed: 4, ..BUSY });
    let report = Day::run(plan);
    let told: Vec<f64> = report.told.iter().map(|(told, _)| *told).collect();
    let came: Vec<f64> = report.told.iter().map(|(_, came)| *came).collect();
    println!("told {:.1} s, waited {:.1} s, {} customers", mean(&told), mean(&came), told.len());
    assert!(told.len() > 1_000);
    assert!((mean(&told) / mean(&came) - 1.0).abs() < 0.2);
}
