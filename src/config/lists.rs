//! The lists of the file: switches, and the businesses that seed the store. Owns what one entry means and that no two have
//! one name; refuses to hash passwords or to read their files (the store's seeding does).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::error::Place;
use super::reader::{At, Reader, Section};
use super::{BusinessSeed, SeedPassword, SwitchConfig};
use crate::model::business::PasswordHash;
use crate::model::{BusinessId, Endpoint, Limits, SipTransport, Tariff};

const SWITCH_ADDRESS: &str =
    "write sip:IP:port;transport=udp (or tcp, tls), such as \"sip:192.0.2.1:5060;transport=udp\"";
/// A price of a million units a minute: beyond it, something else was meant.
const MAX_PRICE: i64 = 1_000_000_000_000;

/// Names seen so far and where, to refuse the second.
#[derive(Default)]
struct Seen(BTreeMap<String, Place>);

impl Seen {
    fn check(&mut self, reader: &mut Reader, key: &str, at: &At<String>) {
        if let Some(first) = self.0.insert(at.value.clone(), at.place.clone()) {
            let problem = format!("{:?} is the name of another one, at {first}", at.value);
            reader.error(&at.place, key, problem, "give each one a name of its own");
        }
    }
}

pub(super) fn switches(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<SwitchConfig> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| switch(reader, section, &mut seen)).collect()
}

fn switch(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen) -> Option<SwitchConfig> {
    let name = section.read(reader, "name", "write name = \"ssp-62\"; it stands in the records", |text| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=64).contains(&text.len()) && text.chars().all(good);
        if fits { Ok(text.to_owned()) } else { Err("not a name (1 to 64 letters, digits, . _ -)") }
    });
    let (here, name_key, address_key) = (section.place(reader), section.key("name"), section.key("address"));
    let asked = section.read(reader, "address", SWITCH_ADDRESS, switch_address);
    let tls_name = section.read(reader, "tls_name", "write the host name in its certificate", |text| {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let fits = !text.is_empty() && text.len() <= 253 && text.bytes().all(good);
        if fits { Ok(text.to_owned()) } else { Err("not a host name") }
    });
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
    if let Some(name) = &name {
        seen.check(reader, &name_key, name);
    } else if !section.has("name") {
        reader.error(&here, &name_key, "missing", "write name = \"ssp-62\"; it stands in the records");
    }
    if !section.has("address") {
        reader.error(&here, &address_key, "missing", SWITCH_ADDRESS);
    }
    section.finish(reader);
    let (name, (transport, address), caller_id) = (name?.value, asked?.value, caller_id.map(|at| at.value));
    let tls_name = tls_name.map(|at| at.value);
    Some(SwitchConfig { name, address, transport, tls_name, prefixes, weight, allow, sources, caller_id })
}

fn switch_address(text: &str) -> Result<(SipTransport, SocketAddr), String> {
    let rest = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => rest,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("sips") => {
            return Err("a sips: URI; write sip: and transport=tls".to_owned());
        }
        _ => return Err("not a sip: URI".to_owned()),
    };
    let mut transport = SipTransport::Udp;
    let mut parts = rest.split(';');
    let host_port = parts.next().unwrap_or_default();
    for parameter in parts {
        match parameter.to_ascii_lowercase().split_once('=') {
            Some(("transport", word)) => {
                let parsed = SipTransport::parse(word);
                transport = parsed.ok_or_else(|| format!("over {word}; SIP goes over udp, tcp or tls here"))?;
            }
            _ => return Err(format!("a URI with the unknown parameter {parameter:?}")),
        }
    }
    if host_port.contains('@') {
        return Err("a URI with a user; the number dialled is put there".to_owned());
    }
    let address = host_port.parse::<SocketAddr>().ok().or_else(|| {
        let bare = host_port.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let ip: IpAddr = match bare {
            Some(v6) => v6.parse().ok().filter(IpAddr::is_ipv6)?,
            None => host_port.parse().ok().filter(IpAddr::is_ipv4)?,
        };
        Some(SocketAddr::new(ip, transport.default_port()))
    });
    match address {
        Some(address) if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 => {
            Err("no address that could be called".to_owned())
        }
        Some(address) => Ok((transport, address)),
        None if host_port.split(':').next().is_some_and(|host| host.chars().any(|c| c.is_ascii_alphabetic())) => {
            Err("a host name; names are not looked up in this version, so an IP address is wanted".to_owned())
        }
        None => Err("without an IP address".to_owned()),
    }
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

