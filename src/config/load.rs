//! From a file and the environment to a [`Config`]: reads, asks the sections, checks what concerns several of them, and tells
//! `check` what an operator should know. Refuses to bind, to resolve or to write anything.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::error::{ConfigError, ConfigErrors, Place};
use super::reader::{PREFIX, Reader, Section};
use super::{Config, admin, encryption, hep, lists, recording, sections, sip, switch};
use crate::model::{Destination, RatedLegs, SipTransport};

/// Variables that belong to the command line, not to the file.
const COMMAND_LINE: [&str; 2] = ["CALLBRIDGE_CONFIG", "CALLBRIDGE_PASSWORD"];
/// No sensible configuration is longer.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the file at `path`, with `CALLBRIDGE_…` variables of the process over it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let (text, name) = read_text(path, "config.example.toml")?;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX) && !COMMAND_LINE.contains(&name.as_str()))
        .collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    parse_with(&text, &name, folder, variables)
}

/// The text of a configuration file, and what it is called in errors. `example` is one to begin with.
pub(super) fn read_text(path: &Path, example: &str) -> Result<(String, String), ConfigErrors> {
    let name = path.display().to_string();
    let unreadable = |problem: String, mend: String| {
        let place = Place::File(name.clone());
        ConfigErrors(vec![ConfigError { place, key: "file".to_owned(), problem, mend }])
    };
    let size = std::fs::metadata(path).map(|found| found.len());
    let text = match size {
        Ok(size) if size > MAX_BYTES => {
            return Err(unreadable("longer than 4 MiB".to_owned(), "name a configuration file".to_owned()));
        }
        Ok(_) => std::fs::read_to_string(path),
        Err(error) => Err(error),
    };
    let mend = || format!("give --config the path of a TOML file; {example} is one to begin with");
    match text {
        Ok(text) => Ok((text, name)),
        Err(error) => Err(unreadable(format!("cannot be read: {error}"), mend())),
    }
}

/// Reads a text that is called `name` in errors; relative paths stay relative, no environment.
pub fn parse(text: &str, name: &str) -> Result<Config, ConfigErrors> {
    parse_with(text, name, Path::new(""), BTreeMap::new())
}

/// The same with everything handed in: the folder that relative paths begin at, and the variables.
pub fn parse_with(
    text: &str,
    name: &str,
    folder: &Path,
    variables: BTreeMap<String, String>,
) -> Result<Config, ConfigErrors> {
    let mut reader = Reader::new(text, name, folder, variables);
    let (tree, syntax) = DeTable::parse_recoverable(text);
    tell_syntax(&mut reader, &syntax);
    let mut root = Section::root(tree.get_ref(), reader.whole_file());
    let r = &mut reader;
    let config = {
        let root = &mut root;
        let (http, admin) = (open(r, root, "http", sections::equipment_http), open(r, root, "admin", admin::admin));
        let (sip, stir) = (open(r, root, "sip", sip::sip), open(r, root, "stir", super::stir::stir));
        let media = open(r, root, "media", sections::media);
        let codecs = media.codecs;
        let store = open(r, root, "store", super::store::store);
        let recording = open(r, root, "recording", recording::recording);
        let tariffs = list(r, root, "tariff", super::tariffs::tariffs);
        Config {
            http,
            admin,
            sip,
            stir,
            encryption: open(r, root, "encryption", encryption::encryption),
            media,
            recording: recording::finish(recording, &store.folder),
            store,
            call: open(r, root, "call", sections::call),
            prompt: {
                let others = list(r, root, "language", super::texts::languages);
                crate::config::PromptConfig { others, ..open(r, root, "prompt", sections::prompt) }
            },
            speech: open(r, root, "speech", sections::speech),
            log: open(r, root, "log", sections::log),
            hep: open(r, root, "hep", hep::hep),
            traces: open(r, root, "traces", super::traces::traces),
            webhooks: open(r, root, "webhooks", super::webhooks::webhooks),
            switches: list(r, root, "switch", |r, sections| switch::switches(r, sections, codecs)),
            businesses: list(r, root, "business", |r, sections| lists::businesses(r, sections, &tariffs)),
            tariffs,
        }
    };
    if !root.has("switch") {
        let mend = "add [[switch]] with name = \"ssp-62\" and address = \"sip:127.0.0.1:5070;transport=udp\"";
        let place = r.whole_file();
        r.error(&place, "switch", "no switch is configured, so no call could be placed", mend);
    }
    root.finish(r);
    together(r, &config);
    finish(reader, syntax.is_empty(), config)
}

/// Every line that is no TOML.
pub(super) fn tell_syntax(reader: &mut Reader, syntax: &[toml::de::Error]) {
    for error in syntax {
        let place = error.span().map_or_else(|| reader.whole_file(), |span| reader.line(&span));
        reader.error(&place, "syntax", error.message().replace('\n', "; "), "see https://toml.io for the file's form");
    }
}

/// What was read, unless something is wrong. After a broken line, what follows from its absence is noise.
pub(super) fn finish<T>(reader: Reader, is_toml: bool, read: T) -> Result<T, ConfigErrors> {
    let errors = reader.finish();
    let errors = if is_toml { errors } else { only_syntax(errors) };
    if errors.is_empty() { Ok(read) } else { Err(ConfigErrors(errors)) }
}

pub(super) fn open<'t, T>(
    reader: &mut Reader,
    root: &mut Section<'t>,
    name: &'static str,
    read: fn(&mut Reader, Section<'t>) -> T,
) -> T {
    let section = reader.section(root, name);
    read(reader, section)
}

pub(super) fn list<'t, T>(
    reader: &mut Reader,
    root: &mut Section<'t>,
    name: &'static str,
    read: impl FnOnce(&mut Reader, Vec<Section<'t>>) -> T,
) -> T {
    let sections = root.children(reader, name);
    read(reader, sections)
}

