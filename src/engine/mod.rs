//! The engine: input in, outputs out; restore after a restart. Dispatches between the rooms and holds no business rule.
//!
//! Owns the live calls, the timers and the order of outputs. Refuses clocks, sockets and RTP packets. See [`api`] for the
//! contract; `accept` takes initiation messages, `legs` joins calls to SIP and media, `digits` and `transfer` what happens beside
//! the talk, `keep` makes things durable, `seen` keeps the ladders.

mod accept;
mod again;
pub mod api;
mod asleep;
mod config;
mod contact;
mod dial;
mod digits;
mod direct;
mod distribute;
mod door;
pub mod events;
mod failure;
mod identity;
mod keep;
mod legs;
mod limits;
mod lineup;
mod list;
mod look;
mod offers;
mod record;
mod redirect;
mod register;
mod seen;
mod spoken;
mod supervise;
mod switches;
mod taped;
#[cfg(test)]
mod tests;
mod transfer;
mod waits;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;

use crate::access::direct::{Held, Requests, Singles};
use crate::access::{Access, Permit};
use crate::billing::Prices;
use crate::call::{self, Attempt, Call};
use crate::clock::{Mono, Now, Timers, Wall};
use crate::ladder::Moment;
use crate::model::{
    AttemptRecord, Business, BusinessId, CallId, CallRecord, CallView, Codecs, Directory, Hop, LegId, OurKeys, Trunk,
};
use crate::routing::{Claim, Routing};
use crate::schedule::Schedule;
use crate::sdp::MediaPlan;
use crate::sip::api::{AskId, OfferId};
use crate::sip::{Stack, StackConfig};

use api::{Input, Notice, Output, Reply, ReplyTo, StoreOp, StoreToken};
pub use config::{EngineConfig, Stir};

/// While calls are live the store is told so this often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A failed store operation is tried again after this.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Calls whose time has come but not their turn are looked at this often.
const TURN: Duration = Duration::from_secs(1);
/// A channel that was given back is offered so soon: many that come back together are offered in one go.
const OFFER: Duration = Duration::from_millis(50);

/// The whole equipment between its sockets. See [`api`].
pub struct Engine {
    config: EngineConfig,
    rng: StdRng,
    stack: Stack,
    routing: Routing,
    access: Access,
    requests: Requests,
    singles: Singles,
    schedule: Schedule,
    directory: Arc<Directory>,
    /// Those that are awake. Boxed, as everything large that a tree holds: a node has room for eleven, and most of it stays empty.
    calls: BTreeMap<CallId, Box<Live>>,
    /// Those that wait for their time.
    asleep: asleep::Dormitory,
    recording: BTreeMap<CallId, Box<Recorded>>,
    /// Calls whose time has come but not their turn.
    queued: lineup::Lineup<CallId>,
    /// Legs that are to be dialled and find no channel.
    seeking: lineup::Lineup<LegId>,
    timers: Timers<TimerKey>,
    outputs: VecDeque<Output>,
    pending: BTreeMap<StoreToken, Pending>,
    seen: seen::Seen,
    next_token: u64,
    asked: BTreeMap<AskId, switches::Purpose>,
    registrars: Vec<register::Registrar>,
    retired: Vec<register::Registrar>,
    next_ask: u64,
    drain: Drain,
    media_full: bool,
    waits: waits::Waits,
    books: limits::Books,
    desks: distribute::Desks,
}

