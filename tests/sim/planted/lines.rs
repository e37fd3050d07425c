//! Bugs planted in what goes over streams: what is lost with a connection, what is said twice, which way answers go. Owns what they
//! remember of the messages that pass; which bug is planted and how it must be caught is `planted`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use callbridge::engine::api::Output;
use callbridge::model::{Hop, SipTransport};
use callbridge::sip::api::Loss;

use super::{Bug, Planted, altered};

/// What passed so far.
#[derive(Default)]
pub(super) struct Memory {
    /// Requests that were sent over streams.
    sent: BTreeSet<Arc<[u8]>>,
    /// The last BYE or INVITE to a hop.
    last: BTreeMap<Hop, Output>,
    /// Hops whose connections could not be made.
    refused: BTreeSet<Hop>,
}

/// True for bugs of this kind.
pub(super) fn planted(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::ByeLostWithItsConnection
            | Bug::CancelLostWithItsConnection
            | Bug::ByeGivenUpWithoutConnection
            | Bug::RetransmitsOverStreams
            | Bug::ViaOfAnotherTransport
            | Bug::AnswerOnAnotherConnection
            | Bug::AnotherInviteAfterALoss
            | Bug::ConnectsInATightRow
    )
}

/// What the world sees of a message that the engine sends.
pub(super) fn send(planted: &mut Planted, output: Output) -> Vec<Output> {
    let Output::Send { to, bytes, note } = &output else { return vec![output] };
    if to.transport != SipTransport::Tcp {
        return vec![output];
    }
    let request = note.status.is_none();
    let is = |method: &str| request && note.method == method;
    let again = request && !planted.lines.sent.insert(Arc::clone(bytes));
    if is("BYE") || is("INVITE") {
        let copy = Output::Send { to: to.clone(), bytes: Arc::clone(bytes), note: note.clone() };
        planted.lines.last.insert(to.clone(), copy);
    }
    match planted.bug {
        Bug::ByeLostWithItsConnection if again && is("BYE") => vec![],
        Bug::CancelLostWithItsConnection if again && is("CANCEL") => vec![],
        Bug::ByeGivenUpWithoutConnection if again && is("BYE") && planted.lines.refused.contains(to) => vec![],
        Bug::RetransmitsOverStreams if is("INVITE") && !again => {
            let copy = Output::Send { to: to.clone(), bytes: Arc::clone(bytes), note: note.clone() };
            planted.later.push((Duration::from_millis(500), copy));
            vec![output]
        }
        Bug::ViaOfAnotherTransport if request => vec![altered(&output, "Via: SIP/2.0/TCP", "Via: SIP/2.0/UDP")],
        // To where the Via says, on a connection of its own.
        Bug::AnswerOnAnotherConnection if !request => {
            let to = Hop::tcp(std::net::SocketAddr::new(to.address.ip(), 5060));
            vec![Output::Send { to, bytes: Arc::clone(bytes), note: note.clone() }]
        }
        Bug::AnotherInviteAfterALoss if again && is("INVITE") => {
            vec![altered(&output, "branch=z9hG4bK", "branch=z9hG4bKx")]
        }
        _ => vec![output],
    }
}

impl Planted {
    /// False: the engine is not told of this loss.
    pub fn loses(&mut self, hop: &Hop, loss: Loss) -> bool {
        if loss == Loss::NotMade {
            self.lines.refused.insert(hop.clone());
        }
        if self.bug == Bug::ConnectsInATightRow && loss == Loss::NotMade {
            let copies = (1..100).filter_map(|n| {
                let Output::Send { to, bytes, note } = self.lines.last.get(hop)? else { return None };
                let copy = Output::Send { to: to.clone(), bytes: Arc::clone(bytes), note: note.clone() };
                Some((Duration::from_millis(5 * n), copy))
            });
            self.later.extend(copies.collect::<Vec<_>>());
        }
        self.bug != Bug::LossUnheard
    }
}
