//! The single sections of the file, key by key: types, bounds, defaults. Owns what each key means; refuses the lists
//! (`lists.rs`) and whatever concerns several sections at once (`load.rs`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::reader::{At, Reader, Section};
use super::texts::{self, Texts};
use super::{CallConfig, HttpConfig, LogConfig, MediaConfig, MediaIo, PromptConfig, SpeechConfig, Tick, TlsConfig};
use crate::model::{Codecs, Language, MachineTimes};

pub(super) const ADDRESS: &str = "write an IP address and a port, such as \"127.0.0.1:8080\"";
const NO_SOCKET: &str = "not an IP address with a port";
pub(super) const INSECURE: &str =
    "listen on 127.0.0.1, or give tls = { certificate = …, key = … }, or say insecure = true";
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| NO_SOCKET)
}

pub(super) fn http(reader: &mut Reader, mut section: Section<'_>) -> HttpConfig {
    let listen = section.read(reader, "listen", ADDRESS, socket);
    let insecure = section.flag(reader, "insecure").unwrap_or(false);
    let child = section.child(reader, "tls", "write tls = { certificate = \"server.pem\", key = \"server.key\" }");
    let wanted = child.exists();
    let tls = tls(reader, child);
    if let Some(At { place, value }) = &listen
        && !value.ip().is_loopback()
        && !insecure
        && !wanted
        && tls.is_none()
    {
        let problem = format!("{value} is reached from outside, and passwords would travel in clear");
        reader.error(place, &section.key("listen"), problem, INSECURE);
    }
    let trusted_proxies = super::direct::networks(reader, &mut section, "trusted_proxies");
    section.finish(reader);
    let listen = listen.map_or(loopback(8080), |at| at.value);
    HttpConfig { listen, tls, insecure, trusted_proxies, public_url: None }
}

/// The same of the equipment, which has tokens to issue.
pub(super) fn equipment_http(reader: &mut Reader, mut section: Section<'_>) -> HttpConfig {
    let public_url = section.read(reader, "public_url", "write it as https://calls.example.com", public_url);
    HttpConfig { public_url: public_url.map(|at| at.value), ..http(reader, section) }
}

/// RFC 8414 §2: https, and neither query nor fragment; ours has no path either.
fn public_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "no URL")?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    match url.host_str() {
        Some(_) if url.scheme() == "https" && bare && nobody => Ok(url.origin().ascii_serialization()),
        _ => Err("not https and a host alone"),
    }
}

pub(super) fn tls(reader: &mut Reader, mut section: Section<'_>) -> Option<TlsConfig> {
    let certificate = section.path(reader, "certificate");
    let key = section.path(reader, "key");
    let client_ca = section.path(reader, "client_ca");
    let mend = "write client_certificates = \"required\" or \"optional\"";
    let clients_optional = section.read(reader, "client_certificates", mend, |text| match text {
        "required" => Ok(false),
        "optional" => Ok(true),
        _ => Err("no way to ask for certificates"),
    });
    if let Some(at) = clients_optional.as_ref().filter(|_| client_ca.is_none()) {
        let mend = "name the authority that signs them: client_ca = \"certs/clients-ca.pem\"";
        reader.error(&at.place, &section.key("client_certificates"), "nobody is asked without client_ca", mend);
    }
    let clients_optional = clients_optional.is_some_and(|at| at.value);
    let (exists, place) = (section.exists() || client_ca.is_some(), section.place(reader));
    let (certificate_key, key_key) = (section.key("certificate"), section.key("key"));
    section.finish(reader);
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (certificate.value, key.value);
            Some(TlsConfig { certificate, key, client_ca: client_ca.map(|at| at.value), clients_optional })
        }
        (None, None) if !exists => None,
        (certificate, key) => {
            if certificate.is_none() {
                reader.error(&place, &certificate_key, "missing", "name the PEM file of the certificate chain");
            }
            if key.is_none() {
                reader.error(&place, &key_key, "missing", "name the PEM file of the private key");
            }
            None
        }
    }
}

