//! Early dialogs with reliable provisionals (RFC 3262): each ringing fork sends its row of 183 and 180 with RSeq, one after the
//! PRACK of the other, and judges RAck to the letter. Owns RSeq numbers; plain provisionals are `invite`'s.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use super::behaviour::{Act, AnswerWith, Then};
use super::call::{Call, Phase, tag};
use super::manners::{Reliable, ReliableFlaw};
use super::message::{Message, finish};
use super::reply::echo;
use super::story::{Ending, Fault};
use super::{Desk, Due};
use crate::clock::Mono;

/// One early dialog.
pub(super) struct Fork {
    pub tag: String,
    /// The highest CSeq number of the peer in this dialog.
    pub heard_cseq: u32,
    /// The answer was in a reliable provisional that was acknowledged.
    pub described: bool,
    /// Reliable provisionals not sent yet.
    left: u8,
    /// Number of the newest one.
    rseq: u32,
    pending: Option<Pending>,
    /// RSeq and the branch of each PRACK taken.
    taken: Vec<(u32, String)>,
    done: bool,
}

/// A reliable provisional that waits for its PRACK.
struct Pending {
    rseq: u32,
    bytes: Vec<u8>,
    status: u16,
    describes: bool,
    /// It must not be acknowledged.
    foul: bool,
    began: Mono,
    interval: Duration,
    sent_faithfully: u32,
}

impl Call {
    /// Every fork begins its row.
    pub(super) fn ring_reliably(&mut self, desk: &mut Desk<'_>) {
        let Some(count) = self.behaviour.reliable.as_ref().map(|r| r.count.max(1)) else { return };
        self.forks.clear();
        for fork in 0..self.behaviour.rings.max(1) {
            self.forks.push(Fork {
                tag: tag(desk, self.story.tries, fork),
                heard_cseq: self.invited.cseq,
                described: false,
                left: count,
                rseq: desk.rng.random_range(1..1_000_000),
                pending: None,
                taken: Vec::new(),
                done: false,
            });
            self.next_reliable(desk, fork);
        }
    }

    fn next_reliable(&mut self, desk: &mut Desk<'_>, at: u8) {
        let Some(manner) = self.behaviour.reliable.clone() else { return };
        let Some(fork) = self.forks.get_mut(usize::from(at)) else { return };
        if fork.left == 0 || fork.pending.is_some() || fork.done {
            return;
        }
        let first = fork.left == manner.count.max(1);
        fork.left -= 1;
        let foul = !first && matches!(manner.flaw, Some(ReliableFlaw::SkipsNumber | ReliableFlaw::SameNumber));
        fork.rseq += match manner.flaw {
            Some(ReliableFlaw::SkipsNumber) if !first => 2,
            Some(ReliableFlaw::SameNumber) if !first => 0,
            _ => 1,
        };
        // A phone that answers badly does so in its 200.
        let badly = matches!(self.behaviour.then, Then::Answer { with, .. } if with != AnswerWith::Session);
        let describes = manner.answer && first && !badly;
        let (rseq, tag) = (fork.rseq, fork.tag.clone());
        let status = if describes || fork.left % 2 == 1 { 183 } else { 180 };
        let foul = foul || manner.flaw == Some(ReliableFlaw::Garbage);
        let bytes = self.reliable_bytes(desk, &manner, status, rseq, &tag, describes);
        desk.send(self.invited.from, bytes.clone(), || format!("{status} (INVITE), RSeq"));
        self.provisional = Some(bytes.clone());
        let pending = Pending {
            rseq,
            bytes,
            status,
            describes,
            foul,
            began: desk.now,
            interval: desk.config.t1,
            sent_faithfully: u32::from(desk.faithful()),
        };
        desk.wake(Due::Early(at), desk.now + pending.interval);
        if let Some(fork) = self.forks.get_mut(usize::from(at)) {
            fork.pending = Some(pending);
        }
    }

    fn reliable_bytes(
        &self,
        desk: &Desk<'_>,
        manner: &Reliable,
        status: u16,
        rseq: u32,
        tag: &str,
        describes: bool,
    ) -> Vec<u8> {
        let mut headers = String::from("Require: 100rel\r\nAllow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE\r\n");
        let _ = match manner.flaw {
            Some(ReliableFlaw::Garbage) => write!(headers, "RSeq: many\r\n"),
            _ => write!(headers, "RSeq: {rseq}\r\n"),
        };
        let body = if describes { self.our_answer(AnswerWith::Session) } else { String::new() };
        self.respond(desk, status, Some(tag), &headers, &body)
    }

    /// The provisional again, or the next one, or no more patience (RFC 3262 §3).
    pub(super) fn early_due(&mut self, desk: &mut Desk<'_>, at: u8) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        let Some(fork) = self.forks.get_mut(usize::from(at)) else { return };
        let Some(pending) = &mut fork.pending else { return self.next_reliable(desk, at) };
        let waited = desk.now.since(pending.began);
        if pending.foul && waited >= desk.config.t1 * 3 {
            // Nobody may acknowledge it: the row is over.
            fork.pending = None;
            fork.left = 0;
            return;
        }
        if waited >= desk.config.t1 * 64 {
            let told = pending.sent_faithfully;
            fork.pending = None;
            fork.left = 0;
            if told >= 2 {
                self.story.blame(desk.now, Fault::Prack, "a reliable provisional was never acknowledged");
            }
            return self.refuse(desk, 504, Ending::Refused(504));
        }
        pending.interval *= 2;
        pending.sent_faithfully += u32::from(desk.faithful());
        let (bytes, status) = (pending.bytes.clone(), pending.status);
        desk.wake(Due::Early(at), (desk.now + pending.interval).min(pending.began + desk.config.t1 * 64));
        desk.send(self.invited.from, bytes, || format!("{status} (INVITE) again"));
    }

