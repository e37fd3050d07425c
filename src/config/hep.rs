//! `[hep]`, key by key. Owns what each key means; refuses to connect.

use std::net::SocketAddr;

use super::HepConfig;
use super::reader::{At, Reader, Section};

/// What is shown of us where nothing is said.
const CAPTURE_ID: u32 = 2001;
/// Longest authentication key.
const MAX_PASSWORD: usize = 128;

pub(super) fn hep(reader: &mut Reader, mut section: Section<'_>) -> Option<HepConfig> {
    let mend =
        "write the collector's address, such as collector = \"udp:192.0.2.9:9060\" or \"tcp:[2001:db8::9]:9061\"";
    let collector = section.read(reader, "collector", mend, |text| {
        let (transport, address) = text.split_once(':').ok_or("no transport")?;
        let reliable = match transport {
            "udp" => false,
            "tcp" => true,
            _ => return Err("neither udp: nor tcp:"),
        };
        let address: SocketAddr = address.parse().map_err(|_| "not an IP address with a port")?;
        if address.port() == 0 || address.ip().is_unspecified() {
            return Err("no address that can be sent to");
        }
        Ok((reliable, address))
    });
    let capture_id = section.integer(reader, "capture_id", 0..=i64::from(u32::MAX)).unwrap_or(CAPTURE_ID);
    let password = section.read(reader, "password", "write the collector's authentication key", |text| {
        if (1..=MAX_PASSWORD).contains(&text.len()) { Ok(text.to_owned()) } else { Err("no key of 1 to 128 bytes") }
    });
    if collector.is_none() && section.exists() {
        let (place, key) = (section.place(reader), section.key("collector"));
        if !section.has("collector") {
            reader.error(&place, &key, "missing", mend);
        }
    }
    section.finish(reader);
    let (reliable, collector) = collector?.value;
    Some(HepConfig { collector, reliable, capture_id, password: password.map(|At { value, .. }| value) })
}