pub(super) fn media(reader: &mut Reader, mut section: Section<'_>) -> MediaConfig {
    let mend = "write the IP address at which phones reach this machine, such as \"127.0.0.1\"";
    let address = section.read(reader, "address", mend, |text| match text.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => Err("every address and no phone could send to it"),
        Ok(address) => Ok(address),
        Err(_) => Err("not an IP address"),
    });
    let mend = "write the first and the last UDP port, such as \"20000-29999\"";
    let ports = section.read(reader, "ports", mend, |text| {
        let (first, last) = text.split_once('-').ok_or("not a range of ports")?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| "not a range of ports (1024 to 65535)");
        let (first, last) = (port(first)?, port(last)?);
        if first < 1024 {
            return Err("a range that begins below 1024, where only root may listen");
        }
        // A call has two legs, and each takes an even port and the next.
        let pairs = u32::from(last).div_ceil(2).saturating_sub(u32::from(first).div_ceil(2));
        if pairs < 2 {
            Err("a range with fewer than two pairs of ports, and a call needs two")
        } else {
            Ok((first, last))
        }
    });
    let threads = section.integer(reader, "threads", 1..=64);
    let tick: Option<At<u16>> = section.located_integer(reader, "tick_ms", 1..=10);
    if let Some(At { place, value }) = &tick
        && 20 % value != 0
    {
        let problem = format!("{value} does not divide a 20 ms frame");
        reader.error(place, &section.key("tick_ms"), problem, "write 1, 2, 4, 5 or 10");
    }
    let io = section.read(reader, "io", "write \"auto\", \"portable\" or \"one-socket\"", |text| match text {
        "auto" => Ok(MediaIo::Auto),
        "portable" => Ok(MediaIo::Portable),
        "one-socket" => Ok(MediaIo::OneSocket),
        _ => Err("no way for RTP that this version knows"),
    });
    let full_percent = section.integer(reader, "full_percent", 20..=100);
    let quiet_seconds = section.integer(reader, "quiet_seconds", 2..=3600);
    let bad_seconds = section.integer(reader, "bad_seconds", 5..=3600);
    let mend = "write an opinion score from 1 to 4.5, such as \"3.1\"";
    let bad_mos = section.read(reader, "bad_mos", mend, |text| {
        let score: f64 = text.parse().map_err(|_| "not a number")?;
        // Two decimals of a small number.
        if (1.0..=4.5).contains(&score) { Ok((score * 100.0).round() as u16) } else { Err("no opinion score") }
    });
    let codecs = codecs(reader, &mut section);
    section.finish(reader);
    MediaConfig {
        address: address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |at| at.value),
        ports: ports.map_or((20_000, 29_999), |at| at.value),
        threads: threads.unwrap_or(1),
        tick: tick.map_or(Tick::Adaptive, |at| Tick::Fixed(at.value)),
        io: io.map_or(MediaIo::Auto, |at| at.value),
        full_percent: full_percent.unwrap_or(85),
        quiet_seconds: quiet_seconds.unwrap_or(5),
        bad_mos: bad_mos.map_or(310, |at| at.value),
        bad_seconds: bad_seconds.unwrap_or(10),
        codecs: codecs.unwrap_or_default(),
    }
}

/// `codecs`, of the equipment or of one switch: names in order of preference.
pub(super) fn codecs(reader: &mut Reader, section: &mut Section<'_>) -> Option<Codecs> {
    let mend = "write codecs in order of preference, such as [\"PCMU\", \"PCMA\", \"G722\", \"opus\"], PCMU or PCMA among them";
    let texts = section.texts(reader, "codecs", mend)?;
    match Codecs::of_names(texts.iter().map(|at| at.value.as_str())) {
        Ok(codecs) => Some(codecs),
        Err(error) => {
            let place = texts.first().map_or_else(|| section.place(reader), |at| at.place.clone());
            reader.error(&place, &section.key("codecs"), error, mend);
            None
        }
    }
}