    /// True while a provisional that carries an answer has no PRACK, in a fork that is to answer.
    pub(super) fn must_wait_for_prack(&self, forks: u8) -> bool {
        let hasty = self.behaviour.reliable.as_ref().is_some_and(|r| {
            matches!(
                r.flaw,
                Some(
                    ReliableFlaw::AnswersUnacknowledged | ReliableFlaw::NeverAnswersPrack | ReliableFlaw::RefusesPrack
                )
            )
        });
        !hasty
            && self
                .forks
                .iter()
                .take(usize::from(forks.max(1)))
                .any(|f| f.pending.as_ref().is_some_and(|p| p.describes && !p.foul))
    }

    /// The INVITE is decided: what waits is not sent any more, and is judged.
    pub(super) fn early_over(&mut self, desk: &mut Desk<'_>) {
        for (at, fork) in (0..).zip(&mut self.forks) {
            desk.forget(Due::Early(at));
            fork.done = true;
            if let Some(pending) = fork.pending.take().filter(|p| !p.foul && p.sent_faithfully >= 2) {
                let text = format!("the {} with RSeq {} was never acknowledged", pending.status, pending.rseq);
                self.story.blame(desk.now, Fault::Prack, text);
            }
        }
    }

    /// What waits for its PRACK, or the PRACK, may have been lost with a stream.
    pub(super) fn early_torn(&mut self) {
        self.forks.iter_mut().filter_map(|fork| fork.pending.as_mut()).for_each(|pending| pending.sent_faithfully = 0);
    }

    /// A PRACK inside the fork with this tag.
    pub(super) fn prack(&mut self, desk: &mut Desk<'_>, from: SocketAddr, tag: &str, message: &Message<'_>) {
        let now = desk.now;
        let branch = message.branch().unwrap_or_default().to_owned();
        let flaw = self.behaviour.reliable.as_ref().and_then(|r| r.flaw);
        if flaw == Some(ReliableFlaw::BusyInPrack) && matches!(self.phase, Phase::Open) {
            // The PRACK has come: nothing is missing.
            self.forks.iter_mut().for_each(|f| f.pending = None);
            self.refuse(desk, 486, Ending::Refused(486));
        }
        let decided = !matches!(self.phase, Phase::Open);
        let Some(at) = self.forks.iter().position(|f| f.tag == tag) else {
            self.story.blame(now, Fault::Prack, "PRACK in a dialog that sent nothing reliably");
            return self.reply_to_prack(desk, from, 481, message);
        };
        let Some(fork) = self.forks.get_mut(at) else { return };
        let rack = message.get("RAck").and_then(rack);
        if fork.taken.iter().any(|(_, seen)| *seen == branch) {
            return self.answer_prack(desk, from, flaw, message);
        }
        let fits = rack.as_ref().is_some_and(|(_, cseq, method)| *cseq == self.invited.cseq && *method == "INVITE");
        let rseq = rack.map(|(rseq, ..)| rseq);
        let awaited = fork.pending.as_ref().filter(|p| fits && !p.foul && Some(p.rseq) == rseq).map(|p| p.describes);
        if let Some(describes) = awaited {
            fork.pending = None;
            fork.described |= describes;
            fork.taken.push((rseq.unwrap_or_default(), branch));
            self.story.pracks += 1;
            let every = self.behaviour.reliable.as_ref().map_or(Duration::ZERO, |r| r.every);
            desk.wake(Due::Early(u8::try_from(at).unwrap_or(u8::MAX)), now + every);
            self.answer_prack(desk, from, flaw, message);
            let update = self.behaviour.reliable.as_ref().is_some_and(|r| r.update && r.answer);
            if update && describes && matches!(self.phase, Phase::Open) {
                self.request(desk, Act::Update);
            }
            return;
        }
        let repeated = rseq.is_some_and(|rseq| fork.taken.iter().any(|(taken, _)| *taken == rseq));
        // The provisional may have been on its way when the INVITE was decided.
        if decided && fits && !repeated && rseq == Some(fork.rseq) {
            fork.taken.push((fork.rseq, branch));
            return self.answer_prack(desk, from, flaw, message);
        }
        let text = match (repeated, message.get("RAck")) {
            (true, rack) => format!("another PRACK for the provisional of RAck {rack:?}"),
            (false, rack) => format!("RAck {rack:?} fits no provisional that waits (INVITE {})", self.invited.cseq),
        };
        self.story.blame(now, Fault::Prack, text);
        self.reply_to_prack(desk, from, 481, message);
    }

    fn answer_prack(
        &mut self,
        desk: &mut Desk<'_>,
        from: SocketAddr,
        flaw: Option<ReliableFlaw>,
        message: &Message<'_>,
    ) {
        match flaw {
            Some(ReliableFlaw::NeverAnswersPrack) => {}
            Some(ReliableFlaw::RefusesPrack) => self.reply_to_prack(desk, from, 481, message),
            _ => self.reply_to_prack(desk, from, 200, message),
        }
    }

    fn reply_to_prack(&self, desk: &mut Desk<'_>, from: SocketAddr, status: u16, message: &Message<'_>) {
        let bytes = finish(echo(message, status, from, ""), "");
        desk.send(from, bytes, || format!("{status} (PRACK)"));
    }
}

/// `RAck: 776656 1 INVITE`.
fn rack(value: &str) -> Option<(u32, u32, &str)> {
    let mut words = value.split(' ');
    let parsed = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    words.next().is_none().then_some(parsed)
}
