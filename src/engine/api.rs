//! The engine's contract with the world outside: every input, every output. Owns the vocabulary; refuses I/O types.
//!
//! `handle` takes exactly one [`Input`]; `poll_output` is drained before the next; `poll_timeout` says when and why to call
//! again with [`Input::Timeout`].

use std::sync::Arc;
use std::time::Duration;

pub use crate::access::destinations::Denied;
pub use crate::access::direct::TooMany;
pub use crate::call::SupervisorRefusal;
use crate::call::TransferRefusal;
use crate::clock::Wall;
use crate::ladder::Ladder;
use crate::media::api as media;
pub use crate::routing::SwitchView;

use crate::model::{
    Alarm, AttemptRecord, BusinessId, CallId, CallRecord, CallState, CallView, DayAdjustment, Directory, Endpoint, Hop,
    InitiationMessage, Limit, LimitReached, Progress, RepresentativeId, RepresentativeView, Sample, StoredCall,
    StoredSession, SupervisorMode, SupervisorView, Target, Wish,
};
use crate::routing::Failure;
use crate::sip::api::{Loss, Note, RefusedWhy, Sources};
pub use crate::sip::registration::Shown as RegistrationState;

/// Names the one who waits for a reply (an HTTP request).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplyTo(pub u64);

/// Names a store operation until it is durable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreToken(pub u64);

/// Everything that can happen to the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// A SIP message: a datagram, or one message of a stream.
    Sip { from: &'a Hop, bytes: &'a [u8] },
    /// A connection to this hop could not be made, or broke with what was on its way.
    SipLost { hop: &'a Hop, loss: Loss },
    /// A business asks about its representatives, or says what one of them wants. Answered by [`Reply::Representatives`].
    Staff { reply: ReplyTo, business: BusinessId, wish: StaffWish },
    /// An initiation message whose business and password were verified.
    Initiate { reply: ReplyTo, message: Box<InitiationMessage> },
    /// What is known of this live call.
    Get { reply: ReplyTo, business: BusinessId, call: CallId },
    /// The ladder of a call of this business, while it is not in the store.
    Ladder { reply: ReplyTo, business: BusinessId, call: CallId },
    /// Calls of a business that have no durable record, the newest first: a part of them.
    List { reply: ReplyTo, business: BusinessId, filter: ListFilter },
    /// What happened to a call of this business after what is known already: answered when there is something.
    Watch { reply: ReplyTo, business: BusinessId, call: CallId, after: After },
    /// An operator looks at the whole equipment.
    Look { reply: ReplyTo, look: Look },
    /// Cancel or hang up.
    Delete { reply: ReplyTo, business: BusinessId, call: CallId },
    /// A third party at a talk: comes, changes, goes.
    Supervise { reply: ReplyTo, business: BusinessId, call: CallId, wish: SupervisorWish },
    /// From the media threads.
    Media(media::Event),
    /// The store has made an operation durable, or could not.
    Stored { token: StoreToken, result: Result<(), StoreFailure> },
    /// Something of this call's recording is missing: the disk failed, or was too slow.
    RecordingFailed(CallId),
    /// The media threads have as much to do as they can bear, or have air again.
    MediaFull(bool),
    /// The accounts changed.
    Directory(Arc<Directory>),
    /// Calls that have their records were rated anew.
    Adjusted(Vec<DayAdjustment>),
    /// A switch's name was looked up: these are its places from now on.
    Resolved { switch: String, targets: Vec<Target> },
    /// Take no new calls; say [`Output::Drained`] when the last live one is over. Scheduled calls stay in the store.
    Drain,
    /// End every live call now (the drain took too long).
    HangUpAll,
    /// The moment that `poll_timeout` named has come.
    Timeout,
}

impl Input<'_> {
    /// The one call that it asks about.
    pub(super) fn names(&self) -> Option<CallId> {
        match self {
            Input::Get { call, .. }
            | Input::Ladder { call, .. }
            | Input::Watch { call, .. }
            | Input::Delete { call, .. }
            | Input::Supervise { call, .. }
            | Input::Look { look: Look::Call(call) | Look::Ladder(call), .. } => Some(*call),
            _ => None,
        }
    }
}

