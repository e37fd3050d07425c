//! The businesses that seed the store, and that no two entries of a list have one name. Owns what `[[business]]` means;
//! refuses to hash passwords or to read their files (the store's seeding does), and the switches (`switch.rs`).

use std::collections::BTreeMap;

use super::error::Place;
use super::reader::{At, Reader, Section};
use super::{BusinessSeed, SeedPassword};
use crate::model::account::MAX_PRICE;
use crate::model::business::PasswordHash;
use crate::model::business::spoken_text;
use crate::model::{
    BusinessId, Endpoint, Gates, Language, RatePlan, Recording, RepresentativeGate, Tariff, TariffName, Voice,
};

/// Names seen so far and where, to refuse the second.
#[derive(Default)]
pub(super) struct Seen {
    names: BTreeMap<String, Place>,
    /// What the variables of an entry begin with, and whose they are.
    variables: BTreeMap<String, At<String>>,
}

impl Seen {
    pub(super) fn check(&mut self, reader: &mut Reader, key: &str, at: &At<String>) {
        if let Some(first) = self.names.insert(at.value.clone(), at.place.clone()) {
            let problem = format!("{:?} is the name of another one, at {first}", at.value);
            reader.error(&at.place, key, problem, "give each one a name of its own");
        }
    }

    /// Two names that one variable would speak of: the secret of one would be given to the other.
    pub(super) fn check_variables(&mut self, reader: &mut Reader, key: &str, variables: String, at: &At<String>) {
        if let Some(first) = self.variables.get(&variables).filter(|first| first.value != at.value) {
            let problem = format!(
                "{:?} shares its variables ({variables}…) with {:?}, at {}",
                at.value, first.value, first.place
            );
            let mend = "let their names differ in letters or digits: in a variable every other character is _, and case is lost";
            return reader.error(&at.place, key, problem, mend);
        }
        self.variables.entry(variables).or_insert_with(|| at.clone());
    }
}

/// `tariffs`: those that a business may name.
pub(super) fn businesses(reader: &mut Reader, sections: Vec<Section<'_>>, tariffs: &[RatePlan]) -> Vec<BusinessSeed> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| business(reader, section, &mut seen, tariffs)).collect()
}

fn business(
    reader: &mut Reader,
    mut section: Section<'_>,
    seen: &mut Seen,
    tariffs: &[RatePlan],
) -> Option<BusinessSeed> {
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
    let password = password(reader, &mut section, PASSWORD);
    let sources = listed(reader, &mut section, "sources", SOURCES);
    let certificates = listed(reader, &mut section, "certificates", CERTIFICATES);
    let limits = super::limits::limits(reader, &mut section);
    let guard = super::limits::guard(reader, &mut section);
    let contact = super::contact::contact(reader, &mut section);
    let (tariff, tariff_name) = (tariff(reader, &mut section), tariff_name(reader, &mut section, tariffs));
    let caller_ids = caller_ids(reader, &mut section);
    let gates = gates(reader, &mut section);
    let recording_mend = "write \"off\", \"on_request\" (where a message asks) or \"always\"";
    let recording = section.read(reader, "recording", recording_mend, Recording::parse);
    let recording = recording.map(|at| at.value).unwrap_or_default();
    let voice = voice(reader, &mut section);
    let direct = super::direct::direct(reader, &mut section);
    let staffing = super::staffing::staffing(reader, &mut section);
    let webhook = super::webhooks::webhook(reader, &mut section);
    section.finish(reader);
    let (id, name, password) = (id?.value, name?.value, password?);
    Some(BusinessSeed {
        id,
        name,
        password,
        limits,
        tariff,
        tariff_name,
        sources,
        certificates,
        caller_ids,
        recording,
        gates,
        voice,
        direct,
        staffing,
        webhook,
        guard,
        contact,
    })
}

const SOURCES: &str = "write addresses or networks, such as sources = [\"192.0.2.0/24\", \"2001:db8::7\"]";
const CERTIFICATES: &str =
    "write certificates = [\"dns:calls.example.com\"], or \"sha256:\" and the certificate's fingerprint";
const PASSWORD: &str = "write password_file = \"abc.password\", or password_hash = \"$argon2id$…\"";

/// A list of texts of one form.
pub(super) fn listed<T: std::str::FromStr<Err: std::fmt::Display>>(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
    mend: &str,
) -> Vec<T> {
    let mut list = Vec::new();
    for At { place, value } in section.texts(reader, key, mend).unwrap_or_default() {
        match value.parse() {
            Ok(item) => list.push(item),
            Err(problem) => reader.error(&place, &section.key(key), format!("{value:?} is {problem}"), mend),
        }
    }
    list
}

/// `password_hash` or `password_file`, of a business or of an operator.
pub(super) fn password(reader: &mut Reader, section: &mut Section<'_>, mend: &str) -> Option<SeedPassword> {
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

/// The carrier's tariff that a business pays by.
fn tariff_name(reader: &mut Reader, section: &mut Section<'_>, tariffs: &[RatePlan]) -> Option<TariffName> {
    let mend = "write the name of a [[tariff]] of this file, or prices of its own: tariff = { … }";
    let At { place, value } = section.read(reader, "tariff_name", mend, |text| text.parse::<TariffName>())?;
    let key = section.key("tariff_name");
    if !tariffs.iter().any(|plan| plan.name == value) {
        reader.error(&place, &key, format!("there is no [[tariff]] named {:?}", value.as_str()), mend);
    }
    if section.has("tariff") {
        reader.error(&place, &key, "given together with tariff", "keep one of them");
    }
    Some(value)
}

fn gates(reader: &mut Reader, section: &mut Section<'_>) -> Gates {
    let mend = "write \"off\", \"whisper\" (told who calls) or \"accept\" (told, and must press 1)";
    let representative = section.read(reader, "representative_gate", mend, |word| word.parse());
    let mend = "write \"off\", \"hang_up\", \"leave_message\" or \"go_on\"";
    let machine = section.read(reader, "machine", mend, |word| word.parse());
    Gates {
        machine: machine.map_or_else(Default::default, |at| at.value),
        customer: section.flag(reader, "customer_gate").unwrap_or_default(),
        representative: representative.map_or_else(RepresentativeGate::default, |at| at.value),
    }
}

fn voice(reader: &mut Reader, section: &mut Section<'_>) -> Voice {
    let mend = "write the sentence that is spoken; {company} is replaced by the company's name";
    let machine_text = section.read(reader, "machine_text", mend, spoken_text).map(|at| at.value);
    let consent_text = section.read(reader, "consent_text", mend, spoken_text).map(|at| at.value);
    let mend = "write a language, such as language = \"de\"";
    let language = section.read(reader, "language", mend, |text| text.parse::<Language>()).map(|at| at.value);
    let consent = section.flag(reader, "consent");
    Voice { machine_text, language, consent, consent_text }
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
