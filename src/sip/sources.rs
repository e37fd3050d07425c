//! Who may speak SIP to us: for each switch its addresses and, over TLS, the name that its certificate must show. Owns the
//! look-up; refuses rates (`stack::rates`) and certificates themselves (`io` asks them).

use std::net::IpAddr;
use std::sync::Arc;

/// One switch, as the door knows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Where its messages come from.
    pub ips: Vec<IpAddr>,
    /// The name in its certificate; `None` where it does not speak TLS.
    pub tls_name: Option<Arc<str>>,
}

/// Every switch. Small, and read for each message: a sorted list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    switches: Vec<Source>,
    ips: Vec<IpAddr>,
}

impl Sources {
    /// Of these switches.
    pub fn new(mut switches: Vec<Source>) -> Sources {
        for ip in switches.iter_mut().flat_map(|switch| &mut switch.ips) {
            *ip = ip.to_canonical();
        }
        let mut ips: Vec<IpAddr> = switches.iter().flat_map(|switch| &switch.ips).copied().collect();
        ips.sort_unstable();
        ips.dedup();
        Sources { switches, ips }
    }

    /// Of one switch without TLS.
    pub fn of(ips: &[IpAddr]) -> Sources {
        Sources::new(vec![Source { ips: ips.to_vec(), tls_name: None }])
    }

    /// Some switch speaks from this address.
    pub fn knows(&self, ip: IpAddr) -> bool {
        self.ips.binary_search(&ip.to_canonical()).is_ok()
    }

    /// Every address, sorted, each once.
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// The name of the switch that speaks from this address and whose name `shows` finds in the certificate.
    pub fn named(&self, ip: IpAddr, shows: impl Fn(&str) -> bool) -> Option<Arc<str>> {
        let ip = ip.to_canonical();
        let mut names = self.switches.iter().filter(|switch| switch.ips.contains(&ip)).flat_map(|s| &s.tls_name);
        names.find(|name| shows(name)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_in_either_spelling_and_a_name_only_from_its_own_address() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let sources = Sources::new(vec![
            Source { ips: vec![ip("192.0.2.1"), ip("192.0.2.2")], tls_name: Some("a.example".into()) },
            Source { ips: vec![ip("::ffff:192.0.2.2"), ip("2001:db8::1")], tls_name: None },
        ]);
        assert!(sources.knows(ip("192.0.2.2")) && sources.knows(ip("::ffff:192.0.2.1")));
        assert!(!sources.knows(ip("192.0.2.3")));
        assert_eq!(sources.ips().len(), 3);
        assert_eq!(sources.named(ip("192.0.2.2"), |name| name == "a.example").as_deref(), Some("a.example"));
        assert_eq!(sources.named(ip("2001:db8::1"), |_| true), None);
        assert_eq!(sources.named(ip("192.0.2.1"), |name| name == "b.example"), None);
    }
}
