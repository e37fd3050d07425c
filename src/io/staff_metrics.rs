//! What is counted of representatives and of who waits for them, over all businesses: nobody's name is a label, so nothing grows with the
//! accounts. Owns the names; refuses to judge.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;

use super::engine_thread::EngineHandle;
use crate::engine::api::{Look, Looked, Reply, StaffSums};
use crate::model::Directory;

/// How often the engine is asked.
const EVERY: Duration = Duration::from_secs(5);

/// Asks the engine every few seconds until it is stopped, from the first account with representatives on.
pub async fn follow(engine: EngineHandle, accounts: Arc<ArcSwap<Directory>>, mut stopped: watch::Receiver<bool>) {
    let mut any = false;
    let mut step = tokio::time::interval(EVERY);
    step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = step.tick() => {}
            _ = stopped.changed() => return,
        }
        any = any || accounts.load().businesses.values().any(|account| account.staffing.is_staffed());
        if !any {
            continue;
        }
        if let Reply::Looked(Looked::Staff(sums)) = engine.look(Look::Staff).await {
            observe(&sums);
        }
    }
}

fn observe(sums: &StaffSums) {
    for state in StaffSums::STATES {
        let count = sums.states.get(state).copied().unwrap_or(0);
        gauge!("callbridge_representatives", "state" => state).set(number(count));
    }
    let queue = &sums.queue;
    gauge!("callbridge_distribution_waiting").set(number(queue.waiting as u64));
    gauge!("callbridge_distribution_holding").set(number(queue.holding as u64));
    gauge!("callbridge_distribution_longest_wait_seconds").set(number(queue.longest_wait_seconds.unwrap_or(0)));
    let figures = &sums.figures;
    for (what, count) in [
        ("asked", figures.asked),
        ("talked", figures.talked),
        ("left_waiting", figures.left_waiting),
        ("unanswered", figures.unanswered),
        ("abandoned", figures.abandoned),
        ("late", figures.late),
        ("ahead", figures.ahead),
        ("overflowed", figures.overflowed),
        ("given_up", figures.given_up),
    ] {
        counter!("callbridge_distribution_customers_total", "what" => what).absolute(count);
    }
    counter!("callbridge_distribution_missed_total").absolute(figures.missed);
}

fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

pub(super) fn describe() {
    describe_gauge!("callbridge_representatives", "Representatives of all accounts, by state.");
    describe_gauge!("callbridge_distribution_waiting", "Customers in line whose phone is not dialled yet.");
    describe_gauge!("callbridge_distribution_holding", "Customers who have answered and wait for a representative.");
    describe_gauge!(
        "callbridge_distribution_longest_wait_seconds",
        "Since when the customer who waits longest has waited."
    );
    describe_counter!(
        "callbridge_distribution_customers_total",
        "Customers of call distribution, by what became of them."
    );
    describe_counter!("callbridge_distribution_missed_total", "Times that a representative did not take a call.");
}
