//! How well a switch serves a destination. Owns the meaning of `prefixes` and `allow`; refuses everything that changes.

use std::net::IpAddr;

use super::line::Line;
use crate::model::{Endpoint, Host};

/// The length of its longest matching prefix, or of an allowed host; none: not at all.
pub(super) fn reach(line: &Line, endpoint: &Endpoint) -> Option<usize> {
    let switch = &line.switch;
    match endpoint {
        Endpoint::Number(_) if switch.prefixes.is_empty() => Some(0),
        Endpoint::Number(number) => {
            switch.prefixes.iter().filter(|p| number.e164.starts_with(p.as_str())).map(String::len).max()
        }
        Endpoint::Sip(sip) => allows(line, &sip.host).then_some(sip.host.len()),
        Endpoint::Ip(ip, _) => allows(line, &ip.to_string()).then_some(1),
    }
}

/// A SIP or IP address is dialled only where the switch itself or its allow list covers its host.
fn allows(line: &Line, host: &str) -> bool {
    let ip = host.parse::<IpAddr>().ok();
    let same = |allowed: &String| {
        allowed.eq_ignore_ascii_case(host)
            || ip.is_some_and(|ip| allowed.parse::<IpAddr>().is_ok_and(|allowed| allowed == ip))
            || allowed.strip_prefix("*.").is_some_and(|domain| {
                host.len() > domain.len() + 1
                    && host
                        .get(host.len() - domain.len() - 1..)
                        .is_some_and(|tail| tail.starts_with('.') && tail[1..].eq_ignore_ascii_case(domain))
            })
    };
    is_itself(line, host) || line.switch.allow.iter().any(same)
}

/// The host is the switch: as it was configured, or where it was found.
pub(super) fn is_itself(line: &Line, host: &str) -> bool {
    let ip = host.parse::<IpAddr>().ok();
    let configured = match &line.switch.address.host {
        Host::Ip(own) => ip == Some(*own),
        Host::Name(name) => name.eq_ignore_ascii_case(host),
    };
    configured || ip.is_some_and(|ip| line.targets.iter().any(|target| target.hop.address.ip() == ip))
}
