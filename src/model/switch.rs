//! Where a switch is: the address as an operator writes it, and the places that a look-up of it names. Owns the syntax of
//! `[[switch]] address`; refuses look-ups and choices.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::transport::{Hop, SipTransport};

/// `sip:HOST[:port][;transport=udp|tcp|tls]` or `sips:HOST[:port]`: what RFC 3263 starts from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchAddress {
    /// An IP address, or a name to be looked up.
    pub host: Host,
    /// A port that was written: then SRV records are not asked for (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// A transport that was written: then NAPTR records are not asked for (RFC 3263 §4.1).
    pub transport: Option<SipTransport>,
    /// `sips:`: nothing but TLS will do.
    pub secure: bool,
}

/// The host of a [`SwitchAddress`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// Needs no look-up.
    Ip(IpAddr),
    /// A domain name, in lower case, without the last dot.
    Name(Arc<str>),
}

/// Why a text is no address of a switch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SwitchAddressError {
    /// Another scheme, or none.
    #[error("not a sip: or sips: URI")]
    Scheme,
    /// The number dialled is put there.
    #[error("a URI with a user; the number dialled is put there")]
    User,
    /// Not udp, tcp or tls.
    #[error("over {0}, and only udp, tcp and tls are known")]
    Transport(String),
    /// `sips:` over UDP.
    #[error("a sips: URI over UDP, which cannot be")]
    SecureUdp,
    /// Anything but `transport`.
    #[error("a URI with the unknown parameter {0:?}")]
    Parameter(String),
    /// Neither an IP address nor a domain name.
    #[error("without an IP address or a host name")]
    Host,
    /// Not 1 to 65535.
    #[error("a URI with a wrong port")]
    Port,
    /// 0.0.0.0, multicast and the like.
    #[error("no address that could be called")]
    NotCallable,
}

/// One place that a switch can be reached at, as a look-up orders them (RFC 2782).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    /// The place.
    pub hop: Hop,
}

impl Target {
    /// The only place of a switch whose address needs no look-up.
    pub fn only(hop: Hop) -> Target {
        Target { priority: 0, weight: 1, hop }
    }
}

impl SwitchAddress {
    /// An address over UDP that needs no look-up.
    pub fn udp(address: SocketAddr) -> SwitchAddress {
        let (host, port) = (Host::Ip(address.ip()), Some(address.port()));
        SwitchAddress { host, port, transport: Some(SipTransport::Udp), secure: false }
    }

    /// Reads what an operator wrote.
    pub fn parse(text: &str) -> Result<SwitchAddress, SwitchAddressError> {
        let (secure, rest) = match text.split_once(':') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sips") => (true, rest),
            _ => return Err(SwitchAddressError::Scheme),
        };
        let mut parts = rest.split(';');
        let host_port = parts.next().unwrap_or_default();
        let mut transport = None;
        for parameter in parts {
            match parameter.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("transport") => {
                    let known = SipTransport::parse(value);
                    transport = Some(known.ok_or_else(|| SwitchAddressError::Transport(value.to_owned()))?);
                }
                _ => return Err(SwitchAddressError::Parameter(parameter.to_owned())),
            }
        }
        if secure && transport == Some(SipTransport::Udp) {
            return Err(SwitchAddressError::SecureUdp);
        }
        if host_port.contains('@') {
            return Err(SwitchAddressError::User);
        }
        let (host, port) = split_port(host_port)?;
        let host = read_host(host)?;
        // RFC 3261 §19.1.2: `sips:` with transport=tcp means TLS over TCP.
        let transport = if secure { transport.map(|_| SipTransport::Tls) } else { transport };
        Ok(SwitchAddress { host, port, transport, secure })
    }

    /// What carries messages where no NAPTR record says otherwise (RFC 3263 §4.1).
    pub fn default_transport(&self) -> SipTransport {
        let scheme = if self.secure { SipTransport::Tls } else { SipTransport::Udp };
        self.transport.unwrap_or(scheme)
    }

    /// The place, where no look-up is needed. `tls_name` is the name that its certificate must show instead of the host.
    pub fn literal(&self, tls_name: Option<&str>) -> Option<Hop> {
        let Host::Ip(ip) = self.host else { return None };
        let transport = self.default_transport();
        let address = SocketAddr::new(ip, self.port.unwrap_or(transport.default_port()));
        Some(self.hop(transport, address, tls_name))
    }

    /// A place that a look-up found. The name to be verified is the one that was asked for, never one that DNS brought
    /// (RFC 5922 §4, RFC 3263 §4.1).
    pub fn hop(&self, transport: SipTransport, address: SocketAddr, tls_name: Option<&str>) -> Hop {
        let name = (transport == SipTransport::Tls).then(|| tls_name.map_or_else(|| self.host_text(), Arc::from));
        Hop { transport, address, name }
    }

    /// True when the host has to be looked up.
    pub fn is_name(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// The host without brackets.
    pub fn host_text(&self) -> Arc<str> {
        match &self.host {
            Host::Ip(ip) => ip.to_string().into(),
            Host::Name(name) => Arc::clone(name),
        }
    }

    /// `host` or `host:port` as in a URI: what a Request-URI to this switch says. A literal address always says its port.
    pub fn authority(&self) -> String {
        match (&self.host, self.port) {
            (Host::Ip(ip), port) => {
                SocketAddr::new(*ip, port.unwrap_or(self.default_transport().default_port())).to_string()
            }
            (Host::Name(name), Some(port)) => format!("{name}:{port}"),
            (Host::Name(name), None) => name.to_string(),
        }
    }
}