/// A call that is not over.
struct Live {
    call: Call,
    business: Arc<Business>,
    /// What it pays by.
    prices: Prices,
    standing: Standing,
    legs: BTreeMap<Attempt, Box<LegMedia>>,
    /// When it is, or was, to be placed.
    due: Wall,
    /// When it became due and durable: set-up is measured from here.
    due_at: Mono,
    /// The channel that is kept for the representative until that leg has its own.
    claim: Option<Claim>,
    bridged_at: Option<Mono>,
    /// Its recording, from the first bridge on.
    taped: Option<taped::Taped>,
    /// Since when the customer holds, until somebody talks with it.
    holds_since: Option<Mono>,
    /// The transfer that the call is being asked about.
    asked: Option<transfer::Referral>,
    /// The last transfer that it accepted.
    referral: Option<transfer::Referral>,
    /// What its followers are told.
    moments: events::Moments,
    /// While it lives, no direct request calls its customer.
    single: Held,
    /// What it holds of its account's bounds.
    share: limits::Share,
    /// How far call distribution is with it.
    sought: distribute::Sought,
}

impl Live {
    /// A call of which nothing is dialled; it holds its share of the account's bounds and its customer's number.
    fn new(
        now: Now,
        call: Call,
        (business, prices): (Arc<Business>, Prices),
        standing: Standing,
        moments: events::Moments,
        (share, single): (limits::Share, Held),
    ) -> Live {
        Live {
            single,
            business,
            prices,
            standing,
            legs: BTreeMap::new(),
            due: call.message().desired_contact_time.unwrap_or(call.created_at()),
            due_at: now.mono,
            claim: None,
            bridged_at: None,
            taped: None,
            holds_since: None,
            asked: None,
            referral: None,
            moments,
            share,
            sought: distribute::Sought::default(),
            call,
        }
    }
}

/// How far the equipment has let a call come.
enum Standing {
    /// Waits to be durable.
    Accepting { permit: Permit },
    /// Is to wait for another try, and waits to be durable.
    PuttingOff { permit: Option<Permit> },
    /// Waits for its desired contact time, or for another try.
    Scheduled { _permit: Option<Permit> },
    /// Its time has come; it waits for a place among its business's live calls.
    Queued { permit: Option<Permit> },
    /// Placed.
    Placed { _permit: Permit },
}

/// What signalling and media share of one leg.
struct LegMedia {
    hop: Hop,
    trunk: Arc<Trunk>,
    caller: identity::Caller,
    /// The number called, in E.164, where it is one.
    called: Option<String>,
    /// What it is offered, and what it may ask for later.
    codecs: Codecs,
    /// The packet time that it is asked for, in milliseconds.
    ptime_ms: u16,
    port: Port,
    session_id: u64,
    /// Its SRTP keys, where its switch has SRTP.
    our_keys: Option<Box<OurKeys>>,
    version: u64,
    plan: Option<MediaPlan>,
    /// What early dialogs agreed on by offers of the peer.
    early: Vec<(OfferId, MediaPlan)>,
    /// The try under way, and what is left to try.
    tries: dial::Tries,
    /// What it is still to be told by INFO.
    keys: digits::Keys,
    /// The description that we sent last.
    sdp: Arc<[u8]>,
}

/// A leg's media port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Port {
    /// Asked for.
    Opening,
    /// Asked for, but the leg ended meanwhile.
    Unwanted,
    /// Ours.
    Open(SocketAddr),
    /// Being given back.
    Closing,
}

/// A finished call whose record is not durable yet.
struct Recorded {
    record: CallRecord,
    attempts: Vec<AttemptRecord>,
    view: CallView,
    moments: events::Moments,
    business: Arc<Business>,
    /// Who asked for its end, and what they are told once it is durable.
    askers: Vec<(ReplyTo, Reply)>,
}

