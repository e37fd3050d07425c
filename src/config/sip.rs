//! The section `[sip]`: where it listens and over what, certificates, bounds of connections and strangers. Owns what each key
//! means; refuses what concerns the switches as well (`load.rs`).

use std::net::SocketAddr;

use super::SipConfig;
use super::reader::{At, Reader, Section};
use super::sections::{loopback, tls};
use crate::model::SipTransport;

/// More addresses than anybody has.
const MAX_LISTEN: usize = 32;
const LISTEN: &str = "write listen = [\"udp:127.0.0.1:5060\"], also \"tcp:…\" and \"tls:…\"";
const TLS: &str = "write tls = { certificate = \"certs/sip.pem\", key = \"certs/sip.key\" }";

pub(super) fn sip(reader: &mut Reader, mut section: Section<'_>) -> SipConfig {
    let listen = listen(reader, &mut section);
    let child = section.child(reader, "tls", TLS);
    let wanted = child.exists();
    let tls = tls(reader, child);
    if let Some(At { place, .. }) = listen.iter().find(|at| at.value.0 == SipTransport::Tls)
        && tls.is_none()
        && !wanted
    {
        reader.error(place, &section.key("tls"), "missing, and SIP over TLS needs a certificate", TLS);
    }
    let ca = section.path(reader, "ca");
    let mend = "write the address and port of a name server, such as \"127.0.0.1:5353\"";
    let resolver = section
        .read(reader, "resolver", mend, |text| text.parse::<SocketAddr>().map_err(|_| "not an IP address with a port"));
    let mut get = |key, bounds, default| section.integer(reader, key, bounds).unwrap_or(default);
    let config = SipConfig {
        listen: listen.into_iter().map(|at| at.value).collect(),
        tls,
        ca: ca.map(|at| at.value),
        resolver: resolver.map(|at| at.value),
        max_connections: get("max_connections", 1..=100_000, 1024),
        max_connections_per_source: get("max_connections_per_source", 1..=100_000, 256),
        idle_seconds: get("idle_seconds", 10..=86_400, 900),
        keepalive_seconds: get("keepalive_seconds", 0..=3600, 30),
        max_strays_per_second: get("max_strays_per_second", 1..=1_000_000, 100),
    };
    section.finish(reader);
    config
}

fn listen(reader: &mut Reader, section: &mut Section<'_>) -> Vec<At<(SipTransport, SocketAddr)>> {
    let key = section.key("listen");

    let Some(texts) = section.texts(reader, "listen", LISTEN) else {
        let place = section.place(reader);
        return vec![At { place, value: (SipTransport::Udp, loopback(5060)) }];
    };
    let place = texts.first().map_or_else(|| section.place(reader), |at| at.place.clone());
    if texts.is_empty() || texts.len() > MAX_LISTEN {
        reader.error(&place, &key, format!("{} addresses", texts.len()), LISTEN);
    }
    let mut listen: Vec<At<(SipTransport, SocketAddr)>> = Vec::new();
    for At { place, value: text } in texts {
        let (transport, address) = text.split_once(':').unwrap_or((&text, ""));
        let read = SipTransport::parse(transport).zip(address.parse::<SocketAddr>().ok());
        match read {
            None => reader.error(&place, &key, format!("{text:?} is no listening address"), LISTEN),
            Some((_, address)) if address.ip().is_unspecified() => {
                let problem = format!("{text:?} names no address that a switch could answer to");
                reader.error(&place, &key, problem, "name the address at which the switches reach this machine");
            }
            Some(value) if value.1.port() != 0 && listen.iter().any(|at| clash(at.value, value)) => {
                let problem = format!("{text:?} takes an address that another one has");
                reader.error(&place, &key, problem, "give each one a port of its own");
            }
            Some(value) => listen.push(At { place, value }),
        }
    }
    listen
}

/// UDP and TCP may share a port; TCP and TLS may not.
fn clash(one: (SipTransport, SocketAddr), other: (SipTransport, SocketAddr)) -> bool {
    one.1 == other.1 && one.0.is_reliable() == other.0.is_reliable()
}