/// Which calls of a business are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListFilter {
    /// Only in this state.
    pub state: Option<CallState>,
    /// Only with this identifier of the business's own.
    pub reference: Option<String>,
    /// Accepted at or after.
    pub from: Option<Wall>,
    /// Accepted before.
    pub to: Option<Wall>,
    /// Only below this one: the page after it.
    pub before: Option<CallId>,
    /// At most so many, and one more where there is one.
    pub limit: usize,
}

/// What an operator wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// Live calls of every business: [`Looked::Live`].
    Live(LookFilter),
    /// One of them, with its samples: [`Looked::Call`].
    Call(CallId),
    /// Its ladder: [`Reply::Ladder`], or [`Looked::Call`] of nothing.
    Ladder(CallId),
    /// How the switches fare: [`Looked::Switches`].
    Switches,
}

/// Which live calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LookFilter {
    /// A part of a number, an identifier, a business or its reference.
    pub text: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What an operator sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// Live calls.
    Live(Live),
    /// A live call, or none.
    Call(Option<Box<CallView>>),
    /// Every switch of the configuration.
    Switches(Vec<SwitchView>),
}

/// Live calls of every business.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Live {
    /// Those that were asked for, the newest first.
    pub calls: Vec<CallView>,
    /// How many there are in each state.
    pub states: Vec<(CallState, usize)>,
    /// And of each business.
    pub businesses: Vec<(BusinessId, usize)>,
    /// Calls that wait for their time.
    pub scheduled: usize,
    /// There are more than one look goes through.
    pub cut: bool,
}

/// What a business wants of a supervisor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SupervisorWish {
    /// Dial one.
    Invite {
        /// Whom.
        address: Endpoint,
        /// How it takes part.
        mode: SupervisorMode,
    },
    /// Another mode.
    Change {
        /// Which leg of the call.
        leg: u16,
        /// How it takes part from now on.
        mode: SupervisorMode,
    },
    /// Hang it up.
    Dismiss {
        /// Which leg of the call.
        leg: u16,
    },
}

/// What a business wants of its representatives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StaffWish {
    /// To know how they stand.
    List,
    /// A representative's word.
    Session {
        /// Who.
        representative: RepresentativeId,
        /// What they want.
        wish: Wish,
        /// For so long without another word.
        lease: Duration,
    },
}

/// Everything the engine can want.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Put a SIP message on the wire.
    Send { to: Hop, bytes: Arc<[u8]>, note: Note },
    /// From now on SIP is taken from these only: what knocks from elsewhere need not be handed in.
    Sources(Arc<Sources>),
    /// Tell media. `Open` is answered before any other input.
    Media(media::Command),
    /// These messages will soon be played: render them if they have to be.
    Prepare(Vec<media::Clip>),
    /// Make durable, in order; answer with [`Input::Stored`].
    Store { token: StoreToken, op: StoreOp },
    /// Answer a waiting request.
    Reply { to: ReplyTo, reply: Reply },
    /// Something worth counting or showing. May be dropped under load: nothing depends on it.
    Notice(Notice),
    /// After [`Input::Drain`]: no live call is left and every record is durable.
    Drained,
}

/// What the store is asked to keep.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOp {
    /// A new call. Fails with [`StoreFailure::KeyReused`] / [`StoreFailure::KeyReplayed`] on its idempotency key.
    Accept(Box<StoredCall>),
    /// How far a call has come.
    Progress { call: CallId, progress: Box<Progress> },
    /// The record; the accepted call is thereby closed. Storing it twice changes nothing.
    Finish { record: Box<CallRecord>, attempts: Vec<AttemptRecord> },
    /// The equipment is alive with live calls at this moment: after a crash, calls that were in progress are billed up to
    /// the last such mark and no further.
    Alive { at: Wall },
    /// The ladder of a call whose record is durable. Storing it twice changes nothing.
    Ladder(Arc<Ladder>),
    /// What a representative wants, and until when.
    Session(Box<StoredSession>),
    /// A bound of a business was reached, for its webhook. Storing it twice changes nothing.
    LimitReached(Box<LimitReached>),
    /// `op`, and in the same commit the events that it tells to those who want them. Those that are there already change nothing.
    Telling {
        /// [`StoreOp::Accept`], [`StoreOp::Progress`] or [`StoreOp::Finish`].
        op: Box<StoreOp>,
        /// The events (no alarms), and the call as it is now.
        told: Box<Watched>,
        /// Who wants them.
        hearers: Hearers,
    },
}