/// Store operations under way.
enum Pending {
    Accept { call: CallId, reply: ReplyTo },
    Progress { call: CallId, told: u32 },
    Finish { call: CallId },
    Ladder { call: CallId },
    Alive,
    Limit(Box<crate::model::LimitReached>),
    Session { reply: ReplyTo, session: crate::model::StoredSession },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drain {
    No,
    Asked,
    Said,
}

/// Why the engine wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerKey {
    /// A call may be due.
    Schedule,
    /// A queued call may have its turn.
    Turn,
    /// The heartbeat.
    Alive,
    /// A deadline of a call.
    Call(CallId, call::Timer),
    /// A store operation is tried again.
    StoreRetry(CallId),
    /// Legs look for a free channel again.
    Seek,
    /// A switch has been silent, or has said nothing but 100, for long enough.
    Answer(LegId),
    /// Some switch is asked whether it lives.
    Probe,
    /// Hosts that were left may carry no call any more.
    Door,
    /// A switch is registered with.
    Registration,
    /// A leg is told its next key by INFO.
    Keys(LegId),
    /// A call's ladder is stored.
    Ladder(CallId),
    /// What is reserved for a call soon ends.
    Ceiling(CallId),
    /// A call that waits may sleep.
    Rest(CallId),
    /// A business's call distribution.
    Desk(distribute::DeskNo),
}

/// Why `poll_timeout` names a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A timer of the engine.
    Timer(TimerKey),
    /// A timer of SIP, named.
    Sip(&'static str),
}

/// What the engine holds: all zero (but scheduled calls) when nothing is going on. For tests, metrics and drain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Calls not over, scheduled ones too.
    pub calls: usize,
    /// Calls waiting for their time.
    pub scheduled: usize,
    /// Records not durable yet.
    pub recording: usize,
    /// Media ports asked for or held.
    pub ports: usize,
    /// Permits out.
    pub permits: usize,
    /// Engine timers set.
    pub timers: usize,
    /// Store operations under way.
    pub pending_store: usize,
    /// SIP transactions and dialogs.
    pub sip: usize,
    /// Channels of switches in use.
    pub channels: usize,
    /// Ladders not in the store.
    pub ladders: usize,
    /// Customers that call distribution knows.
    pub distributed: usize,
}

impl Engine {
    /// An engine that knows no business yet (see [`Input::Directory`]). `rng` must be unpredictable in production.
    pub fn new(config: EngineConfig, mut rng: StdRng) -> Engine {
        use rand::SeedableRng;
        let routing = Routing::new(config.switches.clone());
        let mut stack_config = StackConfig::new(config.sip.clone(), door::sources(&routing), config.user_agent.clone());
        stack_config.strays_per_second = config.strays_per_second;
        let doors = Output::Sources(Arc::new(stack_config.sources.clone()));
        let stack = Stack::new(stack_config, StdRng::from_rng(&mut rng));
        let mut engine = Engine {
            config,
            rng,
            stack,
            routing,
            access: Access::default(),
            requests: Requests::default(),
            singles: Singles::default(),
            schedule: Schedule::default(),
            directory: Arc::default(),
            calls: BTreeMap::new(),
            asleep: asleep::Dormitory::default(),
            recording: BTreeMap::new(),
            queued: lineup::Lineup::default(),
            seeking: lineup::Lineup::default(),
            timers: Timers::default(),
            outputs: VecDeque::from([doors]),
            pending: BTreeMap::new(),
            seen: seen::Seen::default(),
            next_token: 0,
            asked: BTreeMap::new(),
            registrars: Vec::new(),
            retired: Vec::new(),
            next_ask: 0,
            drain: Drain::No,
            media_full: false,
            waits: waits::Waits::default(),
            books: limits::Books::default(),
            desks: distribute::Desks::default(),
        };
        engine.watch_switches();
        engine.watch_registrations();
        engine
    }

