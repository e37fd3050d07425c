//! RFC 3263 §4: from a switch's address to its places, by NAPTR, SRV and addresses. Owns which records are asked for and how they
//! are put together; refuses sockets (a [`Dns`] asks) and times (the caller looks again).

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::model::{Host, SipTransport, SwitchAddress, Target};

/// Most places of one switch: more are no redundancy but a mistake.
const MAX_TARGETS: usize = 32;

/// A NAPTR record that leads to an SRV name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// First ORDER, then PREFERENCE: lower first.
    pub rank: (u16, u16),
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The name to ask SRV for.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Share.
    pub weight: u16,
    /// On that host.
    pub port: u16,
    /// `.` says: no such service.
    pub host: String,
}

/// Records and how long they hold. No record is an answer too.
pub type Records<T> = Result<(Vec<T>, Duration), Unanswered>;

/// No server answered, or with an error.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// Whoever asks the name servers.
pub trait Dns {
    /// NAPTR records with flag `s`.
    fn naptr(&self, name: &str) -> impl Future<Output = Records<Naptr>> + Send;
    /// SRV records.
    fn srv(&self, name: &str) -> impl Future<Output = Records<Srv>> + Send;
    /// A and AAAA records of the families that we can send to.
    fn addresses(&self, name: &str) -> impl Future<Output = Records<IpAddr>> + Send;
}

/// The places, and how long they hold. None: the name leads nowhere now.
pub async fn locate(dns: &impl Dns, address: &SwitchAddress, tls_name: Option<&str>) -> Records<Target> {
    let Host::Name(name) = &address.host else {
        return Ok((address.literal(tls_name).map(Target::only).into_iter().collect(), Duration::MAX));
    };
    let mut search = Search { dns, address, tls_name, targets: Vec::new(), ttl: Duration::MAX };
    if address.port.is_none() {
        search.by_service(name).await?;
    }
    if search.targets.is_empty() {
        let transport = address.default_transport();
        let port = address.port.unwrap_or(transport.default_port());
        search.at_host(transport, &Srv { priority: 0, weight: 1, port, host: name.to_string() }).await?;
    }
    search.targets.truncate(MAX_TARGETS);
    Ok((search.targets, search.ttl))
}

struct Search<'a, D> {
    dns: &'a D,
    address: &'a SwitchAddress,
    tls_name: Option<&'a str>,
    targets: Vec<Target>,
    ttl: Duration,
}

impl<D: Dns> Search<'_, D> {
    /// The first service that has a place (§4.1): as NAPTR orders them, else the SRV names of what may carry it.
    async fn by_service(&mut self, name: &str) -> Result<(), Unanswered> {
        let mut services = Vec::new();
        if self.address.transport.is_none() {
            let (mut records, ttl) = self.dns.naptr(name).await?;
            records.sort_by_key(|record| record.rank);
            let known = |record: Naptr| Some((transport_of(&record.service)?, record.replacement));
            services.extend(records.into_iter().filter_map(known).filter(|(transport, _)| self.may_use(*transport)));
            if !services.is_empty() {
                self.ttl = self.ttl.min(ttl);
            }
        }
        if services.is_empty() {
            let all = [SipTransport::Udp, SipTransport::Tcp, SipTransport::Tls];
            let usable = all.into_iter().filter(|transport| self.may_use(*transport));
            // Without a word of the domain, `sip:` does not wander to TLS on its own.
            let asked = usable.filter(|transport| match self.address.transport {
                Some(written) => *transport == written,
                None => self.address.secure || *transport != SipTransport::Tls,
            });
            services.extend(asked.map(|transport| (transport, format!("{}.{name}", service_label(transport)))));
        }
        for (transport, service) in services {
            let (records, ttl) = self.dns.srv(&service).await?;
            let records: Vec<Srv> =
                records.into_iter().filter(|record| !record.host.trim_matches('.').is_empty()).collect();
            for record in records.iter().take(MAX_TARGETS) {
                self.at_host(transport, record).await?;
            }
            if !self.targets.is_empty() {
                self.ttl = self.ttl.min(ttl);
                return Ok(());
            }
        }
        Ok(())
    }

    /// `sips:` is TLS or nothing (§4.1).
    fn may_use(&self, transport: SipTransport) -> bool {
        !self.address.secure || transport == SipTransport::Tls
    }

    async fn at_host(&mut self, transport: SipTransport, record: &Srv) -> Result<(), Unanswered> {
        let (addresses, ttl) = self.dns.addresses(&record.host).await?;
        if !addresses.is_empty() {
            self.ttl = self.ttl.min(ttl);
        }
        for ip in addresses {
            let place = SocketAddr::new(ip, record.port);
            let hop = self.address.hop(transport, place, self.tls_name);
            self.targets.push(Target { priority: record.priority, weight: record.weight, hop });
        }
        Ok(())
    }
}

fn transport_of(service: &str) -> Option<SipTransport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(SipTransport::Udp),
        "SIP+D2T" => Some(SipTransport::Tcp),
        "SIPS+D2T" => Some(SipTransport::Tls),
        _ => None,
    }
}

