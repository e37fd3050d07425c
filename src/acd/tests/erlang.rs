//! Erlang's formulas, worked out here from the birth-death chain and from nothing of the room's: what a virtual day is compared with.
//! C: whoever finds nobody free waits as long as it takes. A: and leaves after a time of their own.

/// The steady state of a queue of Poisson arrivals.
pub(super) struct Steady {
    /// The probability that a customer finds nobody free.
    pub(super) waits: f64,
    /// The share of customers who leave before they are served.
    pub(super) leaves: f64,
    /// The mean time in line of all customers, in the unit of the rates.
    pub(super) wait: f64,
    /// The share of the representatives' time that is taken.
    pub(super) occupancy: f64,
}

/// `arrivals` and `patience` are rates, `service` is the rate of one representative; `patience` of zero is Erlang C.
pub(super) fn steady(arrivals: f64, service: f64, patience: f64, representatives: usize) -> Steady {
    let c = representatives as f64;
    // States are cut off where what is left of them is nothing.
    let states = representatives + 5_000;
    let mut weights = vec![1.0f64];
    for n in 1..=states {
        let busy = (n as f64).min(c);
        let leaving = busy * service + (n as f64 - busy) * patience;
        let weight = weights[n - 1] * arrivals / leaving;
        weights.push(weight);
        if weight < 1e-14 * weights.iter().fold(0.0, |a: f64, b| a.max(*b)) && n > representatives {
            break;
        }
    }
    let sum: f64 = weights.iter().sum();
    let over =
        |f: &dyn Fn(f64) -> f64| weights.iter().enumerate().map(|(n, weight)| f(n as f64) * weight).sum::<f64>() / sum;
    let in_line = over(&|n| (n - c).max(0.0));
    Steady {
        waits: over(&|n| f64::from(u8::from(n >= c))),
        leaves: in_line * patience / arrivals,
        wait: in_line / arrivals,
        occupancy: over(&|n| n.min(c)) / c,
    }
}

#[test]
fn the_formulas_give_what_the_tables_have() {
    // Erlang C of 10 erlangs on 12 is 0.449 (its closed form, worked out below); the mean wait then is C / (c − a) of a service.
    let c = steady(10.0, 1.0, 0.0, 12);
    let mut b = 1.0f64;
    (1..=12).for_each(|n| b = 10.0 * b / (f64::from(n) + 10.0 * b));
    let closed = 12.0 * b / (12.0 - 10.0 * (1.0 - b));
    assert!((c.waits - closed).abs() < 1e-6, "{} {closed}", c.waits);
    assert!((c.wait - closed / 2.0).abs() < 1e-6);
    assert!((c.occupancy - 10.0 / 12.0).abs() < 1e-6);
    // With impatience nothing runs away: 15 erlangs on 12, of which about a fifth leave.
    let a = steady(15.0, 1.0, 1.0, 12);
    assert!((0.15..0.3).contains(&a.leaves) && a.occupancy < 1.0, "{}", a.leaves);
    assert!((a.leaves - (1.0 - 12.0 * a.occupancy / 15.0)).abs() < 1e-6, "who comes is served or leaves");
}
