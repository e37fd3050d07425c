//! What the engine tells the SIP stack and what the stack tells the engine. Owns these vocabularies: legs, never messages
//! (SDP bodies pass through as bytes). The machines behind them are `transaction`, `dialog` and `stack`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use super::sources::{Source, Sources};
use super::wire::Method;
use crate::model::{Cause, Hop, Key, LegId, SipTransport, TransferId, Trunk};

/// Dial a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// Names the leg from now on.
    pub leg: LegId,
    /// The switch that takes the INVITE.
    pub hop: Hop,
    /// Request-URI and To, such as `sip:+12125550100@192.0.2.1;user=phone`.
    pub target: String,
    /// From: a URI without brackets.
    pub from: String,
    /// Display name of From.
    pub from_name: Option<String>,
    /// Further header fields, such as P-Asserted-Identity, Identity or the trunk's own.
    pub headers: Vec<(String, String)>,
    /// How the switch wants SIP spoken.
    pub trunk: Arc<Trunk>,
    /// The SDP offer.
    pub offer: Arc<[u8]>,
}

/// Our own SIP addresses, by transport: what Via and Contact say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locals {
    first: SocketAddr,
    all: Vec<(SipTransport, SocketAddr)>,
}

impl Locals {
    /// One address for UDP.
    pub fn udp(address: SocketAddr) -> Locals {
        Locals { first: address, all: vec![(SipTransport::Udp, address)] }
    }

    /// All of them; `None` of none.
    pub fn new(all: Vec<(SipTransport, SocketAddr)>) -> Option<Locals> {
        let first = all.first()?.1;
        Some(Locals { first, all })
    }

    /// The one that a message to this hop names: of its transport and its family; else of its family; else the first. A
    /// transport we do not listen on still carries what we send; answers come back on its connection.
    pub fn of(&self, hop: &Hop) -> SocketAddr {
        let family = |address: &SocketAddr| address.is_ipv4() == hop.address.is_ipv4();
        let exact = self.all.iter().find(|(transport, address)| *transport == hop.transport && family(address));
        let near = || self.all.iter().find(|(_, address)| family(address));
        exact.or_else(near).map_or(self.first, |(_, address)| *address)
    }

    /// The first one configured.
    pub fn first(&self) -> SocketAddr {
        self.first
    }

    /// True when we listen on this transport.
    pub fn has(&self, transport: SipTransport) -> bool {
        self.all.iter().any(|(own, _)| *own == transport)
    }
}

/// How a connection to a hop was lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Loss {
    /// It could not be made, or its certificate is not the hop's.
    NotMade,
    /// It was there and broke, with what was on its way.
    Broke,
}

/// The Q.850 cause of a leg whose switch cannot be reached: network out of order. `Cause::sip_status` is absent, so no answer
/// was received: another switch may be tried.
pub const NO_TRANSPORT_Q850: u8 = 38;

/// Answers to an offer that a peer made inside the dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OfferReply {
    /// 200 with this answer (or, for an offerless re-INVITE, this offer).
    Accept(Vec<u8>),
    /// 488 Not Acceptable Here; the session stays as it was (RFC 3261 §14.2).
    Refuse,
}

/// Names an offer of a peer until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OfferId(pub u64);

/// What a peer asks for by REFER (RFC 3515).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// Whom to call: a URI, without the header fields that it may carry.
    pub target: String,
    /// The dialog that the call is to replace (RFC 3891): the value of the field.
    pub replaces: Option<String>,
    /// Who asks (RFC 3892): the value of the field.
    pub referred_by: Option<String>,
}

/// Answers to a REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReferReply {
    /// 202, and NOTIFYs until the last report; 200 and none of them where the peer asked for that (RFC 4488).
    Accept,
    /// This status.
    Refuse(u16),
}

/// What happened to a leg. After `Failed` or `HungUp`, and after the engine's own hang-up, nothing more is reported of it:
/// what is left (ACKs, a late 200, CANCEL × 200) is the stack's own affair (field.md 2, 3, 4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegEvent {
    /// 180 to 183, the first of them. Early media is ignored (field.md 5, 6).
    Ringing,
    /// A 2xx, its ACK already on the way. The body is the answer, empty when there was none: of the 2xx, or of the reliable
    /// provisional of the same dialog that brought it before (RFC 3262). `by`: the peer has changed that since by an offer
    /// (UPDATE) which was accepted; what was agreed then stands, and there is no body. Of a forked INVITE the first 2xx wins;
    /// the others are ACKed and BYEd inside.
    Answered { answer: Vec<u8>, by: Option<OfferId> },
    /// A final refusal, a time-out, a transport failure or a malformed answer, before any 2xx.
    Failed { cause: Cause, why: FailedWhy },
    /// A 3xx that names other addresses, by preference; nothing is left of the leg.
    Redirected { contacts: Vec<String>, cause: Cause },
    /// A re-INVITE or UPDATE of the peer; must be answered by `answer_offer`. Empty offer: the peer wants ours. Before
    /// `Answered` it is an UPDATE in one of the early dialogs: what is agreed holds only if that dialog answers.
    Offered { id: OfferId, offer: Vec<u8> },
    /// The peer's answer to an offer of ours inside the dialog: in the 2xx to our re-INVITE (`reoffer`, or a session refresh,
    /// whose answer most often says nothing new), or in the ACK of an accepted offerless re-INVITE. `offer` is what it answers:
    /// of a leg that forked, another dialog may have been told something else last.
    OfferAnswered { offer: Arc<[u8]>, answer: Vec<u8> },
    /// The peer refused what `reoffer` offered; the session stays as it was (RFC 3261 §14.1).
    OfferRefused { cause: Cause },
    /// A REFER of the peer; must be answered by `answer_refer`.
    TransferAsked { id: TransferId, refer: Refer },
    /// The peer says by INFO that a key was pressed.
    Key { key: Key },
    /// The INFO of `press` was answered, or never will be.
    KeySent { accepted: bool },
    /// The peer's BYE (answered already), or the dialog died (2xx to our BYE is not waited for).
    HungUp { cause: Cause },
}

