//! The tables of the stack: legs, transactions, and how messages find them. Owns the indices' consistency; refuses decisions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use slab::Slab;

use super::challenge::{Tried, Unanswered};
use super::connection::Spare;
use super::{ClientMachine, ServerMachine};
use crate::model::{Hop, LegId, TransferId, Trunk};
use crate::sip::dialog::Usage;
use crate::sip::dialog::referrals::Referrals;
use crate::sip::dialog::session::Ask;
use crate::sip::transaction::{Deadline, Stored};
use crate::sip::wire::{Message, Method, Name, SessionExpires};

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    /// A client transaction.
    Client(usize),
    /// A server transaction.
    Server(usize),
    /// The 2xx to a re-INVITE in this dialog.
    Exchange { leg: usize, fork: usize },
    /// A request outside every dialog.
    Outside(usize),
}

/// One leg: the identity of its INVITE, and its usage.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    /// The switch that was dialled.
    pub(super) hop: Hop,
    /// Where its INVITE really went, and its CANCEL and the ACK of a refusal go: over TCP for the INVITE's length, perhaps.
    pub(super) way: Hop,
    pub(super) call_id: Box<str>,
    pub(super) local_tag: Box<str>,
    pub(super) from: Box<str>,
    pub(super) from_name: Option<Box<str>>,
    pub(super) target: Box<str>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) trunk: Arc<Trunk>,
    /// The SDP offer of the INVITE.
    pub(super) offer: Stored,
    /// The session timer that the INVITE asks for.
    pub(super) ask: Option<Ask>,
    /// Fields that a retry of the INVITE had to add, such as credentials.
    pub(super) retry_fields: Vec<(Name, String)>,
    /// The challenges that the INVITE has answered.
    pub(super) tried: Tried,
    /// Why its last challenge was not answered.
    pub(super) unanswered: Option<Unanswered>,
    /// How often the INVITE was sent anew.
    pub(super) retries: u8,
    /// CSeq number of the INVITE.
    pub(super) cseq: u32,
    /// Branch of the INVITE, shared by its CANCEL.
    pub(super) branch: u128,
    pub(super) usage: Usage,
    /// The INVITE's transaction, while it lives.
    pub(super) invite: Option<usize>,
    /// How many client transactions live.
    pub(super) clients: usize,
    pub(super) servers: Vec<usize>,
    /// What the peer's REFERs are still to be told.
    pub(super) referrals: Referrals,
    /// Where the peer's last request came from: our repeated 2xx goes there.
    pub(super) last_source: Hop,
}

impl Leg {
    pub(super) fn is_over(&self) -> bool {
        self.clients == 0 && self.servers.is_empty() && self.referrals.is_empty() && self.usage.is_over()
    }
}

/// What a request in a dialog says beyond the dialog: kept, so that it can be written again with another CSeq number and
/// further fields (401, 407, 422).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Draft {
    /// The fields of its method, such as Reason.
    pub(super) fields: Vec<(Name, String)>,
    /// Fields that a repetition had to add, such as credentials.
    pub(super) retry_fields: Vec<(Name, String)>,
    /// The challenges that it has answered.
    pub(super) tried: Tried,
    /// How often it was written again.
    pub(super) retries: u8,
    /// A session description, unless the next says otherwise.
    pub(super) body: Option<Stored>,
    /// What the body is, where it is no session description.
    pub(super) content_type: Option<&'static str>,
}

impl Draft {
    /// The session timer that the request asks for.
    pub(super) fn ask(&self) -> Option<Ask> {
        let value = |wanted| self.fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        let expires = SessionExpires::parse(value(Name::SessionExpires)?.as_bytes()).ok()?.seconds;
        Some(Ask { expires, min_se: value(Name::MinSe).and_then(|value| value.parse().ok()).unwrap_or(0) })
    }

    /// Asks for another session timer; who refreshes stays as it is.
    pub(super) fn set_ask(&mut self, ask: &Ask) {
        for (name, value) in &mut self.fields {
            match name {
                Name::SessionExpires => {
                    let refresher = value.split_once(';').map_or(String::new(), |(_, params)| format!(";{params}"));
                    *value = format!("{}{refresher}", ask.expires);
                }
                Name::MinSe => *value = ask.min_se.to_string(),
                _ => {}
            }
        }
    }
}

/// A request of ours inside a dialog, as its answer finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) fork: usize,
    /// CSeq number of the INVITE that made the dialog.
    pub(super) invite: u32,
    /// CSeq number of the request itself.
    pub(super) cseq: u32,
    /// Of a re-INVITE: the ACK of a refusal, which goes where the request went (§17.1.1.3).
    pub(super) ack: Option<Stored>,
    pub(super) draft: Draft,
}

/// What a client transaction carries.
#[derive(Debug)]
pub(super) enum Carried {
    /// The INVITE of the leg, which can be written again from the leg.
    Invite,
    /// Its CANCEL.
    Cancel,
    /// A request inside a dialog; `None` once it is answered.
    Request(Option<Box<Asked>>),
}

impl Carried {
    /// What a request in a dialog was.
    pub(super) fn request(&self) -> Option<&Asked> {
        match self {
            Carried::Request(asked) => asked.as_deref(),
            Carried::Invite | Carried::Cancel => None,
        }
    }

