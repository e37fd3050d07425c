//! `[[switch]]`: where a switch is, what it serves and how much it takes. Owns the keys of routing; those of SIP's manners are
//! `trunk.rs`'s. Refuses to look names up or to reach anything.

use std::net::IpAddr;

use super::SwitchConfig;
use super::lists::Seen;
use super::reader::{At, Reader, Section};
use super::trunk::trunk;
use crate::model::{Codecs, Endpoint, SipTransport, SwitchAddress};

const ADDRESS: &str = "write sip:HOST:port;transport=udp (or tcp, tls) or sips:HOST, HOST an IP address or a name, such as \
                       \"sip:192.0.2.1:5060;transport=udp\" or \"sip:sbc.example.com\"";
const NAME: &str = "write name = \"ssp-62\"; it stands in the records";
/// Seconds without any response to an INVITE before the next switch is tried, where there is one.
const ANSWER_SECONDS: u32 = 5;

/// `codecs`: what a switch is offered that names none of its own.
pub(super) fn switches(reader: &mut Reader, sections: Vec<Section<'_>>, codecs: Codecs) -> Vec<SwitchConfig> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| switch(reader, section, &mut seen, codecs)).collect()
}

fn switch(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen, codecs: Codecs) -> Option<SwitchConfig> {
    let name = section.read(reader, "name", NAME, |text| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=64).contains(&text.len()) && text.chars().all(good);
        if fits { Ok(text.to_owned()) } else { Err("not a name (1 to 64 letters, digits, . _ -)") }
    });
    let (here, name_key, address_key) = (section.place(reader), section.key("name"), section.key("address"));
    match &name {
        Some(name) => {
            seen.check(reader, &name_key, name);
            section.variables_of(&name.value);
        }
        None if !section.has("name") => reader.error(&here, &name_key, "missing", NAME),
        None => {}
    }
    let address = section.read(reader, "address", ADDRESS, SwitchAddress::parse);
    if address.is_none() && !section.has("address") {
        reader.error(&here, &address_key, "missing", ADDRESS);
    }
    let tls_name = tls_name(reader, &mut section, address.as_ref());
    let prefixes = prefixes(reader, &mut section);
    let weight = section.integer(reader, "weight", 0..=10_000).unwrap_or(1);
    let allow = allow(reader, &mut section);
    let sources = sources(reader, &mut section);
    let caller_id = section.read(reader, "caller_id", "write a number in E.164, such as \"+12125550100\"", |text| {
        Endpoint::parse(text).map_err(|error| error.to_string()).and_then(|endpoint| match endpoint {
            Endpoint::Number(_) => Ok(endpoint.to_string()),
            Endpoint::Sip(_) | Endpoint::Ip(..) => Err("not a number".to_owned()),
        })
    });
    let max_channels = section.integer(reader, "max_channels", 1..=1_000_000);
    let max_calls_per_second = section.integer(reader, "max_calls_per_second", 1..=100_000);
    let drain = section.flag(reader, "drain").unwrap_or(false);
    let answer_seconds = section.integer(reader, "answer_seconds", 1..=32).unwrap_or(ANSWER_SECONDS);
    let options_seconds = section.integer(reader, "options_seconds", 0..=3600).unwrap_or(0);
    let trunk = trunk(reader, &mut section, codecs);
    section.finish(reader);
    Some(SwitchConfig {
        name: name?.value,
        address: address?.value,
        tls_name,
        prefixes,
        weight,
        allow,
        sources,
        caller_id: caller_id.map(|at| at.value),
        max_channels,
        max_calls_per_second,
        drain,
        answer_seconds,
        options_seconds,
        trunk,
    })
}

fn tls_name(reader: &mut Reader, section: &mut Section<'_>, address: Option<&At<SwitchAddress>>) -> Option<String> {
    let mend = "write the name that the switch's certificate shows, such as \"sbc.example.com\"";
    let name = section.read(reader, "tls_name", mend, |text| {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        let fits = (1..=253).contains(&text.len()) && text.bytes().all(good);
        if fits { Ok(text.to_ascii_lowercase()) } else { Err("not a host name") }
    })?;
    let never = address.is_some_and(|at| {
        let other = at.value.default_transport() != SipTransport::Tls;
        other && (at.value.transport.is_some() || !at.value.is_name())
    });
    if never {
        let mend = "write the address as sips: or with transport=tls, or leave tls_name out";
        reader.error(&name.place, &section.key("tls_name"), "given for a switch that is not reached over TLS", mend);
    }
    Some(name.value)
}

fn prefixes(reader: &mut Reader, section: &mut Section<'_>) -> Vec<String> {
    let mend = "write + and the first digits, such as [\"+1\", \"+44\"]; [] serves every number";
    let texts = section.texts(reader, "prefixes", mend).unwrap_or_default();
    for At { place, value } in &texts {
        let digits = value.strip_prefix('+').unwrap_or_default();
        if !(1..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            reader.error(place, &section.key("prefixes"), format!("{value:?} is not a prefix of numbers"), mend);
        }
    }
    texts.into_iter().map(|at| at.value).collect()
}

fn allow(reader: &mut Reader, section: &mut Section<'_>) -> Vec<String> {
    let mend = "write hosts of SIP and IP addresses that may be dialled, such as [\"192.0.2.7\", \"pbx.example.com\"]";
    let texts = section.texts(reader, "allow", mend).unwrap_or_default();
    for At { place, value } in &texts {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'*');
        let address = value.parse::<IpAddr>().is_ok();
        if !address && (value.is_empty() || value.len() > 255 || !value.bytes().all(good)) {
            reader.error(place, &section.key("allow"), format!("{value:?} is neither a host nor an address"), mend);
        }
    }
    texts.into_iter().map(|at| at.value).collect()
}

fn sources(reader: &mut Reader, section: &mut Section<'_>) -> Vec<IpAddr> {
    let mend = "write IP addresses that SIP is accepted from besides the switch's own, such as [\"192.0.2.2\"]";
    let texts = section.texts(reader, "sources", mend).unwrap_or_default();
    let mut sources = Vec::new();
    for At { place, value } in texts {
        match value.parse() {
            Ok(ip) => sources.push(ip),
            Err(_) => {
                reader.error(&place, &section.key("sources"), format!("{value:?} is not an IP address"), mend);
            }
        }
    }
    sources
}