/// How a leg failed: what decides whether another switch may do better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailedWhy {
    /// The peer refused; its Retry-After (RFC 3261 §20.33), where it gave one.
    Refused { retry_after: Option<Duration> },
    /// Not even a provisional came (timer B).
    Silent,
    /// A 100 came, and then nothing in time.
    Stalled,
    /// A provisional came, and then nothing.
    RangTooLong,
    /// The transport could not carry the INVITE (RFC 3261 §8.1.3.1).
    Unreachable,
    /// Our own fault or bound, or an answer that makes no dialog: another switch would do no better.
    Local,
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// One message, for metrics, ladders and logs: never its contents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Direction.
    pub way: Way,
    /// The method, of the CSeq for responses. Unknown ones are "OTHER", so that strangers cannot grow the metric.
    pub method: &'static str,
    /// The status of a response.
    pub status: Option<u16>,
    /// The leg it belongs to, where one is known. Of a message of no leg nothing below is read.
    pub leg: Option<LegId>,
    /// CSeq number.
    pub cseq: u32,
    /// It carries a session description of this direction.
    pub sdp: Option<SdpMode>,
    /// The Q.850 cause of its Reason (RFC 3326).
    pub q850: Option<u8>,
    /// Of all its bytes: a repetition has the same.
    pub digest: u32,
}

impl Note {
    /// A note of what the start line says.
    pub fn new(way: Way, method: &'static str, status: Option<u16>, leg: Option<LegId>) -> Note {
        Note { way, method, status, leg, cseq: 0, sdp: None, q850: None, digest: 0 }
    }
}

/// The direction of a session description, as its sender wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SdpMode {
    /// Both ways.
    SendRecv,
    /// The sender only sends: hold.
    SendOnly,
    /// The sender only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// What the stack hands out, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SipOutput {
    /// Put these bytes on the wire.
    Send { to: Hop, bytes: Arc<[u8]>, note: Note },
    /// A message was received and understood.
    Received(Note),
    /// A datagram was dropped unanswered, or refused out of the blue.
    Refused(RefusedWhy),
    /// Something happened to a leg.
    Leg(LegId, LegEvent),
    /// A request outside every dialog was answered; `None`: it was not, or could not be sent.
    Asked { id: AskId, answer: Option<Response> },
}

/// Names a request outside every dialog until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AskId(pub u64);

/// A request outside every dialog, such as OPTIONS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Comes back with the answer.
    pub id: AskId,
    /// Where it goes.
    pub hop: Hop,
    /// What it is; never INVITE.
    pub method: Method,
    /// Request-URI.
    pub uri: String,
    /// From, a URI without brackets.
    pub from: String,
    /// To, a URI without brackets.
    pub to: String,
    /// Call-ID of a row of requests; absent: one of its own.
    pub call_id: Option<String>,
    /// Its place in that row.
    pub cseq: u32,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Whose credentials answer a challenge; the numbers after `cseq` are used for that.
    pub trunk: Arc<Trunk>,
}

/// The final response to an [`Ask`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// 200 to 699.
    pub status: u16,
    /// All of it.
    pub bytes: Arc<[u8]>,
}

/// Why a datagram got nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RefusedWhy {
    /// The source is no configured switch: silence.
    Stranger,
    /// Not SIP, or beyond repair: silence, or a 400 where a request can be answered.
    Malformed,
    /// SIP, but nothing of ours: 481 or 405 or 501, or silence for responses.
    OutOfTheBlue,
    /// Our bounds are full.
    Overload,
    /// A configured source asks more than its rate allows, outside of dialogs: silence.
    Rate,
    /// More connections than are kept, in all or of one source.
    Connections,
    /// A stream that cannot be cut into messages, or not in time.
    Framing,
    /// A TLS handshake that failed, or a certificate of no switch.
    Handshake,
}

impl RefusedWhy {
    /// The word of `callbridge_rejected_total{reason}`.
    pub fn as_str(self) -> &'static str {
        match self {
            RefusedWhy::Stranger => "sip_stranger",
            RefusedWhy::Malformed => "sip_malformed",
            RefusedWhy::OutOfTheBlue => "sip_out_of_the_blue",
            RefusedWhy::Overload => "sip_overload",
            RefusedWhy::Rate => "sip_rate",
            RefusedWhy::Connections => "sip_connections",
            RefusedWhy::Framing => "sip_framing",
            RefusedWhy::Handshake => "sip_handshake",
        }
    }
}
