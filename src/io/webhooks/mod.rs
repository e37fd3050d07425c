//! Events to the businesses' webhooks (Standard Webhooks) and to the sinks of calls (CloudEvents): out of the store's outbox, each until it
//! is taken or given up. Owns who is sent what and when: bounds, retries, the end by 410 and by a token's expiry. Refuses to know what an
//! event says; the order within a call is the outbox's. A business's sinks have a lane of their own, beside its webhook's.
//!
//! One task decides, one task for each try. What a try came to is durable before its call's next event is looked for; a crash between
//! the answer and that sends an event twice, under the same `webhook-id`.

mod judge;
mod lane;
mod means;
mod pace;
mod retry;
mod send;
mod sign;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Wall;
use crate::io::store::{Due, OutboxOp, Outlet, Settlement, SqliteStore, StoreError, Verdict, Way};
use crate::model::{BusinessId, Directory, Sink, Webhook, WebhookUrl};
use lane::{Lane, Look};
pub use means::MeansError;
pub use send::Means;
use send::Outcome;

/// Tries at once.
const AT_ONCE: usize = 256;
/// Of them, to webhooks that are not known to be quick.
const SLOW_AT_ONCE: usize = 128;
/// The outbox's depth is counted this often.
const COUNT: Duration = Duration::from_secs(5);
/// All webhooks are looked at this often, whether or not something was heard of them.
const LOOK: Duration = Duration::from_secs(60);
/// What cannot be made durable is tried again after this.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Tries that are under way when the daemon stops may take so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The sender. Whoever drops it leaves what it has not settled to the next start.
pub struct Webhooks {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Shared {
    store: Arc<SqliteStore>,
    accounts: Arc<ArcSwap<Directory>>,
    means: ArcSwap<Means>,
    clock: fn() -> Wall,
    /// Accounts changed, or somebody else wrote into the outbox.
    changed: Notify,
}

impl Webhooks {
    /// Begins to send. `accounts` is read anew for each event.
    pub fn start(
        store: Arc<SqliteStore>,
        accounts: Arc<ArcSwap<Directory>>,
        means: Means,
        clock: fn() -> Wall,
    ) -> Webhooks {
        let shared = Shared { store, accounts, means: ArcSwap::from_pointee(means), clock, changed: Notify::new() };
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(false);
        let dispatcher = Dispatcher::new(Arc::clone(&shared));
        Webhooks { shared, stop, task: tokio::spawn(dispatcher.run(stopped)) }
    }

    /// From now on events are sent like this.
    pub fn reload(&self, means: Means) {
        self.shared.means.store(Arc::new(means));
        self.shared.changed.notify_one();
    }

    /// What to call when accounts have changed.
    pub fn accounts_changed(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.changed.notify_one()
    }

    /// Whether events may go to an address at all, as far as that can be said before its name is looked up; why not, in words.
    pub fn judge(&self) -> impl Fn(&WebhookUrl) -> Result<(), String> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |url| send::foreseen(&shared.means.load(), url).map_err(|fault| fault.to_string())
    }

