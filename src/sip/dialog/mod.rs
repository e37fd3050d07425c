//! Dialogs (RFC 3261 §12) and the INVITE usage as the side that called. Owns who is talked to (tags, CSeq both ways, route
//! set, remote target) and what is still owed in the dialog: an answer to an offer, an ACK. Refuses bytes and transactions:
//! `stack` reads the messages and writes them.

pub mod negotiation;
pub mod referrals;
pub mod reliable;
pub mod session;
pub mod usage;

use std::net::SocketAddr;

pub use negotiation::Negotiation;
pub use reliable::Reliable;
pub use session::Session;
pub use usage::{Success, Usage};

use negotiation::Proposal;

use super::api::Sources;
use super::transaction::{Deadline, Stored};
use crate::clock::Mono;
use crate::model::{Hop, SipTransport};

/// Most dialogs that one INVITE may make by forking (§13.2.2.4).
pub const MAX_FORKS: usize = 8;

/// Most Record-Route values we keep of one answer.
pub const MAX_ROUTES: usize = 16;

/// Where a dialog stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Made by a provisional with a To tag.
    Early,
    /// Made by a 2xx. The ACK is kept for its retransmissions.
    Confirmed { ack: Stored, ack_to: Hop },
    /// A BYE went one way or the other; the 2xx may still be retransmitted.
    Ended { ack: Stored, ack_to: Hop },
}

/// One dialog: a fork of our INVITE.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The peer's tag; empty for a peer of RFC 2543 or a malformed 2xx.
    pub remote_tag: Box<str>,
    /// The To field of our requests, tag included.
    pub to: Box<str>,
    /// The peer's Contact: the Request-URI of what we send.
    pub remote_target: Box<str>,
    /// Route values in our order, each with its brackets.
    pub route_set: Vec<Box<str>>,
    /// The CSeq number of our last request.
    pub local_cseq: u32,
    /// The CSeq number of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// Where it stands.
    pub state: State,
    /// The offer/answer exchange under way.
    pub negotiation: Negotiation,
    /// An offer of ours that waits until it may go out.
    pub proposal: Option<Proposal>,
    /// The last description that we sent and the peer took; none where that is the INVITE's offer.
    pub local_sdp: Option<Stored>,
    /// Reliable provisionals before the 2xx.
    pub reliable: Reliable,
    /// The session timer.
    pub session: Session,
    /// The peer takes UPDATE (its Allow).
    pub updates: bool,
}

/// How a peer's CSeq number stands to those before (§12.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Process it.
    InOrder,
    /// Lower than one already seen: 500.
    Stale,
}

impl Dialog {
    /// The ACK of a dialog that a 2xx made, and where it goes.
    pub fn ack(&self) -> Option<(&Stored, &Hop)> {
        match &self.state {
            State::Early => None,
            State::Confirmed { ack, ack_to } | State::Ended { ack, ack_to } => Some((ack, ack_to)),
        }
    }

    /// Both sides talk.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed { .. })
    }

    /// A dialog without any history. CSeq numbers of ours go on from `local_cseq`.
    pub fn new(remote_tag: Box<str>, to: Box<str>, remote_target: Box<str>, local_cseq: u32) -> Dialog {
        Dialog {
            remote_tag,
            to,
            remote_target,
            route_set: Vec::new(),
            local_cseq,
            remote_cseq: None,
            state: State::Early,
            negotiation: Negotiation::Idle,
            proposal: None,
            local_sdp: None,
            reliable: Reliable::default(),
            session: Session::Off,
            updates: false,
        }
    }

    /// An offer of ours waits, its time has come, and no other exchange is in its way.
    pub fn may_propose(&self, now: Mono) -> bool {
        self.waiting_proposal().is_some_and(|(at, _)| at <= now)
    }

    fn waiting_proposal(&self) -> Option<Deadline> {
        let free = self.is_confirmed() && matches!(self.negotiation, Negotiation::Idle);
        self.proposal.as_ref().filter(|_| free).map(|proposal| (proposal.at, "offer of ours"))
    }

    /// When something of the dialog is due, and what.
    pub fn deadline(&self) -> Option<Deadline> {
        let all = [self.negotiation.deadline(), self.session.deadline(), self.waiting_proposal()];
        all.into_iter().flatten().min()
    }

    /// No more requests of ours; the ACK stays for retransmissions of the 2xx.
    pub fn end(&mut self) {
        if let State::Confirmed { ack, ack_to } = &self.state {
            self.state = State::Ended { ack: ack.clone(), ack_to: ack_to.clone() };
        }
        self.negotiation = Negotiation::Idle;
        self.proposal = None;
        self.session = Session::Off;
    }

    /// Judges and remembers the CSeq number of a peer's request.
    pub fn take_cseq(&mut self, number: u32) -> Order {
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Order::Stale;
        }
        self.remote_cseq = Some(number);
        Order::InOrder
    }

    /// The Request-URI and the Route values of our next request (§12.2.1.1). A first route without `lr` is a strict router.
    pub fn way(&self) -> (&str, Vec<&str>) {
        match self.route_set.split_first() {
            None => (&self.remote_target, Vec::new()),
            Some((first, rest)) if !is_loose(first) => {
                let mut routes: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
                routes.push(&self.remote_target);
                (uri_of(first), routes)
            }
            Some(_) => (&self.remote_target, self.route_set.iter().map(AsRef::as_ref).collect()),
        }
    }

    /// Where our next request is sent: the address that the first route or the target spells, if it is a configured
    /// switch; else the switch that was dialled (a Contact behind it is its affair, and we speak to nobody else). A URI that
    /// spells the switch's own address and no transport means the one that it was dialled by; another one means UDP.
    pub fn next_hop(&self, switch: &Hop, sources: &Sources) -> Hop {
        let uri = self.route_set.first().map_or(&*self.remote_target, |route| uri_of(route));
        let spelled = address_of(uri).filter(|(_, at)| sources.knows(at.ip()));
        match spelled {
            None => switch.clone(),
            Some((None, address)) if address == switch.address => switch.clone(),
            Some((transport, address)) => {
                let transport = transport.unwrap_or(SipTransport::Udp);
                let name = switch.name.clone().filter(|_| transport == SipTransport::Tls);
                Hop { transport, address, name }
            }
        }
    }
}