fn service_label(transport: SipTransport) -> &'static str {
    match transport {
        SipTransport::Udp => "_sip._udp",
        SipTransport::Tcp => "_sip._tcp",
        SipTransport::Tls => "_sips._tcp",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A zone written down.
    #[derive(Default)]
    struct Zone {
        naptr: Vec<(u16, &'static str, &'static str)>,
        srv: BTreeMap<&'static str, Vec<(u16, u16, u16, &'static str)>>,
        down: bool,
    }

    impl Dns for Zone {
        async fn naptr(&self, _: &str) -> Records<Naptr> {
            if self.down {
                return Err(Unanswered("no server".into()));
            }
            let record = |(order, service, replacement): &(u16, &str, &str)| Naptr {
                rank: (*order, 0),
                service: (*service).to_owned(),
                replacement: (*replacement).to_owned(),
            };
            Ok((self.naptr.iter().map(record).collect(), Duration::from_secs(300)))
        }

        async fn srv(&self, name: &str) -> Records<Srv> {
            let of = |(priority, weight, port, host): &(u16, u16, u16, &str)| Srv {
                priority: *priority,
                weight: *weight,
                port: *port,
                host: (*host).to_owned(),
            };
            let records = self.srv.get(name).into_iter().flatten().map(of).collect();
            Ok((records, Duration::from_secs(60)))
        }

        async fn addresses(&self, name: &str) -> Records<IpAddr> {
            let last = name.bytes().next().unwrap_or_default();
            let found = if name.starts_with("sbc") { vec![] } else { vec![IpAddr::from([192, 0, 2, last])] };
            Ok((found, Duration::from_secs(30)))
        }
    }

    fn places(zone: &Zone, address: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let address = SwitchAddress::parse(address).unwrap();
        let found = runtime.block_on(locate(zone, &address, None)).unwrap();
        let place = |target: Target| format!("{} {} {}", target.priority, target.weight, target.hop);
        found.0.into_iter().map(place).collect()
    }

    fn zone() -> Zone {
        Zone {
            naptr: vec![(20, "SIP+D2U", "_sip._udp.x"), (10, "SIPS+D2T", "_sips._tcp.x"), (5, "E2U+sip", "nowhere")],
            srv: [
                ("_sip._udp.x", vec![(10, 5, 5060, "a."), (20, 1, 5070, "b.")]),
                ("_sips._tcp.x", vec![(1, 1, 5061, "c.")]),
                ("_sip._tcp.host.example", vec![(1, 1, 5062, "d.")]),
                ("_sip._udp.none.example", vec![(0, 0, 0, ".")]),
            ]
            .into(),
            down: false,
        }
    }

    #[test]
    fn naptr_leads_to_srv_and_srv_to_addresses() {
        assert_eq!(places(&zone(), "sip:sbc.example.com"), ["1 1 tls:192.0.2.99:5061"]);
        let udp_only = Zone { naptr: vec![(20, "SIP+D2U", "_sip._udp.x")], ..zone() };
        assert_eq!(places(&udp_only, "sip:sbc.example.com"), ["10 5 udp:192.0.2.97:5060", "20 1 udp:192.0.2.98:5070"]);
    }

    #[test]
    fn sips_is_never_taken_off_tls() {
        let udp_only = Zone { naptr: vec![(20, "SIP+D2U", "_sip._udp.x")], ..zone() };
        assert!(places(&udp_only, "sips:sbc.example.com").is_empty());
        let found = zone();
        assert_eq!(places(&found, "sips:sbc.example.com"), ["1 1 tls:192.0.2.99:5061"]);
    }

    #[test]
    fn without_naptr_the_srv_names_are_asked_and_without_those_the_host() {
        let bare = Zone { naptr: vec![], ..zone() };
        assert_eq!(places(&bare, "sip:host.example"), ["1 1 tcp:192.0.2.100:5062"]);
        assert_eq!(places(&bare, "sip:other.example"), ["0 1 udp:192.0.2.111:5060"]);
        assert_eq!(places(&bare, "sip:none.example"), ["0 1 udp:192.0.2.110:5060"]);
    }

    #[test]
    fn a_written_port_asks_for_addresses_only_and_a_written_transport_for_no_naptr() {
        assert_eq!(places(&zone(), "sip:host.example:5099"), ["0 1 udp:192.0.2.104:5099"]);
        assert_eq!(places(&zone(), "sip:host.example;transport=tcp"), ["1 1 tcp:192.0.2.100:5062"]);
        assert_eq!(places(&zone(), "sip:host.example;transport=tls"), ["0 1 tls:192.0.2.104:5061"]);
    }

    #[test]
    fn tls_verifies_the_name_that_was_asked_for_not_the_one_that_dns_brought() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let address = SwitchAddress::parse("sips:sbc.example.com").unwrap();
        let (targets, ttl) = runtime.block_on(locate(&zone(), &address, None)).unwrap();
        assert_eq!(targets[0].hop.name.as_deref(), Some("sbc.example.com"));
        assert_eq!(ttl, Duration::from_secs(30), "the shortest of all that was used");
    }

    #[test]
    fn a_dead_server_is_no_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let address = SwitchAddress::parse("sip:sbc.example.com").unwrap();
        assert!(runtime.block_on(locate(&Zone { down: true, ..zone() }, &address, None)).is_err());
    }
}
