//! `[stir]`: with what callers are vouched for (RFC 8224). Owns the keys and their bounds; refuses to read the key's file.

use std::path::PathBuf;

use super::reader::{Reader, Section};
use crate::model::trunk::Attestation;

const KEY: &str = "write key = \"stir.key\", a PEM file (PKCS#8) with an EC key on P-256";
const URL: &str = "write certificate_url = \"https://…\", where everybody can fetch the certificate";
/// It stands in every INVITE twice.
const MAX_URL: usize = 200;

/// `[stir]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StirConfig {
    /// `x5u` and `info`.
    pub certificate_url: String,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// Of a switch's own `caller_id`.
    pub default_attestation: Attestation,
    /// A call that cannot be signed fails.
    pub required: bool,
}

pub(super) fn stir(reader: &mut Reader, mut section: Section<'_>) -> Option<StirConfig> {
    let url = section.read(reader, "certificate_url", URL, |text| {
        let host = text.strip_prefix("https://").unwrap_or_default();
        let good = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\');
        match !host.is_empty() && !host.starts_with('/') && text.len() <= MAX_URL && text.chars().all(good) {
            true => Ok(text.to_owned()),
            false => Err("not an https URL of at most 200 characters"),
        }
    });
    let key = section.path(reader, "key");
    let mend = "write default_attestation = \"A\", \"B\" or \"C\"";
    let default = section.read(reader, "default_attestation", mend, |text| {
        let found = Attestation::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or("not a level of attestation")
    });
    let required = section.flag(reader, "required");
    let (exists, place) = (section.exists() || url.is_some() || key.is_some(), section.place(reader));
    let missing: Vec<(String, &str)> = [("certificate_url", url.is_none(), URL), ("key", key.is_none(), KEY)]
        .into_iter()
        .filter(|(name, absent, _)| exists && *absent && !section.has(name))
        .map(|(name, _, mend)| (section.key(name), mend))
        .collect();
    section.finish(reader);
    for (key, mend) in missing {
        reader.error(&place, &key, "missing", mend);
    }
    Some(StirConfig {
        certificate_url: url?.value,
        key: key?.value,
        default_attestation: default.map_or(Attestation::Partial, |at| at.value),
        required: required.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::Attestation;
    use crate::config::parse;

    const SWITCH: &str = "[[switch]]\nname = \"a\"\naddress = \"sip:192.0.2.1:5060;transport=udp\"\n";

    #[test]
    fn a_certificate_and_a_key_are_all_that_is_needed() {
        let text = "[stir]\ncertificate_url = \"https://cert.example.com/c.pem\"\nkey = \"k.pem\"\n";
        let stir = parse(&format!("{text}{SWITCH}"), "t").unwrap().stir.unwrap();
        assert_eq!((stir.default_attestation, stir.required), (Attestation::Partial, false));
        assert_eq!(parse(SWITCH, "t").unwrap().stir, None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let text = "[stir]\ncertificate_url = \"http://cert.example.com/c.pem\"\ndefault_attestation = \"D\"\n";
        let errors = parse(&format!("{text}{SWITCH}"), "t").unwrap_err().0;
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["stir.key", "stir.certificate_url", "stir.default_attestation"]);
    }
}