fn only_syntax(errors: Vec<ConfigError>) -> Vec<ConfigError> {
    errors.into_iter().filter(|error| error.key == "syntax").collect()
}

/// What two sections must agree on.
fn together(reader: &mut Reader, config: &Config) {
    let place = reader.whole_file();
    let (http, admin) = (config.http.listen, config.admin.listen);
    if http == admin && http.port() != 0 {
        let problem = format!("{admin} is http.listen as well");
        reader.error(&place, "admin.listen", problem, "give the administration a port of its own");
    }
    let (first, last) = config.media.ports;
    for (_, sip) in config.sip.listen.iter().filter(|(_, sip)| sip.ip() == config.media.address) {
        if (first..=last).contains(&sip.port()) {
            let problem = format!("{first}-{last} contains the SIP port {}", sip.port());
            reader.error(&place, "media.ports", problem, "keep RTP and SIP apart");
        }
    }
    for switch in &config.switches {
        // Where a name leads is known only when it was looked up.
        let Some(hop) = switch.address.literal(None) else { continue };
        let (name, at, over) = (&switch.name, hop.address, hop.transport);
        if config.sip.listen.iter().any(|(_, sip)| *sip == at) {
            let problem = format!("{name:?} has our own address {at}");
            reader.error(&place, "switch.address", problem, "name the address of the switch");
        }
        let reaches = |family: bool| {
            let mut all = config.sip.listen.iter();
            all.any(|(own, sip)| (over.is_reliable() || *own == over) && (!family || sip.is_ipv4() == at.is_ipv4()))
        };
        if !reaches(false) {
            let mend = "add \"udp:IP:port\", at which it reaches this machine";
            reader.error(&place, "sip.listen", format!("no udp address, and {name:?} is reached over udp"), mend);
        } else if !reaches(true) {
            let problem = format!("{name:?} at {at} cannot be reached: one is IPv4, the other IPv6");
            reader.error(&place, "switch.address", problem, "use one address family, or listen on both");
        }
    }
}

/// What is allowed but should be known; shown by `check` and logged at the start.
pub fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |wanted: bool, text: &str| {
        if wanted {
            notes.push(text.to_owned());
        }
    };
    let prompt = &config.prompt;
    note(
        prompt.file.is_none() && !prompt.texts.connecting.contains("{company}"),
        "prompt.text does not contain {company}: the customer will not hear whom they are connected to",
    );
    note(
        config.speech.command.as_ref().is_some_and(Vec::is_empty),
        "speech.command is empty: names are spoken only from recordings (business add --spoken-name)",
    );
    note(
        config.http.insecure && config.http.tls.is_none() && !config.http.listen.ip().is_loopback(),
        "http.insecure: passwords travel in clear",
    );
    let admin = &config.admin;
    note(
        admin.insecure && admin.tls.is_none() && !admin.listen.ip().is_loopback() && !admin.operators.is_empty(),
        "admin.insecure: operators' passwords travel in clear",
    );
    note(
        admin.tls.as_ref().is_some_and(|tls| tls.client_ca.is_none()) && !admin.listen.ip().is_loopback(),
        "[admin] listens to strangers, and /metrics asks for no password: keep them off by a firewall or by tls.client_ca",
    );
    let asked = config.http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    note(
        !asked && config.businesses.iter().any(|business| !business.certificates.is_empty()),
        "a business names certificates, and [http] tls.client_ca asks nobody for one: its requests are refused",
    );
    note(
        config.switches.iter().all(|switch| !switch.prefixes.is_empty()),
        "no switch serves every number (prefixes = []): numbers outside the prefixes are refused with 403",
    );
    note(
        !config.switches.is_empty() && config.switches.iter().all(|switch| switch.drain),
        "every switch is drained: no call can be placed",
    );
    for switch in &config.switches {
        let over = switch.address.literal(None).map(|hop| hop.transport);
        let deaf = over.filter(|over| !config.sip.listen.iter().any(|(own, _)| own == over));
        let text = |over: SipTransport| {
            let (over, name) = (over.as_str(), &switch.name);
            format!("[sip] listen has no {over} address, so {name} sends its own requests over another transport")
        };
        note(deaf.is_some(), &deaf.map(text).unwrap_or_default());
    }
    note(
        config.stir.is_none() && config.switches.iter().any(|switch| switch.trunk.sign),
        "a switch has sign = true, but there is no [stir]: its calls go unsigned",
    );
    for tariff in &config.tariffs {
        let open = |legs: RatedLegs| {
            let mut any = tariff.rates.iter().filter(|rate| rate.prefix == Destination::Any);
            any.any(|rate| rate.effective_to.is_none() && (rate.leg == RatedLegs::Both || rate.leg == legs))
        };
        let text = format!(
            "the tariff {} has no rate for every destination (prefix = \"\"): calls to where it has none are refused with 403",
            tariff.name
        );
        note(!(open(RatedLegs::Customer) && open(RatedLegs::Representative)), &text);
    }
    for business in &config.businesses {
        let (id, direct) = (&business.id, &business.direct);
        let text = format!(
            "{id} takes direct requests with neither page tokens nor work: against programs stand only its limits"
        );
        note(direct.is_open() && !direct.page_token_required && direct.work_bits == 0, &text);
    }
    let (first, last) = config.media.ports;
    let pairs = usize::from((last.saturating_add(1) / 2).saturating_sub(first.div_ceil(2)));
    note(
        pairs / 2 < usize::try_from(config.call.max_calls).unwrap_or(usize::MAX),
        "media.ports has fewer pairs of ports than two for each of call.max_calls: calls beyond will wait or fail",
    );
    notes
}
