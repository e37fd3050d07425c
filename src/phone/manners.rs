//! The manners that carriers' switches add to a phone's, as data: reliable provisionals (RFC 3262), session timers (RFC 4028),
//! digest challenges (RFC 8760), redirection, glare, transfer (RFC 3515), each with its bad variants. Owns the vocabulary; the
//! machines that act it out are `early`, `refresh`, `guard`, `reinvite` and `refer`.

use std::time::Duration;

/// Reliable provisionals, sent only to an INVITE that supports 100rel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reliable {
    /// How many in a row, of each ringing fork: 183 and 180 by turns.
    pub count: u8,
    /// From the PRACK of one to the next.
    pub every: Duration,
    /// The first carries the answer; the 200 then carries none.
    pub answer: bool,
    /// After the first PRACK the phone sends UPDATE with an offer (only where `answer` is set: RFC 3311 §5.1).
    pub update: bool,
    /// What is wrong with it.
    pub flaw: Option<ReliableFlaw>,
}

/// Mistakes with RSeq and PRACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReliableFlaw {
    /// The second RSeq is two above the first: it must not be acknowledged (RFC 3262 §4).
    SkipsNumber,
    /// The second has the number of the first: it is a retransmission and must not be acknowledged anew.
    SameNumber,
    /// RSeq is no number.
    Garbage,
    /// PRACK is never answered.
    NeverAnswersPrack,
    /// PRACK is answered by 481.
    RefusesPrack,
    /// The 200 is sent while the PRACK of an answer is awaited.
    AnswersUnacknowledged,
    /// A final 486 leaves just as the PRACK arrives.
    BusyInPrack,
}

/// A session timer, offered only to an INVITE that supports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionManner {
    /// Session-Expires of the 200 in seconds (never above what was asked).
    pub expires: u32,
    /// Less than this in the INVITE is refused by 422.
    pub min_se: u32,
    /// Who refreshes, where the INVITE leaves it open.
    pub refresher: Refresher,
    /// How the phone refreshes.
    pub by: RefreshBy,
    /// What is wrong with it.
    pub flaw: Option<SessionFlaw>,
}

/// Who refreshes a session, as the 200 to the INVITE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// The equipment.
    Uac,
    /// The phone.
    Uas,
}

/// The request that refreshes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefreshBy {
    /// UPDATE without a body.
    Update,
    /// re-INVITE with an unchanged offer; such a phone does not allow UPDATE either.
    Reinvite,
}

/// Mistakes with session timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionFlaw {
    /// It is the refresher, and does not: the peer must hang up (RFC 4028 §10).
    StopsRefreshing,
    /// Session-Expires of the 200 is no number.
    Garbage,
    /// 422 without Min-SE.
    NoMinimum,
    /// 422 to every INVITE, each with a higher minimum.
    NeverEnough,
}

/// A digest challenge before anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// 401 instead of 407.
    pub as_server: bool,
    /// The hash.
    pub algorithm: Hash,
    /// `qop="auth"` is offered.
    pub qop: bool,
    /// The realm.
    pub realm: String,
    /// The user name it wants.
    pub username: String,
    /// And the password.
    pub password: String,
    /// The first right answer is told that its nonce is stale.
    pub stale: bool,
    /// Another challenge of an unknown scheme and one of an unknown algorithm stand before it.
    pub strangers_first: bool,
    /// What is wrong with it.
    pub flaw: Option<ChallengeFlaw>,
}

/// Hashes of digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    /// `MD5`.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
}

/// Mistakes of challengers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChallengeFlaw {
    /// No nonce in it.
    Malformed,
    /// No challenge header at all.
    Missing,
    /// Every answer is refused with a new nonce that is not called stale.
    NeverContent,
    /// Every answer is refused as stale.
    AlwaysStale,
}

/// What a refusal carries besides its status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refusal {
    /// Contacts of a 3xx, as they are written.
    pub contacts: Vec<String>,
    /// Retry-After in seconds.
    pub retry_after: Option<u32>,
    /// `Reason: Q.850;cause=` this.
    pub q850: Option<u8>,
}

/// How a re-INVITE (or UPDATE) of the equipment is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnReinvite {
    /// 200.
    #[default]
    Accept,
    /// 491 so many times, then 200.
    Pending(u8),
    /// 500 with Retry-After of so many seconds once, then 200.
    Later(u8),
    /// The phone's own re-INVITE crosses it, once.
    Glare,
    /// 488: the session stays as it was.
    Refuse,
    /// BYE crosses it.
    HangUp,
    /// Not answered at all: the equipment must hang up 64·T1 later (RFC 3261 §14.1, RFC 4028 §10).
    Silent,
    /// 408, as a proxy says whose phone is gone: the equipment must hang up at once (RFC 3261 §12.2.1.2).
    Gone,
}

/// How a phone transfers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transfer {
    /// Refer-To of each REFER in turn, as it is written between the brackets; empty: the header is left out.
    pub to: Vec<String>,
    /// `Refer-Sub: false` (RFC 4488).
    pub unsubscribed: bool,
    /// What the phone does once the REFER was accepted.
    pub then: AfterRefer,
    /// How it takes a NOTIFY.
    pub on_notify: OnNotify,
}

/// After the 202.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AfterRefer {
    /// BYE when a NOTIFY tells of success; stays in the call on failure.
    #[default]
    HangUpOnSuccess,
    /// BYE at once.
    HangUpAtOnce,
    /// Leaves the BYE to the equipment.
    Wait,
}

/// How a NOTIFY is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnNotify {
    /// 200.
    #[default]
    Accept,
    /// 481: the subscription is over.
    Refuse,
    /// Not answered.
    Silent,
}
