//! What is configured of a switch. Owns the shape; refuses what changes while calls are live.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Hop, Host, SwitchAddress, Trunk};

/// A switch (SSP 62/64/66, OSN 74) that takes our INVITEs: one `[[switch]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switch {
    /// Its name in records.
    pub name: String,
    /// Where it is.
    pub address: SwitchAddress,
    /// The name that its certificate must show, instead of the address's host.
    pub tls_name: Option<String>,
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
    /// Legs at once.
    pub max_channels: Option<u32>,
    /// New legs a second.
    pub max_calls_per_second: Option<u32>,
    /// In maintenance: no new legs.
    pub drain: bool,
    /// Without any response to an INVITE for so long, another candidate is tried, where there is one.
    pub answer: Duration,
    /// With nothing but 100 Trying to an INVITE for so long, another candidate is tried, where there is one. RFC 3261 sets a
    /// caller no limit here: a 100 says that the next hop has the request (§8.2.6.1), not that anybody is being fetched.
    pub trying: Duration,
    /// OPTIONS is sent this often.
    pub options: Option<Duration>,
    /// How it wants SIP spoken.
    pub trunk: Arc<Trunk>,
}

impl Switch {
    /// A switch at a known place, with the defaults of `[[switch]]`.
    pub fn at(name: &str, hop: Hop) -> Switch {
        let (ip, port) = (hop.address.ip(), hop.address.port());
        let transport = Some(hop.transport);
        Switch {
            name: name.to_owned(),
            address: SwitchAddress { host: Host::Ip(ip), port: Some(port), transport, secure: false },
            tls_name: hop.name.as_deref().map(str::to_owned),
            prefixes: Vec::new(),
            weight: 1,
            allow: Vec::new(),
            sources: Vec::new(),
            caller_id: None,
            max_channels: None,
            max_calls_per_second: None,
            drain: false,
            answer: Duration::from_secs(5),
            trying: Duration::from_secs(30),
            options: None,
            trunk: Arc::default(),
        }
    }
}