pub(super) fn businesses(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<BusinessSeed> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| business(reader, section, &mut seen)).collect()
}

fn business(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen) -> Option<BusinessSeed> {
    let here = section.place(reader);
    let id_mend = "write id = \"abc\": letters, digits, . _ -";
    let id = section.read(reader, "id", id_mend, |text| {
        text.parse::<BusinessId>().map_err(|_| "not a business identifier (1 to 64 letters, digits, . _ -)")
    });
    let name_mend = "write name = \"ABC\"; it is spoken to the customer";
    let name = section.read(reader, "name", name_mend, |text| match text.trim() {
        "" => Err("no name"),
        name if name.len() > 100 => Err("longer than 100 bytes"),
        name => Ok(name.to_owned()),
    });
    for (key, mend) in [("id", id_mend), ("name", name_mend)] {
        if !section.has(key) {
            reader.error(&here, &section.key(key), "missing", mend);
        }
    }
    if let Some(At { place, value }) = &id {
        let key = section.key("id");
        seen.check(reader, &key, &At { place: place.clone(), value: value.to_string() });
    }
    let password = password(reader, &mut section);
    let limits = limits(reader, &mut section);
    let tariff = tariff(reader, &mut section);
    let caller_ids = caller_ids(reader, &mut section);
    section.finish(reader);
    Some(BusinessSeed { id: id?.value, name: name?.value, password: password?, limits, tariff, caller_ids })
}

fn password(reader: &mut Reader, section: &mut Section<'_>) -> Option<SeedPassword> {
    let mend = "write password_file = \"abc.password\", or password_hash = \"$argon2id$…\"";
    let hash = section.read(reader, "password_hash", mend, |text| {
        let shape = text.starts_with("$argon2id$") && text.split('$').count() == 6 && text.len() < 512;
        if shape { Ok(PasswordHash(text.to_owned())) } else { Err("not an Argon2id hash") }
    });
    let file = section.path(reader, "password_file");
    let (here, key) = (section.place(reader), section.key("password_hash"));
    match (section.has("password_hash"), section.has("password_file")) {
        (true, true) => reader.error(&here, &key, "given together with password_file", "keep one of them"),
        (false, false) => reader.error(&here, &key, "missing", mend),
        _ => {}
    }
    hash.map(|at| SeedPassword::Hash(at.value)).or_else(|| file.map(|at| SeedPassword::File(at.value)))
}

fn limits(reader: &mut Reader, section: &mut Section<'_>) -> Limits {
    let d = Limits::default();
    let mut get = |key, default| section.integer(reader, key, 0..=1_000_000).unwrap_or(default);
    Limits {
        max_concurrent: get("max_concurrent", d.max_concurrent),
        max_per_second: get("max_per_second", d.max_per_second),
        max_scheduled: get("max_scheduled", d.max_scheduled),
    }
}

fn tariff(reader: &mut Reader, section: &mut Section<'_>) -> Tariff {
    let mut section = section.child(reader, "tariff", "write tariff = { customer_per_minute_micros = 20000, … }");
    let d = Tariff::default();
    let currency = section.read(reader, "currency", "write three capital letters, such as \"USD\"", |text| {
        text.parse().map_err(|_| "not an ISO 4217 code")
    });
    let customer = section.integer(reader, "customer_per_minute_micros", 0..=MAX_PRICE);
    let representative = section.integer(reader, "representative_per_minute_micros", 0..=MAX_PRICE);
    let tariff = Tariff {
        customer_per_minute_micros: customer.unwrap_or(d.customer_per_minute_micros),
        representative_per_minute_micros: representative.unwrap_or(d.representative_per_minute_micros),
        increment_seconds: section.integer(reader, "increment_seconds", 1..=3600).unwrap_or(d.increment_seconds),
        minimum_seconds: section.integer(reader, "minimum_seconds", 0..=3600).unwrap_or(d.minimum_seconds),
        currency: currency.map_or(d.currency, |at| at.value),
    };
    section.finish(reader);
    tariff
}

fn caller_ids(reader: &mut Reader, section: &mut Section<'_>) -> Vec<Endpoint> {
    let mend = "write its verified numbers, such as [\"+12125550100\"]";
    let texts = section.texts(reader, "caller_ids", mend).unwrap_or_default();
    let mut numbers = Vec::new();
    for At { place, value } in texts {
        match Endpoint::parse(&value) {
            Ok(endpoint) => numbers.push(endpoint),
            Err(error) => reader.error(&place, &section.key("caller_ids"), format!("{value:?} is {error}"), mend),
        }
    }
    numbers
}