    /// Begins no more tries, and waits a moment for those under way.
    pub async fn stop(mut self) {
        let _nobody_listens = self.stop.send(true);
        if tokio::time::timeout(LAST_WORDS + Duration::from_secs(1), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// What a task has to say to the dispatcher.
struct Landed {
    outlet: Outlet,
    number: i64,
    slow: bool,
    took: Duration,
    end: End,
}

/// How it went with the webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It took an event.
    Taken,
    /// It did not.
    Failed,
    /// It wants no more.
    Gone,
    /// It was not asked.
    Buried,
}

/// Whom an event is sent to.
#[derive(Clone)]
enum Target {
    Webhook(Webhook),
    Sink(Sink),
}

/// Decides who is sent what, and when.
struct Dispatcher {
    shared: Arc<Shared>,
    lanes: BTreeMap<Outlet, Lane>,
    flying: JoinSet<Landed>,
    slow: usize,
    /// The one after whom the next round begins.
    turn: Option<Outlet>,
}

impl Dispatcher {
    fn new(shared: Arc<Shared>) -> Dispatcher {
        Dispatcher { shared, lanes: BTreeMap::new(), flying: JoinSet::new(), slow: 0, turn: None }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let shared = Arc::clone(&self.shared);
        let (mut counted, mut looked): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.look_at_all().await;
            }
            if counted.is_none_or(|at| at.elapsed() >= COUNT) {
                counted = Some(Instant::now());
                self.count().await;
            }
            self.refill().await;
            self.launch();
            let pause = self.pause();
            tokio::select! {
                rung = shared.store.bell().heard() => self.rung(rung),
                Some(landed) = self.flying.join_next() => self.landed(landed.ok()),
                () = shared.changed.notified() => looked = None,
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => break,
            }
            while let Some(landed) = self.flying.try_join_next() {
                self.landed(landed.ok());
            }
        }
        let end = async { while self.flying.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORDS, end).await.is_err() {
            tracing::info!("events that were being sent are sent again at the next start");
        }
        self.flying.shutdown().await;
    }

    fn rung(&mut self, outlets: BTreeSet<Outlet>) {
        for outlet in outlets {
            self.lanes.entry(outlet).or_default().look();
        }
    }

    /// Every business with something on its way; those without any more are forgotten.
    async fn look_at_all(&mut self) {
        match self.read(|store| store.archive().awaited()).await {
            Ok(awaited) => {
                let directory = self.shared.accounts.load();
                self.lanes.retain(|(business, _), lane| !lane.is_idle() || directory.get(business).is_some());
                self.rung(awaited.into_iter().collect());
            }
            Err(why) => tracing::error!(why, "the outbox cannot be read"),
        }
    }

    async fn count(&mut self) {
        if let Ok(depth) = self.read(|store| store.archive().outbox_depth()).await {
            gauge!("callbridge_webhook_outbox_depth").set(depth as f64);
        }
    }

    /// Reads what is due for the lanes that have run empty.
    async fn refill(&mut self) {
        let now = (self.shared.clock)();
        let wanting = self.lanes.iter().filter_map(|(name, lane)| Some((name.clone(), lane.wants(now)?)));
        let wanting: Vec<(Outlet, usize)> = wanting.collect();
        if wanting.is_empty() {
            return;
        }
        let read = move |store: &SqliteStore| {
            let look = |(outlet, limit): (Outlet, usize)| {
                let (due, next) = store.archive().due(&outlet, now, limit)?;
                Ok::<_, StoreError>((outlet, Look { due, next, limit }))
            };
            wanting.into_iter().map(look).collect::<Result<Vec<_>, _>>()
        };
        match self.read(read).await {
            Ok(found) => {
                for (outlet, look) in found {
                    self.lanes.entry(outlet).or_default().fill(look);
                }
            }
            Err(why) => {
                tracing::error!(why, "the outbox cannot be read");
                tokio::time::sleep(STORE_RETRY).await;
            }
        }
    }

    /// Reads block: they are kept off these threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqliteStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, String> {
        let store = Arc::clone(&self.shared.store);
        let done = tokio::task::spawn_blocking(move || read(&store)).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Sends what may be sent, one event of each lane in turn.
    fn launch(&mut self) {
        let (directory, now) = (self.shared.accounts.load_full(), Instant::now());
        let names: Vec<Outlet> = self.lanes.keys().cloned().collect();
        let first = self.turn.as_ref().map_or(0, |turn| names.partition_point(|name| name <= turn));
        let mut some = true;
        while some {
            some = false;
            for name in names.iter().cycle().skip(first).take(names.len()) {
                if self.flying.len() >= AT_ONCE {
                    return;
                }
                let webhook = directory.get(&name.0).and_then(|business| business.webhook.clone());
                some |= self.launch_one(name, webhook.filter(Webhook::is_enabled), now);
            }
        }
    }

