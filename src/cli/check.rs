//! `callbridge check`: what is wrong with a configuration, or what `serve` would do. Binds nothing, writes nothing.

use std::io::{self, Write};
use std::path::Path;

use super::CliError;
use crate::config::{self, Config, ConfigError, ConfigErrors, Place, SeedPassword, SwitchConfig, Tick};
use crate::io::jose::Encryption;
use crate::io::media_thread::{BackEnd, would_take};
use crate::io::tls::ServerTls;
use crate::model::trunk::{DtmfForm, IdentityForm};
use crate::model::{SipTransport, SrtpUse};

/// Prints the plan and the notes.
pub(super) fn run(path: &Path) -> Result<(), CliError> {
    let config = config::load(path)?;
    files(path, &config)?;
    let mut out = io::stdout().lock();
    for line in plan(&config) {
        writeln!(out, "{line}")?;
    }
    for note in config::notes(&config) {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "{}: good", path.display())?;
    Ok(())
}

/// What the file names must be there: these are errors of the configuration as well.
fn files(path: &Path, config: &Config) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    let mut wrong = |key: &str, problem: String, mend: &str| {
        let place = Place::File(path.display().to_string());
        errors.push(ConfigError { place, key: key.to_owned(), problem, mend: mend.to_owned() });
    };
    if let Some(tls) = &config.http.tls
        && let Err(error) = ServerTls::load(tls)
    {
        wrong(
            "http.tls",
            error.to_string(),
            "name PEM files that this user may read; certs/ has a script that makes some",
        );
    }
    if let Some(tls) = &config.admin.tls
        && let Err(error) = ServerTls::load(tls)
    {
        wrong("admin.tls", error.to_string(), "name PEM files that this user may read");
    }
    if let Some(tls) = &config.sip.tls
        && let Err(error) = ServerTls::load(tls)
    {
        wrong("sip.tls", error.to_string(), "name PEM files that this user may read");
    }
    if let Some(stir) = &config.stir
        && let Err(error) = crate::io::stir::load(stir)
    {
        wrong("stir.key", error.to_string(), "name a PEM file that this user may read");
    }
    if let Err(error) = Encryption::load(&config.encryption) {
        wrong("encryption.keys", error.to_string(), "make one with: callbridge keys make --out FILE");
    }
    let seeds = config.businesses.iter().map(|seed| (format!("business {}", seed.id), &seed.password));
    let operators = config.admin.operators.iter().map(|one| (format!("operator {}", one.name), &one.password));
    for (whose, password) in seeds.chain(operators) {
        if let SeedPassword::File(file) = password
            && let Err(error) = std::fs::File::open(file)
        {
            let problem = format!("password_file {}: {error}", file.display());
            wrong(&whose, problem, "write the password into the first line of that file");
        }
    }
    let folder = super::store_folder(config);
    if !folder.as_os_str().is_empty() && !folder.is_dir() {
        wrong(
            "store.url",
            format!("there is no folder {}", folder.display()),
            "make it, and let this user write there",
        );
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

fn plan(config: &Config) -> Vec<String> {
    let http = match (&config.http.tls, config.http.insecure) {
        (Some(tls), _) => format!("https://{}, certificate {}", config.http.listen, tls.certificate.display()),
        (None, _) => format!("http://{}", config.http.listen),
    };
    let sip: Vec<String> =
        config.sip.listen.iter().map(|(transport, at)| format!("{}:{at}", transport.as_str())).collect();
    let (first, last) = config.media.ports;
    let mut lines = vec![
        format!("API              {http}"),
        match &config.admin.tls {
            Some(_) => format!("metrics, admin   https://{}", config.admin.listen),
            None => format!("metrics, admin   http://{}", config.admin.listen),
        },
        format!("SIP              {}", sip.join(", ")),
        format!(
            "RTP              {} ports {first}-{last}, threads {}, {}",
            config.media.address,
            config.media.threads,
            beat(config.media.tick)
        ),
        format!("                 {}", way_of_rtp(config)),
        format!("store            {}", config.store.place),
    ];
    for switch in &config.switches {
        lines.push(format!("switch           {} at {}, weight {}", switch.name, switch.address, switch.weight));
        lines.extend(manners(switch).into_iter().map(|line| format!("                 {line}")));
    }
    for tariff in &config.tariffs {
        let (name, currency, rates) = (&tariff.name, tariff.currency, tariff.rates.len());
        lines.push(format!("tariff           {name}, {rates} rates in {currency}, version {}", tariff.version()));
    }
    for operator in &config.admin.operators {
        lines.push(format!("operator         {}, to {}", operator.name, operator.role.as_str()));
    }
    for business in &config.businesses {
        lines.push(format!("business         {} ({}), unless the store has it", business.id, business.name));
    }
    lines.push(match &config.prompt.file {
        Some(file) => format!("message          {}", file.display()),
        None => format!("message          {:?}", config.prompt.texts.connecting),
    });
    lines
}

fn beat(tick: Tick) -> String {
    match tick {
        Tick::Adaptive => "tick 1 ms, 5 ms when busy".to_owned(),
        Tick::Fixed(ms) => format!("tick {ms} ms"),
    }
}

/// How RTP would get in and out if the daemon were started here and now, by this user.
fn way_of_rtp(config: &Config) -> String {
    match would_take(config.media.io, config.media.address) {
        Ok((BackEnd::OneSocket, _)) => "one socket for all ports".to_owned(),
        Ok((BackEnd::Portable, None)) => "a socket for each port".to_owned(),
        Ok((BackEnd::Portable, Some(why))) => format!("a socket for each port; one for all is not possible: {why}"),
        Err(error) => error.to_string(),
    }
}

/// What a switch gets and what is asked of it; passwords are never shown.
fn manners(switch: &SwitchConfig) -> Vec<String> {
    let trunk = &switch.trunk;
    let list = |words: &[String], none: &str| if words.is_empty() { none.to_owned() } else { words.join(" ") };
    let mut lines = vec![format!("serves {}", list(&switch.prefixes, "every number"))];
    let mut say = |wanted: bool, text: String| {
        if wanted {
            lines.push(text);
        }
    };
    say(switch.drain, "drained: no new calls".to_owned());
    say(!switch.allow.is_empty(), format!("and addresses at {}", list(&switch.allow, "")));
    say(switch.address.is_name(), format!("{} is looked up by RFC 3263", switch.address.host_text()));
    if switch.address.default_transport() == SipTransport::Tls {
        let name = switch.tls_name.clone().unwrap_or_else(|| switch.address.host_text().to_string());
        say(true, format!("its certificate must show {name}"));
    }
    let bound = |bound: Option<u32>| bound.map_or_else(|| "no bound".to_owned(), |bound| bound.to_string());
    say(
        true,
        format!("channels: {}, calls a second: {}", bound(switch.max_channels), bound(switch.max_calls_per_second)),
    );
    let (silent, trying) = (switch.answer_seconds, switch.trying_seconds);
    say(true, format!("next candidate after {silent} s of silence, or {trying} s of nothing but 100 Trying"));
    say(switch.options_seconds > 0, format!("OPTIONS every {} s", switch.options_seconds));
    if let Some(credentials) = &trunk.credentials {
        let realm =
            credentials.realm.as_deref().map_or_else(|| "any realm".to_owned(), |realm| format!("realm {realm}"));
        say(true, format!("digest as {} in {realm}", credentials.username));
    }
    if let Some(registration) = &trunk.registration {
        say(true, format!("registers {} for {} s", registration.aor, registration.expires.as_secs()));
    }
    say(trunk.reliable_provisionals, "reliable provisionals (100rel)".to_owned());
    if let Some(session) = &trunk.session {
        let (expires, min_se) = (session.expires.as_secs(), session.min_se.as_secs());
        say(true, format!("session timer {expires} s, at least {min_se} s"));
    }
    say(trunk.identity == IdentityForm::PAsserted, "P-Asserted-Identity".to_owned());
    say(trunk.privacy, "the caller is not shown".to_owned());
    say(trunk.sign, "INVITEs are signed (STIR)".to_owned());
    say(trunk.dtmf == DtmfForm::Info, "digits by INFO".to_owned());
    say(trunk.dtmf == DtmfForm::InBand, "digits as tones".to_owned());
    match trunk.srtp {
        SrtpUse::Off => {}
        SrtpUse::Optional => say(true, "SRTP where it can".to_owned()),
        SrtpUse::Required => say(true, "SRTP, or no call".to_owned()),
    }
    // Keys travel in SIP (RFC 4568 §8).
    if trunk.srtp != SrtpUse::Off && switch.address.default_transport() != SipTransport::Tls {
        say(true, "hint: SRTP keys go to it in clear; write its address with sips: or ;transport=tls".to_owned());
    }
    for (name, template) in &trunk.headers {
        say(true, format!("{name}: {template}"));
    }
    say(!trunk.allow_headers.is_empty(), format!("messages may set {}", list(&trunk.allow_headers, "")));
    say(true, format!("redirects followed: {}", trunk.max_redirects));
    lines
}
