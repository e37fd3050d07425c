//! The engine's end of all connections: found by transport, address and proven name, opened where there is none. Lives on the
//! engine's thread, so it needs no lock. Owns RFC 3261 §18's reuse of connections and the way back of answers.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Line, News, Shared, outbound};
use crate::model::{Hop, SipTransport};
use crate::sip::api::{Loss, Sources};
use crate::sip::wire::Message;

/// A hop that was lost, to be told to the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Which.
    pub hop: Hop,
    /// How.
    pub loss: Loss,
}

/// What a connection has for the engine.
pub enum Heard {
    /// A message.
    Message(Arc<Hop>, Bytes),
    /// A connection was lost on which somebody may wait for an answer.
    Lost(Lost),
    /// Nothing that concerns it.
    Nothing,
}

/// The table.
pub struct Connections {
    shared: Arc<Shared>,
    news: mpsc::Receiver<News>,
    runtime: Handle,
    lines: HashMap<Hop, Line>,
    lost: VecDeque<Lost>,
}

impl Connections {
    pub(super) fn new(shared: Arc<Shared>, news: mpsc::Receiver<News>, runtime: Handle) -> Connections {
        Connections { shared, news, runtime, lines: HashMap::new(), lost: VecDeque::new() }
    }

    /// Strangers from now on are all but these.
    pub fn set_sources(&self, sources: Arc<Sources>) {
        self.shared.sources.store(sources);
    }

    /// The next thing that a connection has to say, if one does.
    pub fn hear(&mut self) -> Option<Heard> {
        Some(match self.news.try_recv().ok()? {
            News::Message { from, bytes } => Heard::Message(from, bytes),
            News::Opened { hop, line } => {
                self.lines.insert(hop, line);
                Heard::Nothing
            }
            News::Closed { hop, id, loss } => match self.lines.get(&hop) {
                Some(line) if line.id == id => {
                    let asked = line.asked;
                    self.lines.remove(&hop);
                    if asked { Heard::Lost(Lost { hop, loss }) } else { Heard::Nothing }
                }
                // Another connection has its place already, and whoever waited was told when it got it.
                _ => Heard::Nothing,
            },
        })
    }

    /// Whether something is waiting to be heard.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty() || !self.lost.is_empty()
    }

    /// A hop that was lost while something was sent to it.
    pub fn poll_lost(&mut self) -> Option<Lost> {
        self.lost.pop_front()
    }

    /// Our address on the connection to this hop, where there is one and it is known.
    pub fn local(&self, hop: &Hop) -> Option<SocketAddr> {
        self.lines.get(hop).and_then(|line| line.local)
    }

    /// Sends on the connection to this hop, or opens one. What cannot be sent is told by [`Connections::poll_lost`].
    pub fn send(&mut self, to: &Hop, bytes: Arc<[u8]>) {
        let answer = bytes.starts_with(b"SIP/2.0 ");
        let back;
        let mut to = to;
        if answer && self.lines.get(to).is_none_or(|line| line.queue.is_closed()) {
            let Some(hop) = way_back(to, &bytes, &self.shared.sources.load()) else { return };
            back = hop;
            to = &back;
        }
        if let Some(line) = self.lines.get_mut(to) {
            line.asked |= !answer;
            match line.queue.try_send(Arc::clone(&bytes)) {
                Ok(()) => return,
                Err(TrySendError::Full(_)) => {
                    line.cut.notify_one();
                    self.lines.remove(to);
                    return self.lost.push_back(Lost { hop: to.clone(), loss: Loss::NotMade });
                }
                Err(TrySendError::Closed(_)) => {
                    // It broke; its farewell is on the way and will find another in its place.
                    if self.lines.remove(to).is_some_and(|line| line.asked) {
                        self.lost.push_back(Lost { hop: to.clone(), loss: Loss::Broke });
                    }
                }
            }
        }
        self.open(to, bytes, !answer);
    }

    fn open(&mut self, to: &Hop, bytes: Arc<[u8]>, asked: bool) {
        let place = self.shared.places.take(to.address.ip(), &self.shared.limits.load());
        let Some(place) = place else {
            tracing::warn!(hop = %to, "too many SIP connections to open another");
            return self.lost.push_back(Lost { hop: to.clone(), loss: Loss::NotMade });
        };
        let (socket, local) = match outbound::socket(to, &self.shared.locals) {
            Ok((socket, local)) => (Ok(socket), local),
            Err(error) => (Err(error), None),
        };
        let (mut line, ends) = self.shared.line(local);
        line.asked = asked;
        // The queue is new and empty.
        let _first = line.queue.try_send(bytes);
        self.lines.insert(to.clone(), line);
        self.runtime.spawn(outbound::run(socket, to.clone(), ends, Arc::clone(&self.shared), place));
    }
}

/// Where an answer goes whose connection is gone: to `received` and the port of sent-by (RFC 3261 §18.2.2), if that is a
/// switch's.
fn way_back(from: &Hop, answer: &[u8], sources: &Sources) -> Option<Hop> {
    let message = Message::parse(answer).ok()?;
    let via = message.top_via().ok()?;
    let host = || via.host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let ip = via.received.or_else(host).filter(|ip| sources.knows(*ip))?;
    let address = SocketAddr::new(ip, via.port.unwrap_or(from.transport.default_port()));
    let proven = from.name.clone().or_else(|| sources.named(ip, |_| true));
    Some(Hop { transport: from.transport, address, name: proven.filter(|_| from.transport == SipTransport::Tls) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_way_back_without_its_connection() {
        let answer = |via: &str| {
            format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP {via};branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n")
                .into_bytes()
        };
        let from = Hop::tcp("192.0.2.1:40000".parse().unwrap());
        let sources = Sources::of(&["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        let back = |via: &str| way_back(&from, &answer(via), &sources).map(|hop| hop.address.to_string());
        assert_eq!(back("ssp.example:5070;received=192.0.2.1;rport=40000").as_deref(), Some("192.0.2.1:5070"));
        assert_eq!(back("192.0.2.1").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(back("[2001:db8::1]:5062").as_deref(), Some("[2001:db8::1]:5062"));
        assert_eq!(back("192.0.2.9:5060"), None, "no switch");
        assert_eq!(back("ssp.example:5060"), None, "names are not looked up");
    }
}