    fn launch_one(&mut self, name: &Outlet, webhook: Option<Webhook>, now: Instant) -> bool {
        let wall = (self.shared.clock)();
        let Some(lane) = self.lanes.get_mut(name) else { return false };
        let target = |due: &Due| match name.1 {
            Way::Webhook => webhook.clone().map(Target::Webhook),
            Way::Sink => due.sink.clone().filter(|sink| sink.is_open(wall)).map(Target::Sink),
        };
        let buried = lane.next_to_bury(wall, |due| match name.1 {
            Way::Webhook => webhook.is_none(),
            Way::Sink => due.sink.as_ref().is_none_or(|sink| !sink.is_open(wall)),
        });
        let slow = buried.is_none() && !lane.pace.is_quick();
        if slow && self.slow >= SLOW_AT_ONCE {
            return false;
        }
        let Some(due) = buried.clone().or_else(|| lane.next(now)) else { return false };
        self.turn = Some(name.clone());
        self.slow += usize::from(slow);
        let (shared, outlet) = (Arc::clone(&self.shared), name.clone());
        match target(&due).filter(|_| buried.is_none()) {
            Some(target) => self.flying.spawn(deliver(shared, outlet, target, due, slow)),
            None => self.flying.spawn(bury(shared, outlet, due)),
        };
        true
    }

    fn landed(&mut self, landed: Option<Landed>) {
        // A task that panicked has settled nothing: its event is sent at the next start.
        let Some(landed) = landed else { return tracing::error!("a task that sends events panicked") };
        self.slow -= usize::from(landed.slow).min(self.slow);
        let Some(lane) = self.lanes.get_mut(&landed.outlet) else { return };
        lane.landed(landed.number);
        match landed.end {
            End::Taken => lane.pace.succeeded(landed.took),
            End::Failed if lane.pace.failed(Instant::now()) => {
                tracing::warn!(business = %landed.outlet.0, "the webhook, or a sink, fails again and again: it is tried now and then");
            }
            End::Gone => lane.pace.gone(Instant::now()),
            End::Failed | End::Buried => {}
        }
    }

    /// Until something is due without anybody saying so.
    fn pause(&self) -> Duration {
        let (wall, now) = ((self.shared.clock)(), Instant::now());
        let soonest = self.lanes.values().filter_map(|lane| lane.wakes_after(wall, now)).min();
        soonest.unwrap_or(COUNT).min(COUNT)
    }
}

/// One try and what becomes of the event, durable.
async fn deliver(shared: Arc<Shared>, outlet: Outlet, target: Target, due: Due, slow: bool) -> Landed {
    let begun = Instant::now();
    let business = outlet.0.clone();
    let outcome =
        send::attempt(&shared.means.load_full(), &target, &due.id.to_string(), &due.body, (shared.clock)()).await;
    let took = begun.elapsed();
    let end = match outcome {
        Outcome::Taken(_) => End::Taken,
        Outcome::Gone if outlet.1 == Way::Webhook => End::Gone,
        // One sink of many: those of other calls are sent to as before.
        Outcome::Gone => End::Taken,
        Outcome::Answered(..) | Outcome::Failed(_) => End::Failed,
    };
    let number = due.number;
    let settlement = verdict(&due, &outcome, (shared.clock)(), rand::random());
    if outcome == Outcome::Gone
        && let Target::Webhook(webhook) = &target
    {
        gone(&shared, &business, webhook).await;
    }
    let result = match (&outcome, settlement.verdict) {
        (_, Verdict::Delivered) => "delivered",
        (Outcome::Gone, _) => "gone",
        (_, Verdict::Dead) => "dead",
        (Outcome::Failed(send::Fault::Barred | send::Fault::Clear), Verdict::Later(_)) => "barred",
        (_, Verdict::Later(_)) => "failed",
    };
    count(outlet.1, result);
    if result == "dead" {
        tracing::warn!(%business, id = %due.id, why = settlement.problem.as_deref(), "an event was given up");
    }
    settle(&shared, settlement).await;
    Landed { outlet, number, slow, took, end }
}

