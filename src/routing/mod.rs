//! Which switch carries a destination: the longest prefix, then by weight. Pure: the caller brings the draw. Owns the meaning
//! of `prefixes`, `allow` and `weight` of `[[switch]]`; refuses health and capacity (issue 3).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Endpoint, Hop, Trunk};

/// A switch (SSP 62/64/66, OSN 74) that takes our INVITEs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switch {
    /// Its name in records.
    pub name: String,
    /// Where INVITEs go.
    pub hop: Hop,
    /// E.164 prefixes with `+`; empty = any.
    pub prefixes: Vec<String>,
    /// Share among switches with one prefix; 0 = only when no other serves it.
    pub weight: u32,
    /// Hosts of SIP and IP endpoints that may be dialled through it.
    pub allow: Vec<String>,
    /// Further source addresses of its SIP.
    pub sources: Vec<IpAddr>,
    /// The caller identity it is shown by default.
    pub caller_id: Option<String>,
    /// How it wants SIP spoken.
    pub trunk: Arc<Trunk>,
}

/// Every configured switch.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    switches: Vec<Switch>,
}

impl Routing {
    /// Takes the configured switches in their order.
    pub fn new(switches: Vec<Switch>) -> Routing {
        Routing { switches }
    }

    /// True when some switch serves this destination.
    pub fn covers(&self, endpoint: &Endpoint) -> bool {
        self.switches.iter().any(|switch| reach(switch, endpoint).is_some())
    }

    /// The switch for a destination. `draw` is a random number that shares by weight.
    pub fn choose(&self, endpoint: &Endpoint, draw: u64) -> Option<&Switch> {
        let longest = self.switches.iter().filter_map(|switch| reach(switch, endpoint)).max()?;
        let candidates = || self.switches.iter().filter(move |switch| reach(switch, endpoint) == Some(longest));
        let total: u64 = candidates().map(|switch| u64::from(switch.weight)).sum();
        let Some(mut left) = draw.checked_rem(total) else { return candidates().next() };
        candidates().find(|switch| {
            let weight = u64::from(switch.weight);
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        })
    }

    /// Every address that SIP is accepted from.
    pub fn sources(&self) -> Vec<IpAddr> {
        let mut sources: Vec<IpAddr> = self
            .switches
            .iter()
            .flat_map(|switch| switch.sources.iter().copied().chain([switch.hop.address.ip()]))
            .collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}

/// How well a switch serves a destination: the length of its longest matching prefix, or of an allowed host.
fn reach(switch: &Switch, endpoint: &Endpoint) -> Option<usize> {
    match endpoint {
        Endpoint::Number(_) if switch.prefixes.is_empty() => Some(0),
        Endpoint::Number(number) => {
            switch.prefixes.iter().filter(|p| number.e164.starts_with(p.as_str())).map(String::len).max()
        }
        Endpoint::Sip(sip) => allows(switch, &sip.host).then_some(sip.host.len()),
        Endpoint::Ip(ip, _) => allows(switch, &ip.to_string()).then_some(1),
    }
}

/// A SIP or IP address is dialled only where the switch itself or its allow list covers its host.
fn allows(switch: &Switch, host: &str) -> bool {
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
    ip == Some(switch.hop.address.ip()) || switch.allow.iter().any(same)
}

/// What the INVITE asks a switch for: Request-URI and To.
pub fn target(endpoint: &Endpoint, switch: &Switch) -> String {
    match endpoint {
        Endpoint::Number(number) => format!("sip:{}@{};user=phone", number.e164, switch.hop.address),
        Endpoint::Sip(sip) => sip.uri.clone(),
        Endpoint::Ip(ip, port) => format!("sip:{}", SocketAddr::new(*ip, port.unwrap_or(5060))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(name: &str, prefixes: &[&str], weight: u32) -> Switch {
        Switch {
            name: name.into(),
            hop: Hop::udp("192.0.2.1:5060".parse().unwrap()),
            prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
            weight,
            allow: vec!["*.example.com".into(), "198.51.100.7".into()],
            sources: vec![],
            caller_id: None,
            trunk: Arc::default(),
        }
    }

    fn number(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let routing = Routing::new(vec![switch("any", &[], 1), switch("us", &["+1"], 1), switch("ny", &["+1212"], 1)]);
        let name = |n: &str| routing.choose(&number(n), 0).map(|s| s.name.clone());
        assert_eq!(name("+12125550100").as_deref(), Some("ny"));
        assert_eq!(name("+16465550100").as_deref(), Some("us"));
        assert_eq!(name("+442079460000").as_deref(), Some("any"));
    }

    #[test]
    fn switches_with_one_prefix_share_by_weight() {
        let routing = Routing::new(vec![switch("a", &["+1"], 1), switch("b", &["+1"], 3), switch("c", &["+1"], 0)]);
        let to = number("+12125550100");
        let share: Vec<&str> = (0..4).filter_map(|draw| routing.choose(&to, draw)).map(|s| s.name.as_str()).collect();
        assert_eq!(share, ["a", "b", "b", "b"]);
    }

    #[test]
    fn an_address_is_dialled_only_where_it_is_allowed() {
        let routing = Routing::new(vec![switch("a", &["+1"], 1)]);
        for good in ["sip:rep@pbx.example.com", "198.51.100.7", "192.0.2.1:5062", "sip:x@192.0.2.1"] {
            assert!(routing.covers(&number(good)), "{good}");
        }
        for bad in ["sip:rep@example.org", "sip:rep@notexample.com", "203.0.113.1", "+442079460000"] {
            assert!(!routing.covers(&number(bad)), "{bad}");
        }
    }
}
