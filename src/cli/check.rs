//! `callbridge check`: what is wrong with a configuration, or what `serve` would do. Binds nothing, writes nothing.

use std::io::{self, Write};
use std::path::Path;

use super::CliError;
use crate::config::{self, Config, ConfigError, ConfigErrors, Place, SeedPassword};
use crate::io::tls::ServerTls;

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
    if let Some(tls) = &config.sip.tls
        && let Err(error) = ServerTls::load(tls)
    {
        wrong("sip.tls", error.to_string(), "name PEM files that this user may read");
    }
    for seed in &config.businesses {
        if let SeedPassword::File(file) = &seed.password
            && let Err(error) = std::fs::File::open(file)
        {
            let problem = format!("password_file {}: {error}", file.display());
            wrong(&format!("business {}", seed.id), problem, "write the password into the first line of that file");
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
        format!("metrics, health  http://{}", config.admin.listen),
        format!("SIP              {}", sip.join(", ")),
        format!(
            "RTP              {} ports {first}-{last}, threads {}, tick {} ms",
            config.media.address, config.media.threads, config.media.tick_ms
        ),
        format!("store            {}", config.store.path.display()),
    ];
    for switch in &config.switches {
        let serves = if switch.prefixes.is_empty() { "every number".to_owned() } else { switch.prefixes.join(" ") };
        lines.push(format!(
            "switch           {} at {}, weight {}, serves {serves}",
            switch.name, switch.address, switch.weight
        ));
    }
    for business in &config.businesses {
        lines.push(format!("business         {} ({}), unless the store has it", business.id, business.name));
    }
    lines.push(match &config.prompt.file {
        Some(file) => format!("message          {}", file.display()),
        None => format!("message          {:?}", config.prompt.text),
    });
    lines
}