fn count(way: Way, result: &'static str) {
    let name = match way {
        Way::Webhook => "callbridge_webhook_deliveries_total",
        Way::Sink => "callbridge_sink_deliveries_total",
    };
    counter!(name, "result" => result).increment(1);
}

/// What becomes of an event after this try.
fn verdict(due: &Due, outcome: &Outcome, at: Wall, chance: f64) -> Settlement {
    let attempts = due.attempts.saturating_add(1);
    let (status, problem, asked) = match outcome {
        Outcome::Taken(status) => (Some(*status), None, None),
        Outcome::Gone => (Some(410), Some("it answered 410: nothing more is sent".to_owned()), None),
        Outcome::Answered(status, asked) => (Some(*status), Some(format!("it answered {status}")), *asked),
        Outcome::Failed(fault) => (None, Some(fault.to_string()), None),
    };
    let verdict = match outcome {
        Outcome::Taken(_) => Verdict::Delivered,
        Outcome::Gone => Verdict::Dead,
        Outcome::Answered(..) | Outcome::Failed(_) => match retry::pause(attempts, chance, asked) {
            Some(pause) => Verdict::Later(at + pause),
            None => Verdict::Dead,
        },
    };
    Settlement { number: due.number, verdict, attempts, at, status, problem }
}

/// An event that nobody is asked to take any more becomes a dead letter.
async fn bury(shared: Arc<Shared>, outlet: Outlet, due: Due) -> Landed {
    let Due { number, attempts, since, .. } = due;
    let at = (shared.clock)();
    let problem = match outlet.1 {
        _ if lane::is_late(since, at) => "it could not be sent for three days",
        Way::Webhook => "the business has no webhook, or it was disabled",
        Way::Sink => "the sink's access token has expired, or the sink wanted no more",
    };
    let problem = Some(problem.to_owned());
    settle(&shared, Settlement { number, verdict: Verdict::Dead, attempts, at, status: None, problem }).await;
    count(outlet.1, "dead");
    Landed { outlet, number, slow: false, took: Duration::ZERO, end: End::Buried }
}

/// 410: the account says so before the event is settled.
async fn gone(shared: &Arc<Shared>, business: &BusinessId, webhook: &Webhook) {
    loop {
        let (store, id, url) = (Arc::clone(&shared.store), business.clone(), webhook.url.clone());
        let at = (shared.clock)();
        let done = tokio::task::spawn_blocking(move || store.archive().webhook_gone(&id, &url, at)).await;
        match done {
            Ok(Ok(true)) => return tracing::warn!(%business, "the webhook answered 410 and is disabled"),
            // Another one, or disabled already.
            Ok(Ok(false)) => return,
            Ok(Err(error)) => tracing::error!(%business, %error, "the webhook answered 410 and cannot be disabled"),
            Err(error) => tracing::error!(%business, %error, "the webhook answered 410 and cannot be disabled"),
        }
        tokio::time::sleep(STORE_RETRY).await;
    }
}

/// Until it is durable: an event that was taken is not to be sent again for want of a try.
async fn settle(shared: &Shared, settlement: Settlement) {
    loop {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| {
            // Nobody waits when the daemon has stopped.
            let _nobody = tell.send(result);
        });
        if shared.store.outbox(OutboxOp::Settle(settlement.clone()), done).is_ok() && matches!(told.await, Ok(Ok(_))) {
            return;
        }
        tokio::time::sleep(STORE_RETRY).await;
    }
}

/// The metrics' words.
pub fn describe() {
    describe_counter!("callbridge_webhook_deliveries_total", "Tries to send events to webhooks, by result.");
    describe_counter!("callbridge_sink_deliveries_total", "Tries to send events to the sinks of calls, by result.");
    describe_gauge!("callbridge_webhook_outbox_depth", Unit::Count, "Events on their way to webhooks and sinks.");
}

#[cfg(test)]
mod tests;