    /// Takes exactly one input. Drain `poll_output` before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.seen.hears_from(None);
        let named = input.names();
        if let Some(call) = named {
            self.wake(now, call);
        }
        match input {
            Input::Sip { from, bytes } => {
                self.seen.hears_from(Some(from));
                self.stack.receive(now.mono, from, bytes);
            }
            Input::SipLost { hop, loss } => self.stack.lost(now.mono, hop, loss),
            Input::Initiate { reply, message } => self.initiate(now, reply, *message),
            Input::Get { reply, business, call } => {
                let view = self.view(&business, call).map(|view| self.with_wait(now, view));
                self.reply(reply, Reply::Call(view.map(Box::new)));
            }
            Input::Ladder { reply, business, call } => self.show_ladder(reply, &business, call),
            Input::Watch { reply, business, call, after } => self.watch(now, reply, &business, call, after),
            Input::List { reply, business, filter } => self.list(reply, &business, &filter),
            Input::Look { reply, look } => self.look(now, reply, &look),
            Input::Delete { reply, business, call } => self.delete(now, reply, &business, call),
            Input::Staff { reply, business, wish } => self.staff(now, reply, business, wish),
            Input::Supervise { reply, business, call, wish } => self.wish(now, reply, &business, call, wish),
            Input::Media(event) => self.media_event(now, event),
            Input::Stored { token, result } => self.stored(now, token, result),
            Input::MediaFull(full) => self.media_full = full,
            Input::RecordingFailed(call) => self.recording_failed(call),
            Input::Directory(directory) => {
                self.replace_directory(directory);
                self.restaff(now);
                self.mind_ceilings(now);
            }
            Input::Adjusted(adjusted) => self.adjust_usage(&adjusted),
            Input::Resolved { switch, targets } => self.resolved(&switch, targets),
            Input::Drain => {
                self.drain = if self.drain == Drain::No { Drain::Asked } else { self.drain };
                self.see_drain(now);
                self.unregister_all(now);
            }
            Input::HangUpAll => self.hang_up_all(now),
            Input::Timeout => self.timeout(now),
        }
        self.pump(now);
        if let Some(call) = named {
            self.put_to_sleep(call);
        }
        self.say_drained();
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call again with [`Input::Timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Mono, Reason)> {
        let own = self.timers.next().map(|(at, key)| (at, Reason::Timer(*key)));
        let sip = self.stack.poll_timeout().map(|(at, why)| (at, Reason::Sip(why)));
        match (own, sip) {
            (Some(own), Some(sip)) => Some(if own.0 <= sip.0 { own } else { sip }),
            (own, sip) => own.or(sip),
        }
    }

    /// Replaces switches and bounds of time; live calls keep what they began with.
    pub fn reconfigure(&mut self, config: EngineConfig) {
        self.routing.reconfigure(config.switches.clone());
        self.know_sources();
        self.stack.set_strays_per_second(config.strays_per_second);
        self.config = config;
        for live in self.calls.values_mut().filter(|live| !matches!(live.standing, Standing::Placed { .. })) {
            live.prices = Prices::of(&live.business, &self.config.tariffs);
        }
        self.watch_switches();
        self.watch_registrations();
    }

    /// What is held.
    pub fn census(&self) -> Census {
        Census {
            calls: self.calls.len() + self.asleep.len(),
            scheduled: self.schedule.len(),
            recording: self.recording.len(),
            ports: self.calls.values().map(|live| live.legs.len()).sum(),
            permits: usize::try_from(self.access.permits_out()).unwrap_or(usize::MAX),
            timers: self.timers.len(),
            pending_store: self.pending.len(),
            sip: self.stack.live(),
            channels: usize::try_from(self.routing.channels_out()).unwrap_or(usize::MAX),
            ladders: self.seen.len(),
            distributed: self.desks.customers(),
        }
    }

    fn timeout(&mut self, now: Now) {
        self.stack.timeout(now.mono);
        while let Some(key) = self.timers.pop_due(now.mono) {
            match key {
                TimerKey::Schedule => self.look_at_schedule(now),
                TimerKey::Turn => self.give_turns(now),
                TimerKey::Alive => self.heartbeat(now),
                TimerKey::Call(call, timer) => self.tell(now, call, call::Event::Timer(timer)),
                TimerKey::StoreRetry(call) => self.retry_store(call),
                TimerKey::Seek => self.seek(now),
                TimerKey::Answer(leg) => self.try_is_silent(now, leg),
                TimerKey::Probe => self.probe_switches(now),
                TimerKey::Door => self.look_at_door(now),
                TimerKey::Registration => self.registrations_due(now),
                TimerKey::Keys(leg) => self.next_key(now, leg),
                TimerKey::Ladder(call) => self.look_at_ladder(now, call),
                TimerKey::Ceiling(call) => self.mind_ceiling(now, call, true),
                TimerKey::Rest(call) => self.rest(call),
                TimerKey::Desk(no) => self.desk_is_due(now, no),
            }
        }
    }

    /// Gives one event to a call and does what it wants.
    fn tell(&mut self, now: Now, id: CallId, event: call::Event) {
        if let Some(live) = self.calls.get_mut(&id) {
            if !live.call.is_ending() {
                self.seen.event(now, &live.call, &event);
            }
            live.call.handle(now, event);
            self.drive(now, id);
        }
    }

    fn delete(&mut self, now: Now, reply: ReplyTo, business: &BusinessId, id: CallId) {
        if self.recording.get(&id).is_some_and(|r| r.record.business_id == *business) {
            return self.reply_when_recorded(id, reply, Reply::AlreadyEnded);
        }
        if self.view(business, id).is_none() {
            return self.reply(reply, Reply::Deleted(None));
        }
        self.queued.leave(id);
        self.see(now, id, Moment::Deleted);
        self.tell(now, id, call::Event::Cancel);
        let view = self.view(business, id).map(Box::new);
        self.reply_when_recorded(id, reply, Reply::Deleted(view));
    }

    /// A call of this business that the store does not speak for yet.
    fn view(&self, business: &BusinessId, id: CallId) -> Option<CallView> {
        let own = |view: &CallView| view.business_id == *business;
        if let Some(recorded) = self.recording.get(&id) {
            return Some(recorded.view.clone()).filter(own);
        }
        // What is not durable yet does not exist for anybody.
        let live = self.calls.get(&id).filter(|live| !matches!(live.standing, Standing::Accepting { .. }))?;
        Some(taped::shown(live, live.call.view())).filter(own)
    }

    fn replace_directory(&mut self, directory: Arc<Directory>) {
        for live in self.calls.values_mut() {
            if let Some(business) = directory.get(&live.business.id) {
                live.business = Arc::clone(business);
                // A placed call keeps what its tariff said when it was placed.
                let keeps = matches!(live.standing, Standing::Placed { .. })
                    && matches!(&live.prices, Prices::Plan(plan) if business.tariff_name.as_ref() == Some(plan.name()));
                if !keeps {
                    live.prices = Prices::of(business, &self.config.tariffs);
                }
            }
        }
        self.forget_gone(&directory);
        self.directory = directory;
    }

    fn hang_up_all(&mut self, now: Now) {
        let placed = |live: &Live| matches!(live.standing, Standing::Placed { .. });
        let ids: Vec<CallId> = self.calls.values().filter(|live| placed(live)).map(|live| live.call.id()).collect();
        for id in ids {
            self.tell(now, id, call::Event::Shutdown);
        }
    }

    fn say_drained(&mut self) {
        let busy = |live: &Live| {
            matches!(live.standing, Standing::Accepting { .. } | Standing::Placed { .. } | Standing::PuttingOff { .. })
        };
        if self.drain == Drain::Asked
            && self.recording.is_empty()
            && !self.owes_ladders()
            && !self.calls.values().any(|live| busy(live))
        {
            self.drain = Drain::Said;
            self.outputs.push_back(Output::Drained);
        }
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.outputs.push_back(Output::Reply { to, reply });
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    fn store(&mut self, op: StoreOp, pending: Pending) {
        self.next_token += 1;
        let token = StoreToken(self.next_token);
        self.pending.insert(token, pending);
        self.outputs.push_back(Output::Store { token, op });
    }

    fn wall_in_future(now: Now, at: Option<Wall>) -> Option<Wall> {
        at.filter(|at| *at > now.wall)
    }
}