/// As it was written, but for case: `sip:192.0.2.1:5060;transport=udp`.
impl fmt::Display for SwitchAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "sips" } else { "sip" };
        write!(f, "{scheme}:{}", self.authority())?;
        match self.transport {
            Some(transport) if !self.secure => write!(f, ";transport={}", transport.as_str()),
            _ => Ok(()),
        }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), SwitchAddressError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, after)) => {
            let host = text.get(..text.len() - after.len()).unwrap_or_default();
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("x")) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let Some(port) = port else { return Ok((host, None)) };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(SwitchAddressError::Port),
    }
}

fn read_host(text: &str) -> Result<Host, SwitchAddressError> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip: Option<IpAddr> = match bracketed {
        Some(v6) => Some(v6.parse().ok().filter(IpAddr::is_ipv6).ok_or(SwitchAddressError::Host)?),
        None => text.parse().ok().filter(IpAddr::is_ipv4),
    };
    match ip {
        Some(ip) if ip.is_unspecified() || ip.is_multicast() => Err(SwitchAddressError::NotCallable),
        Some(ip) => Ok(Host::Ip(ip)),
        None => domain(text).map(Host::Name).ok_or(SwitchAddressError::Host),
    }
}

/// A domain name: labels of letters, digits, `-` and `_`, the last one not a number (RFC 1123 §2.1).
fn domain(text: &str) -> Option<Arc<str>> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let fits = name.len() <= 253 && name.split('.').all(good) && !last.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SwitchAddress {
        SwitchAddress::parse(text).unwrap()
    }

    #[test]
    fn a_literal_address_has_a_place_at_once() {
        let hop = |text: &str| parse(text).literal(None).map(|hop| hop.to_string());
        assert_eq!(hop("sip:192.0.2.1").as_deref(), Some("udp:192.0.2.1:5060"));
        assert_eq!(hop("SIP:192.0.2.1:5070;Transport=TCP").as_deref(), Some("tcp:192.0.2.1:5070"));
        assert_eq!(hop("sips:[2001:db8::1]").as_deref(), Some("tls:[2001:db8::1]:5061"));
        assert_eq!(hop("sip:sbc.example.com"), None);
    }

    #[test]
    fn tls_verifies_the_name_that_was_configured() {
        let name = |text: &str, tls: Option<&str>| parse(text).literal(tls).and_then(|hop| hop.name);
        assert_eq!(name("sips:192.0.2.1", None).as_deref(), Some("192.0.2.1"));
        assert_eq!(name("sips:192.0.2.1", Some("sbc.example.com")).as_deref(), Some("sbc.example.com"));
        assert_eq!(name("sip:192.0.2.1", Some("sbc.example.com")), None);
    }

    #[test]
    fn a_request_uri_says_what_was_configured() {
        assert_eq!(parse("sip:192.0.2.1").authority(), "192.0.2.1:5060");
        assert_eq!(parse("sip:SBC.Example.com.").authority(), "sbc.example.com");
        assert_eq!(parse("sip:sbc.example.com:5080").authority(), "sbc.example.com:5080");
        assert_eq!(parse("sips:sbc.example.com;transport=tcp").to_string(), "sips:sbc.example.com");
        assert_eq!(parse("sip:[::1]:5080;transport=tls").to_string(), "sip:[::1]:5080;transport=tls");
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_its_reason() {
        let error = |text: &str| SwitchAddress::parse(text).unwrap_err();
        assert_eq!(error("192.0.2.1:5060"), SwitchAddressError::Scheme);
        assert_eq!(error("sip:a@192.0.2.1"), SwitchAddressError::User);
        assert_eq!(error("sip:192.0.2.1;transport=sctp"), SwitchAddressError::Transport("sctp".into()));
        assert_eq!(error("sips:192.0.2.1;transport=udp"), SwitchAddressError::SecureUdp);
        assert_eq!(error("sip:192.0.2.1;lr"), SwitchAddressError::Parameter("lr".into()));
        assert_eq!(error("sip:0.0.0.0"), SwitchAddressError::NotCallable);
        for text in ["sip:192.0.2.1:0", "sip:192.0.2.1:70000", "sip:192.0.2.1:+1", "sip:[::1]x"] {
            assert_eq!(error(text), SwitchAddressError::Port, "{text}");
        }
        for text in ["sip:", "sip:::1", "sip:[::1", "sip:a..b", "sip:-a.b", "sip:192.0.2", "sip:[192.0.2.1]"] {
            assert!(SwitchAddress::parse(text).is_err(), "{text}");
        }
    }
}