fn uri_of(route: &str) -> &str {
    let inner = route.find('<').and_then(|at| route.get(at + 1..)).unwrap_or(route);
    inner.split('>').next().unwrap_or(inner)
}

fn is_loose(route: &str) -> bool {
    uri_of(route).split(';').skip(1).any(|param| {
        let name = param.split(['=', '?']).next().unwrap_or("");
        name.trim().eq_ignore_ascii_case("lr")
    })
}

/// The transport, where it says one, and the address of a SIP URI whose host is a literal; the default port where it says none.
fn address_of(uri: &str) -> Option<(Option<SipTransport>, SocketAddr)> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") {
        return None;
    }
    let mut parts = rest.split('?').next()?.split(';');
    let rest = parts.next()?;
    let asked = parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("transport")));
    let transport = match asked {
        Some((_, name)) => Some(SipTransport::parse(name)?),
        None => None,
    };
    let host_port = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if let Ok(address) = host_port.parse() {
        return Some((transport, address));
    }
    let host = host_port.trim_start_matches('[').trim_end_matches(']');
    let port = transport.unwrap_or(SipTransport::Udp).default_port();
    host.parse().ok().map(|ip| (transport, SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(routes: &[&str]) -> Dialog {
        let route_set = routes.iter().map(|&route| route.into()).collect();
        let plain = Dialog::new("r".into(), "<sip:a@b>;tag=r".into(), "sip:a@192.0.2.9:5080".into(), 1);
        Dialog { route_set, ..plain }
    }

    #[test]
    fn a_loose_route_keeps_the_target_and_a_strict_router_takes_its_place() {
        let loose = dialog(&["<sip:192.0.2.1;lr>"]);
        assert_eq!(loose.way(), ("sip:a@192.0.2.9:5080", vec!["<sip:192.0.2.1;lr>"]));
        let strict = dialog(&["<sip:192.0.2.1>", "<sip:192.0.2.2;lr>"]);
        let (uri, routes) = strict.way();
        assert_eq!(uri, "sip:192.0.2.1");
        assert_eq!(routes, ["<sip:192.0.2.2;lr>", "sip:a@192.0.2.9:5080"]);
    }

    #[test]
    fn requests_go_only_to_configured_switches() {
        let switch = Hop::udp("192.0.2.1:5070".parse().unwrap());
        let ip = switch.address.ip();
        let direct = dialog(&[]);
        let alone = Sources::of(&[ip]);
        assert_eq!(direct.next_hop(&switch, &alone), switch);
        let both = Sources::of(&[ip, "192.0.2.9".parse().unwrap()]);
        assert_eq!(direct.next_hop(&switch, &both), Hop::udp("192.0.2.9:5080".parse().unwrap()));
        let routed = dialog(&["<sip:192.0.2.1;lr>"]);
        assert_eq!(routed.next_hop(&switch, &both), Hop::udp("192.0.2.1:5060".parse().unwrap()));
        let over_tcp = dialog(&["<sip:192.0.2.1:5070;transport=TCP;lr>"]);
        assert_eq!(over_tcp.next_hop(&switch, &alone), Hop::tcp(switch.address));
    }

    #[test]
    fn a_route_without_transport_means_the_switchs_own_only_at_its_own_address() {
        let switch = Hop::tls("192.0.2.1:5061".parse().unwrap(), "ssp.example".into());
        let alone = Sources::of(&[switch.address.ip()]);
        assert_eq!(dialog(&["<sip:192.0.2.1:5061;lr>"]).next_hop(&switch, &alone), switch);
        let plain = dialog(&["<sip:192.0.2.1:5070;lr>"]).next_hop(&switch, &alone);
        assert_eq!(plain, Hop::udp("192.0.2.1:5070".parse().unwrap()));
    }

    #[test]
    fn a_lower_cseq_is_stale() {
        let mut dialog = dialog(&[]);
        assert_eq!(dialog.take_cseq(7), Order::InOrder);
        assert_eq!(dialog.take_cseq(6), Order::Stale);
        assert_eq!(dialog.take_cseq(8), Order::InOrder);
    }

    #[test]
    fn literal_addresses_are_read_from_uris() {
        let at = |text: &str| text.parse().ok();
        assert_eq!(address_of("sip:[2001:db8::7]:5062;lr").map(|(_, at)| at), at("[2001:db8::7]:5062"));
        assert_eq!(address_of("sip:[2001:db8::7]").map(|(_, at)| at), at("[2001:db8::7]:5060"));
        assert_eq!(address_of("sip:x@host.example"), None);
        assert_eq!(address_of("tel:+1"), None);
    }
}
