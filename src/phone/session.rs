//! The phone's own SDP (RFC 8866, one G.711 audio stream): reading what the equipment says, writing the phone's answers and
//! offers. Owns only that; which answer to give is the behaviour's.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Which way audio flows, by the words of SDP, seen from whoever wrote them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Both ways.
    SendRecv,
    /// The writer only sends: it holds the other.
    SendOnly,
    /// The writer only listens.
    RecvOnly,
    /// Nothing flows.
    Inactive,
}

impl Flow {
    fn word(self) -> &'static str {
        match self {
            Flow::SendRecv => "sendrecv",
            Flow::SendOnly => "sendonly",
            Flow::RecvOnly => "recvonly",
            Flow::Inactive => "inactive",
        }
    }

    /// What an answer to this may at most be (RFC 3264 §6.1).
    pub fn mirrored(self) -> Flow {
        match self {
            Flow::SendOnly => Flow::RecvOnly,
            Flow::RecvOnly => Flow::SendOnly,
            both => both,
        }
    }

    /// The writer may send.
    pub fn sends(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::SendOnly)
    }

    /// The writer listens.
    pub fn receives(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::RecvOnly)
    }
}

/// A description with one audio stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Where its writer wants RTP.
    pub address: SocketAddr,
    /// Payload types in order of preference.
    pub payloads: Vec<u8>,
    /// `telephone-event/8000`, where one is mapped.
    pub telephone_event: Option<u8>,
    /// Flow as its writer sees it.
    pub flow: Flow,
    /// The version in `o=`.
    pub version: u64,
}

/// Why a body is no such description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// Not UTF-8 lines ending in CRLF of the form `x=…`.
    #[error("a malformed SDP line")]
    Line,
    /// `v=0`, `o=`, `s=`, `t=` must be there, in this order.
    #[error("v=, o=, s= or t= is missing or out of order")]
    Mandatory,
    /// No `c=` with an IP address.
    #[error("no usable c= line")]
    Connection,
    /// Not exactly one `m=audio … RTP/AVP …` line.
    #[error("not exactly one audio stream over RTP/AVP")]
    Media,
}

impl Session {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Session, SessionError> {
        let text = std::str::from_utf8(body).map_err(|_| SessionError::Line)?;
        let (mut order, mut ip, mut media, mut flow) = (Vec::new(), None, None, Flow::SendRecv);
        let (mut version, mut telephone_event) = (0, None);
        for line in text.split_terminator("\r\n") {
            let (kind, value) = line.split_once('=').ok_or(SessionError::Line)?;
            match kind {
                "v" | "s" | "t" => order.push(kind),
                "o" => {
                    order.push(kind);
                    let words: Vec<&str> = value.split(' ').collect();
                    version = words.get(2).and_then(|w| w.parse().ok()).ok_or(SessionError::Mandatory)?;
                    words.get(5).and_then(|w| w.parse::<IpAddr>().ok()).ok_or(SessionError::Mandatory)?;
                }
                "c" => ip = value.rsplit(' ').next().and_then(|w| w.parse::<IpAddr>().ok()),
                "m" => {
                    if media.replace(media_line(value).ok_or(SessionError::Media)?).is_some() {
                        return Err(SessionError::Media);
                    }
                }
                "a" => match value {
                    "sendrecv" => flow = Flow::SendRecv,
                    "sendonly" => flow = Flow::SendOnly,
                    "recvonly" => flow = Flow::RecvOnly,
                    "inactive" => flow = Flow::Inactive,
                    other => telephone_event = telephone_event.or_else(|| event_mapping(other)),
                },
                _ if kind.len() == 1 => {}
                _ => return Err(SessionError::Line),
            }
        }
        if order != ["v", "o", "s", "t"] {
            return Err(SessionError::Mandatory);
        }
        let (port, payloads) = media.ok_or(SessionError::Media)?;
        let address = SocketAddr::new(ip.ok_or(SessionError::Connection)?, port);
        Ok(Session { address, payloads, telephone_event, flow, version })
    }

    /// Writes the phone's side.
    pub fn write(&self) -> String {
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut out = format!(
            "v=0\r\no=phone 1 {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP",
            self.version,
            self.address.port()
        );
        for payload in self.payloads.iter().chain(&self.telephone_event) {
            let _ = write!(out, " {payload}");
        }
        out.push_str("\r\n");
        for payload in &self.payloads {
            let name = match payload {
                0 => "PCMU",
                8 => "PCMA",
                9 => "G722",
                _ => "GSM",
            };
            let _ = write!(out, "a=rtpmap:{payload} {name}/8000\r\n");
        }
        if let Some(event) = self.telephone_event {
            let _ = write!(out, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
        }
        let _ = write!(out, "a=ptime:20\r\na={}\r\n", self.flow.word());
        out
    }
}

fn media_line(value: &str) -> Option<(u16, Vec<u8>)> {
    let mut words = value.split(' ');
    let (kind, port, profile) = (words.next()?, words.next()?, words.next()?);
    let payloads: Option<Vec<u8>> = words.map(|w| w.parse().ok()).collect();
    (kind == "audio" && profile == "RTP/AVP").then_some(())?;
    Some((port.parse().ok()?, payloads.filter(|p| !p.is_empty())?))
}

fn event_mapping(attribute: &str) -> Option<u8> {
    let (payload, encoding) = attribute.strip_prefix("rtpmap:")?.split_once(' ')?;
    encoding.eq_ignore_ascii_case("telephone-event/8000").then(|| payload.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_phone_writes_it_reads_back() {
        let session = Session {
            address: "127.0.0.1:4000".parse().unwrap(),
            payloads: vec![8, 0],
            telephone_event: Some(101),
            flow: Flow::SendOnly,
            version: 3,
        };
        let mut read = Session::parse(session.write().as_bytes()).unwrap();
        assert_eq!(read.payloads.pop(), Some(101), "the event's payload type stands in the m= line");
        assert_eq!(read, session);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Session::parse(&bytes);
        }
    }
}
