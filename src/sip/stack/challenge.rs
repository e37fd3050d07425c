//! Digest challenges of switches (RFC 3261 §22): which requests carry credentials, and which 401 and 407 deserve another try.
//! Owns the nonces that switches gave us and how often each was used; refuses the computing (`wire::digest`) and the sending
//! (`retry`). Passwords stay in the trunk and are never kept here.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::Stack;
use super::retry::Changes;
use super::table::Asked;
use crate::clock::Mono;
use crate::model::Hop;
use crate::model::trunk::Credentials;
use crate::sip::wire::digest::{self, Challenge, ChallengeError, MAX_REALMS};
use crate::sip::wire::{Message, Method, Name};

/// Most places that nonces are kept of.
const MAX_PLACES: usize = 1024;
/// Most nonces kept of one place: two kinds of several realms.
const MAX_NONCES: usize = 2 * MAX_REALMS;

/// Who asks: a user agent (401) or a proxy (407).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Agent,
    Proxy,
}

impl Kind {
    fn of(status: u16) -> Option<Kind> {
        match status {
            401 => Some(Kind::Agent),
            407 => Some(Kind::Proxy),
            _ => None,
        }
    }

    fn asks(self) -> Name {
        match self {
            Kind::Agent => Name::WwwAuthenticate,
            Kind::Proxy => Name::ProxyAuthenticate,
        }
    }

    fn answers(self) -> Name {
        match self {
            Kind::Agent => Name::Authorization,
            Kind::Proxy => Name::ProxyAuthorization,
        }
    }
}

/// A challenge that is being answered, on every request until the next one of its realm.
#[derive(Debug)]
struct Known {
    kind: Kind,
    challenge: Challenge,
    cnonce: String,
    /// Requests sent with this nonce.
    count: u32,
}

/// The nonces of every switch, so that its next request is believed at once. No secret is in it.
#[derive(Debug)]
pub(super) struct Keyring {
    rng: StdRng,
    places: BTreeMap<Hop, Vec<Known>>,
}

/// Which challenges a request has answered already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tried(Vec<(u16, Box<str>, Box<str>)>);

impl Tried {
    /// True when this challenge may be answered: the first of its realm, or one that says that only the nonce was too old.
    fn may_answer(&self, status: u16, challenge: &Challenge) -> bool {
        let same = |tried: &&(u16, Box<str>, Box<str>)| (tried.0, &tried.1) == (status, &challenge.realm);
        let mut before = self.0.iter().filter(same).peekable();
        before.peek().is_none() || (challenge.stale && before.all(|(_, _, nonce)| *nonce != challenge.nonce))
    }
}

/// Why a challenge stands as a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the switch asks for credentials and none are configured")]
    NoCredentials,
    #[error("the switch does not accept our credentials")]
    Rejected,
    #[error("the switch's challenge cannot be answered: {0}")]
    Challenge(#[from] ChallengeError),
}

impl Keyring {
    pub(super) fn new(rng: &mut StdRng) -> Keyring {
        Keyring { rng: StdRng::from_rng(rng), places: BTreeMap::new() }
    }

    /// The fields that make a request to this place believed: one for each challenge known. Each counts as a use.
    pub(super) fn authorize(
        &mut self,
        hop: &Hop,
        credentials: Option<&Credentials>,
        method: &Method,
        uri: &str,
    ) -> Vec<(Name, String)> {
        let (Some(Credentials { username, password, realm }), Some(known)) = (credentials, self.places.get_mut(hop))
        else {
            return Vec::new();
        };
        known.retain(|known| known.count < u32::MAX);
        let ours =
            known.iter_mut().filter(|known| realm.as_deref().is_none_or(|realm| *realm == *known.challenge.realm));
        ours.map(|known| {
            known.count += 1;
            let (method, cnonce, count) = (method.as_str(), known.cnonce.as_str(), known.count);
            let asked = digest::Asked { username, password, method, uri, cnonce, count };
            (known.kind.answers(), known.challenge.answer(&asked))
        })
        .collect()
    }

    /// Judges a 401 or 407 and remembers what it asks. `tried` is of the request that met it.
    pub(super) fn learn(
        &mut self,
        hop: &Hop,
        credentials: Option<&Credentials>,
        tried: &mut Tried,
        response: &Message,
    ) -> Result<(), Unanswered> {
        let credentials = credentials.ok_or(Unanswered::NoCredentials)?;
        let status = response.status().unwrap_or_default();
        let kind = Kind::of(status).ok_or(Unanswered::Rejected)?;
        let challenges = Challenge::choose(response.lines(kind.asks()), credentials.realm.as_deref())?;
        if !challenges.iter().all(|challenge| tried.may_answer(status, challenge)) {
            return Err(Unanswered::Rejected);
        }
        for challenge in challenges {
            tried.0.push((status, challenge.realm.clone(), challenge.nonce.clone()));
            self.keep(hop, kind, challenge);
        }
        Ok(())
    }

    fn keep(&mut self, hop: &Hop, kind: Kind, challenge: Challenge) {
        if !self.places.contains_key(hop) && self.places.len() >= MAX_PLACES {
            // Whose nonce is lost is challenged once more.
            self.places.pop_first();
        }
        let cnonce = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        let known = self.places.entry(hop.clone()).or_default();
        let same = |known: &&mut Known| known.kind == kind && known.challenge.realm == challenge.realm;
        match known.iter_mut().find(same) {
            // The nonce goes on, and so does its count: a replayed count would be refused.
            Some(old) if old.challenge.nonce == challenge.nonce => old.challenge = challenge,
            Some(old) => *old = Known { kind, challenge, cnonce, count: 0 },
            None => {
                if known.len() >= MAX_NONCES {
                    known.remove(0);
                }
                known.push(Known { kind, challenge, cnonce, count: 0 });
            }
        }
    }
}

impl Stack {
    /// The INVITE met a challenge. False: it stands, and the leg knows why.
    pub(super) fn invite_challenged(&mut self, now: Mono, at: usize, message: &Message) -> bool {
        let Some(leg) = self.tables.legs.get_mut(at) else { return false };
        match self.keyring.learn(&leg.hop, leg.trunk.credentials.as_ref(), &mut leg.tried, message) {
            Ok(()) => self.retry_invite(now, at, Changes::default()),
            Err(why) => {
                leg.unanswered = Some(why);
                false
            }
        }
    }

    /// A request inside a dialog met one.
    pub(super) fn request_challenged(&mut self, now: Mono, at: usize, mut asked: Asked, message: &Message) -> bool {
        let Some(leg) = self.tables.legs.get(at) else { return false };
        let credentials = leg.trunk.credentials.as_ref();
        let learnt = self.keyring.learn(&leg.hop, credentials, &mut asked.draft.tried, message);
        learnt.is_ok() && self.retry_request(now, at, asked, Changes::default())
    }
}