    /// The same; once.
    pub(super) fn take(&mut self) -> Option<Box<Asked>> {
        match self {
            Carried::Request(asked) => asked.take(),
            Carried::Invite | Carried::Cancel => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct ClientTx {
    pub(super) machine: ClientMachine,
    pub(super) leg: usize,
    pub(super) carried: Carried,
    pub(super) to: Hop,
    pub(super) method: Method,
    pub(super) branch: u128,
    /// Of a re-INVITE: the ACK of its 2xx, for every copy, and where it goes.
    pub(super) ack: Option<(Stored, Hop)>,
    /// What is left to try when its connection is lost.
    pub(super) spare: Spare,
}

impl ClientTx {
    /// Its request, while an answer is waited for.
    pub(super) fn waiting(&self) -> Option<Stored> {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.waiting(),
            ClientMachine::Other(machine) => machine.waiting(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.deadline(),
            ClientMachine::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.is_terminated(),
            ClientMachine::Other(machine) => machine.is_terminated(),
        }
    }

    fn key(&self) -> (u128, bool) {
        (self.branch, self.method == Method::Cancel)
    }
}

/// What makes a request the same request again (§17.2.3). The CSeq number serves peers without RFC 3261 branches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) branch: Box<str>,
    pub(super) sent_by: (Box<str>, Option<u16>),
    pub(super) cseq: u32,
}

impl Identity {
    pub(super) fn of(message: &Message) -> Option<Identity> {
        let via = message.top_via().ok()?;
        let sent_by = (via.host.into(), via.port);
        Some(Identity { branch: via.branch.unwrap_or("").into(), sent_by, cseq: message.cseq().ok()?.number })
    }
}

#[derive(Debug)]
pub(super) struct ServerTx {
    pub(super) machine: ServerMachine,
    pub(super) leg: usize,
    pub(super) to: Hop,
    pub(super) method: Method,
    pub(super) identity: Identity,
    /// Kept until the final response is written.
    pub(super) request: Option<Message>,
}

impl ServerTx {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.deadline(),
            ServerMachine::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.is_terminated(),
            ServerMachine::Other(machine) => machine.is_terminated(),
        }
    }
}

/// All of it. The hash maps are for look-ups only.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Boxed: a row of them would hold room for up to twice as many.
    pub(super) legs: Slab<Box<Leg>>,
    pub(super) by_id: BTreeMap<LegId, usize>,
    by_call: HashMap<Box<str>, usize>,
    pub(super) clients: Slab<ClientTx>,
    by_branch: HashMap<(u128, bool), usize>,
    pub(super) servers: Slab<ServerTx>,
    /// REFERs that the engine has not answered.
    pub(super) asked: BTreeMap<TransferId, super::refer::Asked>,
    /// The legs of transfers that are still reported.
    pub(super) by_transfer: BTreeMap<TransferId, usize>,
}

impl Tables {
    pub(super) fn add_leg(&mut self, leg: Leg) -> usize {
        let (id, call_id) = (leg.id, leg.call_id.clone());
        let at = self.legs.insert(Box::new(leg));
        self.by_id.insert(id, at);
        self.by_call.insert(call_id, at);
        at
    }

    pub(super) fn remove_leg(&mut self, at: usize) -> Option<Box<Leg>> {
        let leg = self.legs.try_remove(at)?;
        self.by_call.remove(&leg.call_id);
        if self.by_id.get(&leg.id) == Some(&at) {
            self.by_id.remove(&leg.id);
        }
        Some(leg)
    }

    pub(super) fn leg_of_call(&self, call_id: &str) -> Option<usize> {
        self.by_call.get(call_id).copied()
    }

    pub(super) fn add_client(&mut self, tx: ClientTx) -> usize {
        if let Some(leg) = self.legs.get_mut(tx.leg) {
            leg.clients += 1;
        }
        let key = tx.key();
        let at = self.clients.insert(tx);
        self.by_branch.insert(key, at);
        at
    }

    pub(super) fn remove_client(&mut self, at: usize) {
        let Some(tx) = self.clients.try_remove(at) else { return };
        self.by_branch.remove(&tx.key());
        if let Some(leg) = self.legs.get_mut(tx.leg) {
            leg.clients = leg.clients.saturating_sub(1);
            if leg.invite == Some(at) {
                leg.invite = None;
            }
        }
    }

    /// The client transaction a response answers (§17.1.3).
    pub(super) fn client_of(&self, branch: &str, method: &Method) -> Option<usize> {
        let hex = branch.strip_prefix(BRANCH_COOKIE).filter(|hex| hex.len() == 32)?;
        let branch = u128::from_str_radix(hex, 16).ok()?;
        let at = *self.by_branch.get(&(branch, *method == Method::Cancel))?;
        self.clients.get(at).filter(|tx| tx.method == *method).map(|_| at)
    }

    pub(super) fn add_server(&mut self, tx: ServerTx) -> usize {
        let leg = tx.leg;
        let at = self.servers.insert(tx);
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.servers.push(at);
        }
        at
    }

    pub(super) fn remove_server(&mut self, at: usize) {
        let Some(tx) = self.servers.try_remove(at) else { return };
        if let Some(leg) = self.legs.get_mut(tx.leg) {
            leg.servers.retain(|&other| other != at);
        }
    }

    /// The server transaction of a leg that this request belongs to.
    pub(super) fn server_of(&self, leg: usize, identity: &Identity, method: &Method) -> Option<usize> {
        let mut all = self.legs.get(leg)?.servers.iter().copied();
        all.find(|&at| self.servers.get(at).is_some_and(|tx| tx.method == *method && tx.identity == *identity))
    }
}

/// Begins every branch of RFC 3261 (§8.1.1.7).
pub(super) const BRANCH_COOKIE: &str = "z9hG4bK";