/// Who is sent the events of a call, whether or not anybody follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hearers {
    /// The business's webhook.
    pub webhook: bool,
    /// The sink that the call itself came with.
    pub sink: bool,
}

impl Hearers {
    /// True when somebody is.
    pub fn any(self) -> bool {
        self.webhook || self.sink
    }
}

/// Why an operation is not durable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreFailure {
    /// Disk full, locked, broken, or the queue is full: try again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The idempotency key was used with the same body: this is its call.
    #[error("the idempotency key was used for call {0}")]
    KeyReplayed(CallId),
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another message")]
    KeyReused,
    /// An encrypted text of this message was taken before.
    #[error("an encrypted text was taken before")]
    TakenBefore,
}

/// An answer to a waiting request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Durable: 202. With what is left of some bounds.
    Accepted(Box<CallView>, Quotas),
    /// Same key, same body: the call of the first request.
    Replayed(CallId),
    /// Not accepted.
    Refused(Refusal),
    /// A live call, or none (look in the store).
    Call(Option<Box<CallView>>),
    /// Calls without a durable record, the newest first; not more than were asked for and one. Where the look was cut short: all above this one were
    /// looked at, go on from there.
    Calls(Vec<CallView>, Option<CallId>),
    /// `Ladder`: as it is now, or none that the store does not have.
    Ladder(Option<Arc<Ladder>>),
    /// `Watch`: what happened, or that the call does not live (look in the store). An empty list: ask again, if you still want to know.
    Events(Option<Box<Watched>>),
    /// `Look`: what there is.
    Looked(Looked),
    /// `Staff`: the representatives as they are now; of a session, its own alone, none where the account has none of this name.
    Representatives(Vec<RepresentativeView>),
    /// `Delete`: the call as it is now, or none that lives.
    Deleted(Option<Box<CallView>>),
    /// `Delete`, `Supervise`: it is already ended, its record being stored.
    AlreadyEnded,
    /// `Supervise`: done, the supervisor as it is now; or no such call lives.
    Supervised(Option<Box<SupervisorView>>),
    /// `Supervise`: the call does not grant it.
    NotSupervised(SupervisorRefusal),
}

/// What is left of a sender's bounds, and in how many seconds there is more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quotas {
    /// Messages that the business may send at once.
    pub rate: Option<(u32, u32)>,
    /// Calls of the day that the call is wanted on, where they are bounded.
    pub calls: Option<(u64, u32)>,
    /// Direct requests from one source.
    pub source: Option<(u32, u32)>,
}

/// A state that a call entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallEvent {
    /// Counts the call's events from 1. Grows always; before the last one a number may be left out.
    pub sequence: u32,
    /// When.
    pub at: Wall,
    /// Which. [`CallState::Ended`] only once the record is durable.
    pub state: CallState,
}

/// What a follower of a call knows already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct After {
    /// The number of the last state that it was told; 0: none.
    pub sequence: u32,
    /// The number of the last alarm that it was told. Absent: it has just come, and whatever came after that state is news.
    pub alarms: Option<u32>,
}

/// Something is wrong with the media of a leg, or right again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlarmEvent {
    /// Counts the call's alarms from 1.
    pub number: u32,
    /// The state event that came before it.
    pub after: u32,
    /// When.
    pub at: Wall,
    /// Which leg, by its place in `attempts`.
    pub leg: u16,
    /// What.
    pub alarm: Alarm,
}

/// What a follower of a call is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// In order.
    pub events: Vec<CallEvent>,
    /// In order; each belongs behind the state that it names.
    pub alarms: Vec<AlarmEvent>,
    /// The call as it is now.
    pub call: CallView,
}

