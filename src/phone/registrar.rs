//! What a switch says outside of any call: OPTIONS (RFC 3261 §11) and REGISTER (§10), judged. Owns bindings; digest is
//! `guard`'s.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;

use super::guard::Nonces;
use super::manners::Challenge;
use super::message::{Message, finish, parameter, uri_of};
use super::reply::echo;
use super::story::{Fault, Violation};
use crate::clock::Mono;

/// How OPTIONS are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnOptions {
    /// With this status.
    Answer(u16),
    /// Not at all.
    Silent,
}

/// A switch that wants to be registered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registrar {
    /// REGISTER is challenged.
    pub challenge: Option<Challenge>,
    /// A binding lasts at most so many seconds.
    pub most: u32,
    /// Less than this is refused by 423 with Min-Expires.
    pub least: u32,
    /// What is wrong with it.
    pub flaw: Option<RegistrarFlaw>,
}

/// Mistakes of registrars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrarFlaw {
    /// Not answered.
    Silent,
    /// 503 with Retry-After of so many seconds.
    Busy(u32),
    /// 403.
    Forbidden,
    /// 200 without any Contact.
    Forgetful,
}

/// A registered contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Where the address of record is reached.
    pub contact: String,
    /// When the last REGISTER came.
    pub since: Mono,
    /// When it lapses.
    pub until: Mono,
    /// REGISTERs that were accepted.
    pub times: u32,
    call_id: String,
    cseq: u32,
}

/// The bindings and what is being asked.
#[derive(Default)]
pub(super) struct Register {
    pub bindings: BTreeMap<String, Binding>,
    /// No REGISTER before this.
    not_before: Option<Mono>,
    replies: BTreeMap<String, Vec<u8>>,
}

/// Bindings and replies are kept up to so many.
const MOST: usize = 64;

impl Register {
    /// What it asked for may never have been heard.
    pub fn excuse(&mut self) {
        self.not_before = None;
    }

    /// A REGISTER: the answer, none when there is none.
    pub fn take(
        &mut self,
        now: Mono,
        manner: &Registrar,
        (rng, nonces): (&mut StdRng, &mut Nonces),
        from: SocketAddr,
        message: &Message<'_>,
        strays: &mut Vec<Violation>,
    ) -> Option<Vec<u8>> {
        let mut blame = |fault, text: String| strays.push(Violation { at: now, fault, text });
        let branch = message.branch()?.to_owned();
        if let Some(bytes) = self.replies.get(&branch) {
            return Some(bytes.clone());
        }
        let answer = |register: &mut Register, status: u16, lines: &str| {
            let mut head = echo(message, status, from, "registrar");
            head.push_str(lines);
            let bytes = finish(head, "");
            if register.replies.len() >= MOST {
                register.replies.clear();
            }
            register.replies.insert(branch.clone(), bytes.clone());
            Some(bytes)
        };
        // Who leaves for another place need not wait.
        let leaves = message.get("Expires") == Some("0");
        if self.not_before.take().is_some_and(|at| now < at) && !leaves {
            blame(Fault::Refresh, "REGISTER before its Retry-After".to_owned());
        }
        match manner.flaw {
            Some(RegistrarFlaw::Silent) => return None,
            Some(RegistrarFlaw::Forbidden) => return answer(self, 403, ""),
            Some(RegistrarFlaw::Busy(seconds)) => {
                self.not_before = Some(now + Duration::from_secs(u64::from(seconds)));
                return answer(self, 503, &format!("Retry-After: {seconds}\r\n"));
            }
            Some(RegistrarFlaw::Forgetful) | None => {}
        }
        let asked = message
            .get("Expires")
            .and_then(|e| e.parse::<u32>().ok())
            .or_else(|| parameter(message.get("Contact")?, "expires")?.parse().ok());
        let worth = nonces.judge(message);
        worth.wrong.into_iter().for_each(|why| blame(Fault::Credentials, why));
        if let Some(challenge) = manner.challenge.as_ref().filter(|_| !worth.right) {
            let lines = nonces.ask(rng, challenge, false);
            return answer(self, if challenge.as_server { 401 } else { 407 }, &lines);
        }
        let Some(asked) = asked else {
            blame(Fault::Header, "REGISTER without an expiry".to_owned());
            return answer(self, 400, "");
        };
        if asked != 0 && asked < manner.least {
            return answer(self, 423, &format!("Min-Expires: {}\r\n", manner.least));
        }
        let granted = asked.min(manner.most);
        let bound = self.bind(now, granted, message, &mut blame);
        let mut lines = String::new();
        if let (Some(contact), true) = (bound, manner.flaw.is_none()) {
            let _ = write!(lines, "Contact: <{contact}>;expires={granted}\r\n");
        }
        answer(self, 200, &lines)
    }

    /// Keeps the binding, and judges how it follows the one before.
    fn bind(
        &mut self,
        now: Mono,
        granted: u32,
        message: &Message<'_>,
        blame: &mut dyn FnMut(Fault, String),
    ) -> Option<String> {
        let aor = uri_of(message.get("To")?).to_owned();
        if uri_of(message.get("From")?) != aor {
            blame(Fault::Header, "REGISTER whose From is not its To".to_owned());
        }
        let contact = uri_of(message.get("Contact")?).to_owned();
        let call_id = message.get("Call-ID")?.to_owned();
        let cseq = message.cseq()?.0;
        let until = now + Duration::from_secs(u64::from(granted));
        let mut times = 1;
        if let Some(before) = self.bindings.get(&aor) {
            times += before.times;
            if before.call_id == call_id && cseq <= before.cseq {
                blame(Fault::Sequence, format!("REGISTER with CSeq {cseq} after {}", before.cseq));
            }
        }
        if granted == 0 {
            self.bindings.remove(&aor);
        } else if self.bindings.len() < MOST || self.bindings.contains_key(&aor) {
            self.bindings.insert(aor, Binding { contact: contact.clone(), since: now, until, times, call_id, cseq });
        }
        Some(contact)
    }
}