pub(super) fn call(reader: &mut Reader, mut section: Section<'_>) -> CallConfig {
    let d = CallConfig::default();
    let machine = machine(reader, &mut section, d.machine);
    let mut get = |key, bounds, default| section.integer(reader, key, bounds).unwrap_or(default);
    let config = CallConfig {
        customer_ring_seconds: get("customer_ring_seconds", 1..=600, d.customer_ring_seconds),
        representative_ring_seconds: get("representative_ring_seconds", 1..=600, d.representative_ring_seconds),
        max_hold_seconds: get("max_hold_seconds", 1..=3600, d.max_hold_seconds),
        max_call_seconds: get("max_call_seconds", 1..=86_400, d.max_call_seconds),
        silence_seconds: get("silence_seconds", 5..=3600, d.silence_seconds),
        late_seconds: get("late_seconds", 0..=7 * 86_400, d.late_seconds),
        max_ahead_seconds: get("max_ahead_seconds", 0..=10 * 366 * 86_400, d.max_ahead_seconds),
        drain_seconds: get("drain_seconds", 0..=86_400, d.drain_seconds),
        max_calls: get("max_calls", 1..=1_000_000, d.max_calls),
        gate_seconds: get("gate_seconds", 5..=300, d.gate_seconds),
        machine,
        machine_greeting_seconds: get("machine_greeting_seconds", 5..=300, d.machine_greeting_seconds),
    };
    section.finish(reader);
    config
}

/// Times in milliseconds, each within what can be meant.
fn machine(reader: &mut Reader, section: &mut Section<'_>, d: MachineTimes) -> MachineTimes {
    let mut get = |key, bounds, default| {
        section.integer(reader, key, bounds).map_or(default, |ms: u32| Duration::from_millis(u64::from(ms)))
    };
    MachineTimes {
        greeting: get("machine_speech_ms", 1000..=6000, d.greeting),
        pause: get("machine_pause_ms", 300..=3000, d.pause),
        silence: get("machine_silence_ms", 500..=8000, d.silence),
        within: get("machine_verdict_ms", 1000..=10_000, d.within),
    }
}

pub(super) fn prompt(reader: &mut Reader, mut section: Section<'_>) -> PromptConfig {
    let mend = "write a language, such as language = \"en\"";
    let language = section.read(reader, "language", mend, |text| text.parse::<Language>());
    let language = language.map_or(Language::ENGLISH, |at| at.value);
    let base = Texts::shipped(language);
    let texts = texts::read(reader, &mut section, language, base).unwrap_or_else(Texts::english);
    let config = PromptConfig {
        language,
        texts,
        others: BTreeMap::new(),
        hold_repeat_seconds: section.integer(reader, "hold_repeat_seconds", 0..=600).unwrap_or(30),
        file: existing(reader, &mut section, "file"),
        unavailable_file: existing(reader, &mut section, "unavailable_file"),
        hold_music: existing(reader, &mut section, "hold_music"),
    };
    section.finish(reader);
    config
}

/// A recording that must be there; whether it is a good WAV is judged by `audio` when the daemon starts.
fn existing(reader: &mut Reader, section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let At { place, value } = section.path(reader, key)?;
    if !value.is_file() {
        let problem = format!("there is no file {}", value.display());
        reader.error(
            &place,
            &section.key(key),
            problem,
            "name a WAV file; a relative path begins at this file's folder",
        );
    }
    Some(value)
}

pub(super) fn speech(reader: &mut Reader, mut section: Section<'_>) -> SpeechConfig {
    let mend = "write command = [\"flite\", \"-t\", \"{text}\", \"-o\", \"{output}\"], or [] for none";
    let command = section.texts(reader, "command", mend);
    if let Some(words) = &command
        && let Some(first) = words.first()
    {
        for mark in ["{text}", "{output}"] {
            if !words.iter().any(|word| word.value.contains(mark)) {
                reader.error(&first.place, &section.key("command"), format!("{mark} is in none of the words"), mend);
            }
        }
    }
    let timeout_seconds = section.integer(reader, "timeout_seconds", 1..=60).unwrap_or(10);
    section.finish(reader);
    let command = command.map(|words| words.into_iter().map(|word| word.value).collect());
    SpeechConfig { command, timeout_seconds }
}

pub(super) fn log(reader: &mut Reader, mut section: Section<'_>) -> LogConfig {
    let json = section.read(reader, "format", "write format = \"text\" or format = \"json\"", |text| match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("no log format"),
    });
    let mend = "write a level (error, warn, info, debug, trace), or levels by module: \"info,callbridge::io=debug\"";
    let filter = section.read(reader, "filter", mend, |text| {
        tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|_| "no log filter")
    });
    let numbers = section.flag(reader, "numbers").unwrap_or(false);
    section.finish(reader);
    LogConfig {
        json: json.is_some_and(|at| at.value),
        filter: filter.map_or_else(|| "info".to_owned(), |at| at.value),
        numbers,
    }
}