/// Why a message is not accepted: the outcome that HTTP, the metric and the log share.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The business is unknown to the engine (deleted meanwhile).
    #[error("unknown business")]
    UnknownBusiness,
    /// The account is disabled.
    #[error("this account is disabled")]
    Disabled,
    /// No switch (or allow list) covers a destination. `pointer` names the field.
    #[error("{pointer}: no switch serves this destination")]
    DestinationBarred {
        /// JSON pointer of the field.
        pointer: String,
    },
    /// The account does not call there. `pointer` names the field.
    #[error("{pointer}: {why}")]
    DestinationDenied {
        /// JSON pointer of the field.
        pointer: String,
        /// Why not.
        why: Denied,
    },
    /// The account's tariff has no price for this destination. `pointer` names the field.
    #[error("{pointer}: the account's tariff has no price for this destination")]
    NoRate {
        /// JSON pointer of the field.
        pointer: String,
    },
    /// The account names a tariff that the configuration does not have.
    #[error("the account's tariff is not configured")]
    NoTariff,
    /// It is quiet now where the customer is.
    #[error("these are quiet hours where the customer is")]
    QuietNow {
        /// Seconds until they end.
        retry_after: u32,
    },
    /// There is no moment at which the call could be placed as it is asked for. `pointer` names the field.
    #[error("{why}")]
    NoMoment {
        /// JSON pointer of the field.
        pointer: &'static str,
        /// Why not.
        why: String,
    },
    /// The account is not tried so often, or so soon. `pointer` names the field.
    #[error("this account's calls are not tried so often or so soon")]
    RetryBarred {
        /// JSON pointer of the field.
        pointer: String,
    },
    /// It will be quiet at the desired contact time where the customer is.
    #[error("these will be quiet hours where the customer is")]
    QuietThen,
    /// The customer and a representative are in a call with each other already, or wait for the same moment.
    #[error("this customer and this representative are in a call already")]
    PairInCall {
        /// As the account wants it to be told: too many, else a conflict.
        too_many: bool,
    },
    /// A bound of the account is reached.
    #[error("{}", limit.words())]
    Limit {
        /// Which.
        limit: Limit,
        /// How much it allows: calls, minutes or micro-units.
        quota: u64,
        /// Seconds.
        retry_after: u32,
    },
    /// The caller id is not one of the business's verified numbers.
    #[error("this caller id is not verified for this business")]
    CallerIdBarred,
    /// The talk is to be recorded, and the account records none.
    #[error("this account records no talks")]
    RecordingBarred,
    /// No switch takes this header field of the message. `pointer` names it.
    #[error("{pointer}: no switch takes this header field")]
    HeaderBarred {
        /// JSON pointer of the field.
        pointer: String,
    },
    /// No direct requests are taken from there for this business; nobody is told more.
    #[error("call requests from this page are not taken")]
    NotOpen,
    /// The account names nobody for what a page says of the representative.
    #[error("this business has no such representative, service centre or skill")]
    UnknownRepresentative,
    /// A live call goes to this number, or joins these two, already.
    #[error("a call to this number is under way")]
    Duplicate,
    /// A direct request beyond its bounds.
    #[error("{0}")]
    TooMany(#[from] TooMany),
    /// No representative was named and call distribution has none to choose.
    #[error("no representative: name one")]
    NoRepresentative,
    /// Too many messages a second.
    #[error("too many messages a second")]
    RateExceeded {
        /// Seconds.
        retry_after: u32,
    },
    /// Too many calls at once.
    #[error("too many calls at once")]
    ConcurrencyExceeded {
        /// Seconds.
        retry_after: u32,
    },
    /// Too many calls waiting for their time.
    #[error("too many scheduled calls")]
    ScheduledExceeded {
        /// Seconds.
        retry_after: u32,
    },
    /// The desired contact time is further away than is kept.
    #[error("the desired contact time is too far in the future")]
    TooFar,
    /// The idempotency key was used with another message.
    #[error("this Idempotency-Key was used with another message")]
    KeyReused,
    /// An encrypted text of this message was taken before: somebody replays it.
    #[error("this encrypted message was taken before: encrypt it anew")]
    TakenBefore,
    /// The same key is being worked on.
    #[error("a request with this Idempotency-Key is in progress")]
    KeyInFlight,
    /// The media threads have as much to do as they can bear: one call more would be heard by all.
    #[error("not available now: the media threads are full")]
    MediaFull {
        /// Seconds.
        retry_after: u32,
    },
    /// No capacity, draining, or no store.
    #[error("not available now: {why}")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
        /// What is missing.
        why: &'static str,
    },
}

