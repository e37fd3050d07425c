//! Which switch carries a destination: the longest prefix, then by weight. Pure: the caller brings the draw. Owns the meaning
//! of `prefixes`, `allow` and `weight` of `[[switch]]`; refuses health and capacity (issue 3).

mod switch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Endpoint, Hop, Host, Target};
pub use switch::Switch;

/// Every configured switch.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    lines: Vec<Line>,
}

/// A switch and what is known of it now.
#[derive(Clone, Debug)]
struct Line {
    switch: Switch,
    /// Where it can be reached; none until its name was looked up.
    targets: Vec<Target>,
}

/// Who is to carry a leg.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The switch.
    pub switch: &'a Switch,
    /// Its place.
    pub hop: &'a Hop,
}

impl Routing {
    /// Takes the configured switches in their order.
    pub fn new(switches: Vec<Switch>) -> Routing {
        let lines = switches.into_iter().map(|switch| {
            let targets = switch.address.literal(switch.tls_name.as_deref()).map(Target::only).into_iter().collect();
            Line { switch, targets }
        });
        Routing { lines: lines.collect() }
    }

    /// True when some switch serves this destination.
    pub fn covers(&self, endpoint: &Endpoint) -> bool {
        self.lines.iter().any(|line| reach(line, endpoint).is_some())
    }

    /// The switch for a destination. `draw` is a random number that shares by weight.
    pub fn choose(&self, endpoint: &Endpoint, draw: u64) -> Option<Choice<'_>> {
        let open = || self.lines.iter().filter(|line| !line.switch.drain && !line.targets.is_empty());
        let longest = open().filter_map(|line| reach(line, endpoint)).max()?;
        let candidates = || open().filter(move |line| reach(line, endpoint) == Some(longest));
        let total: u64 = candidates().map(|line| u64::from(line.switch.weight)).sum();
        let chosen = match draw.checked_rem(total) {
            None => candidates().next(),
            Some(mut left) => candidates().find(|line| {
                let weight = u64::from(line.switch.weight);
                let here = left < weight;
                left = left.saturating_sub(weight);
                here
            }),
        }?;
        Some(Choice { switch: &chosen.switch, hop: &chosen.targets.first()?.hop })
    }

    /// For each switch, the addresses that SIP is accepted from and the name in its certificate.
    pub fn doors(&self) -> impl Iterator<Item = (Vec<IpAddr>, Option<Arc<str>>)> {
        self.lines.iter().map(|line| {
            let own = line.targets.iter().map(|target| target.hop.address.ip());
            let name = line.targets.iter().find_map(|target| target.hop.name.clone());
            (line.switch.sources.iter().copied().chain(own).collect(), name)
        })
    }
}

/// How well a switch serves a destination: the length of its longest matching prefix, or of an allowed host.
fn reach(line: &Line, endpoint: &Endpoint) -> Option<usize> {
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
    let own = match &line.switch.address.host {
        Host::Ip(own) => ip == Some(*own),
        Host::Name(name) => name.eq_ignore_ascii_case(host),
    };
    own || line.switch.allow.iter().any(same)
}

/// An endpoint as a URI: a number at this authority (`host` or `host:port`), an address as itself.
pub fn uri(endpoint: &Endpoint, authority: &str) -> String {
    match endpoint {
        Endpoint::Number(number) => format!("sip:{}@{authority};user=phone", number.e164),
        Endpoint::Sip(sip) => sip.uri.clone(),
        Endpoint::Ip(ip, port) => format!("sip:{}", SocketAddr::new(*ip, port.unwrap_or(5060))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(name: &str, prefixes: &[&str], weight: u32) -> Switch {
        Switch {
            prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
            weight,
            allow: vec!["*.example.com".into(), "198.51.100.7".into()],
            ..Switch::at(name, Hop::udp("192.0.2.1:5060".parse().unwrap()))
        }
    }

    fn number(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let routing = Routing::new(vec![switch("any", &[], 1), switch("us", &["+1"], 1), switch("ny", &["+1212"], 1)]);
        let name = |n: &str| routing.choose(&number(n), 0).map(|c| c.switch.name.clone());
        assert_eq!(name("+12125550100").as_deref(), Some("ny"));
        assert_eq!(name("+16465550100").as_deref(), Some("us"));
        assert_eq!(name("+442079460000").as_deref(), Some("any"));
    }

    #[test]
    fn switches_with_one_prefix_share_by_weight() {
        let routing = Routing::new(vec![switch("a", &["+1"], 1), switch("b", &["+1"], 3), switch("c", &["+1"], 0)]);
        let to = number("+12125550100");
        let share: Vec<&str> =
            (0..4).filter_map(|draw| routing.choose(&to, draw)).map(|c| c.switch.name.as_str()).collect();
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