impl Refusal {
    /// The word of `callbridge_rejected_total{reason}`.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::UnknownBusiness => "unknown_business",
            Refusal::Disabled => "disabled",
            Refusal::DestinationBarred { .. } => "destination_barred",
            Refusal::DestinationDenied { .. } => "destination",
            Refusal::NoRate { .. } => "no_rate",
            Refusal::NoTariff => "no_tariff",
            Refusal::QuietNow { .. } | Refusal::QuietThen => "quiet_hours",
            Refusal::PairInCall { .. } => "duplicate_pair",
            Refusal::Limit { limit, .. } => limit.as_str(),
            Refusal::CallerIdBarred => "caller_id_barred",
            Refusal::RecordingBarred => "recording_barred",
            Refusal::HeaderBarred { .. } => "header_barred",
            Refusal::NotOpen => "not_open",
            Refusal::UnknownRepresentative => "unknown_representative",
            Refusal::Duplicate => "duplicate",
            Refusal::TooMany(TooMany::Number { .. }) => "per_number",
            Refusal::TooMany(TooMany::Source { .. }) => "per_source",
            Refusal::TooMany(TooMany::Business { .. }) => "per_business",
            Refusal::TooMany(TooMany::PageTokenUsed) => "page_token_used",
            Refusal::TooMany(TooMany::WorkUsed) => "work_used",
            Refusal::TooMany(TooMany::Full { .. }) => "direct_full",
            Refusal::NoRepresentative => "no_representative",
            Refusal::RateExceeded { .. } => "rate",
            Refusal::ConcurrencyExceeded { .. } => "concurrency",
            Refusal::ScheduledExceeded { .. } => "scheduled",
            Refusal::NoMoment { .. } => "no_moment",
            Refusal::RetryBarred { .. } => "retry_barred",
            Refusal::TooFar => "too_far",
            Refusal::KeyReused => "key_reused",
            Refusal::TakenBefore => "taken_before",
            Refusal::KeyInFlight => "key_in_flight",
            Refusal::MediaFull { .. } => "media_full",
            Refusal::Unavailable { .. } => "unavailable",
        }
    }
}

/// What is worth counting or showing.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A SIP message was received.
    SipReceived(Note),
    /// A datagram got nowhere.
    SipRefused(RefusedWhy),
    /// An initiation message was refused.
    Refused(Refusal),
    /// A bound of a business was reached, for the first time in its period.
    LimitReached { business: BusinessId, limit: Limit },
    /// A call entered a state (also its first); `from` is what it left.
    State { call: CallId, from: Option<CallState>, to: CallState },
    /// A restart found so many calls waiting for their time.
    Waiting(usize),
    /// Ended, its record durable: counted once per call.
    Ended(Box<CallRecord>, Vec<AttemptRecord>),
    /// Microseconds from the durable acceptance (or due time) to the customer's INVITE.
    Setup { call: CallId, micros: u64 },
    /// Microseconds from the representative's 200 to the first packet relayed.
    FirstRelay { call: CallId, micros: u64 },
    /// A bridged call carries no audio in one direction, within the bound.
    OneWayAudio { call: CallId },
    /// Five seconds of a leg's media.
    Measured { sample: Sample },
    /// Something is wrong with the media of a leg, or right again.
    Alarm { call: CallId, attempt: u16, alarm: Alarm },
    /// A party asked for a transfer and may not have it.
    TransferRefused { call: CallId, why: TransferRefusal },
    /// A store operation failed and will be tried again.
    StoreRetry { call: CallId },
    /// A switch failed a call or a probe.
    SwitchFailed { switch: String, reason: Failure },
    /// A switch works now, or does not any more.
    Switch { switch: String, up: bool },
    /// Where the registration with a switch stands.
    Registration { switch: String, state: RegistrationState },
    /// A leg is tried through another switch.
    Failover { call: CallId, attempt: u16, switch: Box<str> },
    /// The store would not take a call's ladder; it is given up. The record is safe.
    LadderLost { call: CallId },
}
